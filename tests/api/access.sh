#!/bin/bash
# shellcheck disable=SC2034,SC2154 # harness.sh reads and sets them
# Who is let in and as whom: tokens of every kind, impersonation, reviews; and what they may do then: RBAC.
. "$(dirname "$0")/harness.sh"
COMPONENTS=controllers
printf 'tok-alice,alice,u1,"dev,ops"\n' >"$work/tokens"
openssl genrsa -out "$work/rsa.key" 2048 2>/dev/null
openssl rsa -in "$work/rsa.key" -pubout -out "$work/rsa.pub" 2>/dev/null
start_cluster --token-auth-file "$work/tokens" --service-account-key-file "$work/rsa.pub"
k wait --for=create serviceaccount/default --timeout=20s >/dev/null
k create ns x1 >/dev/null
k -n x1 wait --for=create serviceaccount/default --timeout=20s >/dev/null
b64() { printf %s "$1" | base64 -w0; }

# bearer TOKEN PATH [curl arguments]: the body, then a line with the status code
bearer() {
  curl -s --cacert "$work/pki/ca.crt" -w '\n%{http_code}\n' -H "Authorization: Bearer $1" "${@:3}" "https://127.0.0.1:$port$2"
}
# whoami TOKEN: who the token's bearer is, as JSON, or the status code
whoami() {
  local answer
  answer=$(bearer "$1" /apis/authentication.k8s.io/v1/selfsubjectreviews -H 'Content-Type: application/json' -d '{}')
  case $answer in
  *201) printf '%s' "$answer" | head -1 | python3 -c 'import json,sys; print(json.dumps(json.load(sys.stdin)["status"]["userInfo"],sort_keys=True))' ;;
  *) printf '%s\n' "$answer" | tail -1 ;;
  esac
}
# review TOKEN [AUDIENCES]: the status of a TokenReview
review() {
  request POST /apis/authentication.k8s.io/v1/tokenreviews -H 'Content-Type: application/json' \
    -d "{\"spec\":{\"token\":\"$1\",\"audiences\":[${2:-}]}}" | head -1 |
    python3 -c 'import json,sys; print(json.dumps(json.load(sys.stdin)["status"],sort_keys=True))'
}
claims() {
  python3 -c 'import base64,json,sys; p=sys.argv[1].split(".")[1]; print(json.dumps(json.loads(base64.urlsafe_b64decode(p+"="*(-len(p)%4)))[sys.argv[2]]))' "$1" "$2"
}
# message METHOD PATH BODY: "CODE MESSAGE" of the Status
message() {
  request "$1" "$2" -H 'Content-Type: application/json' -d "$3" |
    python3 -c 'import json,sys; s=json.loads(sys.stdin.readline()); print(s["code"], s["message"])'
}

# --- static and bootstrap tokens
is "static token" "$(whoami tok-alice)" '{"groups": ["dev", "ops", "system:authenticated"], "uid": "u1", "username": "alice"}'
is "unknown token" "$(whoami nothing)" 401
cat >"$work/bootstrap.yaml" <<END
apiVersion: v1
kind: Secret
metadata: {name: bootstrap-token-abcdef, namespace: kube-system}
type: bootstrap.kubernetes.io/token
stringData:
  token-id: abcdef
  token-secret: 0123456789abcdef
  usage-bootstrap-authentication: "true"
  auth-extra-groups: "system:bootstrappers:kubeadm:default"
END
k apply -f "$work/bootstrap.yaml" >/dev/null
is "bootstrap token" "$(whoami abcdef.0123456789abcdef)" \
  '{"groups": ["system:bootstrappers", "system:bootstrappers:kubeadm:default", "system:authenticated"], "username": "system:bootstrap:abcdef"}'
