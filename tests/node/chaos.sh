#!/bin/bash
# What may end at any moment does: clusterd (kill -9) in the middle of starts, stops and commands, the monitors of containers, their processes, the first process
# of a pod. Every status is right in the end, no exit code and no line of a log is lost, and of pods that are deleted nothing stays on the node.
# CHAOS=long: more of everything.
# shellcheck source-path=SCRIPTDIR source=node-harness.sh
. "$(dirname "$0")/node-harness.sh"
if [ "${CHAOS:-}" = long ]; then
  rounds=25 pods=200
else
  rounds=6 pods=40
fi
start_cluster
load_busybox
until_is "default service account" "default" k get serviceaccount default -o 'jsonpath={.metadata.name}'

crash() {
  kill -9 "$server_pid"
  wait "$server_pid" 2>/dev/null
}
again() {
  : >"$work/events"
  run_server
}

# --- what is on the node

# Everything a pod leaves on a node while it is there, one a line.
traces() {
  ls -d /run/launcher/{sandboxes,containers,exits,crun}/* /var/lib/launcher/{sandboxes,containers,pods}/* /var/log/pods/* 2>/dev/null
  awk '$2 ~ "^/run/launcher/|^/var/lib/launcher/" { print "mount", $2 }' /proc/mounts
  ip -o link show type veth | awk '{ print "link", $2 }' | grep -v -e eth0 -e uplink
  ip route | grep 10.244 | grep -v 'dev pods0'
  find /sys/fs/cgroup -path '*kubepods*' -type d -name '*pod*-*' -print
  ps -eo args | grep -E '[c]onmon|[c]run |^sleep |^/pause|[p]rint.sh'
}
none() {
  traces | wc -l
}
clean() {
  until_is "nothing is left on the node: $1" "0" none
  traces | head -20 | sed 's/^/# /'
}

# new NAME COMMAND [MORE-OF-CONTAINER [MORE-OF-POD]]
new() {
  cat <<YAML
---
apiVersion: v1
kind: Pod
metadata: {name: $1, labels: {app: chaos}}
spec:
  nodeName: node1
  terminationGracePeriodSeconds: 5
  containers: [{name: c, image: "busybox:1.36", command: [sh, -c, "$2"] ${3:-}}]
  ${4:-}
YAML
}
state() {
  k get pod "$1" -o "jsonpath={.status.containerStatuses[0].$2}"
}
container_id() {
  local id
  id=$(state "$1" containerID)
  echo "${id#*://}"
}
# phases: how many pods are in which phase, and the sum of their restarts
phases() {
  k get pods -l app=chaos -o 'jsonpath={range .items[*]}{.status.phase} {.status.containerStatuses[0].ready}{"\n"}{end}' | sort | uniq -c | awk '{ print $1, $2, $3 }' | paste -sd,
}
process_of() {
  cat "/run/launcher/containers/$(container_id "$1")/pid"
}

# --- no line, no exit code is lost

{
  new printer "i=0; while [ \$i -lt 100 ]; do seq \$((i * 1000 + 1)) \$((i * 1000 + 1000)); i=\$((i + 1)); sleep 0.03; done; exit 9" "" "restartPolicy: Never"
  new short "until [ -e /go/go ]; do sleep 0.05; done; exit 7" ", volumeMounts: [{name: go, mountPath: /go}]" "restartPolicy: Never
  volumes: [{name: go, hostPath: {path: $work}}]"
  new stays "sleep 3600"
} | k create -f - >/dev/null
wait_until "it prints" runs printer
wait_until "one waits" runs short
wait_until "one stays" runs stays
stays=$(container_id stays)
short=$(container_id short)
for _ in 1 2 3 4; do
  crash
  again
done
crash
touch "$work/go"
wait_until "a container ends while clusterd is down" test -e "/run/launcher/exits/$short"
again
until_is "its exit code is told" "7" state short state.terminated.exitCode
until_is "that of what ended meanwhile as well" "9" state printer state.terminated.exitCode
is "none of its 100000 lines is missing" "$(k logs printer | md5sum)" "$(seq 100000 | md5sum)"
is "what stays was left alone" "$(container_id stays) $(state stays restartCount)" "$stays 0"

# --- in the middle of a command

: >"$work/exec.out"
k exec stays -- sh -c 'echo here; exec sleep 3600' >"$work/exec.out" 2>/dev/null &
client=$!
wait_until "a command runs" grep -q here "$work/exec.out"
crash
wait "$client" 2>/dev/null
again
is "the next command runs" "$(k exec stays -- echo well)" "well"

# --- processes that are killed

kill -9 "$(process_of stays)"
until_is "a process that is killed is started again" "1" state stays restartCount
is "what it ended with is told" "$(state stays lastState.terminated.exitCode)" "137"
wait_until "it runs again" runs stays
kill -9 "$(cat "/run/launcher/containers/$(container_id stays)/conmon.pid")"
until_is "a container without its monitor is started again" "2" state stays restartCount
new shared "sleep 3600" "" "shareProcessNamespace: true" | k create -f - >/dev/null
wait_until "a pod with one process namespace runs" runs shared
sandbox=$(ls -d /run/launcher/sandboxes/*/pause.pid)
kill -9 "$(cat "$sandbox")"
until_is "without its first process it begins anew" "1" state shared restartCount
until_is "and runs" "true" state shared ready
k delete pods --all --grace-period=0 --force >/dev/null 2>&1
clean "after all that"

# --- in the middle of starts and stops

for ((round = 1; round <= rounds; round++)); do
  for i in 1 2 3; do
    new "start-$round-$i" "trap 'sleep 0.2; exit 0' TERM; while :; do sleep 0.05; done" "" "$([ "$i" != 3 ] || echo 'shareProcessNamespace: true')"
  done | k create -f - >/dev/null
  sleep "0.0$((round * 37 % 100))" # anywhere in a start, which takes a twentieth of a second
  crash
  again
done
until_is "what was being started runs" "$((rounds * 3)) Running true" phases
k get pods --no-headers | awk '$2 != "1/1" { print $1 }' | while read -r pod; do
  k get pod "$pod" -o 'jsonpath={.status}{"\n"}'
  k get events --field-selector "involvedObject.name=$pod" --no-headers
done | sed 's/^/# /'
restarts=$(k get pods -l app=chaos -o 'jsonpath={.items[*].status.containerStatuses[0].restartCount}' | tr ' ' '\n' | sort -u | paste -sd,)
is "and was started once" "$restarts" "0"
for ((round = 1; round <= rounds; round++)); do
  k delete pod "start-$round-1" "start-$round-2" "start-$round-3" --wait=false >/dev/null
  sleep "0.$((round * 37 % 40 + 10))"
  crash
  again
done
until_is "what was being stopped goes" "" phases
clean "after stops"

# --- many at once

for ((i = 0; i < pods; i++)); do
  new "many-$i" "echo $i; exec sleep 3600"
done | k create -f - >/dev/null
until_is "$pods pods at once run" "$pods Running true" phases
logs_of_all() {
  for ((i = 0; i < pods; i += 7)); do
    k logs "many-$i"
  done | paste -sd' '
}
is "each with its log" "$(logs_of_all)" "$(seq 0 7 $((pods - 1)) | paste -sd' ')"
k delete pods -l app=chaos --grace-period=1 --wait=false >/dev/null
until_is "and go at once" "" phases
clean "after many"
done_testing
