#!/bin/bash
# shellcheck disable=SC2034,SC2154 # harness.sh reads and sets them
# Manifests of old course material, in the versions they were written for, with a new and an old kubectl.
COMPONENTS=controllers
. "$(dirname "$0")/harness.sh"
KUBECTL_120=$("$G_TEST_SRCDIR/tests/kubectl" 1.20) || KUBECTL_120=
start_cluster
json=(-H "Content-Type: application/json")
extensions=/apis/extensions/v1beta1/namespaces/default

# --- a deployment of 2017 ---
cat >"$work/deployment.yaml" <<END
apiVersion: extensions/v1beta1
kind: Deployment
metadata: {name: old}
spec:
  replicas: 2
  template:
    metadata: {labels: {app: old, tier: web}}
    spec: {containers: [{name: c, image: "nginx:1.7.9", ports: [{containerPort: 80}]}]}
END
is "apply says how old it is" "$(k apply -f "$work/deployment.yaml" 2>&1)" \
  "Warning: extensions/v1beta1 Deployment is deprecated in v1.8+, unavailable in v1.16+; use apps/v1 Deployment
deployment.extensions/old created"
is "one object in all versions" "$(k get deploy -o name)" "deployment.apps/old"
field "the selector is the template's labels" /apis/apps/v1/namespaces/default/deployments/old \
  spec/selector '{"matchLabels": {"app": "old", "tier": "web"}}'
field "and so are the labels" /apis/apps/v1/namespaces/default/deployments/old metadata/labels/app old
field "it keeps all revisions" /apis/apps/v1/namespaces/default/deployments/old spec/revisionHistoryLimit 2147483647
field "and rolls one by one" /apis/apps/v1/namespaces/default/deployments/old spec/strategy/rollingUpdate \
  '{"maxSurge": 1, "maxUnavailable": 1}'
field "its own apiVersion in a list" $extensions/deployments items/0/spec/replicas 2
field "list kind" $extensions/deployments kind DeploymentList
field "list version" $extensions/deployments apiVersion extensions/v1beta1
is "apply again" "$(k apply -f "$work/deployment.yaml" 2>/dev/null)" "deployment.extensions/old unchanged"
is "apply a change" "$(sed 's/1.7.9/1.9.1/' "$work/deployment.yaml" | k apply -f - 2>/dev/null)" \
  "deployment.extensions/old configured"
field "the change is seen in apps/v1" /apis/apps/v1/namespaces/default/deployments/old \
  spec/template/spec/containers/0/image nginx:1.9.1
is "set image, through apps/v1" "$(k set image deploy/old c=nginx:1.7.9)" "deployment.apps/old image updated"
field "and in extensions/v1beta1" $extensions/deployments/old spec/template/spec/containers/0/image nginx:1.7.9
is "strategic patch" "$(k patch deployments.v1beta1.extensions old -p \
  '{"spec":{"template":{"spec":{"containers":[{"name":"c","env":[{"name":"A","value":"b"}]}]}}}}' 2>/dev/null)" \
  "deployment.extensions/old patched"
field "merged by name" /apis/apps/v1/namespaces/default/deployments/old spec/template/spec/containers/0/image nginx:1.7.9
is "merge patch" "$(k patch deployments.v1beta1.extensions old --type merge -p '{"spec":{"paused":true}}' 2>/dev/null)" \
  "deployment.extensions/old patched"
is "JSON patch" "$(k patch deployments.v1beta1.extensions old --type json \
  -p '[{"op":"remove","path":"/spec/paused"}]' 2>/dev/null)" "deployment.extensions/old patched"
like "table" "$(k get deployments.v1beta1.extensions 2>/dev/null)" "NAME*READY*UP-TO-DATE*AVAILABLE*old*0/2*"
field "scale" $extensions/deployments/old/scale status/selector '{"app": "old", "tier": "web"}'
field "its selector as text" $extensions/deployments/old/scale status/targetSelector app=old,tier=web
field "scale's version" $extensions/deployments/old/scale apiVersion extensions/v1beta1
is "kubectl scale" "$(k scale deployments.v1beta1.extensions/old --replicas=3 2>/dev/null)" "deployment.extensions/old scaled"
field "scaled" /apis/apps/v1/namespaces/default/deployments/old spec/replicas 3
field "rollbackTo is an annotation" /apis/apps/v1/namespaces/default/deployments/old spec/replicas 3
like "explain" "$(k explain deployment.spec.rollbackTo --api-version=extensions/v1beta1)" "*revision*"
like "not found" "$(k get deployments.v1beta1.extensions nope 2>&1)" '*deployments.extensions "nope" not found*'
is "delete" "$(k delete -f "$work/deployment.yaml" 2>/dev/null)" 'deployment.extensions "old" deleted'
is "gone in all versions" "$(k get deploy -o name)" ""
code=$(request POST $extensions/deployments "${json[@]}" -o /dev/null -d '{"metadata":{"name":"x"},"spec":{"template":{}}}' | tail -1)
is "no labels, no selector, no deployment" "$code" 422

