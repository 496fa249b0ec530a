# shellcheck shell=bash disable=SC2034,SC2154 # who sources this sets and reads its variables
# Sourced by the tests of foreign clients: a cluster with a node that only pretends (tests/fake-node.py).
#   start_fake_cluster; KUBECONFIG, HOME and the clients' folder ($clients, after need_clients) are set
COMPONENTS=controllers,scheduler
. "$(dirname "$0")/../api/harness.sh"

# The clients that come from npm.
need_clients() {
  clients=$("$G_TEST_SRCDIR/tests/clients/fetch" 2>"$work/fetch") || skip_all "$(cat "$work/fetch")"
}

end_fake_node() {
  kill "$fake_node" 2>/dev/null
  wait "$fake_node" 2>/dev/null
  cleanup
}

start_fake_cluster() {
  start_cluster
  export KUBECONFIG=$work/admin.conf API_PORT=$port API_PKI=$work/pki PYTHONDONTWRITEBYTECODE=1
  "$G_TEST_SRCDIR/tests/fake-node.py" "${FAKE_NODE:-fake}" >"$work/fake-node" 2>&1 &
  fake_node=$!
  trap end_fake_node EXIT
  for _ in $(seq 200); do
    grep -q ready "$work/fake-node" && break
    sleep 0.05
  done
  export HOME=$work/home # whatever a client keeps
  mkdir -p "$HOME"
  cd "$work" || exit 1
}

# succeeds NAME COMMAND...: its output is in $output
succeeds() {
  succeeds_name=$1
  shift
  if output=$(timeout 60 "$@" 2>&1); then
    ok "$succeeds_name"
  else
    not_ok "$succeeds_name"
    printf '%s\n' "$output" | head -40 | sed 's/^/# /'
  fi
}
