#!/bin/bash
# shellcheck disable=SC2034,SC2154 # harness.sh reads and sets them
# HorizontalPodAutoscalers with real kubectls: a metrics server behind APIServices, a node that only says its pods run.
COMPONENTS=controllers,scheduler
. "$(dirname "$0")/harness.sh"
KUBECTL_120=$("$G_TEST_SRCDIR/tests/kubectl" 1.20)
[ -x "$KUBECTL_120" ] || skip_all "kubectl 1.20 is not installed"
start_cluster --horizontal-pod-autoscaler-sync-period 1s --horizontal-pod-autoscaler-downscale-stabilization 5m \
  --horizontal-pod-autoscaler-cpu-initialization-period 0s

end_helpers() {
  for pid in ${node_pid:-} ${metrics_pid:-}; do
    kill "$pid" 2>/dev/null
    wait "$pid" 2>/dev/null
  done
}
trap 'end_helpers; cleanup' EXIT

API_PORT=$port API_PKI=$work/pki python3 "$G_TEST_SRCDIR/tests/fake-node.py" >"$work/node.out" 2>&1 &
node_pid=$!
wait_until "the node" grep -q ready "$work/node.out"
until_is "default service account" "default" k get serviceaccount default -o 'jsonpath={.metadata.name}'

# hpa NAME: the row of the table, without its age
hpa() {
  k get hpa "$1" --no-headers | sed 's/  */ /g; s/ [^ ]*$//'
}
# condition TYPE [NAME]: its status, reason and message
condition() {
  k get hpa "${2:-web}" -o "jsonpath={range .status.conditions[?(@.type==\"$1\")]}{.status} {.reason} {.message}{end}"
}
# warned REASON TEXT [NAME]: there is such an event
warned() {
  k get events --field-selector "involvedObject.name=${3:-web},reason=$1" -o 'jsonpath={range .items[*]}{.message}{"\n"}{end}' |
    grep -qF "$2"
}

# --- nothing to go by ---
k create deployment web --image=nginx >/dev/null
k set resources deployment web --requests cpu=100m,memory=64Mi >/dev/null
is "autoscale" "$(k autoscale deployment web --cpu-percent=50 --min=1 --max=4)" \
  "horizontalpodautoscaler.autoscaling/web autoscaled"
no_metrics='failed to get cpu utilization: unable to get metrics for resource cpu: unable to fetch metrics from resource metrics API: the server could not find the requested resource (get pods.metrics.k8s.io)'
until_is "why nothing can be done" "False FailedGetResourceMetric the HPA was unable to compute the replica count: $no_metrics" \
  condition ScalingActive
is "the table" "$(hpa web)" "web Deployment/web cpu: <unknown>/50% 1 4 1"
wait_until "the event" warned FailedGetResourceMetric "$no_metrics"
wait_until "and what follows" warned FailedComputeMetricsReplicas \
  "invalid metrics (1 invalid out of 1), first error is: failed to get cpu resource metric value: $no_metrics"

# --- a metrics server ---
set_load() {
  echo "$1" >"$work/load.new"
  mv "$work/load.new" "$work/load"
}
set_load '{"cpu": "100m", "memory": "8Mi", "qps": "20", "lag": "30", "hits": "7"}'
: >"$work/metrics.log"
published() {
  k -n kube-system get configmap extension-apiserver-authentication -o "jsonpath={.data.$1}"
}
wait_until "the front proxy's authority" published requestheader-client-ca-file
published requestheader-client-ca-file >"$work/front-ca.crt"
python3 "$G_TEST_SRCDIR/tests/api/metrics-server.py" "$work/pki/hooks.crt" "$work/pki/hooks.key" "$work/front-ca.crt" \
  "$work/metrics.port" "$work/metrics.log" "$work/load" "https://127.0.0.1:$port" "$work/pki/ca.crt" "$work/pki/admin.crt" \
  "$work/pki/admin.key" 2>"$work/metrics.err" &
