#!/bin/bash
# shellcheck disable=SC2034,SC2154 # harness.sh reads and sets them
# What people do to nodes with both kubectls, what describe then says, and a scheduler's configuration. Two nodes are
# played by fake-node.py.
COMPONENTS=controllers,scheduler
. "$(dirname "$0")/harness.sh"
work_config=$(mktemp)
cat >"$work_config" <<'END'
apiVersion: kubescheduler.config.k8s.io/v1
kind: KubeSchedulerConfiguration
profiles:
- schedulerName: default-scheduler
- schedulerName: bin-packer
  pluginConfig:
  - name: NodeResourcesFit
    args:
      scoringStrategy: {type: MostAllocated, resources: [{name: cpu, weight: 1}]}
  plugins:
    score: {disabled: [{name: NodeResourcesBalancedAllocation}, {name: PodTopologySpread}]}
END
start_cluster --scheduler-config "$work_config"
KUBECTL_120=$("$G_TEST_SRCDIR/tests/kubectl" 1.20)
[ -x "$KUBECTL_120" ] || KUBECTL_120=$KUBECTL

nodes=()
for name in n1 n2; do
  API_PORT=$port API_PKI=$work/pki PYTHONDONTWRITEBYTECODE=1 python3 "$G_TEST_SRCDIR/tests/fake-node.py" $name >"$work/$name.log" 2>&1 &
  nodes+=($!)
done
end_nodes() {
  kill "${nodes[@]}" 2>/dev/null
  wait "${nodes[@]}" 2>/dev/null
  rm -f "$work_config"
}
trap 'end_nodes; cleanup' EXIT
wait_until "node n1" grep -q ready "$work/n1.log"
wait_until "node n2" grep -q ready "$work/n2.log"
wait_until "the service account" k get serviceaccount default

node_of() {
  k get pod "$1" -o 'jsonpath={.spec.nodeName}'
}
# with one space for each stretch of white space
described() { # KUBECTL POD
  "$1" describe pod "$2" | tr -s ' \n' ' '
}
event_of() { # POD PATTERN
  k describe pod "$1" | grep -q "$2"
}

# --- taint
for kubectl in k k120; do
  like "$kubectl: taint" "$($kubectl taint node n1 a=b:NoSchedule)" "node/n1 tainted"
  $kubectl run "$kubectl-elsewhere" --image=nginx >/dev/null
  until_is "$kubectl: a pod goes to the other node" n2 node_of "$kubectl-elsewhere"
  $kubectl taint node n2 a=b:NoSchedule >/dev/null
  $kubectl run "$kubectl-waits" --image=nginx >/dev/null
  wait_until "an event" event_of "$kubectl-waits" FailedScheduling
  like "$kubectl: describe says why" "$(described "$kubectl" "$kubectl-waits")" \
    "*Warning FailedScheduling * default-scheduler 0/2 nodes are available: 2 node(s) had untolerated taint {a: b}. preemption: 0/2 nodes are available: 2 Preemption is not helpful for scheduling.*"
  is "$kubectl: the condition" "$($kubectl get pod "$kubectl-waits" -o 'jsonpath={.status.conditions[0].type}={.status.conditions[0].status} {.status.conditions[0].reason}')" \
    "PodScheduled=False Unschedulable"
  like "$kubectl: untaint" "$($kubectl taint node n1 a-)" "node/n1 untainted"
  until_is "$kubectl: it goes there" n1 node_of "$kubectl-waits"
  like "$kubectl: describe says so" "$(described "$kubectl" "$kubectl-waits")" "*Normal Scheduled * default-scheduler Successfully assigned default/$kubectl-waits to n1*"
  $kubectl taint node n2 a- >/dev/null
  $kubectl delete pod --all --wait=false >/dev/null
done

