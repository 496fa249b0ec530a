#!/bin/bash
# A pod fills the disk clusterd keeps everything on: clusterd goes on, also after a crash, and the pod can be deleted; or the file from within it. Then all is as before.
# shellcheck source-path=SCRIPTDIR source=node-harness.sh
. "$(dirname "$0")/node-harness.sh"
mount -t tmpfs -o size=48m tmpfs /var/lib/launcher
start_cluster --secure-port 16443 # the same each time: what a server says of itself needs no room
load_busybox
until_is "default service account" "default" k get serviceaccount default -o 'jsonpath={.metadata.name}'
new() {
  k create -f - >/dev/null <<YAML
apiVersion: v1
kind: Pod
metadata: {name: $1}
spec: {nodeName: node1, terminationGracePeriodSeconds: 1, containers: [{name: c, image: "busybox:1.36", command: [sh, -c, "$2"]}]}
YAML
}
available() {
  df --output=avail /var/lib/launcher | tail -1 | tr -d ' '
}
new steady "sleep 3600"
wait_until "a pod runs" runs steady
new filler "until ! cat /dev/zero >>/fill; do :; done 2>/dev/null; until ! echo >>/fill2; do :; done 2>/dev/null; sleep 3600"
until_is "the disk is full" "0" available
is "the API answers" "$(k get pod steady -o 'jsonpath={.status.phase}')" "Running"
is "commands run" "$(k exec steady -- echo well)" "well"
kill -9 "$server_pid"
wait "$server_pid" 2>/dev/null
: >"$work/events"
run_server
is "clusterd starts on a full disk" "$(k get --raw /readyz)" "ok"
restarts() {
  k get pods -o 'jsonpath={.items[*].status.containerStatuses[0].restartCount}'
}
is "and has left everything alone" "$(restarts)" "0 0"
is "the disk is still full" "$(available)" "0"
head -c 900000 /dev/zero | tr '\0' x >"$work/large"
refused() { # the log may have room of its own for some
  for i in $(seq 20); do
    k create configmap "large$i" --from-file="$work/large" 2>&1 || break
  done
}
like "nothing new is taken" "$(refused)" "*the store has no space left*"
is "what fills it can be deleted" "$(k delete pod filler --timeout=60s)" 'pod "filler" deleted'
is "with what it wrote" "$([ "$(available)" -gt 20000 ] && echo free)" "free"
is "something new is taken" "$(k create configmap new)" "configmap/new created"
k exec steady -- sh -c 'until ! cat /dev/zero >>/fill; do :; done 2>/dev/null; until ! echo >>/fill2; do :; done 2>/dev/null'
is "the disk is full again" "$(available)" "0"
k exec steady -- rm /fill /fill2
is "and has room again" "$(k create configmap new2)" "configmap/new2 created"
is "the others run on" "$(k exec steady -- echo well) $(restarts)" "well 0"
k delete pods --all --grace-period=0 --force >/dev/null 2>&1
traces() {
  ls -d /run/launcher/{sandboxes,containers,exits,crun}/* /var/lib/launcher/{sandboxes,containers,pods}/* 2>/dev/null
}
until_is "nothing is left" "" traces
done_testing
