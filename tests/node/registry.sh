#!/bin/bash
# `clusterd image pull` against real registries: every way to be let in, every form of an image, and what goes wrong on the way.
# shellcheck source-path=SCRIPTDIR source=node-harness.sh
. "$(dirname "$0")/node-harness.sh"
for program in docker-registry zstd; do
  command -v "$program" >/dev/null || skip_all "$program is missing"
done
# shellcheck source=registry-harness.bash
. "$(dirname "$0")/registry-harness.bash"
store=$work/store

# image VERB...
image() {
  "$CLUSTERD" image --store "$store" --below "$work/none" "$@"
}
# pull REFERENCE: what it says, in one line
pull() {
  image pull "$1" 2>&1 | sed 's/^clusterd image: //'
}
# configure MEMBERS of cluster.json
configure() {
  echo "{$1}" >/etc/launcher/cluster.json
}
forget() {
  image rm "$@" >/dev/null
}
# nothing is left over: neither parts nor what was being unpacked
leftovers() {
  find "$store/downloads" "$store/tmp" -mindepth 1 | wc -l
}

make_images
start_registry 5000
push "$work/image.tar" app:1
plain_digest=$digest

# without credentials
is "a pull" "$(pull 127.0.0.1:5000/app:1)" "Pulled image: 127.0.0.1:5000/app:1"
is "is an image" "$(image ls)" "127.0.0.1:5000/app:1"
is "whose layers are unpacked" "$(cat "$store"/layers/*/note)" "a layer of its own"
is "whole" "$(cat "$store"/layers/*/noise | cmp - "$work/big/noise" && echo same)" "same"
is "and nothing else is there" "$(leftovers)" "0"
is "pulled again it is the same" "$(pull 127.0.0.1:5000/app:1)" "Pulled image: 127.0.0.1:5000/app:1"
is "no such tag" "$(pull 127.0.0.1:5000/app:2)" \
  'failed to pull and unpack image "127.0.0.1:5000/app:2": failed to resolve reference "127.0.0.1:5000/app:2": 127.0.0.1:5000/app:2: not found'
is "no such repository" "$(pull 127.0.0.1:5000/none)" \
  'failed to pull and unpack image "127.0.0.1:5000/none:latest": failed to resolve reference "127.0.0.1:5000/none:latest": 127.0.0.1:5000/none:latest: not found'
like "nobody there" "$(pull 127.0.0.1:5999/app:1)" \
  '*failed to resolve reference "127.0.0.1:5999/app:1": failed to do request: Get "http://127.0.0.1:5999/v2/app/manifests/1": dial tcp 127.0.0.1:5999: connect: connection refused'
is "not a name" "$(pull 'Not/A/Name')" \
  'couldn'"'"'t parse image reference "Not/A/Name": invalid reference format: repository name (A/Name) must be lowercase'

# forms: what is in them is the same image, so its layers are there
id=$(ls "$store/configs")
for form in "docker gzip" "docker none" "oci zstd" "oci none,gzip,zstd"; do
  forget 127.0.0.1:5000/app:1
  push --form "${form% *}" --pack "${form#* }" "$work/image.tar" "form:1"
  is "a manifest of $form" "$(pull 127.0.0.1:5000/form:1)" "Pulled image: 127.0.0.1:5000/form:1"
  is "is the same image" "$(ls "$store/configs")" "$id"
  forget 127.0.0.1:5000/form:1
  is "without which nothing is left" "$(find "$store/layers" "$store/configs" -mindepth 1 | wc -l)" "0"
  pull 127.0.0.1:5000/app:1 >/dev/null
done