# --- cordon, drain
for kubectl in k k120; do
  is "$kubectl: cordon" "$($kubectl cordon n2)" "node/n2 cordoned"
  like "$kubectl: get nodes says so" "$($kubectl get node n2)" "*Ready,SchedulingDisabled*"
  $kubectl create deployment "$kubectl-web" --image=nginx --replicas=3 >/dev/null
  until_is "$kubectl: all on the other" "n1 n1 n1" k get pod -l "app=$kubectl-web" -o 'jsonpath={.items[*].spec.nodeName}'
  is "$kubectl: uncordon" "$($kubectl uncordon n2)" "node/n2 uncordoned"
  until_is "$kubectl: all run" 3 k get deployment "$kubectl-web" -o 'jsonpath={.status.readyReplicas}'
  like "$kubectl: drain" "$($kubectl drain n1 --ignore-daemonsets --force --timeout=60s 2>&1)" "*pod/* evicted*node/n1 *ed"
  until_is "$kubectl: all moved" "n2 n2 n2" k get pod -l "app=$kubectl-web" -o 'jsonpath={.items[*].spec.nodeName}'
  $kubectl uncordon n1 >/dev/null
  $kubectl delete deployment "$kubectl-web" >/dev/null
  until_is "$kubectl: nothing is left" "" k get pod -l "app=$kubectl-web" -o name
done

# --- resources, priority
k create priorityclass high --value=1000 >/dev/null
cat >"$work/pods.yaml" <<'END'
apiVersion: v1
kind: Pod
metadata: {name: low, labels: {app: low}}
spec:
  nodeSelector: {kubernetes.io/hostname: n1}
  containers: [{name: c, image: nginx, resources: {requests: {cpu: '5'}}}]
END
k apply -f "$work/pods.yaml" >/dev/null
until_is "a large pod runs" Running k get pod low -o 'jsonpath={.status.phase}'
sed 's/low/second/g' "$work/pods.yaml" | k apply -f - >/dev/null
wait_until "an event" event_of second FailedScheduling
like "no room, and nobody to take it from" "$(described k second)" \
  "*0/2 nodes are available: 1 Insufficient cpu, 1 node(s) didn't match Pod's node affinity/selector. preemption: 0/2 nodes are available: 1 No preemption victims found for incoming pod, 1 Preemption is not helpful for scheduling.*"
k delete pod second >/dev/null
sed 's/low/urgent/g; s/^spec:/spec:\n  priorityClassName: high/' "$work/pods.yaml" | k apply -f - >/dev/null
until_is "a more important pod takes the room" n1 node_of urgent
is "the other is gone" "$(k get pod low -o name --ignore-not-found)" ""
like "its events tell of it" "$(k get events --field-selector involvedObject.name=low,reason=Preempted -o 'jsonpath={.items[0].message}')" "Preempted by pod * on node n1"

# --- gates
cat >"$work/gated.yaml" <<'END'
apiVersion: v1
kind: Pod
metadata: {name: gated}
spec:
  schedulingGates: [{name: example.com/wait}]
  containers: [{name: c, image: nginx}]
END
k apply -f "$work/gated.yaml" >/dev/null
like "a gated pod" "$(k get pod gated)" "*SchedulingGated*"
is "its condition" "$(k get pod gated -o 'jsonpath={.status.conditions[0].reason}: {.status.conditions[0].message}')" \
  "SchedulingGated: Scheduling is blocked due to non-empty scheduling gates"
k patch pod gated --type=json -p '[{"op":"remove","path":"/spec/schedulingGates"}]' >/dev/null
until_is "without the gate it runs" Running k get pod gated -o 'jsonpath={.status.phase}'

# --- profiles
k delete pod --all >/dev/null
for number in 1 2 3; do
  cat <<END | k apply -f - >/dev/null
apiVersion: v1
kind: Pod
metadata: {name: packed-$number}
spec:
  schedulerName: bin-packer
  containers: [{name: c, image: nginx, resources: {requests: {cpu: '1'}}}]
END
  wait_until "packed-$number on a node" test -n "$(until_is "packed-$number is placed" Running k get pod packed-$number -o 'jsonpath={.status.phase}' >/dev/null; node_of packed-$number)"
done
is "a bin-packing profile fills one node" "$(k get pod packed-1 packed-2 packed-3 -o 'jsonpath={.items[*].spec.nodeName}' | tr ' ' '\n' | sort -u | wc -l)" 1
like "its events name it" "$(described k packed-1)" "*Normal Scheduled * bin-packer Successfully assigned default/packed-1*"

end_nodes
done_testing