is "bootstrap token, wrong secret" "$(whoami abcdef.0123456789abcdee)" 401
k -n kube-system patch secret bootstrap-token-abcdef -p '{"stringData":{"usage-bootstrap-authentication":"false"}}' >/dev/null
is "bootstrap token, wrong use" "$(whoami abcdef.0123456789abcdef)" 401
k -n kube-system patch secret bootstrap-token-abcdef -p \
  '{"stringData":{"usage-bootstrap-authentication":"true","expiration":"2020-01-01T00:00:00Z"}}' >/dev/null
is "bootstrap token, expired" "$(whoami abcdef.0123456789abcdef)" 401
k -n kube-system wait --for=delete secret/bootstrap-token-abcdef --timeout=20s >/dev/null
is "an expired bootstrap token is deleted" "$(k -n kube-system get secret bootstrap-token-abcdef 2>&1)" \
  'Error from server (NotFound): secrets "bootstrap-token-abcdef" not found'

# --- tokens of service accounts
token=$(k -n x1 create token default)
like "service account token" "$(whoami "$token")" \
  '{"extra": {"authentication.kubernetes.io/credential-id": \["JTI=*"\]}, "groups": \["system:serviceaccounts", "system:serviceaccounts:x1", "system:authenticated"\], "uid": "*", "username": "system:serviceaccount:x1:default"}'