# --- going back, as kubectl did before apps/v1 ---
state() {
  k get deploy old -o 'jsonpath={.spec.template.spec.containers[0].image} {.metadata.annotations.deployment\.kubernetes\.io/revision} {.metadata.annotations.deprecated\.deployment\.rollback\.to}'
}
k apply -f "$work/deployment.yaml" >/dev/null 2>&1
until_is "revision 1" "nginx:1.7.9 1 " state
sed 's/1.7.9/1.9.1/' "$work/deployment.yaml" | k apply -f - >/dev/null 2>&1
until_is "revision 2" "nginx:1.9.1 2 " state
is "a rollback is asked for" "$(request POST $extensions/deployments/old/rollback "${json[@]}" -o /dev/null \
  -d '{"kind":"DeploymentRollback","apiVersion":"extensions/v1beta1","name":"old","rollbackTo":{"revision":1},"updatedAnnotations":{"why":"course"}}' | tail -1)" "201"
until_is "and done, as revision 3" "nginx:1.7.9 3 " state
is "with its annotations" "$(k get deploy old -o 'jsonpath={.metadata.annotations.why}')" "course"
k patch deployments.v1beta1.extensions old --type merge -p '{"spec":{"rollbackTo":{"revision":0}}}' >/dev/null 2>&1
until_is "0 is the one before" "nginx:1.9.1 4 " state
k patch deployments.v1beta1.extensions old --type merge -p '{"spec":{"rollbackTo":{"revision":9}}}' >/dev/null 2>&1
until_is "a revision that is not there changes nothing" "nginx:1.9.1 4 " state
told() {
  k get events --field-selector involvedObject.name=old,reason="$1" -o 'jsonpath={.items[*].message}'
}
until_is "and is told" "Unable to find the revision to rollback to." told DeploymentRollbackRevisionNotFound
like "as is what was done" "$(told DeploymentRollback)" '*Rolled back deployment "old" to revision 1*'
like "another name" "$(request POST $extensions/deployments/old/rollback "${json[@]}" -d '{"name":"x","rollbackTo":{}}')" \
  "*name in URL does not match name in DeploymentRollback object*"
k delete deployment old >/dev/null

# --- the other workloads ---
cat >"$work/workloads.yaml" <<END
apiVersion: extensions/v1beta1
kind: DaemonSet
metadata: {name: ds}
spec: {template: {metadata: {labels: {app: ds}}, spec: {containers: [{name: c, image: i}]}}}
---
apiVersion: extensions/v1beta1
kind: ReplicaSet
metadata: {name: rs}
spec: {replicas: 1, template: {metadata: {labels: {app: rs}}, spec: {containers: [{name: c, image: i}]}}}
---
apiVersion: apps/v1beta1
kind: Deployment
metadata: {name: d1}
spec: {template: {metadata: {labels: {app: d1}}, spec: {containers: [{name: c, image: i}]}}}
---
apiVersion: apps/v1beta1
kind: StatefulSet
metadata: {name: s1}
spec: {serviceName: s, template: {metadata: {labels: {app: s1}}, spec: {containers: [{name: c, image: i}]}}}
---
apiVersion: apps/v1beta2
kind: Deployment
metadata: {name: d2}
spec: {selector: {matchLabels: {app: d2}}, template: {metadata: {labels: {app: d2}}, spec: {containers: [{name: c, image: i}]}}}
---
apiVersion: batch/v1beta1
kind: CronJob
metadata: {name: cj}
spec: {schedule: "*/1 * * * *", jobTemplate: {spec: {template: {spec: {restartPolicy: OnFailure, containers: [{name: c, image: i}]}}}}}
---
apiVersion: policy/v1beta1
kind: PodDisruptionBudget
metadata: {name: none}
spec: {minAvailable: 1, selector: {}}
---
apiVersion: autoscaling/v2beta1
kind: HorizontalPodAutoscaler
metadata: {name: hpa}
spec:
  scaleTargetRef: {apiVersion: extensions/v1beta1, kind: Deployment, name: d1}
  maxReplicas: 3
  metrics: [{type: Resource, resource: {name: cpu, targetAverageUtilization: 50}}]
