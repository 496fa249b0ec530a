#!/bin/bash
# shellcheck disable=SC2034,SC2154 # harness.sh reads and sets them
# What kubectl does with workloads - rollout, scale, set, expose, wait, autoscale, delete - with 1.32 and 1.20, on a node that is played.
COMPONENTS=controllers,scheduler
. "$(dirname "$0")/harness.sh"
start_cluster
API_PORT=$port API_PKI=$work/pki PYTHONDONTWRITEBYTECODE=1 python3 "$G_TEST_SRCDIR/tests/fake-node.py" n1 >"$work/node.log" 2>&1 &
node_pid=$!
until_is "the node is there" "ready" cat "$work/node.log"
until_is "default service account" "default" k get serviceaccount default -o 'jsonpath={.metadata.name}'

# manifest KIND NAME IMAGE REPLICAS
manifest() {
  size="replicas: $4,"
  [ "$1" = DaemonSet ] && size=
  [ "$1" = StatefulSet ] && size="$size serviceName: $2,"
  cat <<END
apiVersion: apps/v1
kind: $1
metadata: {name: $2, labels: {app: $2}}
spec: {$size selector: {matchLabels: {app: $2}}, template: {metadata: {labels: {app: $2}}, spec: {containers: [{name: c, image: "$3"}]}}}
END
}

images() {
  k get pods -l "app=$1" -o 'jsonpath={.items[*].spec.containers[0].image}'
}

last_line() {
  "$@" 2>&1 | tail -n 1
}

sizes() {
  k get "$1" "$2" -o 'jsonpath={.spec.replicas} {.status.readyReplicas}'
}

# revisions KUBECTL KIND/NAME: the numbers of its history
revisions() {
  "$1" rollout history "$2" | awk '/^[0-9]/ {printf "%s ", $1}'
}

# What all three kinds have in common. common KUBECTL KIND kind SUCCESS
common() {
  kc=$1 name=w-$1-$3 object=$3/w-$1-$3 group=$3.apps/w-$1-$3
  manifest "$2" "$name" one 2 | $kc apply -f - >/dev/null
  $kc annotate "$object" kubernetes.io/change-cause=first >/dev/null
  like "$kc: rollout status, $3" "$(last_line "$kc" rollout status "$object" --timeout=20s)" "$4"
  is "$kc: set image, $3" "$($kc set image "$object" c=two)" "$group image updated"
  like "$kc: it rolls, $3" "$(last_line "$kc" rollout status "$object" --timeout=20s)" "$4"
  is "$kc: history, $3" "$(revisions "$kc" "$object")" "1 2 "
  like "$kc: history of one revision, $3" "$($kc rollout history "$object" --revision=1)" "*with revision #1*Image:*one*"
  is "$kc: undo, $3" "$($kc rollout undo "$object")" "$group rolled back"
  like "$kc: it rolls back, $3" "$(last_line "$kc" rollout status "$object" --timeout=20s)" "$4"
  like "$kc: the old image, $3" "$(images "$name")" "one*"
  is "$kc: the revision is renumbered, $3" "$(revisions "$kc" "$object")" "2 3 "
  is "$kc: undo to a revision, $3" "$($kc rollout undo "$object" --to-revision=2)" "$group rolled back"
  $kc rollout status "$object" --timeout=20s >/dev/null
  like "$kc: that image, $3" "$(images "$name")" "two*"
  is "$kc: undo to none, $3" "$($kc rollout undo "$object" --to-revision=99 2>&1)" "error: unable to find specified revision 99 in history"
  is "$kc: set resources, $3" "$($kc set resources "$object" --requests=cpu=10m --limits=memory=64Mi)" "$group resource requirements updated"
  is "$kc: set env, $3" "$($kc set env "$object" KEY=value)" "$group env updated"
  is "$kc: restart, $3" "$($kc rollout restart "$object")" "$group restarted"
  like "$kc: it restarts, $3" "$(last_line "$kc" rollout status "$object" --timeout=20s)" "$4"
  is "$kc: all of it is on the pods, $3" "$(k get pods -l "app=$name" -o \
    'jsonpath={.items[0].spec.containers[0].env[0].value} {.items[0].spec.containers[0].resources.requests.cpu}')" "value 10m"
}

# What is scaled. scaled KUBECTL kind
scaled() {
  kc=$1 name=w-$1-$2 object=$2/w-$1-$2 group=$2.apps/w-$1-$2
  is "$kc: scale, $2" "$($kc scale "$object" --replicas=4)" "$group scaled"
  until_is "$kc: four, $2" "4 4" sizes "$2" "$name"
  is "$kc: scale from another size, $2" "$($kc scale "$object" --current-replicas=2 --replicas=1 2>&1)" \
    "error: Expected replicas to be 2, was 4"
  is "$kc: scale from this size, $2" "$($kc scale "$object" --current-replicas=4 --replicas=1)" "$group scaled"
  until_is "$kc: one, $2" "1 1" sizes "$2" "$name"
  is "$kc: wait, $2" "$($kc wait --for=condition=Ready pod -l "app=$name" --timeout=20s | sed 's/.* //')" "met"
  is "$kc: autoscale, $2" "$($kc autoscale "$object" --min=1 --max=3 --cpu-percent=80)" \
    "horizontalpodautoscaler.autoscaling/$name autoscaled"
  is "$kc: its target, $2" "$(k get hpa "$name" -o 'jsonpath={.spec.scaleTargetRef.name} {.spec.minReplicas} {.spec.maxReplicas}')" "$name 1 3"
  $kc delete hpa "$name" >/dev/null
}

