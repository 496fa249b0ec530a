#!/bin/bash
# shellcheck disable=SC2034,SC2154 # harness.sh reads and sets them
# The audit log: what its policy says is written, stage by stage; files that are put away when they grow.
. "$(dirname "$0")/harness.sh"
cat >"$work/policy.yaml" <<'END'
apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules:
- level: None
  users: ["admin"]
  nonResourceURLs: ["/version", "/api*", "/openapi/*"]
- level: Metadata
  resources: [{group: "", resources: [secrets]}]
- level: Request
  verbs: [create, patch]
  namespaces: [default]
  resources: [{group: "", resources: [configmaps], resourceNames: []}]
- level: RequestResponse
  omitManagedFields: true
  resources: [{group: apps, resources: [deployments, "deployments/scale"]}]
- level: Metadata
  userGroups: [system:unauthenticated]
- level: Metadata
  verbs: [watch]
  omitStages: []
- level: Metadata
  namespaces: [strict]
- level: None
  resources: [{group: "", resources: ["*"]}]
- level: Metadata
END
cat >"$work/bad.yaml" <<'END'
apiVersion: audit.k8s.io/v1
kind: Policy
rules: [{level: Everything, nonResourceURLs: ["x", "/a*b"], omitStages: [Never]}]
END
"$CLUSTERD" --no-node --data-dir "$work/none" --secure-port 0 --audit-policy-file "$work/bad.yaml" --audit-log-path - 2>"$work/bad.log"
like "a bad policy is refused, for all that is wrong" "$?:$(cat "$work/bad.log")" \
  '18:*rules\[0\].level: Unsupported value: "Everything"*rules\[0\].omitStages\[0\]: Invalid value: "Never"*"x": non-resource URL must start with /*"/a\*b"*wildcards*'
is "a log without a policy" "$("$CLUSTERD" --no-node --audit-log-path - 2>&1 | head -1)" \
  "clusterd: --audit-log-path needs --audit-policy-file: without it nothing is audited"

start_cluster --audit-policy-file "$work/policy.yaml" --audit-log-path "$work/audit.log" --audit-log-maxsize 1 --audit-log-maxbackup 2
# events EXPRESSION TEXT: what EXPRESSION says of each event e for which CONDITION holds; waits for the first
events() {
  python3 - "$work/audit.log" "$1" "$2" <<'END'
import json, sys, time
path, expression, condition = sys.argv[1:]
for _ in range(200):
    found = []
    for line in open(path):
        e = json.loads(line)
        if eval(condition):
            found.append(eval(expression))
    if found:
        break
    time.sleep(0.02)
print("\n".join(str(f) for f in found))
END
}
about() { echo "e.get('objectRef', {}).get('resource') == '$1' and e['verb'] == '$2'"; }

k create secret generic s --from-literal=a=topsecret >/dev/null
is "metadata of a secret" "$(events "e['level'], e['stage'], e['user']['username'], e['responseStatus']['code'], e['objectRef']['namespace'], 'requestObject' in e, e['sourceIPs'], e['userAgent'][:7]" "$(about secrets create)")" \
  "('Metadata', 'ResponseComplete', 'admin', 201, 'default', False, ['127.0.0.1'], 'kubectl')"
is "nothing secret in the log" "$(grep -c topsecret "$work/audit.log")" "0"
k create configmap c --from-literal=a=b >/dev/null
is "the request" "$(events "e['level'], e['requestObject']['data'], 'responseObject' in e" "$(about configmaps create)")" \
  "('Request', {'a': 'b'}, False)"
k patch configmap c --type=merge -p '{"data":{"a":"c"}}' >/dev/null
is "a patch" "$(events "e['requestObject'], e['objectRef']['name']" "$(about configmaps patch)")" "({'data': {'a': 'c'}}, 'c')"
k create deployment d --image=nginx >/dev/null
is "the response" "$(events "e['level'], e['requestObject']['kind'], e['responseObject']['metadata']['name'], 'managedFields' in e['responseObject']['metadata']" "$(about deployments create)")" \
  "('RequestResponse', 'Deployment', 'd', False)"
k scale deployment d --replicas=2 >/dev/null
is "a subresource" "$(events "e['objectRef']['subresource'], e['objectRef']['apiGroup'], e['responseObject']['spec']['replicas']" "e.get('objectRef', {}).get('subresource') == 'scale' and e['verb'] == 'patch'")" \
  "('scale', 'apps', 2)"
