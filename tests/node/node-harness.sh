# shellcheck shell=bash disable=SC2034,SC2154 # who sources this sets and reads its variables
# Sourced first by tests of a whole node, which then run inside sandbox.sh or not at all: the API tests' harness, with a clusterd that runs pods. The node is
# called node1, and has the image busybox:1.36. RUNTIME: its container runtime, native when not set.
# shellcheck source-path=SCRIPTDIR source=../api/harness.sh
export RUNTIME=${RUNTIME:-native}
if [ "${1:-}" != --inside ]; then
  for program in crun conmon python3 unshare openssl curl ip; do
    command -v "$program" >/dev/null || { echo "1..0 # SKIP $program is missing"; exit 0; }
  done
  [ -x /bin/busybox ] || { echo "1..0 # SKIP busybox-static is missing"; exit 0; }
  [ "$(id -u)" = 0 ] || { echo "1..0 # SKIP needs root"; exit 0; }
  if [ "$RUNTIME" = docker ]; then
    command -v containerd >/dev/null || { echo "1..0 # SKIP containerd is missing"; exit 0; }
    dockerd=$(command -v dockerd || "$(dirname "$0")/../unpacked" docker.io usr/sbin/dockerd) || { echo "1..0 # SKIP dockerd is missing"; exit 0; }
    PATH=$(dirname "$dockerd"):$PATH
  fi
  if [ "$RUNTIME" = containerd ]; then
    containerd=$(command -v containerd || "$(dirname "$0")/../unpacked" containerd usr/bin/containerd) || { echo "1..0 # SKIP containerd is missing"; exit 0; }
    PATH=$(dirname "$containerd"):$PATH
  fi
  "$(dirname "$0")/sandbox.sh" "$(dirname "$0")/with-runtime" bash "$0" --inside
  status=$?
  [ "$status" != 77 ] || { echo "1..0 # SKIP no namespaces here"; exit 0; }
  exit "$status"
fi
. "$(dirname "${BASH_SOURCE[0]}")/../api/harness.sh"

# Keys and certificates of a machine are made outside of it: here by a server that runs by itself for a moment.
make_pki() {
  : >"$work/pki-events"
  "$CLUSTERD" --no-node --components= --bind-address 127.0.0.1 --secure-port 0 --cluster-name test \
    --data-dir "$work/pki-data" --cert-dir "$work/pki" --events-path "$work/pki-events" 2>>"$work/clusterd.log" &
  server_pid=$!
  wait_until "keys are made" grep -q '"ready"' "$work/pki-events"
  kill "$server_pid"
  wait "$server_pid"
  sh "$G_TEST_SRCDIR/tests/api/pki.sh" "$work/pki"
}

# As the machine starts it, once for all servers of a test.
start_containerd() {
  [ "$RUNTIME" = containerd ] && [ -z "${containerd_pid:-}" ] || return 0
  containerd --config "$G_TEST_SRCDIR/iso/rootfs/etc/containerd/config.toml" --log-level warn >>"$work/containerd.log" 2>&1 &
  containerd_pid=$!
}

run_server() {
  start_containerd
  [ -e "$work/pki/sa.key" ] || make_pki
  ip link show eth0 >/dev/null 2>&1 || {
    ip link add eth0 type veth peer name uplink && ip addr add 10.99.0.2/24 dev eth0 && ip link set eth0 up &&
      ip link set uplink up
  }
  mkdir -p /run/launcher
  echo '{}' >"$work/cluster.json"
  "$CLUSTERD" --config "$work/cluster.json" --components="${COMPONENTS:-controllers,scheduler,node}" --bind-address 127.0.0.1 --secure-port 0 \
    --cluster-name test --hostname-override node1 --data-dir /var/lib/launcher --cert-dir "$work/pki" \
    --pod-manifest-path /var/lib/launcher/manifests --container-runtime "$RUNTIME" \
    --events-path "$work/events" "${server_options[@]}" 2>>"$work/clusterd.log" &
  server_pid=$!
  wait_until "clusterd starts" grep -q '"ready"' "$work/events" || {
    sed 's/^/# /' "$work/clusterd.log"
    echo "Bail out! clusterd did not start"
    exit 1
  }
  port=$(sed -n 's/.*"apiserver".*"message":"\([0-9]*\)".*/\1/p' "$work/events" | tail -1)
  kubeconfig admin "$work/admin.conf"
  kubeconfig bob "$work/bob.conf"
}

load_busybox() {
  "$G_TEST_SRCDIR/tests/images/make-image.py" --busybox --name busybox:1.36 "$work/busybox.tar"
  if [ "$RUNTIME" = docker ]; then
    curl -sf --unix-socket /var/run/docker.sock -X POST -H 'Content-Type: application/x-tar' --data-binary "@$work/busybox.tar" \
      http://docker/images/load >/dev/null
  else
    "$CLUSTERD" image load "$work/busybox.tar" >/dev/null
  fi
}

# pod_phase NAME
pod_phase() {
  k get pod "$1" -o 'jsonpath={.status.phase}'
}

runs() {
  [ "$(pod_phase "$1")" = Running ]
}
