#!/bin/bash
# shellcheck disable=SC2034,SC2154 # harness.sh reads and sets them
# kubectl 1.20, as Debian 12 has it and old course material expects it.
. "$(dirname "$0")/harness.sh"
KUBECTL_120=$("$G_TEST_SRCDIR/tests/kubectl" 1.20) || skip_all "no kubectl 1.20 to be had"
start_cluster
k120 create serviceaccount default >/dev/null

is "version" "$(k120 version -o json | grep -c '"v1.32.0"')" "1"
is "create ns" "$(k120 create ns x1)" "namespace/x1 created"
is "create cm" "$(k120 -n x1 create configmap a --from-literal=k=v)" "configmap/a created"
is "create deployment" "$(k120 create deployment d --image=nginx)" "deployment.apps/d created"
is "expose" "$(k120 expose deployment d --port=80)" "service/d exposed"
is "scale" "$(k120 scale deployment d --replicas=3)" "deployment.apps/d scaled"
is "scale from" "$(k120 scale deployment d --current-replicas=3 --replicas=2)" "deployment.apps/d scaled"
cat >"$work/pod.yaml" <<END
apiVersion: v1
kind: Pod
metadata: {name: p, labels: {a: b}}
spec: {containers: [{name: c, image: nginx}]}
END
is "apply (schema from OpenAPI v2)" "$(k120 apply -f "$work/pod.yaml")" "pod/p created"
is "apply again" "$(k120 apply -f "$work/pod.yaml")" "pod/p unchanged"
like "client-side validation" "$(sed 's/image/imagez/' "$work/pod.yaml" | k120 apply -f - 2>&1)" \
  '*unknown field "imagez" in io.k8s.api.core.v1.Container*'
like "explain" "$(k120 explain pod.spec.containers.image 2>&1)" "*FIELD:*image <string>*"
like "diff" "$(sed 's/a: b/a: c/' "$work/pod.yaml" | k120 diff -f - 2>&1)" "*-    a: b*+    a: c*"
is "apply --dry-run=server" "$(sed 's/a: b/a: c/' "$work/pod.yaml" | k120 apply --dry-run=server -f -)" \
  "pod/p configured (server dry run)"
is "get -o wide" "$(k120 get pods -o wide --no-headers | awk '{print $1, $2, $3}')" "p 0/1 Pending"
like "describe" "$(k120 describe deployment d)" "*Replicas:*2 desired*"
is "label" "$(k120 label pod p x=y)" "pod/p labeled"
is "taint-like patch" "$(k120 patch pod p -p '{"metadata":{"annotations":{"n":"1"}}}')" "pod/p patched"
is "delete" "$(k120 delete pod p)" 'pod "p" deleted'
is "get all" "$(k120 get all -o name | tr '\n' ' ')" "service/d service/kubernetes deployment.apps/d "
is "can-i" "$(k120 auth can-i create pods)" "yes"
done_testing