---
apiVersion: rbac.authorization.k8s.io/v1beta1
kind: Role
metadata: {name: r}
rules: [{apiGroups: [""], resources: [pods], verbs: [get]}]
---
apiVersion: storage.k8s.io/v1beta1
kind: StorageClass
metadata: {name: sc}
provisioner: example.com/x
---
apiVersion: extensions/v1beta1
kind: NetworkPolicy
metadata: {name: np}
spec: {podSelector: {}, ingress: [{ports: [{port: 80}]}]}
---
apiVersion: networking.k8s.io/v1beta1
kind: Ingress
metadata: {name: ing, annotations: {nginx.ingress.kubernetes.io/rewrite-target: /}}
spec:
  backend: {serviceName: fallback, servicePort: http}
  rules: [{host: a.example, http: {paths: [{path: /x, backend: {serviceName: web, servicePort: 80}}]}}]
END
is "all of them" "$(k apply -f "$work/workloads.yaml" 2>/dev/null | tr '\n' ' ')" \
  "daemonset.extensions/ds created replicaset.extensions/rs created deployment.apps/d1 created statefulset.apps/s1 created deployment.apps/d2 created cronjob.batch/cj created poddisruptionbudget.policy/none created horizontalpodautoscaler.autoscaling/hpa created role.rbac.authorization.k8s.io/r created storageclass.storage.k8s.io/sc created networkpolicy.extensions/np created ingress.networking.k8s.io/ing created "
# (lists that are replaced as a whole differ by what the server filled in: kubectl sends those again, as it does upstream)
is "and unchanged" "$(k apply -f "$work/workloads.yaml" 2>/dev/null | grep -v unchanged | tr '\n' ' ')" \
  "networkpolicy.extensions/np configured ingress.networking.k8s.io/ing configured "
is "daemon set: pods are replaced when deleted" "$(k get ds ds -o 'jsonpath={.spec.updateStrategy.type} {.spec.selector.matchLabels.app}')" \
  "OnDelete ds"
is "stateful set too" "$(k get sts s1 -o 'jsonpath={.spec.updateStrategy.type} {.spec.selector.matchLabels.app}')" "OnDelete s1"
is "apps/v1beta1 keeps two revisions" "$(k get deploy d1 -o 'jsonpath={.spec.revisionHistoryLimit} {.spec.strategy.rollingUpdate.maxSurge}')" "2 25%"
is "apps/v1beta2 keeps ten" "$(k get deploy d2 -o 'jsonpath={.spec.revisionHistoryLimit}')" "10"
field "an empty selector chose nothing" /apis/policy/v1/namespaces/default/poddisruptionbudgets/none \
  spec/selector/matchExpressions/0/operator Exists
field "and is shown as it was" /apis/policy/v1beta1/namespaces/default/poddisruptionbudgets/none spec/selector '{}'
field "metrics are grouped" /apis/autoscaling/v2/namespaces/default/horizontalpodautoscalers/hpa \
  spec/metrics/0/resource/target '{"averageUtilization": 50, "type": "Utilization"}'
field "and flat" /apis/autoscaling/v2beta1/namespaces/default/horizontalpodautoscalers/hpa \
  spec/metrics/0/resource '{"name": "cpu", "targetAverageUtilization": 50}'
like "in a table as well" "$(k get horizontalpodautoscalers.v2beta1.autoscaling 2>/dev/null)" "*Deployment/d1*cpu: <unknown>/50%*"
field "ingress of v1" /apis/networking.k8s.io/v1/namespaces/default/ingresses/ing spec/rules/0/http/paths/0 \
  '{"backend": {"service": {"name": "web", "port": {"number": 80}}}, "path": "/x", "pathType": "ImplementationSpecific"}'
field "its default backend" /apis/networking.k8s.io/v1/namespaces/default/ingresses/ing spec/defaultBackend \
  '{"service": {"name": "fallback", "port": {"name": "http"}}}'
