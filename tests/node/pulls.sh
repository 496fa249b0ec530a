#!/bin/bash
# Pods whose images come from a registry: secrets, policies, what users read about it, pulls that are shared, and a clusterd that ends in the middle.
# shellcheck source-path=SCRIPTDIR source=node-harness.sh
. "$(dirname "$0")/node-harness.sh" "$@"
command -v docker-registry >/dev/null || skip_all "docker-registry is missing"
# shellcheck source=registry-harness.bash
. "$(dirname "$0")/registry-harness.bash"

# pod NAME IMAGE [MEMBERS of the spec] [MEMBERS of the container]
pod() {
  k apply -f - >/dev/null <<YAML
apiVersion: v1
kind: Pod
metadata: {name: $1}
spec: {terminationGracePeriodSeconds: 1, ${3:+$3,} containers: [{name: c, image: "$2", ${4:+$4,} command: [sleep, "1000"]}]}
YAML
}
waiting() {
  k get pod "$1" -o 'jsonpath={.status.containerStatuses[0].state.waiting.reason}'
}
waiting_message() {
  k get pod "$1" -o 'jsonpath={.status.containerStatuses[0].state.waiting.message}'
}
# news POD: "Type Reason Message" of its events about images
news() {
  k get events --field-selector "involvedObject.name=$1" -o 'jsonpath={range .items[*]}{.type} {.reason} {.message}{"\n"}{end}' |
    grep -i -E 'image|pull' | sort -u
}
has_news() {
  news "$1" | grep -qF "$2"
}
image() {
  "$CLUSTERD" image "$@"
}
none_left() {
  # shellcheck disable=SC2046 # one word for each
  image rm $(image ls | grep 127.0.0.1)
  [ -z "$(image ls | grep 127.0.0.1)" ]
}

make_images
start_registry 5000
push "$work/image.tar" app:1
app_digest=$digest
push "$work/image.tar" again:1
push "$work/image.tar" third:1
push "$work/image.tar" locked:1
start_login_registry 5001
start_trouble 5000 5010
login=Basic_$(printf puller:secret | base64)
start_tokens 5004
start_registry 5003 "$by_token"
push "$work/image.tar" identity:1
push "$work/image.tar" guess:1
start_cluster
until_is "default service account" "default" k get serviceaccount default -o 'jsonpath={.metadata.name}'

# what a pull says
pod plain 127.0.0.1:5000/app:1
wait_until "a pod of a registry's image runs" runs plain
wait_until "its pull is told" has_news plain "Successfully pulled"
is "from its begin" "$(news plain | sed -n 2p)" 'Normal Pulling Pulling image "127.0.0.1:5000/app:1"'
is "to its end" "$(news plain | sed -n 1p |
  grep -c -E '^Normal Pulled Successfully pulled image "127.0.0.1:5000/app:1" in ([0-9]+ms|[0-9.]+s) \(([0-9]+ms|[0-9.]+s) including waiting\)\. Image size: [0-9]+ bytes\.$')" "1"

# who made it is told, not what it is called here
is "its image is its digest" "$(k get pod plain -o 'jsonpath={.status.containerStatuses[0].imageID}')" "127.0.0.1:5000/app@$app_digest"

# policies
pod present 127.0.0.1:5000/app:1 "" "imagePullPolicy: IfNotPresent"
wait_until "what is present is not pulled" has_news present 'Container image "127.0.0.1:5000/app:1" already present on machine'
pod always 127.0.0.1:5000/app:1 "" "imagePullPolicy: Always"
wait_until "unless it always is" has_news always 'Successfully pulled image "127.0.0.1:5000/app:1"'
pod never 127.0.0.1:5000/never:1 "" "imagePullPolicy: Never"
until_is "what never is, is not" "ErrImageNeverPull" waiting never
is "which is said" "$(waiting_message never)" 'Container image "127.0.0.1:5000/never:1" is not present with pull policy of Never'

# what is not there
pod missing 127.0.0.1:5000/app:2
until_is "no such tag" "ImagePullBackOff" waiting missing
text='failed to pull and unpack image "127.0.0.1:5000/app:2": failed to resolve reference "127.0.0.1:5000/app:2": 127.0.0.1:5000/app:2: not found'
is "why, also while it waits" "$(waiting_message missing)" "Back-off pulling image \"127.0.0.1:5000/app:2\": ErrImagePull: $text"
wait_until "and in its events" has_news missing 'Back-off pulling image "127.0.0.1:5000/app:2"'
is "all of them" "$(news missing)" "Normal BackOff Back-off pulling image \"127.0.0.1:5000/app:2\"
Normal Pulling Pulling image \"127.0.0.1:5000/app:2\"
Warning Failed Error: ErrImagePull
Warning Failed Error: ImagePullBackOff
Warning Failed Failed to pull image \"127.0.0.1:5000/app:2\": $text"