# Three ways to delete. deleted KUBECTL kind KIND
deleted() {
  kc=$1 name=w-$1-$2 object=$2/w-$1-$2
  before=$(k get pods -l "app=$name" -o name)
  $kc delete "$object" --cascade=orphan >/dev/null
  is "$kc: orphans stay, $2" "$(k get pods -l "app=$name" -o name)" "$before"
  is "$kc: and belong to nobody that is gone, $2" \
    "$(k get "$2" "$name" --ignore-not-found; k get pods -l "app=$name" -o 'jsonpath={.items[*].metadata.ownerReferences[?(@.kind!="ReplicaSet")].name}')" ""
  k delete replicasets -l "app=$name" >/dev/null 2>&1
  k delete pods -l "app=$name" --wait=false >/dev/null
  manifest "$3" "$name" one 2 | $kc apply -f - >/dev/null
  $kc rollout status "$object" --timeout=20s >/dev/null
  $kc delete "$object" --cascade=background >/dev/null
  until_is "$kc: in the background, $2" "" k get pods,replicasets,controllerrevisions -l "app=$name" -o name
  manifest "$3" "$name" one 2 | $kc apply -f - >/dev/null
  $kc rollout status "$object" --timeout=20s >/dev/null
  $kc delete "$object" --cascade=foreground >/dev/null
  is "$kc: in the foreground nothing is left when it is gone, $2" \
    "$(k get pods,replicasets,controllerrevisions -l "app=$name" -o name)" ""
}

# What is for deployments alone. deployments KUBECTL
deployments() {
  kc=$1 name=w-$1-deployment object=deployment/w-$1-deployment group=deployment.apps/w-$1-deployment
  is "$kc: expose" "$($kc expose "$object" --port=80 --target-port=8080)" "service/$name exposed"
  until_is "$kc: the service finds the pod" "1" sh -c \
    "'$KUBECTL' --kubeconfig '$work/admin.conf' get endpoints '$name' -o 'jsonpath={.subsets[*].addresses[*].ip}' | wc -w"
  is "$kc: pause" "$($kc rollout pause "$object")" "$group paused"
  like "$kc: paused already" "$($kc rollout pause "$object" 2>&1)" "error: * is already paused"
  $kc set image "$object" c=three >/dev/null
  until_is "$kc: a paused rollout waits" "Waiting for deployment \"$name\" rollout to finish: 0 out of 1 new replicas have been updated..." \
    "$kc" rollout status "$object" --watch=false
  like "$kc: no undo while paused" "$($kc rollout undo "$object" 2>&1)" "error: *cannot rollback a paused deployment*"
  is "$kc: resume" "$($kc rollout resume "$object")" "$group resumed"
  like "$kc: it goes on" "$(last_line "$kc" rollout status "$object" --timeout=20s)" "*successfully rolled out"
  is "$kc: the image" "$(images "$name")" "three"
  is "$kc: wait for availability" "$($kc wait --for=condition=Available "$object" --timeout=20s)" "$group condition met"
  $kc patch "$object" -p '{"spec": {"progressDeadlineSeconds": 1, "template": {"spec": {"nodeSelector": {"no": "where"}}}}}' >/dev/null
  like "$kc: rollout status fails by the deadline" "$(last_line "$kc" rollout status "$object" --timeout=20s)" \
    "error: deployment \"$name\" exceeded its progress deadline"
  $kc rollout undo "$object" >/dev/null
  like "$kc: and the way back is a rollout" "$(last_line "$kc" rollout status "$object" --timeout=20s)" "*successfully rolled out"
}

clients=k
KUBECTL_120=$("$G_TEST_SRCDIR/tests/kubectl" 1.20) && clients="k k120"
for client in $clients; do
  common "$client" Deployment deployment "*successfully rolled out"
  common "$client" StatefulSet statefulset "partitioned roll out complete: 2 new pods have been updated..."
  common "$client" DaemonSet daemonset "*successfully rolled out"
  for kind in deployment statefulset; do
    scaled "$client" "$kind"
  done
  deployments "$client"
  deleted "$client" deployment Deployment
  deleted "$client" statefulset StatefulSet
  deleted "$client" daemonset DaemonSet
done
kill "$node_pid"
wait "$node_pid" 2>/dev/null
done_testing