k create deployment d --image=nginx >/dev/null 2>&1
is "an error" "$(events "e['responseStatus']['reason'], e['responseStatus']['code'], e['responseStatus']['status']" "$(about deployments create) and e['responseStatus']['code'] != 201")" \
  "('AlreadyExists', 409, 'Failure')"
k get configmap c >/dev/null
k get --raw /version >/dev/null
is "what no rule wants is not there" "$(grep -c -e '"verb":"get","user":{"username":"admin"[^}]*},"sourceIPs":[^]]*\],"objectRef":{"resource":"configmaps"' -e '"requestURI":"/version"' "$work/audit.log")" "0"

as_bob get secrets >/dev/null 2>&1
is "a refusal" "$(events "e['user']['username'], e['responseStatus']['code'], e['annotations']['authorization.k8s.io/decision']" "$(about secrets list)")" \
  "('bob', 403, 'forbid')"
k get --raw /healthz >/dev/null
k create clusterrole secrets-reader --verb=list --resource=secrets >/dev/null
k create clusterrolebinding bob --clusterrole=secrets-reader --user=jane >/dev/null
k --as=jane get secrets >/dev/null
is "in another's name" "$(events "e['user']['username'], e['impersonatedUser']['username'], e['annotations']['authorization.k8s.io/reason']" "'impersonatedUser' in e")" \
  "('admin', 'jane', 'RBAC: allowed by ClusterRoleBinding \"bob\" of ClusterRole \"secrets-reader\" to User \"jane\"')"
curl -sk -H 'Audit-ID: mine-1' -H 'X-Forwarded-For: 192.0.2.1, x' -D "$work/head" "https://127.0.0.1:$port/api/v1/pods" >/dev/null
is "anonymous, the client's own id, by way of a proxy" "$(events "e['auditID'], e['sourceIPs'], e['user']['username']" "e['auditID'] == 'mine-1'")" \
  "('mine-1', ['192.0.2.1', '127.0.0.1'], 'system:anonymous')"
is "the id in the answer" "$(tr -d '\r' <"$work/head" | grep -i '^audit-id')" "Audit-Id: mine-1"
like "every answer has one" "$(request GET /api/v1/namespaces/default -D - -o /dev/null)" '*Audit-Id: ????????-????-4???-????-????????????*'
curl -sk -H 'Authorization: Bearer wrong' "https://127.0.0.1:$port/apis/apps/v1/deployments" >/dev/null
is "nobody" "$(events "e['user'], e['responseStatus']['code']" "e['responseStatus']['code'] == 401")" "({}, 401)"

request GET '/api/v1/configmaps?watch=1&timeoutSeconds=1' >/dev/null
is "a watch starts and ends" "$(events "e['stage']" "$(about configmaps watch) and e['stage'] == 'ResponseComplete'") $(events "e['stage'], e['responseStatus']['code']" "$(about configmaps watch) and e['stage'] == 'ResponseStarted'")" \
  "ResponseComplete ('ResponseStarted', 200)"

# --- what admission notes
note() { events "e['annotations'].get('$1')" "e.get('objectRef', {}).get('namespace') == 'strict' and $2"; }
pod='{"metadata":{"name":"p"},"spec":{"containers":[{"name":"c","image":"i","securityContext":{"privileged":true}}]}}'
cat >"$work/strict.yaml" <<END
apiVersion: v1
kind: Namespace
metadata:
  name: strict
  labels: {pod-security.kubernetes.io/enforce: baseline, pod-security.kubernetes.io/enforce-version: v1.30,
    pod-security.kubernetes.io/audit: restricted}
END
k create -f "$work/strict.yaml" >/dev/null
k create serviceaccount default -n strict >/dev/null 2>&1
dry="/api/v1/namespaces/strict/pods?dryRun=All"
post() { request POST "$1" -H 'Content-Type: application/json' -d "$2" -H "Audit-ID: $3" -o /dev/null; }
is "a pod that is refused" "$(post "$dry" "$pod" pod-1)" $'\n403'
is "the policy it was held to" "$(note pod-security.kubernetes.io/enforce-policy "e['auditID'] == 'pod-1'")" "baseline:v1.30"
like "and what it does" "$(note pod-security.kubernetes.io/audit-violations "e['auditID'] == 'pod-1'")" \
  'would violate PodSecurity "restricted:latest": privileged (container "c" must not set securityContext.privileged=true), *'