# secrets
k create secret docker-registry good --docker-server=127.0.0.1:5001 --docker-username=puller --docker-password=secret >/dev/null
k create secret docker-registry wrong --docker-server=127.0.0.1:5001 --docker-username=puller --docker-password=guessed >/dev/null
k create secret docker-registry other --docker-server=127.0.0.1:5002 --docker-username=puller --docker-password=secret >/dev/null
printf '{"127.0.0.1:5001":{"auth":"%s"}}' "$(printf puller:secret | base64)" >"$work/dockercfg"
k create secret generic legacy --type=kubernetes.io/dockercfg --from-file=.dockercfg="$work/dockercfg" >/dev/null
pod without 127.0.0.1:5001/locked:1 "imagePullSecrets: [{name: other}]"
pod guessed 127.0.0.1:5001/locked:1 "imagePullSecrets: [{name: wrong}]"
pod several 127.0.0.1:5001/app:1 "imagePullSecrets: [{name: wrong}, {name: good}]"
pod old 127.0.0.1:5001/again:1 "imagePullSecrets: [{name: legacy}]"
k create serviceaccount puller >/dev/null
k patch serviceaccount puller -p '{"imagePullSecrets":[{"name":"good"}]}' >/dev/null
pod account 127.0.0.1:5001/third:1 "serviceAccountName: puller"
wait_until "one secret of two fits" runs several
wait_until "a secret of the old kind" runs old
wait_until "one of the service account" runs account
until_is "without one" "ImagePullBackOff" waiting without
like "it says so" "$(waiting_message without)" "*: pull access denied, repository does not exist or may require authorization: authorization failed: no basic auth credentials"
until_is "with a wrong password" "ImagePullBackOff" waiting guessed
like "too" "$(waiting_message guessed)" "*: unexpected status from GET request to http://127.0.0.1:5001/v2/locked/manifests/1: 401 Unauthorized*"

# a registry that sends us on to another host for its layers: that one learns nothing
k create secret docker-registry moved --docker-server=127.0.0.1:5010 --docker-username=puller --docker-password=secret >/dev/null
# shown WAY: what /v2/WAY/… and its other host were shown for authorization
shown() {
  awk -v way="/v2/$1/" 'index($2, way) == 1 {print $5, index($2, "/blobs/") ? "blob" : "manifest", $4}' "$requests" | sort -u
}
for way in moved carried; do
  k delete pods --all --wait --force >/dev/null 2>&1
  wait_until "the image goes" none_left
  pod "$way" "127.0.0.1:5010/$way/app:1" "imagePullSecrets: [{name: moved}]"
  wait_until "layers that are elsewhere, $way" runs "$way"
done
is "the login stays with its host" "$(shown moved)" "127.0.0.1 blob $login
127.0.0.1 manifest -
127.0.0.1 manifest $login
127.0.0.2 blob -"
is "a token too" "$(shown carried)" "127.0.0.1 blob Bearer_a-token
127.0.0.1 manifest -
127.0.0.1 manifest Bearer_a-token
127.0.0.2 blob -"

# an identity token instead of a password
printf '{"auths":{"127.0.0.1:5003":{"auth":"%s","identitytoken":"an+identity/="}}}' "$(printf '00000000-0000-0000-0000-000000000000:' | base64 -w0)" \
  >"$work/identity"
sed 's/an+identity/a-guess/' "$work/identity" >"$work/guess"
for name in identity guess; do
  k create secret generic "$name" --type=kubernetes.io/dockerconfigjson --from-file=.dockerconfigjson="$work/$name" >/dev/null
  pod "$name" "127.0.0.1:5003/$name:1" "imagePullSecrets: [{name: $name}]"
done
wait_until "an identity is enough" runs identity
is "for a token of its own" "$(grep -F 'repository:identity:pull' "$tokens" | sort -u)" \
  "POST repository:identity:pull /token_refresh_token_launcher_an+identity/=_-"
until_is "another's is not" "ImagePullBackOff" waiting guess
like "it says" "$(waiting_message guess)" "*failed to authorize: failed to fetch oauth token: unexpected status from POST request to http://127.0.0.1:5004/token: 401 Unauthorized*"

# shared: two pods and a person
k delete pods --all --wait --force >/dev/null 2>&1
wait_until "images go when nothing uses them" none_left
parts() {
  [ "$(find /var/lib/launcher/images/downloads -size +390k | wc -l)" -ge 1 ]
}
asked() {
  [ "$(grep -c /held/app/manifests/1 "$requests")" -ge "$1" ]
}
pod one 127.0.0.1:5010/held/app:1
pod two 127.0.0.1:5010/held/app:1
wait_until "a pull is in the middle" parts
image pull 127.0.0.1:5010/held/app:1 >"$work/person" 2>&1 &
person=$!
wait_until "all three ask for it" asked 3
touch "$release"
wait "$person"
wait_until "the pods run" runs one
wait_until "both" runs two
is "and a person has it" "$(cat "$work/person")" "Pulled image: 127.0.0.1:5010/held/app:1"
is "no layer came twice" "$(grep '/held/app/blobs' "$requests" | awk '{print $2}' | sort | uniq -d)" ""
rm "$release"

# ended and killed in the middle
k delete pods --all --wait --force >/dev/null 2>&1
held_gone() {
  image rm 127.0.0.1:5010/held/app:1
}
wait_until "the image goes" held_gone
: >"$requests"
pod ended 127.0.0.1:5010/held/app:1
wait_until "another is in the middle" parts
ends_cleanly
: >"$work/events"
run_server
wait_until "started again it asks again" asked 2
wait_until "and fetches" grep -q 'bytes=400000-' "$requests"
kill -9 "$server_pid"
wait "$server_pid" 2>/dev/null
touch "$release"
: >"$work/events"
run_server
wait_until "after a kill too, and the pod runs" runs ended
is "nothing is left of the pulls" "$(find /var/lib/launcher/images/downloads /var/lib/launcher/images/tmp -mindepth 1 | wc -l)" "0"
k delete pods --all --wait --force >/dev/null 2>&1
done_testing
