#!/bin/bash
# shellcheck disable=SC2034,SC2154 # harness.sh reads and sets them
# What old course material does to pods: pod presets, and ephemeral containers by their old body.
. "$(dirname "$0")/harness.sh"
KUBECTL_120=$("$G_TEST_SRCDIR/tests/kubectl" 1.20) || KUBECTL_120=
start_cluster
k create serviceaccount default >/dev/null

# pod NAME LABEL [more of the spec of its container]
pod() {
  k create -f - <<END
apiVersion: v1
kind: Pod
metadata: {name: $1, labels: {role: $2}, annotations: {podpreset.admission.kubernetes.io/exclude: "${4:-false}"}}
spec: {automountServiceAccountToken: false, initContainers: [{name: i, image: i}], containers: [{name: c, image: i${3:+, $3}}]}
END
}

# --- pod presets ---
cat >"$work/preset.yaml" <<END
apiVersion: settings.k8s.io/v1alpha1
kind: PodPreset
metadata: {name: allow-database}
spec:
  selector: {matchLabels: {role: frontend}}
  env: [{name: DB_PORT, value: "6379"}]
  envFrom: [{configMapRef: {name: etcd-env-config}}]
  volumeMounts: [{mountPath: /cache, name: cache-volume}]
  volumes: [{name: cache-volume, emptyDir: {}}]
END
is "a preset" "$(k apply -f "$work/preset.yaml" 2>&1)" "podpreset.settings.k8s.io/allow-database created"
like "is explained" "$(k explain podpreset.spec)" "*envFrom*volumeMounts*"
like "is listed" "$(k get podpresets)" "NAME*CREATED AT*allow-database*"
like "must say something" "$(k create -f - 2>&1 <<END
{"apiVersion": "settings.k8s.io/v1alpha1", "kind": "PodPreset", "metadata": {"name": "x"}, "spec": {"selector": {}}}
END
)" '*PodPreset*"x" is invalid: spec.volumes.env.envFrom.volumeMounts: Required value: must specify at least one*'
like "and mount what is there" "$(k create -f - 2>&1 <<END
{"apiVersion": "settings.k8s.io/v1alpha1", "kind": "PodPreset", "metadata": {"name": "x"},
 "spec": {"selector": {}, "volumeMounts": [{"name": "v", "mountPath": "/v"}]}}
END
)" '*spec.volumeMounts\[0\].name: Not found: "v"*'
is "a pod it selects" "$(pod website frontend)" "pod/website created"
version=$(k get podpreset allow-database -o 'jsonpath={.metadata.resourceVersion}')
is "is marked" "$(k get pod website -o json | grep -c "\"podpreset.admission.kubernetes.io/podpreset-allow-database\": \"$version\"")" "1"
for list in containers initContainers; do
  is "$list get its parts" "$(k get pod website -o "jsonpath={.spec.${list}[0].env[*].name} {.spec.${list}[0].envFrom[*].configMapRef.name} {.spec.${list}[0].volumeMounts[*].mountPath}")" \
    "DB_PORT etcd-env-config /cache"
done
is "and the pod its volume" "$(k get pod website -o 'jsonpath={.spec.volumes[*].name}')" "cache-volume"
pod other backend >/dev/null
is "another pod" "$(k get pod other -o 'jsonpath={.spec.volumes}{.spec.containers[0].env}')" ""
pod excluded frontend "" true >/dev/null
is "a pod that wants none" "$(k get pod excluded -o 'jsonpath={.spec.volumes}{.spec.containers[0].env}')" ""
pod same frontend 'env: [{name: DB_PORT, value: "6379"}, {name: A, value: b}]' >/dev/null
is "what is the same is no conflict" "$(k get pod same -o 'jsonpath={.spec.containers[0].env[*].name} {.spec.volumes[*].name}')" \
  "DB_PORT A cache-volume"