metrics_pid=$!
wait_until "the metrics server" test -s "$work/metrics.port"
read -r metrics_port <"$work/metrics.port"
k create namespace hooks >/dev/null
k -n hooks create service externalname metrics --external-name localhost >/dev/null
# serve GROUP VERSION
serve() {
  k apply -f - >/dev/null <<END
{"apiVersion":"apiregistration.k8s.io/v1","kind":"APIService","metadata":{"name":"$2.$1"},"spec":{"group":"$1","version":"$2",
 "groupPriorityMinimum":100,"versionPriority":100,"caBundle":"$(base64 -w0 "$work/pki/ca.crt")",
 "service":{"namespace":"hooks","name":"metrics","port":$metrics_port}}}
END
  until_is "$1 is served" "True" k get apiservice "$2.$1" -o 'jsonpath={.status.conditions[?(@.type=="Available")].status}'
}
serve metrics.k8s.io v1beta1
# a new one: of events about one object only the first 25 are kept
k delete hpa web >/dev/null
k autoscale deployment web --cpu-percent=50 --min=1 --max=4 >/dev/null

until_is "up, as far as it may" "web Deployment/web cpu: 100%/50% 1 4 4" hpa web
until_is "no further" "True TooManyReplicas the desired replica count is more than the maximum replica count" \
  condition ScalingLimited
is "the deployment" "$(k get deployment web -o 'jsonpath={.spec.replicas}')" "4"
wait_until "an event tells it" warned SuccessfulRescale \
  "reason: cpu resource utilization (percentage of request) above target"
is "who asked" "$(grep -F '/namespaces/default/pods?labelSelector=app%3Dweb' "$work/metrics.log" | head -1 |
  python3 -c 'import json, sys; print(json.load(sys.stdin)["user"])')" \
  "system:serviceaccount:kube-system:horizontal-pod-autoscaler"
described=$(k describe hpa web)
like "describe" "$described" '*Reference: *Deployment/web*
  resource cpu on pods  (as a percentage of request):  100% (100m) / 50%*
Min replicas: *1
Max replicas: *4
Deployment pods: *4 current / 4 desired*
  AbleToScale     True    ReadyForNewScale  recommended size matches current size*
  ScalingActive   True    ValidMetricFound  the HPA was able to successfully calculate a replica count from cpu resource utilization (percentage of request)*
  ScalingLimited  True    TooManyReplicas   the desired replica count is more than the maximum replica count*
  Normal *SuccessfulRescale *horizontal-pod-autoscaler *New size: 4; reason: cpu resource utilization (percentage of request) above target*'
described=$(k120 describe hpa web)
like "describe, 1.20" "$described" '*Reference: *Deployment/web*
  resource cpu on pods  (as a percentage of request):  100% (100m) / 50%*
Deployment pods: *4 current / 4 desired*
  ScalingLimited  True    TooManyReplicas *'
like "get, 1.20" "$(k120 get hpa)" '*NAME *REFERENCE *TARGETS *MINPODS *MAXPODS *REPLICAS *AGE*web *Deployment/web *cpu: 100%/50% *1 *4 *4 *'

# --- older versions of the API ---
is "v1 tells the percentage" "$(k get horizontalpodautoscalers.v1.autoscaling web -o 'jsonpath={.spec.targetCPUUtilizationPercentage} {.status.currentCPUUtilizationPercentage} {.status.currentReplicas} {.status.desiredReplicas}')" \
  "50 100 4 4"
is "the rest is in annotations" "$(k get horizontalpodautoscalers.v1.autoscaling web -o json | python3 -c '
import json, sys
annotations = json.load(sys.stdin)["metadata"]["annotations"]
prefix = "autoscaling.alpha.kubernetes.io/"
print([condition["type"] for condition in json.loads(annotations[prefix + "conditions"])], prefix + "current-metrics" in annotations)')" \
  "['AbleToScale', 'ScalingActive', 'ScalingLimited'] False"
is "v2beta2" "$(request GET /apis/autoscaling/v2beta2/namespaces/default/horizontalpodautoscalers/web | head -1 | python3 -c '
import json, sys
status = json.load(sys.stdin)["status"]
print(status["currentMetrics"], [condition["type"] for condition in status["conditions"]])')" \
  "[{'type': 'Resource', 'resource': {'name': 'cpu', 'current': {'averageValue': '100m', 'averageUtilization': 100}}}] ['AbleToScale', 'ScalingActive', 'ScalingLimited']"