# digests
is "by its digest" "$(pull "127.0.0.1:5000/app@$plain_digest")" "Pulled image: 127.0.0.1:5000/app@$plain_digest"
like "a digest nothing has" "$(pull "127.0.0.1:5000/app@sha256:$(printf '%064d' 1)")" "*: not found"
cp -r "$work/storage" "$work/whole"
data=$work/storage/docker/registry/v2/blobs/sha256/$(echo "$plain_digest" | sed 's/^sha256:\(..\)\(.*\)/\1\/\1\2/')/data
sed -i 's/"schemaVersion": 2/"schemaVersion":  2/' "$data"
forget 127.0.0.1:5000/app:1
like "a manifest that is another" "$(pull "127.0.0.1:5000/app@$plain_digest")" \
  "*failed to resolve reference*unexpected commit digest sha256:*, expected $plain_digest: failed precondition"
rm -rf "$work/storage" && mv "$work/whole" "$work/storage"

# an index of several platforms
machine=$(uname -m | sed 's/x86_64/amd64/; s/aarch64/arm64/')
push --platform linux/s390x --platform windows/$machine --platform linux/$machine "$work/tiny.tar" many:1
is "the one of an index for this machine" "$(pull 127.0.0.1:5000/many:1)" "Pulled image: 127.0.0.1:5000/many:1"
is "is known by the index's digest" "$(pull "127.0.0.1:5000/many@$digest")" "Pulled image: 127.0.0.1:5000/many@$digest"
push --platform linux/s390x --platform linux/ppc64le "$work/tiny.tar" other:1
is "none for this machine" "$(pull 127.0.0.1:5000/other:1)" \
  "failed to pull and unpack image \"127.0.0.1:5000/other:1\": no match for platform in manifest $digest: not found"
forget 127.0.0.1:5000/many:1

# a login
start_login_registry 5001
is "without a login" "$(pull 127.0.0.1:5001/app:1)" \
  'failed to pull and unpack image "127.0.0.1:5001/app:1": failed to resolve reference "127.0.0.1:5001/app:1": pull access denied, repository does not exist or may require authorization: authorization failed: no basic auth credentials'

# certificates of a company's own
company=$work/company
mkdir "$company"
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout "$company/ca.key" -out "$company/ca.crt" -days 2 -subj /CN=company \
  2>/dev/null
openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout "$company/host.key" -out "$company/host.csr" -subj /CN=registry.test \
  2>/dev/null
printf 'subjectAltName=DNS:registry.test\n' >"$company/names"
openssl x509 -req -in "$company/host.csr" -CA "$company/ca.crt" -CAkey "$company/ca.key" -CAcreateserial -days 2 -extfile "$company/names" \
  -out "$company/host.crt" 2>/dev/null
echo "127.0.0.1 registry.test" >>/etc/hosts
TLS_CERT=$company/host.crt TLS_KEY=$company/host.key start_registry 5002
like "a certificate nobody knows" "$(pull registry.test:5002/app:1)" \
  '*failed to do request: Get "https://registry.test:5002/v2/app/manifests/1": tls: failed to verify certificate: x509: certificate signed by unknown authority'
mkdir -p /etc/docker/certs.d/registry.test:5002
cp "$company/ca.crt" /etc/docker/certs.d/registry.test:5002/ca.crt
is "in the registry's folder" "$(pull registry.test:5002/app:1)" "Pulled image: registry.test:5002/app:1"
rm -r /etc/docker/certs.d
forget registry.test:5002/app:1
configure "\"registryCAFile\": \"$company/ca.crt\""
is "by an option" "$(pull registry.test:5002/app:1)" "Pulled image: registry.test:5002/app:1"
forget registry.test:5002/app:1
configure '"insecureRegistries": ["registry.test:5002"]'
is "nobody cares" "$(pull registry.test:5002/app:1)" "Pulled image: registry.test:5002/app:1"
start_trouble 5000 5010
: >"$requests"
like "plain HTTP is not for others" "$(pull registry.test:5010/plain/app:1)" '*failed to do request: Get "https://registry.test:5010/v2/plain/app/manifests/1": *'
is "who are not even asked so" "$(cat "$requests")" ""
configure '"insecureRegistries": ["registry.test:5010"]'
is "unless it is allowed" "$(pull registry.test:5010/plain/app:1)" "Pulled image: registry.test:5010/plain/app:1"
like "then they are" "$(cat "$requests")" "GET /v2/plain/app/manifests/1 *"
configure ""
forget registry.test:5002/app:1 registry.test:5010/plain/app:1

