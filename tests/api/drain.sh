#!/bin/bash
# shellcheck disable=SC2034,SC2154 # harness.sh reads and sets them
# Nodes taken out of service with both kubectls: cordon, drain, uncordon, taint; evictions and disruption budgets; and
# the address of a load balancer. Two nodes are played by fake-node.py.
COMPONENTS=controllers,scheduler
. "$(dirname "$0")/harness.sh"
KUBECTL_120=$("$G_TEST_SRCDIR/tests/kubectl" 1.20)
[ -x "$KUBECTL_120" ] || skip_all "kubectl 1.20 is not installed"
start_cluster --load-balancer-address 127.77.9.9 --load-balancer-reserved-ports 8443
node_pids=
end_nodes() {
  for pid in $node_pids; do
    kill "$pid" 2>/dev/null
    wait "$pid" 2>/dev/null
  done
  cleanup
}
trap end_nodes EXIT
for node in n1 n2; do
  API_PORT=$port API_PKI=$work/pki PYTHONDONTWRITEBYTECODE=1 python3 "$G_TEST_SRCDIR/tests/fake-node.py" $node >"$work/$node.log" 2>&1 &
  node_pids="$node_pids $!"
  wait_until "node $node" grep -q ready "$work/$node.log"
done
until_is "default service account" "default" k get serviceaccount default -o 'jsonpath={.metadata.name}'

node_state() {
  k get node "$1" --no-headers | awk '{print $2}'
}
node_taints() {
  k get node "$1" -o 'jsonpath={range .spec.taints[*]}{.key}={.value}:{.effect} {end}'
}
# where the ready pods of an application are: "n1 n1 n2 "
places() {
  k get pods -l "app=$1" -o 'jsonpath={range .items[?(@.status.phase=="Running")]}{.spec.nodeName}{"\n"}{end}' | sort | tr '\n' ' '
}
budget() {
  k get pdb "$1" -o 'jsonpath={.status.expectedPods} {.status.desiredHealthy} {.status.currentHealthy} {.status.disruptionsAllowed}'
}

# --- what may not move ---
k apply -f - >/dev/null <<END
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: 4
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers: [{name: web, image: nginx}]
      volumes: [{name: scratch, emptyDir: {}}]
---
apiVersion: apps/v1
kind: DaemonSet
metadata: {name: agent}
spec:
  selector: {matchLabels: {app: agent}}
  template:
    metadata: {labels: {app: agent}}
    spec: {containers: [{name: agent, image: agent}]}
---
apiVersion: v1
kind: Pod
metadata: {name: naked, labels: {app: naked}}
spec: {nodeName: n1, containers: [{name: c, image: i}]}
END
until_is "everywhere" "n1 n2 " places agent
until_is "four run" "4" sh -c "'$KUBECTL' --kubeconfig '$work/admin.conf' get deployment web -o 'jsonpath={.status.readyReplicas}'"
is "a budget" "$(k create poddisruptionbudget web --selector=app=web --min-available=50%)" "poddisruptionbudget.policy/web created"
until_is "its status" "4 2 4 2" budget web
is "as people see it" "$(k get pdb web --no-headers | awk '{print $1, $2, $3, $4}')" "web 50% N/A 2"
like "its condition" "$(k get pdb web -o 'jsonpath={.status.conditions[0].type} {.status.conditions[0].status} {.status.conditions[0].reason}')" \
  "DisruptionAllowed True SufficientPods"

# --- cordon ---
for kubectl in k k120; do
  is "cordon ($kubectl)" "$($kubectl cordon n1)" "node/n1 cordoned"
  is "state ($kubectl)" "$(node_state n1)" "Ready,SchedulingDisabled"
  until_is "its taint ($kubectl)" "node.kubernetes.io/unschedulable=:NoSchedule " node_taints n1
  is "uncordon ($kubectl)" "$($kubectl uncordon n1)" "node/n1 uncordoned"
  until_is "no taint ($kubectl)" "" node_taints n1
done

# --- drain ---
refused=$(k drain n1 2>&1)
like "what drain will not do by itself" "$refused" "*cannot delete Pods that declare no controller (use --force to override): default/naked*"
like "daemon sets" "$refused" "*cannot delete DaemonSet-managed Pods (use --ignore-daemonsets to ignore): default/agent-*"
like "local data" "$refused" "*cannot delete Pods with local storage (use --delete-emptydir-data to override): default/web-*"
is "but it is cordoned" "$(node_state n1)" "Ready,SchedulingDisabled"
drained=$(k drain n1 --force --ignore-daemonsets --delete-emptydir-data --timeout=60s 2>&1)
like "drained" "$drained" "*node/n1 drained*"
like "evicted" "$drained" "*pod/naked evicted*"
until_is "all on the other node" "n2 n2 n2 n2 " places web
is "the daemon stays" "$(places agent)" "n1 n2 "
is "the naked pod is gone" "$(k get pods -l app=naked -o name)" ""
k uncordon n1 >/dev/null
until_is "the budget is whole again" "4 2 4 2" budget web

