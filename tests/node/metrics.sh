#!/bin/bash
# What nodes and pods use, of a real node with real containers: metrics.k8s.io and kubectl top.
# shellcheck source-path=SCRIPTDIR source=node-harness.sh
. "$(dirname "$0")/node-harness.sh"
KUBECTL_120=$("$G_TEST_SRCDIR/tests/kubectl" 1.20) || KUBECTL_120=
metrics=/apis/metrics.k8s.io/v1beta1

# column NUMBER: of a table without headings.
column() {
  awk -v n="$1" '{ print $n }'
}

# within NAME VALUE LOW HIGH: the number before a unit lies between the two.
within() {
  number=${2%%[!0-9]*}
  if [ -n "$number" ] && [ "$number" -ge "$3" ] && [ "$number" -le "$4" ]; then
    ok "$1"
  else
    not_ok "$1"
    echo "# got: $2, expected $3 to $4"
  fi
}

has_metrics() {
  k get --raw "$metrics/namespaces/default/pods/$1"
}

status_of() {
  request GET "$1" | tail -1
}

start_cluster
load_busybox

# --- the group
is "the APIService is local and available" "$(k get apiservice v1beta1.metrics.k8s.io --no-headers | awk '{ print $2, $3 }')" \
  "Local True"
field "of the priority that metrics-server gives itself" /apis/apiregistration.k8s.io/v1/apiservices/v1beta1.metrics.k8s.io \
  spec "$(printf '{"group": "metrics.k8s.io", "groupPriorityMinimum": 100, "version": "v1beta1", "versionPriority": 100}')"
is "api-resources lists it" "$(k api-resources --api-group=metrics.k8s.io --no-headers | tr -s ' ')" \
  "nodes metrics.k8s.io/v1beta1 false NodeMetrics
pods metrics.k8s.io/v1beta1 true PodMetrics"
is "plain discovery knows get and list" "$(k get --raw $metrics | python3 -c "
import json, sys
print([(r['name'], r['kind'], r['namespaced'], r['verbs']) for r in json.load(sys.stdin)['resources']])")" \
  "[('nodes', 'NodeMetrics', False, ['get', 'list']), ('pods', 'PodMetrics', True, ['get', 'list'])]"
is "the group's document" "$(k get --raw /apis/metrics.k8s.io | python3 -c "
import json, sys
print(json.load(sys.stdin)['preferredVersion']['groupVersion'])")" metrics.k8s.io/v1beta1
like "explain knows its fields" "$(k explain podmetrics.containers.usage 2>&1)" "*FIELD: usage*"
like "OpenAPI v2 describes it" "$(k get --raw /openapi/v2)" "*io.k8s.metrics.pkg.apis.metrics.v1beta1.PodMetrics*"
is "it cannot be watched" "$(request GET "$metrics/nodes?watch=true" | tail -1)" 405
is "nor written" "$(request POST $metrics/namespaces/default/pods -d '{}' | tail -1)" 405

# --- before there is anything to tell
is "without pods top says so" "$(k top pod 2>&1)" "No resources found in default namespace."
k run busy --image=busybox:1.36 --restart=Never --labels=app=busy -- sh -c 'while :; do :; done' >/dev/null
is "a pod that just started has no numbers yet" "$(k top pod 2>&1)" "error: metrics not available yet"
is "nor by its name" "$(k top pod busy 2>&1)" \
  'Error from server (NotFound): podmetrics.metrics.k8s.io "default/busy" not found'
is "a pod that is not there is not found" "$(k top pod nosuch 2>&1)" 'Error from server (NotFound): pods "nosuch" not found'
is "nor is such a node" "$(k top node nosuch 2>&1)" 'Error from server (NotFound): nodes "nosuch" not found'
k create namespace other >/dev/null
k apply -f - >/dev/null <<'END'
apiVersion: v1
kind: Pod
metadata: {name: memory, namespace: other, labels: {app: memory, tier: back}}
spec:
  restartPolicy: Never
  terminationGracePeriodSeconds: 0
  volumes: [{name: ram, emptyDir: {medium: Memory}}]
  containers:
  - name: filler
    image: busybox:1.36
    command: [sh, -c, "dd if=/dev/zero of=/ram/file bs=1M count=50 2>/dev/null; exec sleep 100000"]
    volumeMounts: [{name: ram, mountPath: /ram}]
  - name: idle
    image: busybox:1.36
    command: [sleep, "100000"]