is "its audience" "$(claims "$token" aud)" '["https://kubernetes.default.svc.cluster.local"]'
is "its key is published" "$(k get --raw /openid/v1/jwks | grep -c "\"kid\":\"$(printf %s "${token%%.*}" | base64 -d 2>/dev/null | sed 's/.*"kid":"\([^"]*\).*/\1/')\"")" 1
is "all keys are published" "$(k get --raw /openid/v1/jwks | grep -o '"alg":"[^"]*"' | tr '\n' ' ')" '"alg":"ES256" "alg":"RS256" '
like "type of the keys" "$(request GET /openid/v1/jwks -D - -o /dev/null)" "*application/jwk-set+json*"
like "discovery" "$(k get --raw /.well-known/openid-configuration)" \
  '{"issuer":"https://kubernetes.default.svc.cluster.local","jwks_uri":"https://*/openid/v1/jwks","response_types_supported":\["id_token"\],"subject_types_supported":\["public"\],"id_token_signing_alg_values_supported":\["ES256","RS256"\]}'
is "too short" "$(k -n x1 create token default --duration=5m 2>&1)" \
  'error: failed to create token: TokenRequest.authentication.k8s.io "" is invalid: spec.expirationSeconds: Invalid value: 300: may not specify a duration less than 10 minutes'
other=$(k -n x1 create token default --audience=vault --audience=b)
is "another audience is not let in" "$(whoami "$other")" 401
like "review for its audience" "$(review "$other" '"vault","c"')" '{"audiences": \["vault"\], "authenticated": true, "user": {*}}'
is "review for ours" "$(review "$other")" \
  '{"error": "[invalid bearer token, token audiences [\"vault\" \"b\"] is invalid for the target audiences [\"https://kubernetes.default.svc.cluster.local\"]]", "user": {}}'
is "review of nonsense" "$(review nonsense)" '{"error": "invalid bearer token", "user": {}}'
is "review of a static token" "$(review tok-alice)" \
  '{"audiences": ["https://kubernetes.default.svc.cluster.local"], "authenticated": true, "user": {"groups": ["dev", "ops", "system:authenticated"], "uid": "u1", "username": "alice"}}'
is "a static token is for no other audience" "$(review tok-alice '"vault"')" '{"error": "invalid bearer token", "user": {}}'
tail=${token##*.} # the signature: another first character is another signature, the last one holds bits that mean nothing
case $tail in A*) first=B ;; *) first=A ;; esac
is "a changed token" "$(whoami "${token%.*}.$first${tail#?}")" 401

k -n x1 run web --image=nginx >/dev/null
uid=$(k -n x1 get pod web -o 'jsonpath={.metadata.uid}')
bound=$(k -n x1 create token default --bound-object-kind Pod --bound-object-name web)
like "bound to a pod" "$(whoami "$bound")" \
  "*\"authentication.kubernetes.io/pod-name\": \[\"web\"\], \"authentication.kubernetes.io/pod-uid\": \[\"$uid\"\]*"
is "bound with another uid" "$(k -n x1 create token default --bound-object-kind Pod --bound-object-name web --bound-object-uid 7 2>&1)" \
  'error: failed to create token: Operation cannot be fulfilled on Pod "web": the UID in the bound object reference (7) does not match the UID in record. The object might have been deleted and then recreated'
k -n x1 create serviceaccount robot >/dev/null
is "bound to somebody else's pod" "$(k -n x1 create token robot --bound-object-kind Pod --bound-object-name web 2>&1)" \
  'error: failed to create token: cannot bind token for serviceaccount "robot" to pod running with different serviceaccount name.'
is "bound to what cannot be" "$(message POST /api/v1/namespaces/x1/serviceaccounts/robot/token \
  '{"spec":{"boundObjectRef":{"kind":"Deployment","apiVersion":"apps/v1","name":"d"}}}')" \
  '400 cannot bind token to object of type apps/v1, Kind=Deployment'
k -n x1 delete pod web --force --grace-period=0 >/dev/null 2>&1
is "ends with the pod" "$(whoami "$bound")" 401
is "and says so" "$(review "$bound")" '{"error": "[invalid bearer token, service account token has been invalidated]", "user": {}}'
robot=$(k -n x1 create token robot)
k -n x1 delete serviceaccount robot >/dev/null
k -n x1 create serviceaccount robot >/dev/null
is "an account made anew is another" "$(whoami "$robot")" 401
k create -f - >/dev/null <<END
{"apiVersion":"v1","kind":"Node","metadata":{"name":"n1"}}
END
like "bound to a node" "$(whoami "$(k -n x1 create token robot --bound-object-kind Node --bound-object-name n1)")" \
  '*"authentication.kubernetes.io/node-name": \["n1"\]*'

# --- Secrets that hold tokens
k apply -f - >/dev/null <<END
apiVersion: v1
kind: Secret
metadata: {name: robot-token, namespace: x1, annotations: {kubernetes.io/service-account.name: robot}}
type: kubernetes.io/service-account-token
END
k -n x1 wait --for='jsonpath={.data.token}' secret/robot-token --timeout=20s >/dev/null
legacy=$(k -n x1 get secret robot-token -o 'jsonpath={.data.token}' | base64 -d)
is "its namespace and CA" "$(k -n x1 get secret robot-token -o 'jsonpath={.data.namespace}' | base64 -d) $(k -n x1 get secret robot-token \
  -o 'jsonpath={.data.ca\.crt}' | base64 -d | cmp - "$work/pki/ca.crt" && echo same)" "x1 same"
is "its account's uid" "$(k -n x1 get secret robot-token -o 'jsonpath={.metadata.annotations.kubernetes\.io/service-account\.uid}')" \
  "$(k -n x1 get serviceaccount robot -o 'jsonpath={.metadata.uid}')"
like "token of a Secret" "$(whoami "$legacy")" '*"username": "system:serviceaccount:x1:robot"}'
k -n x1 patch secret robot-token -p "{\"data\":{\"token\":\"$(b64 x)\"}}" >/dev/null
is "the Secret's copy counts" "$(whoami "$legacy")" 401
k -n x1 delete serviceaccount robot >/dev/null
k -n x1 wait --for=delete secret/robot-token --timeout=20s >/dev/null
is "the Secret ends with the account" "$(k -n x1 get secret robot-token 2>&1)" \
  'Error from server (NotFound): secrets "robot-token" not found'

# --- certificates, anonymous, impersonation
is "a certificate of a stranger" "$("$KUBECTL" --kubeconfig "$work/foreign.conf" --cache-dir "$work/none" get pods 2>&1 | tail -1)" \
  'error: You must be logged in to the server (the server has asked for the client to provide credentials)'
is "the stranger's Status" "$(request GET /api/v1/pods --cert "$work/pki/foreign.crt" --key "$work/pki/foreign.key")" \
  '{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure","message":"Unauthorized","reason":"Unauthorized","code":401}
401'
like "anonymous" "$(curl -sk "https://127.0.0.1:$port/api/v1/pods")" \
  '*pods is forbidden: User \\"system:anonymous\\" cannot list resource \\"pods\\" in API group \\"\\" at the cluster scope*"code":403}'
is "impersonation" "$(k auth whoami -o 'jsonpath={.status.userInfo}' --as=jane --as-group=a --as-group=b --as-uid=7)" \
  '{"groups":["a","b","system:authenticated"],"uid":"7","username":"jane"}'
is "impersonation of a service account" "$(k auth whoami -o 'jsonpath={.status.userInfo}' --as=system:serviceaccount:x1:default)" \
  '{"groups":["system:serviceaccounts","system:serviceaccounts:x1","system:authenticated"],"username":"system:serviceaccount:x1:default"}'
like "impersonation with extras" "$(request POST /apis/authentication.k8s.io/v1/selfsubjectreviews -H 'Impersonate-User: jane' \
  -H 'Impersonate-Extra-Scopes: a' -H 'Impersonate-Extra-Scopes: b' -H 'Impersonate-Extra-Acme%2fx: 1' -H 'Content-Type: application/json' -d '{}')" \
  '*"extra":{"scopes":\["a","b"\],"acme/x":\["1"\]}*201'
impersonate() {
  request GET /api/v1/pods --cert "$work/pki/bob.crt" --key "$work/pki/bob.key" "$@" | sed -n 's/.*"message":"\(.*\)","reason.*/\1/p'
}
is "may not impersonate" "$(impersonate -H 'Impersonate-User: jane')" \
  'users \"jane\" is forbidden: User \"bob\" cannot impersonate resource \"users\" in API group \"\" at the cluster scope'
is "nor a service account" "$(impersonate -H 'Impersonate-User: system:serviceaccount:x1:default')" \
  'serviceaccounts \"default\" is forbidden: User \"bob\" cannot impersonate resource \"serviceaccounts\" in API group \"\" in the namespace \"x1\"'
k create clusterrole imp --verb=impersonate --resource=users --resource-name=jane >/dev/null
k create clusterrolebinding imp --clusterrole=imp --user=bob >/dev/null
is "may be one user" "$(impersonate -H 'Impersonate-User: jane')" \
  'pods is forbidden: User \"jane\" cannot list resource \"pods\" in API group \"\" at the cluster scope'
is "but in no group" "$(impersonate -H 'Impersonate-User: jane' -H 'Impersonate-Group: g')" \
  'groups \"g\" is forbidden: User \"bob\" cannot impersonate resource \"groups\" in API group \"\" at the cluster scope'
is "with no extra" "$(impersonate -H 'Impersonate-User: jane' -H 'Impersonate-Extra-Scopes: s')" \
  'userextras.authentication.k8s.io \"s\" is forbidden: User \"bob\" cannot impersonate resource \"userextras/scopes\" in API group \"authentication.k8s.io\" at the cluster scope'
is "and with no uid" "$(impersonate -H 'Impersonate-User: jane' -H 'Impersonate-Uid: 7')" \
  'uids.authentication.k8s.io \"7\" is forbidden: User \"bob\" cannot impersonate resource \"uids\" in API group \"authentication.k8s.io\" at the cluster scope'

# --- RBAC
reason() {
  request POST /apis/authorization.k8s.io/v1/subjectaccessreviews -H 'Content-Type: application/json' -d "{\"spec\":$1}" |
    python3 -c 'import json,sys; s=json.loads(sys.stdin.readline())["status"]; print(s["allowed"], s.get("reason",""))'
}
is "the default roles" "$(k get clusterroles -l kubernetes.io/bootstrapping -o name | wc -l) $(k get clusterrolebindings -l kubernetes.io/bootstrapping -o name | wc -l)" "64 45"
k wait --for='jsonpath={.rules[0].verbs}' clusterrole/admin --timeout=20s >/dev/null
like "view holds what is aggregated to it" "$(k get clusterrole view -o json | tr -d ' \n')" '*"rules":\[{"apiGroups":\[""\],"resources":\["configmaps","endpoints",*'
k -n x1 create rolebinding ann-admin --clusterrole=admin --user=ann >/dev/null
is "admin holds edit, which holds view" "$(k -n x1 auth can-i list pods --as=ann) $(k -n x1 auth can-i create deploy --as=ann) \
$(k -n x1 auth can-i create rolebindings --as=ann) $(k -n x1 auth can-i create nodes --as=ann 2>/dev/null) $(k auth can-i list pods --as=ann)" "yes yes yes no no"
k apply -f - >/dev/null <<END
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: widgets-view, labels: {rbac.authorization.k8s.io/aggregate-to-view: "true"}}
rules: [{apiGroups: [acme.example], resources: [widgets], verbs: [get, list]}]
END
may() {
  reason "{\"user\":\"ann\",\"resourceAttributes\":{\"namespace\":\"x1\",\"verb\":\"$1\",\"group\":\"$2\",\"resource\":\"$3\"}}"
}
until_is "a role that joins reaches admin by two steps" 'True RBAC: allowed by RoleBinding "ann-admin/x1" of ClusterRole "admin" to User "ann"' \
  may list acme.example widgets
is "not allowed" "$(may delete acme.example widgets)" "False "
is "a group's binding" "$(reason '{"user":"x","groups":["system:authenticated"],"nonResourceAttributes":{"verb":"get","path":"/api/v1"}}')" \
  'True RBAC: allowed by ClusterRoleBinding "system:discovery" of ClusterRole "system:discovery" to Group "system:authenticated"'
like "nobody asked about" "$(message POST /apis/authorization.k8s.io/v1/subjectaccessreviews \
  '{"spec":{"resourceAttributes":{"verb":"get"}}}')" '422 *spec.user: Invalid value: "": at least one of user or group must be specified'
is "another namespace than the request's" "$(message POST /apis/authorization.k8s.io/v1/namespaces/x1/localsubjectaccessreviews \
  '{"spec":{"user":"a","resourceAttributes":{"namespace":"x2","verb":"get"}}}')" \
  '400 spec.resourceAttributes.namespace must match namespace: x1'
like "can-i --list" "$(k auth can-i --list --as=bob --as-group=system:authenticated)" \
  '*selfsubjectreviews.authentication.k8s.io*\[create\]*/api/\**\[get\]*'
like "can-i --list of an administrator" "$(k auth can-i --list)" '*\*.\**\[\]*\[\]*\[\*\]*'

k create clusterrole rbac-writer --verb=create,update,patch,get,delete --resource=roles,rolebindings,clusterroles,clusterrolebindings >/dev/null
k create clusterrolebinding bob-rbac --clusterrole=rbac-writer --user=bob >/dev/null
is "may not give what they have not" "$(as_bob create clusterrole more --verb=get,list --resource=pods,deployments.apps 2>&1)" \
  'Error from server (Forbidden): clusterroles.rbac.authorization.k8s.io "more" is forbidden: user "bob" (groups=["dev" "system:authenticated"]) is attempting to grant RBAC permissions not currently held:
{APIGroups:[""], Resources:["pods"], Verbs:["get" "list"]}
{APIGroups:["apps"], Resources:["deployments"], Verbs:["get" "list"]}'
is "nor bind it" "$(as_bob create clusterrolebinding more --clusterrole=cluster-admin --user=bob 2>&1)" \
  'error: failed to create clusterrolebinding: clusterrolebindings.rbac.authorization.k8s.io "more" is forbidden: user "bob" (groups=["dev" "system:authenticated"]) is attempting to grant RBAC permissions not currently held:
{APIGroups:["*"], Resources:["*"], Verbs:["*"]}
{NonResourceURLs:["*"], Verbs:["*"]}'
is "what they have they may give" "$(as_bob -n x1 create role same --verb=get --resource=roles --resource-name=a)" "role.rbac.authorization.k8s.io/same created"
k create clusterrole binder --verb=bind --resource=clusterroles --resource-name=view >/dev/null
k create clusterrolebinding bob-bind --clusterrole=binder --user=bob >/dev/null
is "bind" "$(as_bob -n x1 create rolebinding v --clusterrole=view --user=bob)" "rolebinding.rbac.authorization.k8s.io/v created"
k create clusterrole escalator --verb=escalate --resource=clusterroles >/dev/null
k create clusterrolebinding bob-escalate --clusterrole=escalator --user=bob >/dev/null
is "escalate" "$(as_bob create clusterrole more --verb='*' --resource=pods)" "clusterrole.rbac.authorization.k8s.io/more created"

k -n x1 create configmap one --from-literal=a=b >/dev/null
k -n x1 create role one --verb=get,list,watch,create,deletecollection --resource=configmaps --resource-name=one >/dev/null
k -n x1 create rolebinding one --role=one --user=carl >/dev/null
is "a named object" "$(k -n x1 --as=carl get configmap one -o name)" "configmap/one"
is "not another" "$(k -n x1 --as=carl get configmap two 2>&1)" \
  'Error from server (Forbidden): configmaps "two" is forbidden: User "carl" cannot get resource "configmaps" in API group "" in the namespace "x1"'
is "not all of them" "$(k -n x1 --as=carl get configmaps 2>&1)" \
  'Error from server (Forbidden): configmaps is forbidden: User "carl" cannot list resource "configmaps" in API group "" in the namespace "x1"'
is "a list of the one" "$(k -n x1 --as=carl get configmaps --field-selector metadata.name=one -o name)" "configmap/one"
like "no creation by name" "$(k -n x1 --as=carl create configmap one 2>&1)" '*configmaps is forbidden: User "carl" cannot create resource*'
like "a role's reference stays" "$(k -n x1 patch rolebinding one --type=merge -p '{"roleRef":{"name":"two"}}' 2>&1)" '*roleRef*cannot change roleRef*'

cat >"$work/reconcile.yaml" <<END
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: one, namespace: x1}
rules: [{apiGroups: [""], resources: [secrets], verbs: [get]}]
END
is "auth reconcile" "$(k auth reconcile -f "$work/reconcile.yaml" 2>&1 | head -1)" "role.rbac.authorization.k8s.io/one reconciled"
is "adds rules" "$(k -n x1 auth can-i get secrets --as=carl) $(k -n x1 auth can-i get cm/one --as=carl)" "yes yes"

# --- what is taken from the default roles comes back at the next start
k patch clusterrole system:basic-user --type=json -p '[{"op":"remove","path":"/rules/1"}]' >/dev/null
k patch clusterrolebinding system:discovery --type=json -p '[{"op":"remove","path":"/subjects"}]' >/dev/null
k patch clusterrole system:discovery --type=json -p '[{"op":"replace","path":"/rules","value":[]}]' >/dev/null
k annotate clusterrole system:discovery rbac.authorization.kubernetes.io/autoupdate=false --overwrite >/dev/null
restart_cluster TERM
is "rules come back" "$(k get clusterrole system:basic-user -o 'jsonpath={.rules[*].resources}')" \
  '["selfsubjectaccessreviews","selfsubjectrulesreviews"] ["selfsubjectreviews"]'
is "subjects come back" "$(k get clusterrolebinding system:discovery -o 'jsonpath={.subjects[*].name}')" "system:authenticated"
is "but not where it is not wanted" "$(k get clusterrole system:discovery -o 'jsonpath={.rules}')" ""
done_testing