k create deployment d -n strict --image=nginx >/dev/null 2>&1
like "a deployment" "$(events "e['annotations']" "$(about deployments create) and e['objectRef']['namespace'] == 'strict'")" \
  '*audit-violations*would violate PodSecurity "restricted:latest": allowPrivilegeEscalation != false (container "nginx" *'
is "has no policy of its own" "$(note pod-security.kubernetes.io/enforce-policy "$(about deployments create)")" "None"
k label namespace strict pod-security.kubernetes.io/enforce- pod-security.kubernetes.io/audit- >/dev/null
post "$dry" "$pod" pod-2 >/dev/null
is "nothing is forbidden" "$(events "e['annotations']['pod-security.kubernetes.io/enforce-policy'], len(e['annotations'])" "e['auditID'] == 'pod-2'")" \
  "('privileged:latest', 3)"

start_https
k apply -f - >/dev/null <<END
{"apiVersion":"admissionregistration.k8s.io/v1","kind":"MutatingWebhookConfiguration","metadata":{"name":"m"},"webhooks":[
 {"name":"label.hooks.example","clientConfig":{"url":"$hooks/hook/label","caBundle":"$ca_bundle"},"sideEffects":"None",
  "admissionReviewVersions":["v1"],"rules":[{"operations":["CREATE"],"apiGroups":[""],"apiVersions":["v1"],
  "resources":["configmaps","secrets"]}]},
 {"name":"warn.hooks.example","clientConfig":{"url":"$hooks/hook/warn","caBundle":"$ca_bundle"},"sideEffects":"None",
  "admissionReviewVersions":["v1"],"rules":[{"operations":["CREATE"],"apiGroups":[""],"apiVersions":["v1"],
  "resources":["configmaps"]}]}]}
END
for kind in configmaps secrets; do
  post "/api/v1/namespaces/default/$kind" '{"metadata":{"name":"hooked"}}' "hooked-$kind" >/dev/null
done
hooked() { events "sorted((k, v.replace(' ', '')) for k, v in e['annotations'].items() if 'authorization' not in k)" "e['auditID'] == 'hooked-$1'"; }
is "what webhooks did and said" "$(hooked configmaps)" \
  "[('mutation.webhook.admission.k8s.io/round_0_index_0', '{\"configuration\":\"m\",\"webhook\":\"label.hooks.example\",\"mutated\":true}'), \
('mutation.webhook.admission.k8s.io/round_0_index_1', '{\"configuration\":\"m\",\"webhook\":\"warn.hooks.example\",\"mutated\":false}'), \
('patch.webhook.admission.k8s.io/round_0_index_0', '{\"configuration\":\"m\",\"webhook\":\"label.hooks.example\",\"patch\":[{\"op\":\"add\",\"path\":\"/metadata/labels\",\"value\":{\"hooked\":\"yes\"}}],\"patchType\":\"JSONPatch\"}'), \
('warn.hooks.example/seen', 'yes')]"
is "no patch of what is secret" "$(hooked secrets)" \
  "[('mutation.webhook.admission.k8s.io/round_0_index_0', '{\"configuration\":\"m\",\"webhook\":\"label.hooks.example\",\"mutated\":true}')]"
k delete mutatingwebhookconfiguration m >/dev/null

# --- rotation: a megabyte a file, two files kept
head -c 300000 /dev/zero | tr '\0' x >"$work/large"
for i in 1 2 3 4 5 6 7 8 9 10 11 12; do
  printf '{"metadata":{"name":"large-%s"},"data":{"a":"%s"}}' "$i" "$(cat "$work/large")" |
    request POST /api/v1/namespaces/default/configmaps -H 'Content-Type: application/json' -d @- -o /dev/null >/dev/null
done
is "the newest is there" "$(events "e['objectRef']['resource']" "'large-12' in json.dumps(e.get('requestObject', ''))" | tail -1)" "configmaps"
is "old files are put away, two of them" "$(find "$work" -name 'audit-*.log' | wc -l)" "2"
is "no file is larger" "$(find "$work" -name 'audit*.log' -size +1024k | wc -l)" "0"
done_testing