END
wait_until "numbers of the busy pod" has_metrics busy
wait_until "numbers of the other one" k get --raw "$metrics/namespaces/other/pods/memory"

# --- numbers
within "the busy pod uses a core, or what others leave of it" "$(k top pod busy --no-headers | column 2)" 100 1100
within "the idle one nearly nothing" "$(k top pod memory -n other --no-headers | column 2)" 0 100
within "50 MiB in a tmpfs count as memory" "$(k top pod memory -n other --no-headers | column 3)" 50 54
is "in the container that wrote them" "$(k top pod memory -n other --containers --no-headers |
  awk '{ print $1, $2, ($4 + 0 >= 50 ? "much" : "little") }')" "memory filler much
memory idle little"
cores=$(k top node --no-headers | column 2)
within "the node uses at least as much" "$cores" 100 "$(($(nproc) * 1000))"
like "top node shows shares of what is allocatable" "$(k top node --no-headers | tr -s ' ')" "node1 *m *% *Mi *%*"
like "top node has its headings" "$(k top node | head -1 | tr -s ' ')" "NAME CPU(cores) CPU(%) MEMORY(bytes) MEMORY(%)*"
is "top pod -A sorted by memory" "$(k top pod -A --sort-by=memory --no-headers | awk '{ print $1, $2 }')" "other memory
default busy"
is "top pod -A sorted by cpu" "$(k top pod -A --sort-by=cpu --no-headers | awk '{ print $1, $2 }')" "default busy
other memory"
is "top pod -l chooses" "$(k top pod -A -l tier=back --no-headers | awk '{ print $2 }')" memory
is "--field-selector too" "$(k top pod -A --field-selector=metadata.name=busy --no-headers | awk '{ print $2 }')" busy
like "--sum adds them up" "$(k top pod -A --sum | tail -1 | tr -s ' ')" " *m *Mi*"

# --- the objects
object=$(k get --raw "$metrics/namespaces/other/pods/memory")
is "a pod's object, as upstream has it" "$(python3 - "$object" <<'END'
import json, re, sys
value = json.loads(sys.argv[1])
print(list(value), sorted(value["metadata"]), value["metadata"]["labels"])
print([c["name"] for c in value["containers"]])
print(all(re.fullmatch(r"[0-9]+[nu]?m?", c["usage"]["cpu"]) and re.fullmatch(r"[0-9]+(Ki|Mi)|0", c["usage"]["memory"])
          for c in value["containers"]))
print(bool(re.fullmatch(r"[0-9]+(\.[0-9]+)?s", value["window"])), bool(re.fullmatch(r"\d{4}-.*Z", value["timestamp"])))
END
)" "['kind', 'apiVersion', 'metadata', 'timestamp', 'window', 'containers'] ['creationTimestamp', 'labels', 'name', 'namespace'] {'app': 'memory', 'tier': 'back'}
['filler', 'idle']
True
True True"
is "a list has no revision" "$(k get --raw $metrics/nodes | python3 -c "
import json, sys
value = json.load(sys.stdin)
print(value['kind'], value['metadata'], [i['metadata']['name'] for i in value['items']], sorted(value['items'][0]['usage']))")" \
  "NodeMetricsList {} ['node1'] ['cpu', 'memory']"