field "ingress of extensions" $extensions/ingresses/ing spec/backend '{"serviceName": "fallback", "servicePort": "http"}'
like "its table" "$(k get ingresses.v1beta1.extensions 2>/dev/null)" "*ing*<none>*a.example*80*"
is "network policy" "$(k get netpol np -o 'jsonpath={.spec.policyTypes[*]} {.spec.ingress[0].ports[0].protocol}')" "Ingress TCP"

# --- field managers ---
k apply --server-side --field-manager=course -f - >/dev/null 2>&1 <<END
apiVersion: networking.k8s.io/v1beta1
kind: Ingress
metadata: {name: owned}
spec: {backend: {serviceName: web, servicePort: 80}}
END
is "applied in an old version" "$(k get ing owned --show-managed-fields -o 'jsonpath={.metadata.managedFields[0].apiVersion} {.metadata.managedFields[0].fieldsV1}')" \
  'networking.k8s.io/v1beta1 {"f:spec":{"f:backend":{"f:serviceName":{},"f:servicePort":{}}}}'
like "a conflict across versions" "$(k apply --server-side --field-manager=new -f - 2>&1 <<END
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: owned}
spec: {defaultBackend: {service: {name: other, port: {number: 80}}}}
END
)" '*conflict with "course": .spec.backend.serviceName*'
k patch ing owned --field-manager=patcher --type merge -p '{"spec":{"defaultBackend":{"service":{"name":"other"}}}}' >/dev/null
is "written in the current one" "$(k get ing owned --show-managed-fields -o 'jsonpath={.metadata.managedFields[0].fieldsV1} {.metadata.managedFields[1].apiVersion}')" \
  '{"f:spec":{"f:backend":{"f:servicePort":{}}}} networking.k8s.io/v1'
k delete ing owned >/dev/null

# --- discovery ---
is "kubectl get all shows each once" "$(k get all -o name 2>/dev/null | grep -c 'deployment.*/d1$')" "1"
is "names mean what they mean" "$(k get deploy,rs,ds,netpol,ing -o name 2>&1 | grep -c 'Warning\|extensions')" "0"
is "api-resources" "$(k api-resources --no-headers | grep -E '^(deployments|ingresses|cronjobs|poddisruptionbudgets) ' | tr -s ' ' | tr '\n' ';')" \
  "deployments deploy apps/v1 true Deployment;cronjobs cj batch/v1 true CronJob;deployments extensions/v1beta1 true Deployment;ingresses extensions/v1beta1 true Ingress;ingresses ing networking.k8s.io/v1 true Ingress;poddisruptionbudgets pdb policy/v1 true PodDisruptionBudget;"
like "api-versions" "$(k api-versions | tr '\n' ' ')" "*extensions/v1beta1*"
is "warnings name the kind" "$(k get --raw /apis/networking.k8s.io/v1beta1/ingressclasses 2>&1 >/dev/null)" \
  "Warning: networking.k8s.io/v1beta1 IngressClass is deprecated in v1.19+, unavailable in v1.22+; use networking.k8s.io/v1 IngressClassList"
is "watch in an old version" "$(timeout 5 curl -sN --cacert "$work/pki/ca.crt" --cert "$work/pki/admin.crt" --key "$work/pki/admin.key" \
  "https://127.0.0.1:$port$extensions/ingresses?watch=1&timeoutSeconds=1" | grep -c '"type":"ADDED","object":{"kind":"Ingress","apiVersion":"extensions/v1beta1"')" 1
is "finally" "$(k delete -f "$work/workloads.yaml" 2>/dev/null | wc -l)" "12"

if [ -n "$KUBECTL_120" ]; then
  is "kubectl 1.20 applies" "$(k120 apply -f "$work/deployment.yaml" -f "$work/workloads.yaml" 2>/dev/null | grep -c created)" "13"
  is "kubectl 1.20 applies again" "$(k120 apply -f "$work/deployment.yaml" -f "$work/workloads.yaml" 2>/dev/null | grep -c unchanged)" "11"
  like "kubectl 1.20 explains" "$(k120 explain ingress.spec.backend --api-version=networking.k8s.io/v1beta1)" "*serviceName*servicePort*"
  like "kubectl 1.20 describes" "$(k120 describe cronjob cj)" "*Schedule:*\*/1 \* \* \* \**"
  is "kubectl 1.20 deletes" "$(k120 delete -f "$work/deployment.yaml" -f "$work/workloads.yaml" 2>/dev/null | wc -l)" "13"
else
  ok "no kubectl 1.20 to be had # SKIP"
fi
done_testing
