# shellcheck shell=bash disable=SC2034,SC2154 # who sources this sets and reads its variables
# Sourced by the API tests: a clusterd without a node, kubectl for it, and TAP.
#   start_cluster [OPTION...]; k ...: kubectl 1.32 as admin; k120 ...: kubectl 1.20; ok/not_ok/is/like; done_testing
set -u
: "${G_TEST_SRCDIR:=$(cd "$(dirname "$0")/../.." && pwd)}"
: "${G_TEST_BUILDDIR:=$G_TEST_SRCDIR}"
CLUSTERD=${CLUSTERD:-$G_TEST_BUILDDIR/src/clusterd/clusterd}
KUBECTL=${KUBECTL:-$("$G_TEST_SRCDIR/tests/kubectl" 1.32)}
work=$(mktemp -d "${TMPDIR:-/tmp}/api-test-XXXXXX")
export KUBECACHEDIR=$work/cache # never what an earlier server on the same port said
server_pid=
tests=0
failures=0

cleanup() {
  if [ -n "${https_pid:-}" ]; then
    kill "$https_pid" 2>/dev/null
    wait "$https_pid" 2>/dev/null
  fi
  if [ -n "$server_pid" ]; then
    kill "$server_pid" 2>/dev/null
    wait "$server_pid" 2>/dev/null
  fi
  rm -rf "$work"
}
trap cleanup EXIT
trap 'exit 1' INT TERM

skip_all() {
  echo "1..0 # SKIP $1"
  exit 0
}

# kubeconfig USER FILE
kubeconfig() {
  cat >"$2" <<END
apiVersion: v1
kind: Config
clusters: [{name: test, cluster: {server: "https://127.0.0.1:$port", certificate-authority: $work/pki/ca.crt}}]
users: [{name: $1, user: {client-certificate: $work/pki/$1.crt, client-key: $work/pki/$1.key}}]
contexts: [{name: test, context: {cluster: test, user: $1}}]
current-context: test
END
}

# The server says its port when it answers; the kubeconfig it leaves is then complete.
run_server() {
  "$CLUSTERD" --no-node --components="${COMPONENTS:-}" --bind-address 127.0.0.1 --secure-port 0 --cluster-name test \
    --data-dir "$work/data" --cert-dir "$work/pki" --events-path "$work/events" \
    "${server_options[@]}" 2>>"$work/clusterd.log" &
  server_pid=$!
  waited=0
  while ! grep -q '"apiserver"' "$work/events" 2>/dev/null; do
    if [ "$waited" -ge 400 ] || ! kill -0 "$server_pid" 2>/dev/null; then
      sed 's/^/# /' "$work/clusterd.log"
      echo "Bail out! clusterd did not start"
      exit 1
    fi
    waited=$((waited + 1))
    sleep 0.02
  done
  port=$(sed -n 's/.*"apiserver".*"message":"\([0-9]*\)".*/\1/p' "$work/events" | tail -1)
  cp "$work/pki/admin.conf" "$work/admin.conf"
  [ -e "$work/pki/bob.crt" ] || sh "$G_TEST_SRCDIR/tests/api/pki.sh" "$work/pki"
  kubeconfig bob "$work/bob.conf"
  kubeconfig foreign "$work/foreign.conf"
}

# start_cluster [OPTION...]: options of clusterd. COMPONENTS: what runs besides the API server (names, commas).
start_cluster() {
  [ -x "$KUBECTL" ] || skip_all "kubectl 1.32 is not installed"
  server_options=("$@")
  : >"$work/events"
  run_server
}

# A server of the test's own (client certificates must be of $CLIENT_CA), after start_cluster: $hooks is its https URL, $https_port and $plain_port its ports (the second
# without TLS), $https_log one JSON line for every request.
start_https() {
  https_log=$work/https.log
  : >"$https_log"
  HTTPS_ADDRESS=${HTTPS_ADDRESS:-127.0.0.1} python3 "$G_TEST_SRCDIR/tests/api/https-server.py" "$work/pki/hooks.crt" "$work/pki/hooks.key" \
    "${CLIENT_CA:-$work/pki/ca.crt}" \
    "$work/https.ports" "$https_log" "https://127.0.0.1:$port" "$work/pki/ca.crt" "$work/pki/admin.crt" \
    "$work/pki/admin.key" 2>"$work/https.err" &
  https_pid=$!
  wait_until "the HTTPS server" test -s "$work/https.ports"
  read -r https_port plain_port <"$work/https.ports"
  hooks=https://127.0.0.1:$https_port
  ca_bundle=$(base64 -w0 "$work/pki/ca.crt")
}