# who are we: a registry that wants to see a certificate
openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout "$company/client.key" -out "$company/client.csr" -subj /CN=client 2>/dev/null
openssl x509 -req -in "$company/client.csr" -CA "$company/ca.crt" -CAkey "$company/ca.key" -CAcreateserial -days 2 -out "$company/client.crt" \
  2>/dev/null
TLS_CERT=$company/host.crt TLS_KEY=$company/host.key TLS_CLIENTS=$company/ca.crt start_registry 5006
certs=/etc/docker/certs.d/registry.test:5006
mkdir -p "$certs"
cp "$company/ca.crt" "$certs/ca.crt"
like "without a certificate of ours" "$(pull registry.test:5006/app:1)" \
  '*failed to do request: Get "https://registry.test:5006/v2/app/manifests/1": *'
cp "$company/client.crt" "$certs/client.cert"
cp "$company/client.key" "$certs/client.key"
is "with the one in the registry's folder" "$(pull registry.test:5006/app:1)" "Pulled image: registry.test:5006/app:1"
like "which no other registry is shown" "$(pull 127.0.0.1:5006/app:1)" "*failed to pull*"
rm -r /etc/docker/certs.d
forget registry.test:5006/app:1

# tokens
start_tokens 5004
start_registry 5003 "$by_token"
push "$work/tiny.tar" open/tiny:1
is "a token for anyone" "$(pull 127.0.0.1:5003/open/tiny:1)" "Pulled image: 127.0.0.1:5003/open/tiny:1"
is "one does" "$(cat "$tokens")" "GET repository:open/tiny:pull -"
is "a token that does not do" "$(pull 127.0.0.1:5003/app:1)" \
  'failed to pull and unpack image "127.0.0.1:5003/app:1": failed to resolve reference "127.0.0.1:5003/app:1": pull access denied, repository does not exist or may require authorization: server message: insufficient_scope: authorization failed'
forget 127.0.0.1:5003/open/tiny:1

# trouble
troubled() {
  pull "127.0.0.1:5010/$1/app:1"
}
ranges() {
  awk -v what="/$1/app/blobs" 'index($2, what) && $3 != "-" {print $3}' "$requests" | sort -u | tr '\n' ' '
}
is "cut off in the middle it goes on" "$(troubled cut)" "Pulled image: 127.0.0.1:5010/cut/app:1"
like "where it was cut" "$(ranges cut)" "*bytes=400000- *"
is "whole again" "$(cat "$store"/layers/*/noise | cmp - "$work/big/noise" && echo same)" "same"
forget 127.0.0.1:5010/cut/app:1
is "also by a server that begins anew" "$(troubled once)" "Pulled image: 127.0.0.1:5010/once/app:1"
is "with the same in it" "$(cat "$store"/layers/*/noise | cmp - "$work/big/noise" && echo same)" "same"
forget 127.0.0.1:5010/once/app:1
is "too many requests for a moment" "$(troubled busy)" "Pulled image: 127.0.0.1:5010/busy/app:1"
forget 127.0.0.1:5010/busy/app:1
is "for too long" "$(troubled always)" \
  'failed to pull and unpack image "127.0.0.1:5010/always/app:1": failed to resolve reference "127.0.0.1:5010/always/app:1": unexpected status from GET request to http://127.0.0.1:5010/v2/always/app/manifests/1: 429 Too Many Requests - Server message: toomanyrequests: slow down'
like "another content" "$(troubled damaged)" "*unexpected commit digest sha256:*, expected sha256:*: failed precondition"
is "is not kept" "$(leftovers) $(image ls)" "0 "
like "layers that are not there" "$(troubled gone)" "*/v2/gone/app/blobs/sha256:*: not found"
is "leave nothing" "$(leftovers)" "0"