# with the older one, which asks for policy/v1beta1
drained=$(k120 drain n2 --force --ignore-daemonsets --delete-local-data --timeout=60s 2>&1)
like "drained (1.20)" "$drained" "*node/n2 evicted*"
until_is "all on the first node" "n1 n1 n1 n1 " places web
k120 uncordon n2 >/dev/null
until_is "whole again (1.20)" "4 2 4 2" budget web

# --- a budget that forbids ---
k patch pdb web --type=merge -p '{"spec":{"minAvailable":"100%"}}' >/dev/null
until_is "nothing may go" "4 4 4 0" budget web
like "drain waits for it" "$(k drain n1 --ignore-daemonsets --delete-emptydir-data --timeout=2s 2>&1)" \
  "*Cannot evict pod as it would violate the pod's disruption budget.*"
is "nothing went" "$(places web)" "n1 n1 n1 n1 "
pod=$(k get pods -l app=web -o 'jsonpath={.items[0].metadata.name}')
evict() {
  printf '{"apiVersion":"policy/%s","kind":"Eviction","metadata":{"name":"%s","namespace":"default"}}' "$1" "$pod" |
    k create --raw "/api/v1/namespaces/default/pods/$pod/eviction$2" -f - 2>&1
}
is "in its words" "$(evict v1 "")" \
  "Error from server (TooManyRequests): Cannot evict pod as it would violate the pod's disruption budget."
is "in the older version" "$(evict v1beta1 "")" \
  "Error from server (TooManyRequests): Cannot evict pod as it would violate the pod's disruption budget."
is "a deletion asks no budget" "$(k delete pod "$pod" --wait=false)" "pod \"$pod\" deleted"
k uncordon n1 >/dev/null
k patch pdb web --type=merge -p '{"spec":{"minAvailable":1}}' >/dev/null
until_is "three may go" "4 1 4 3" budget web
pod=$(k get pods -l app=web -o 'jsonpath={.items[0].metadata.name}')
like "a dry run is granted" "$(evict v1 "?dryRun=All")" '*"status":*"Success"*'
is "and takes nothing" "$(budget web)" "4 1 4 3"
like "granted" "$(evict v1beta1 "")" '*"status":*"Success"*'
until_is "and replaced" "4 1 4 3" budget web

# --- two budgets ---
k create poddisruptionbudget other --selector=app=web --min-available=1 >/dev/null
pod=$(k get pods -l app=web -o 'jsonpath={.items[0].metadata.name}')
like "two budgets are an error" "$(evict v1 "")" \
  "*This pod has more than one PodDisruptionBudget, which the eviction subresource does not support."
k delete pdb other web >/dev/null

# --- taints ---
for kubectl in k k120; do
  is "taint ($kubectl)" "$($kubectl taint nodes n1 key=value:NoExecute)" "node/n1 tainted"
  until_is "driven off ($kubectl)" "n2 n2 n2 n2 " places web
  is "untaint ($kubectl)" "$($kubectl taint nodes n1 key:NoExecute-)" "node/n1 untainted"
  $kubectl taint nodes n2 key=value:NoExecute >/dev/null
  until_is "and back ($kubectl)" "n1 n1 n1 n1 " places web
  $kubectl taint nodes n2 key- >/dev/null
done
like "told in events" "$(k get events --field-selector reason=TaintManagerEviction -o 'jsonpath={.items[*].message}')" \
  "*Marking for deletion Pod default/web-*"

# --- load balancers ---
k expose deployment web --port=80 --type=LoadBalancer --name=front >/dev/null
until_is "an address" "127.77.9.9" k get service front -o 'jsonpath={.status.loadBalancer.ingress[0].ip}'
is "as people see it" "$(k get service front --no-headers | awk '{print $2, $4}')" "LoadBalancer 127.77.9.9"
like "its story" "$(k describe service front)" "*EnsuringLoadBalancer*EnsuredLoadBalancer*"
k expose deployment web --port=80 --type=LoadBalancer --name=second >/dev/null
described() {
  k describe service second | grep -o "port 80/TCP of 127.77.9.9 is in use by service default/front" | head -1
}
until_is "the second waits and says why" "port 80/TCP of 127.77.9.9 is in use by service default/front" described
is "without an address" "$(k120 get service second --no-headers | awk '{print $4}')" "<pending>"
k delete service front >/dev/null
until_is "until the first has gone" "127.77.9.9" k get service second -o 'jsonpath={.status.loadBalancer.ingress[0].ip}'

for pid in $node_pids; do
  kill "$pid"
  wait "$pid" 2>/dev/null
done
node_pids=
done_testing
