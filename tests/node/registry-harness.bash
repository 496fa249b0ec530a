# shellcheck shell=bash disable=SC2034,SC2154 # who sources this sets and reads its variables
# Sourced after node-harness.sh by tests that pull images: Debian's docker-registry on this machine's loopback, in whatever way a test wants
# it, and an image in it. All of /etc is the test's own.
registries=()
mount -t tmpfs tmpfs /mnt
mkdir /mnt/upper /mnt/work
mount -t overlay overlay -o lowerdir=/etc,upperdir=/mnt/upper,workdir=/mnt/work /etc
mkdir -p /etc/launcher /etc/docker
rm -rf /etc/docker/certs.d
helpers=$G_TEST_SRCDIR/tests/images

end_registries() {
  for registry_pid in "${registries[@]}"; do
    kill "$registry_pid" 2>/dev/null
    wait "$registry_pid" 2>/dev/null
  done
}
trap 'end_registries; cleanup' EXIT

# in_background COMMAND...: until the test ends.
in_background() {
  "$@" >>"$work/registries.log" 2>&1 &
  registries+=($!)
}

# answers URL: somebody does, if only to say no.
answers() {
  command curl -sk --noproxy '*' --max-time 5 -o /dev/null "$1"
  case $? in 7 | 28) false ;; esac
}

# start_registry PORT [LINES]: LINES are added to its configuration; TLS_CERT, TLS_KEY: its certificate; TLS_CLIENTS: who signs
# those of its clients. All share one storage.
start_registry() {
  {
    printf 'version: 0.1\nlog: {level: error, accesslog: {disabled: true}}\n'
    printf 'storage: {filesystem: {rootdirectory: %s/storage}}\nhttp: {addr: "127.0.0.1:%s"' "$work" "$1"
    [ -z "${TLS_CERT:-}" ] || printf ', tls: {certificate: %s, key: %s, clientcas: [%s]}' "$TLS_CERT" "$TLS_KEY" "${TLS_CLIENTS:-}"
    printf '}\n%s\n' "${2:-}"
  } >"$work/registry-$1.yml"
  in_background env -u HTTP_PROXY docker-registry serve "$work/registry-$1.yml"
  wait_until "the registry at $1" answers "http://127.0.0.1:$1/v2/"
}

# puller:secret, by bcrypt
start_login_registry() {
  # shellcheck disable=SC2016
  echo 'puller:$2y$05$abcdefghijklmnopqrstuuOQiyCxlgf/oeuTqixKmWdcYUh4Hjl0a' >"$work/htpasswd"
  start_registry "$1" "auth: {htpasswd: {realm: here, path: $work/htpasswd}}"
}

# start_tokens PORT: see serve-token.py; $tokens is its log, $by_token what a registry's configuration needs to ask for its tokens.
start_tokens() {
  tokens=$work/tokens
  : >"$tokens"
  openssl req -x509 -newkey rsa:2048 -nodes -keyout "$work/token.key" -out "$work/token.crt" -days 2 -subj /CN=tokens 2>/dev/null
  in_background python3 "$helpers/serve-token.py" "$1" "$work/token.key" "$work/token.crt" "$tokens"
  by_token="auth: {token: {realm: \"http://127.0.0.1:$1/token\", service: here, issuer: tokens, rootcertbundle: $work/token.crt}}"
  wait_until "what gives out tokens" answers "http://127.0.0.1:$1/"
}

# start_trouble UPSTREAM-PORT PORT: see serve-trouble.py; $requests is its log, $release what ends a stop.
start_trouble() {
  requests=$work/requests
  release=$work/release
  : >"$requests"
  in_background python3 "$helpers/serve-trouble.py" "$1" "$2" "$requests" "$release"
  wait_until "the registry with trouble" answers "http://127.0.0.1:$2/v2/"
}

# An image of three layers: busybox, a file nobody can compress, a small one; and what nobody else has.
make_images() {
  mkdir "$work/big" "$work/small"
  openssl enc -aes-128-ctr -K "$(printf '%032d' 1)" -iv "$(printf '%032d' 0)" -in /dev/zero 2>/dev/null | head -c 1500000 >"$work/big/noise"
  echo "a layer of its own" >"$work/small/note"
  "$helpers/make-image.py" --busybox --layer "$work/big" --layer "$work/small" --format oci --name ignored:1 "$work/image.tar"
  "$helpers/make-image.py" --layer "$work/small" --format oci --name ignored:1 "$work/tiny.tar"
}

# push [OPTION...] ARCHIVE NAME:TAG, to the registry at port 5000; $digest is what the tag means.
push() {
  digest=$("$helpers/push-image.py" "${@:1:$#-1}" "http://127.0.0.1:5000/${*: -1}")
}

# done_testing, where no clusterd was started.
done_without_server() {
  echo "1..$tests"
  [ "$failures" -eq 0 ]
  exit
}
