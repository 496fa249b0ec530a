#!/bin/bash
# shellcheck disable=SC2034,SC2154 # harness.sh reads and sets them
# The whole control plane at work: controllers and scheduler, many objects at once, a node that is only an object.
COMPONENTS=controllers,scheduler
. "$(dirname "$0")/harness.sh"
start_cluster

until_is "default service account" "default" k get serviceaccount default -o 'jsonpath={.metadata.name}'
k apply -f - >/dev/null <<END
apiVersion: v1
kind: Node
metadata: {name: n1, labels: {kubernetes.io/hostname: n1}}
END
k patch node n1 --subresource=status --type=merge -p '{"status":{
  "capacity":{"cpu":"8","memory":"8Gi","pods":"110"},"allocatable":{"cpu":"8","memory":"8Gi","pods":"110"},
  "conditions":[{"type":"Ready","status":"True","lastHeartbeatTime":null,"lastTransitionTime":null}]}}' >/dev/null
k taint node n1 node.kubernetes.io/not-ready- >/dev/null 2>&1

k create deployment web --image=nginx --replicas=5 >/dev/null
k expose deployment web --port=80 >/dev/null
k create job once --image=busybox -- true >/dev/null
until_is "replicas" "5" k get deployment web -o 'jsonpath={.status.replicas}'
bound() {
  k get pods -l app=web -o 'jsonpath={.items[*].spec.nodeName}'
}
until_is "all pods are bound" "n1 n1 n1 n1 n1" bound
until_is "the job's pod is bound" "n1" k get pods -l job-name=once -o 'jsonpath={.items[*].spec.nodeName}'
until_is "events" "5" sh -c "'$KUBECTL' --kubeconfig '$work/admin.conf' get events | grep -c 'Scheduled .*pod/web'"

# several clients write at once while others watch
k get pods -A --watch >"$work/watched" 2>/dev/null &
watcher=$!
writers=
for i in 1 2 3 4; do
  (
    k create namespace "many-$i"
    k -n "many-$i" create deployment d --image=nginx --replicas=3
    k -n "many-$i" scale deployment d --replicas=1
    k -n "many-$i" set image deployment d nginx=nginx:2
    k -n "many-$i" create quota q --hard=pods=10
  ) >/dev/null 2>&1 &
  writers="$writers $!"
done
wait $writers
until_is "rolled out" "2" sh -c "'$KUBECTL' --kubeconfig '$work/admin.conf' -n many-3 get replicasets --no-headers | wc -l"
k delete namespace many-1 many-2 many-3 many-4 --wait=false >/dev/null
k delete deployment web >/dev/null
until_is "the collector takes what was owned" "" k get replicasets -l app=web -o name
# without a node nobody ends the pods: the last word is ours
for i in 1 2 3 4; do
  k -n "many-$i" delete pods --all --force --grace-period=0 >/dev/null 2>&1
done
left() {
  k get namespaces -o name | grep -c many-
}
until_is "namespaces are emptied and gone" "0" left
kill "$watcher"
wait "$watcher" 2>/dev/null
is "the watch saw it" "$(grep -c '^many-2 ' "$work/watched" | sed 's/^[1-9][0-9]*$/many/')" "many"
done_testing