pod conflict frontend 'env: [{name: DB_PORT, value: "1"}]' >/dev/null
is "a conflict: the pod is as it was written" "$(k get pod conflict -o 'jsonpath={.spec.containers[0].env[*].value}{.spec.volumes}{.spec.initContainers[0].env}')" "1"
is "and not marked" "$(k get pod conflict -o json | grep -c podpreset-allow)" "0"
like "and an event says why" "$(k get events --field-selector involvedObject.name=conflict -o 'jsonpath={.items[*].type} {.items[*].message}')" \
  "Warning merging env for allow-database has a conflict on DB_PORT*"
k create -f - >/dev/null <<END
{"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "mounted", "labels": {"role": "frontend"}}, "spec": {"volumes": [{"name": "mine",
 "emptyDir": {}}], "containers": [{"name": "c", "image": "i", "volumeMounts": [{"name": "mine", "mountPath": "/cache"}]}]}}
END
like "two volumes in one place" "$(k get events --field-selector involvedObject.name=mounted -o 'jsonpath={.items[*].message}')" \
  "*merging volumeMounts for allow-database has a conflict on mount path /cache*"
request POST /api/v1/namespaces/default/pods -H "Content-Type: application/json" -o /dev/null -d '{"metadata":
  {"generateName":"web-","labels":{"role":"frontend"}},
  "spec":{"containers":[{"name":"c","image":"i","env":[{"name":"DB_PORT","value":"2"}]}]}}' >/dev/null
like "a pod whose name is not made up yet" \
  "$(k get events --field-selector involvedObject.name=web- -o 'jsonpath={.items[*].reason}')" "PodPresetConflict"
k delete podpreset allow-database >/dev/null

# --- ephemeral containers ---
cat >"$work/ec.json" <<END
{"apiVersion": "v1", "kind": "EphemeralContainers", "metadata": {"name": "other"}, "ephemeralContainers": [
  {"command": ["sh"], "image": "busybox", "imagePullPolicy": "IfNotPresent", "name": "debugger", "stdin": true, "tty": true,
   "terminationMessagePolicy": "File"}]}
END
path=/api/v1/namespaces/default/pods/other/ephemeralcontainers
is "replace --raw" "$(k replace --raw "$path" -f "$work/ec.json" | python3 -c '
import json, sys
v = json.load(sys.stdin)
print(v["kind"], v["metadata"]["name"], v["ephemeralContainers"][0]["name"], v["ephemeralContainers"][0]["terminationMessagePath"])')" \
  "EphemeralContainers other debugger /dev/termination-log"
is "it is in the pod" "$(k get pod other -o 'jsonpath={.spec.ephemeralContainers[*].image}')" "busybox"
is "again" "$(k replace --raw "$path" -f "$work/ec.json" | grep -c '"kind":"EphemeralContainers"')" "1"
is "once" "$(k get pod other -o 'jsonpath={.spec.ephemeralContainers[*].image}')" "busybox"
like "it cannot change" "$(sed 's/"image": "busybox"/"image": "x"/' "$work/ec.json" >"$work/ec2.json"
k replace --raw "$path" -f "$work/ec2.json" 2>&1)" '*may not be changed*'
sed -i 's/"name": "other"/"name": "other", "resourceVersion": "1"/' "$work/ec2.json"
like "an old version of the pod" "$(k replace --raw "$path" -f "$work/ec2.json" 2>&1)" '*the object has been modified*'
like "another pod's name" "$(sed 's/"name": "other"/"name": "website"/' "$work/ec.json" >"$work/ec3.json"
k replace --raw "$path" -f "$work/ec3.json" 2>&1)" '*does not match the name on the URL*'
is "GET is a pod" "$(k get --raw "$path" | grep -c '^{"kind":"Pod"')" "1"
k debug other --image=busybox --container=second >/dev/null 2>&1
is "kubectl 1.32 debug adds one" "$(k get pod other -o 'jsonpath={.spec.ephemeralContainers[*].name}')" "debugger second"
if [ -n "$KUBECTL_120" ]; then
  for name in third fourth; do
    k120 debug other --image=busybox --container=$name >/dev/null 2>&1
  done
  is "kubectl 1.20 debug adds one each time" "$(k get pod other -o 'jsonpath={.spec.ephemeralContainers[*].name}')" "debugger second third fourth"
else
  ok "no kubectl 1.20 to be had # SKIP"
fi
done_testing