# a disk that is full
mkdir /mnt/full
mount -t tmpfs -o size=1200k tmpfs /mnt/full
store=/mnt/full/store
like "no room" "$(pull 127.0.0.1:5000/app:1)" "*No space left on device"
is "nothing is left there" "$(leftovers) $(image ls)" "0 "
umount /mnt/full
store=$work/store

# killed in the middle
"$CLUSTERD" image --store "$store" --below "$work/none" pull 127.0.0.1:5010/held/app:1 >/dev/null 2>&1 &
held=$!
parts() {
  [ "$(find "$store/downloads" -size +390k | wc -l)" -ge 1 ]
}
wait_until "some of a layer is there" parts
kill -9 "$held"
wait "$held" 2>/dev/null
touch "$release"
is "after a kill it goes on" "$(troubled held)" "Pulled image: 127.0.0.1:5010/held/app:1"
like "where it was" "$(ranges held)" "*bytes=400000- *"
is "with nothing left of the layers" "$(find "$store/downloads" -mindepth 1 | wc -l)" "0"
rm "$release"
forget 127.0.0.1:5010/held/app:1

# two at once
: >"$requests"
image pull 127.0.0.1:5010/held/app:1 >"$work/first" 2>&1 &
first=$!
wait_until "the first is in the middle" parts
image pull 127.0.0.1:5010/held/app:1 >"$work/second" 2>&1 &
second=$!
asked_twice() {
  [ "$(grep -c '/held/app/manifests/1' "$requests")" -ge 2 ]
}
wait_until "the second asks for it" asked_twice
touch "$release"
wait "$first" "$second"
is "both have it" "$(cat "$work/first" "$work/second" | sort -u)" "Pulled image: 127.0.0.1:5010/held/app:1"
fetched_twice() {
  grep '/held/app/blobs' "$requests" | awk '$3 == "-" {print $2}' | sort | uniq -c | awk '$1 > 1' | wc -l
}
is "fetched once" "$(fetched_twice)" "0"
forget 127.0.0.1:5010/held/app:1

# mirrors
configure '"registryMirrors": ["registry.test:5001=http://127.0.0.1:5010/nowhere", "registry.test:5001=http://127.0.0.1:5010"]'
push "$work/tiny.tar" plain/tiny:1
: >"$requests"
is "a mirror that has it" "$(pull registry.test:5001/plain/plain/tiny:1 2>&1 | tail -1)" "Pulled image: registry.test:5001/plain/plain/tiny:1"
configure '"registryMirrors": ["registry.test:5000=http://127.0.0.1:5010/gone"], "insecureRegistries": ["registry.test:5000"]'
is "the registry itself where no mirror does" "$(pull registry.test:5000/plain/tiny:1 2>&1 | tail -1)" "Pulled image: registry.test:5000/plain/tiny:1"
configure '"registryMirrors": ["http://127.0.0.1:5010"]'
push "$work/tiny.tar" library/tiny:1
push "$work/tiny.tar" tiny:1
: >"$requests"
is "docker.io's" "$(pull tiny:1 2>&1 | tail -1)" "Pulled image: tiny:1"
is "is asked for by its whole name" "$(head -1 "$requests" | cut -d' ' -f2)" "/v2/library/tiny/manifests/1"
is "and has it" "$(image ls | grep tiny:1 | grep docker.io)" "docker.io/library/tiny:1"
configure ""

# proxies
: >"$requests"
configure '"insecureRegistries": ["far.test"]'
is "by a proxy" "$(HTTP_PROXY=http://127.0.0.1:5010 pull far.test/plain/tiny:1)" "Pulled image: far.test/plain/tiny:1"
is "which is asked with whole addresses" "$(head -1 "$requests" | cut -d' ' -f2)" "http://far.test/v2/plain/tiny/manifests/1"
: >"$requests"
like "not what needs none" "$(HTTP_PROXY=http://127.0.0.1:5010 NO_PROXY=.test pull far.test/plain/tiny:2)" "*no such host"
HTTP_PROXY=http://127.0.0.1:5010 pull 127.0.0.1:5000/plain/tiny:1 >/dev/null
is "nor the machine itself" "$(cat "$requests")" ""

done_without_server
