#!/bin/bash
# What nodes and pods use, as kubectl top shows it in a machine: metrics.sh [KUBECTL_VERSION]. DRIVER chooses the driver.
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"
version=${1:-1.32}
PROFILE=e2e
KUBECTL=$(kubectl_path "$version") || skip_all "no kubectl $version to be had"

# uses LOW HIGH COLUMN COMMAND...: the number in that column of the only line lies between the two.
uses() {
  local low=$1 high=$2 column=$3 number
  shift 3
  number=$("$@" | awk -v n="$column" '{ print $n + 0 }')
  echo "$number"
  [ -n "$number" ] && [ "$number" -ge "$low" ] && [ "$number" -le "$high" ]
}

ok "start ($DRIVER)" "${START[@]}" -p "$PROFILE" --cpus 2 --memory 2048 --disk-size 20000
like "top node shows the node" "^$PROFILE +[0-9]+m +[0-9]+% +[0-9]+Mi +[0-9]+%" "$KUBECTL" top node
ok "of its memory, not of the host's" uses 1 2048 4 "$KUBECTL" top node --no-headers
ok "run a busy pod" "$KUBECTL" run busy --image=busybox --restart=Never -- sh -c 'while :; do :; done'
ok "run one that fills memory" "$KUBECTL" run memory --image=busybox --restart=Never -- \
  sh -c 'dd if=/dev/zero of=/dev/shm/file bs=1M count=50; exec sleep 100000'
ok "both are Running" eventually 60 bash -c "[ \"\$('$KUBECTL' get pods --no-headers | grep -c Running)\" = 2 ]"
ok "the busy one uses a core, or what is left of one" eventually 40 uses 100 1100 2 "$KUBECTL" top pod busy --no-headers
ok "the other one 50 MiB" eventually 40 uses 50 56 3 "$KUBECTL" top pod memory --no-headers
like "top pod lists both" '^memory +[0-9]+m +5[0-9]Mi' "$KUBECTL" top pod
like "the node's own API answers" '"nodeName":"'"$PROFILE"'"' "$KUBECTL" get --raw "/api/v1/nodes/$PROFILE/proxy/stats/summary"
like "Prometheus' form" "^container_network_receive_bytes_total\{interface=\"eth0\",namespace=\"default\",pod=\"busy\"\} [1-9]" \
  "$KUBECTL" get --raw "/api/v1/nodes/$PROFILE/proxy/metrics/cadvisor"
like "the group is local and available" 'v1beta1.metrics.k8s.io +Local +True' "$KUBECTL" get apiservice v1beta1.metrics.k8s.io
ok "delete the pods" "$KUBECTL" delete pod busy memory --now
like "delete" 'Removed all traces' "$LAUNCHER" delete -p "$PROFILE"