is "label selectors of nodes" "$(k get --raw "$metrics/nodes?labelSelector=kubernetes.io/hostname%3Dx" | python3 -c "
import json, sys
print(json.load(sys.stdin)['items'])")" "[]"
is "a bad selector is refused" "$(request GET "$metrics/pods?labelSelector=a%3D%3D%3Db" | tail -1)" 400
is "an unknown field, too" "$(request GET "$metrics/pods?fieldSelector=spec.nodeName%3Db" | tail -1)" 400
like "get prints metrics-server's columns" "$(k get podmetrics -n other | tr -s ' ')" "NAME CPU MEMORY WINDOW
memory * *i *s"
like "get of nodes.metrics.k8s.io" "$(k get nodes.metrics.k8s.io | tr -s ' ')" "NAME CPU MEMORY WINDOW
node1 * *i *s"
like "as YAML" "$(k get podmetrics memory -n other -o yaml)" "apiVersion: metrics.k8s.io/v1beta1*kind: PodMetrics*"
if [ -x "$KUBECTL_120" ]; then
  within "kubectl 1.20 tops pods" "$(k120 top pod busy --no-headers | column 2)" 100 1100
  is "and containers" "$(k120 top pod -n other --containers --no-headers | awk '{ print $1, $2 }')" "memory filler
memory idle"
  within "and nodes" "$(k120 top node --no-headers | column 2)" 100 "$(($(nproc) * 1000))"
fi

# --- who may
is "others may not" "$(as_bob top pod 2>&1)" 'Error from server (Forbidden): pods.metrics.k8s.io is forbidden: User "bob" cannot list resource "pods" in API group "metrics.k8s.io" in the namespace "default"'
k create rolebinding bob-views --clusterrole=view --user=bob >/dev/null
until_is "the role view holds it in a namespace" yes as_bob auth can-i list pods.metrics.k8s.io
within "which is enough for top" "$(as_bob top pod busy --no-headers | column 2)" 100 1100
is "but not for nodes" "$(as_bob top node 2>&1)" 'Error from server (Forbidden): nodes.metrics.k8s.io is forbidden: User "bob" cannot list resource "nodes" in API group "metrics.k8s.io" at the cluster scope'
is "the role is aggregated as metrics-server installs it" \
  "$(k get clusterrole system:aggregated-metrics-reader -o json | python3 -c "
import json, sys
value = json.load(sys.stdin)
print(value['rules'], sorted(l for l in value['metadata']['labels'] if 'aggregate' in l))")" \
  "[{'apiGroups': ['metrics.k8s.io'], 'resources': ['nodes', 'pods'], 'verbs': ['get', 'list', 'watch']}] ['rbac.authorization.k8s.io/aggregate-to-admin', 'rbac.authorization.k8s.io/aggregate-to-edit', 'rbac.authorization.k8s.io/aggregate-to-view']"

# --- pods come and go
k exec busy -- sh -c 'kill -9 1' >/dev/null 2>&1
k delete pod busy --now >/dev/null
is "a pod that is gone has no numbers" "$(k top pod busy 2>&1)" 'Error from server (NotFound): pods "busy" not found'
restart_cluster KILL
wait_until "after a restart there are numbers of the pod that ran on" k get --raw "$metrics/namespaces/other/pods/memory"
within "and they are right" "$(k top pod memory -n other --no-headers | column 3)" 50 54

# --- another server for the group
k apply -f - >/dev/null 2>&1 <<'END'
apiVersion: apiregistration.k8s.io/v1
kind: APIService
metadata: {name: v1beta1.metrics.k8s.io}
spec:
  group: metrics.k8s.io
  version: v1beta1
  groupPriorityMinimum: 100
  versionPriority: 100
  insecureSkipTLSVerify: true
  service: {name: metrics-server, namespace: kube-system}
END
until_is "an administrator's own APIService wins" 503 status_of $metrics/nodes
is "in discovery, too" "$(status_of $metrics)" 503
is "as clients of today see it" "$(request GET /apis -H 'Accept: application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList' |
  head -1 | python3 -c "
import json, sys
print([(v['freshness'], v['resources']) for i in json.load(sys.stdin)['items'] if i['metadata']['name'] == 'metrics.k8s.io' for v in i['versions']])")" "[('Stale', [])]"
k delete apiservice v1beta1.metrics.k8s.io >/dev/null
wait_until "without it the numbers are back" k top node
until_is "and the APIService is local again" "Local True" \
  bash -c "'$KUBECTL' --kubeconfig '$work/admin.conf' get apiservice v1beta1.metrics.k8s.io --no-headers | awk '{ print \$2, \$3 }'"
k delete pod memory -n other --now >/dev/null
done_testing
