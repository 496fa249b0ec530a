#!/bin/bash
# clusterd ends while containers are being stopped, hooks run and clients hold sessions: at once, in order, and the containers run on.
# shellcheck source-path=SCRIPTDIR source=node-harness.sh
. "$(dirname "$0")/node-harness.sh"
start_cluster
load_busybox
until_is "default service account" "default" k get serviceaccount default -o 'jsonpath={.metadata.name}'
pod='apiVersion: v1
kind: Pod
metadata: {name: NAME}
spec:
  terminationGracePeriodSeconds: 3600
  containers: [{name: c, image: "busybox:1.36", command: [sh, -c, "trap : TERM; while :; do sleep 0.1; done"] MORE}]'
# new NAME [MORE]
new() {
  sed "s/NAME/$1/; s/MORE/${2:-}/" <<<"$pod" | k create -f - >/dev/null
}
new session
new stubborn
new hooked ', lifecycle: {preStop: {exec: {command: [sh, -c, "touch \/hook; sleep 3600"]}}}'
new begun ', lifecycle: {postStart: {exec: {command: [sh, -c, "touch \/hook; sleep 3600"]}}}'
for name in session stubborn hooked begun; do
  wait_until "$name runs" runs "$name"
done
containers() {
  k get pods --sort-by=.metadata.name -o 'jsonpath={range .items[*]}{.status.containerStatuses[0].containerID} {.status.containerStatuses[0].restartCount}{"\n"}{end}'
}
before=$(containers)

# what lasts
k delete pod stubborn hooked --wait=false >/dev/null
is_there() {
  k exec "$1" -- test -e /hook
}
wait_until "a hook at the end runs" is_there hooked
wait_until "a hook at the start runs" is_there begun
clients=()
: >"$work/exec.out"
k exec session -- sh -c 'echo here; exec sleep 3600' >"$work/exec.out" 2>/dev/null &
clients+=($!)
k attach session >/dev/null 2>&1 &
clients+=($!)
k logs -f session >/dev/null 2>&1 &
clients+=($!)
k port-forward session 0:80 >"$work/forward.out" 2>/dev/null &
clients+=($!)
wait_until "a command runs" grep -q here "$work/exec.out"
wait_until "a port is forwarded" grep -q Forwarding "$work/forward.out"

begin=$SECONDS
kill "$server_pid"
wait "$server_pid"
is "it ends in order" "$?" "0"
took=$((SECONDS - begin))
if [ "$took" -lt 60 ]; then ok "and waits for none of it"; else not_ok "it took $took seconds"; fi
kill "${clients[@]}" 2>/dev/null
wait "${clients[@]}" 2>/dev/null
is "nothing is wrong with what it was doing" "$(grep -ciE 'Sanitizer|CRITICAL' "$work/clusterd.log")" "0"
: >"$work/events"
run_server
is "the containers have run on" "$(containers)" "$before"
running() {
  k get pods -o 'jsonpath={.items[*].status.phase}'
}
is "all of them" "$(running)" "Running Running Running Running"
k delete pods --all --grace-period=0 --force >/dev/null 2>&1
gone() {
  [ -z "$(k get pods -o name)" ] && [ -z "$(ls /run/launcher/containers)" ]
}
wait_until "they go" gone && ok "they go"
done_testing