# wait_until WHAT COMMAND...: up to 20 seconds for it to succeed.
wait_until() {
  waited=0
  while ! "${@:2}" >/dev/null 2>&1; do
    if [ "$waited" -ge 400 ]; then
      not_ok "$1 within 20 seconds"
      return 1
    fi
    waited=$((waited + 1))
    sleep 0.05
  done
}

# until_is NAME EXPECTED COMMAND...: asks until the answer is EXPECTED, for a minute.
until_is() {
  wanted=$2
  asked=("${@:3}")
  give_up=$((SECONDS + 60))
  while answer=$("${asked[@]}" 2>&1); [ "$answer" != "$wanted" ] && [ "$SECONDS" -lt "$give_up" ]; do
    sleep 0.1
  done
  is "$1" "$answer" "$wanted"
}

# Ends the server by SIGTERM as init does: it must end with status 0, which also says that no sanitizer found anything.
ends_cleanly() {
  kill -TERM "$server_pid"
  wait "$server_pid"
  is "clusterd ends cleanly" "$?" "0"
  server_pid=
}

# Ends the server with signal $1 and starts it again on the same data.
restart_cluster() {
  kill "-$1" "$server_pid"
  wait "$server_pid" 2>/dev/null
  : >"$work/events"
  run_server
}

k() {
  "$KUBECTL" --kubeconfig "$work/admin.conf" "$@"
}

as_bob() {
  "$KUBECTL" --kubeconfig "$work/bob.conf" "$@"
}

# kubectl 1.20, as Debian has it; see tests/kubectl.
k120() {
  "$KUBECTL_120" --kubeconfig "$work/admin.conf" --cache-dir "$work/cache120" "$@"
}

# The server indents its replies for curl, as for anybody who reads them; a script wants them in one line.
curl() {
  command curl -A api-test "$@"
}

# request METHOD PATH [curl arguments]: the body, then a line with the status code.
request() {
  method=$1
  path=$2
  shift 2
  curl -s --cacert "$work/pki/ca.crt" --cert "$work/pki/admin.crt" --key "$work/pki/admin.key" -w '\n%{http_code}\n' \
    -X "$method" "$@" "https://127.0.0.1:$port$path"
}

# field NAME PATH STEPS EXPECTED: a member of the object at PATH in the version that PATH names; STEPS are keys and indexes with slashes.
field() {
  is "$1" "$(k get --raw "$2" 2>/dev/null | python3 -c "
import json, sys
v = json.load(sys.stdin)
for step in sys.argv[1].split('/'):
    v = v[int(step)] if isinstance(v, list) else v[step]
print(json.dumps(v, sort_keys=True) if isinstance(v, (dict, list)) else v)" "$3" 2>&1)" "$4"
}

ok() {
  tests=$((tests + 1))
  echo "ok $tests - $1"
}

not_ok() {
  tests=$((tests + 1))
  failures=$((failures + 1))
  echo "not ok $tests - $1"
}

# is NAME ACTUAL EXPECTED
is() {
  if [ "$2" = "$3" ]; then
    ok "$1"
  else
    not_ok "$1"
    printf '%s\n' "got: $2" "expected: $3" | sed 's/^/# /'
  fi
}

# like NAME ACTUAL PATTERN (a shell pattern)
like() {
  case $2 in
  # shellcheck disable=SC2254
  $3) ok "$1" ;;
  *)
    not_ok "$1"
    printf '%s\n' "got: $2" "expected something like: $3" | sed 's/^/# /'
    ;;
  esac
}

# python_tests FILE [ARGUMENT...]: runs a test program that uses apitest.py and takes its results over.
python_tests() {
  finished=false
  while IFS= read -r line; do
    case $line in
    "ok - "*) ok "${line#ok - }" ;;
    "not ok - "*) not_ok "${line#not ok - }" ;;
    done) finished=true ;;
    *) printf '%s\n' "$line" ;;
    esac
  done < <(API_PORT=$port API_PKI=$work/pki API_WORK=$work PYTHONDONTWRITEBYTECODE=1 "${PYTHON:-python3}" "$@" 2>&1)
  is "$(basename "$1") ran to its end" "$finished" true
}

done_testing() {
  ends_cleanly
  if [ "$failures" -gt 0 ]; then
    sed 's/^/# clusterd: /' "$work/clusterd.log" | tail -80
  fi
  echo "1..$tests"
  [ "$failures" -eq 0 ]
  exit
}