is "v2beta1" "$(request GET /apis/autoscaling/v2beta1/namespaces/default/horizontalpodautoscalers/web | head -1 | python3 -c '
import json, sys
print(json.load(sys.stdin)["status"]["currentMetrics"])')" \
  "[{'type': 'Resource', 'resource': {'name': 'cpu', 'currentAverageUtilization': 100, 'currentAverageValue': '100m'}}]"

# --- down ---
set_load '{"cpu": "5m", "memory": "8Mi", "qps": "20", "lag": "30", "hits": "7"}'
until_is "not at once" \
  "True ScaleDownStabilized recent recommendations were higher than current one, applying the highest recent recommendation" \
  condition AbleToScale
is "it stays" "$(k get deployment web -o 'jsonpath={.spec.replicas}')" "4"
k patch hpa web --type merge -p '{"spec":{"behavior":{"scaleDown":{"stabilizationWindowSeconds":0}}}}' >/dev/null
until_is "with a window of nothing" "web Deployment/web cpu: 5%/50% 1 4 1" hpa web
wait_until "an event tells it" warned SuccessfulRescale "New size: 1; reason: All metrics below target"
is "the behavior is whole" "$(k get hpa web -o 'jsonpath={.spec.behavior.scaleUp.policies[*].type} {.spec.behavior.scaleDown.policies}')" \
  'Pods Percent [{"periodSeconds":15,"type":"Percent","value":100}]'
like "describe tells it" "$(k describe hpa web)" '*Behavior:
  Scale Up:
    Stabilization Window: 0 seconds
    Select Policy: Max
    Policies:
      - Type: Pods     Value: 4    Period: 15 seconds
      - Type: Percent  Value: 100  Period: 15 seconds
  Scale Down:
    Stabilization Window: 0 seconds
    Select Policy: Max
    Policies:
      - Type: Percent  Value: 100  Period: 15 seconds*'

# --- it may do no more than its role says ---
k get clusterrolebinding system:controller:horizontal-pod-autoscaler -o yaml >"$work/binding.yaml"
k delete clusterrolebinding system:controller:horizontal-pod-autoscaler >/dev/null
until_is "forbidden" 'False FailedGetResourceMetric the HPA was unable to compute the replica count: failed to get cpu utilization: unable to get metrics for resource cpu: unable to fetch metrics from resource metrics API: pods.metrics.k8s.io is forbidden: User "system:serviceaccount:kube-system:horizontal-pod-autoscaler" cannot list resource "pods" in API group "metrics.k8s.io" in the namespace "default"' \
  condition ScalingActive
sed -i '/uid:/d; /resourceVersion:/d' "$work/binding.yaml"
k create -f "$work/binding.yaml" >/dev/null
until_is "and again allowed" "True ValidMetricFound the HPA was able to successfully calculate a replica count from cpu resource utilization (percentage of request)" \
  condition ScalingActive

# --- other metrics ---
k delete hpa web >/dev/null
k apply -f - >/dev/null <<END
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata: {name: web}
spec:
  scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: web}
  maxReplicas: 9
  behavior:
    scaleDown: {stabilizationWindowSeconds: 0}
    scaleUp: {policies: [{type: Pods, value: 100, periodSeconds: 15}]}
  metrics:
  - type: Pods
    pods: {metric: {name: qps}, target: {type: AverageValue, averageValue: 10}}
END
until_is "no custom metrics" "False FailedGetPodsMetric the HPA was unable to compute the replica count: unable to get metric qps: unable to fetch metrics from custom metrics API: no custom metrics API (custom.metrics.k8s.io) registered" \
  condition ScalingActive
serve custom.metrics.k8s.io v1beta2
until_is "twice the target, and so on" "web Deployment/web 20/10 1 9 9" hpa web
# metrics JSON
metrics() {
  k patch hpa web --type merge -p '{"spec":{"metrics":['"$1"']}}' >/dev/null
}
metrics '{"type":"Object","object":{"metric":{"name":"hits"},"describedObject":{"apiVersion":"v1","kind":"Service","name":"kubernetes"},"target":{"type":"AverageValue","averageValue":"3500m"}}}'
until_is "a metric of an object" "web Deployment/web 3500m/3500m (avg) 1 9 2" hpa web
serve external.metrics.k8s.io v1beta1
metrics '{"type":"External","external":{"metric":{"name":"lag","selector":{"matchLabels":{"queue":"q1"}}},"target":{"type":"AverageValue","averageValue":10}}}'
until_is "a metric of something else" "web Deployment/web 10/10 (avg) 1 9 3" hpa web
is "with its labels" "$(grep -c 'external.metrics.k8s.io/v1beta1/namespaces/default/lag?labelSelector=queue%3Dq1' "$work/metrics.log" |
  sed 's/^[1-9][0-9]*$/asked/')" "asked"
metrics '{"type":"External","external":{"metric":{"name":"none"},"target":{"type":"Value","value":"10"}}}'
until_is "one that is not there" "False FailedGetExternalMetric the HPA was unable to compute the replica count: unable to get external metric default/none/nil: unable to fetch metrics from external metrics API: the server could not find the metric none" \
  condition ScalingActive
metrics '{"type":"Resource","resource":{"name":"memory","target":{"type":"AverageValue","averageValue":"4Mi"}}},{"type":"ContainerResource","containerResource":{"name":"cpu","container":"nginx","target":{"type":"Utilization","averageUtilization":50}}}'
until_is "two of them: the larger counts" "web Deployment/web memory: 8388608/4Mi, cpu: 5%/50% 1 9 9" hpa web

# --- custom resources ---
k apply -f - >/dev/null <<END
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: fleets.example.com}
spec:
  group: example.com
  scope: Namespaced
  names: {plural: fleets, singular: fleet, kind: Fleet}
  versions:
  - name: v1
    served: true
    storage: true
    schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}
    subresources:
      status: {}
      scale: {specReplicasPath: .spec.replicas, statusReplicasPath: .status.replicas, labelSelectorPath: .status.selector}
END
until_is "the definition" "True" k get crd fleets.example.com -o 'jsonpath={.status.conditions[?(@.type=="Established")].status}'
k delete hpa web >/dev/null
set_load '{"cpu": "100m", "memory": "8Mi", "qps": "20", "lag": "30", "hits": "7"}'
k run ship --image=nginx --labels=fleet=one --overrides='{"spec":{"containers":[{"name":"ship","image":"nginx","resources":{"requests":{"cpu":"50m"}}}]}}' >/dev/null
k create -f - >/dev/null <<END
{"apiVersion":"example.com/v1","kind":"Fleet","metadata":{"name":"one"},"spec":{"replicas":1}}
END
k create -f - >/dev/null <<END
{"apiVersion":"autoscaling/v2","kind":"HorizontalPodAutoscaler","metadata":{"name":"fleet"},"spec":{"maxReplicas":7,
 "scaleTargetRef":{"apiVersion":"example.com/v1","kind":"Fleet","name":"one"}}}
END
until_is "without a selector" "False InvalidSelector the HPA target's scale is missing a selector" condition ScalingActive fleet
wait_until "the event" warned SelectorRequired "selector is required" fleet
k patch fleet one --subresource=status --type=merge -p '{"status":{"replicas":1,"selector":"fleet=one"}}' >/dev/null
until_is "with one" "fleet Fleet/one cpu: 200%/80% 1 7 3" hpa fleet
is "its own number" "$(k get fleet one -o 'jsonpath={.spec.replicas}')" "3"

# --- a kill in the middle ---
is "autoscale, 1.20" "$(k120 autoscale deployment web --cpu-percent=50 --min=2 --max=9)" \
  "horizontalpodautoscaler.autoscaling/web autoscaled"
kill "$node_pid"
wait "$node_pid" 2>/dev/null
node_pid=
restart_cluster KILL
published requestheader-client-ca-file >"$work/front-ca.crt"
until_is "it goes on" "9" k get deployment web -o 'jsonpath={.spec.replicas}'
done_testing
