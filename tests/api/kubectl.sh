#!/bin/bash
# shellcheck disable=SC2034,SC2154 # harness.sh reads and sets them
# The everyday commands of kubectl 1.32 against a real clusterd without a node.
. "$(dirname "$0")/harness.sh"
start_cluster
k create serviceaccount default >/dev/null

is "version" "$(k version -o json | sed -n 's/.*"gitVersion": "\(v1.32.0\)".*/\1/p')" "v1.32.0"
is "namespaces" "$(k get ns -o name | tr '\n' ' ')" \
  "namespace/default namespace/kube-node-lease namespace/kube-public namespace/kube-system "
is "no pods" "$(k get pods 2>&1)" "No resources found in default namespace."
like "the service kubernetes" "$(k get svc kubernetes --no-headers)" "kubernetes*ClusterIP*10.96.0.1*443/TCP*"
like "api-resources" "$(k api-resources)" "*deployments*deploy*apps/v1*true*Deployment*"
like "explain" "$(k explain deployment.spec.replicas 2>&1)" "*replicas*integer*"

# create, get, apply, edit in place, delete
is "create ns" "$(k create ns x1)" "namespace/x1 created"
is "create cm" "$(k -n x1 create configmap a --from-literal=k=v)" "configmap/a created"
is "create again" "$(k -n x1 create configmap a 2>&1)" \
  'error: failed to create configmap: configmaps "a" already exists'
is "get one" "$(k -n x1 get cm a -o 'jsonpath={.data.k}')" "v"
is "not found" "$(k -n x1 get cm zz 2>&1)" 'Error from server (NotFound): configmaps "zz" not found'
is "ns not found" "$(k -n nope create cm a 2>&1)" 'error: failed to create configmap: namespaces "nope" not found'
is "unknown kind" "$(k get zzz 2>&1)" "error: the server doesn't have a resource type \"zzz\""

cat >"$work/web.yaml" <<END
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: c, image: "nginx:1"}]}
---
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {type: NodePort, selector: {app: web}, ports: [{port: 80}]}
END
is "apply" "$(k apply -f "$work/web.yaml" | tr '\n' ' ')" "deployment.apps/web created service/web created "
is "apply again" "$(k apply -f "$work/web.yaml" | tr '\n' ' ')" "deployment.apps/web unchanged service/web unchanged "
sed -i 's/replicas: 2/replicas: 4/' "$work/web.yaml"
is "apply a change" "$(k apply -f "$work/web.yaml" | head -1)" "deployment.apps/web configured"
is "the change" "$(k get deploy web -o 'jsonpath={.spec.replicas} {.metadata.generation}')" "4 2"
is "scale" "$(k scale deploy web --replicas=3)" "deployment.apps/web scaled"
is "scaled" "$(k get deploy web -o 'jsonpath={.spec.replicas} {.metadata.generation}')" "3 3"
is "set image" "$(k set image deploy/web c=nginx:2)" "deployment.apps/web image updated"
is "image" "$(k get deploy web -o 'jsonpath={.spec.template.spec.containers[0].image}')" "nginx:2"
is "label" "$(k label deploy web tier=front)" "deployment.apps/web labeled"
is "selector" "$(k get deploy -l tier=front -o name)" "deployment.apps/web"
is "field selector" "$(k get svc --field-selector metadata.name=web -o name)" "service/web"
like "table" "$(k get deploy web)" "NAME*READY*UP-TO-DATE*AVAILABLE*AGE*web*0/3*"
is "patch" "$(k patch deploy web --type=json -p '[{"op":"replace","path":"/spec/replicas","value":1}]')" \
  "deployment.apps/web patched"
like "server-side apply" "$(k apply --server-side --force-conflicts -f "$work/web.yaml" 2>&1)" \
  "*deployment.apps/web serverside-applied*"
like "server-side apply conflict" \
  "$(sed 's/replicas: 4/replicas: 9/' "$work/web.yaml" | k apply --server-side --field-manager=other -f - 2>&1)" \
  '*conflict with "kubectl"*.spec.replicas*'
like "diff" "$(sed 's/replicas: 4/replicas: 7/' "$work/web.yaml" | k diff -f - 2>&1)" "*-  replicas: 4*+  replicas: 7*"
is "dry run" "$(k create cm dry --dry-run=server -o name; k get cm dry -o name 2>&1)" \
  'configmap/dry
Error from server (NotFound): configmaps "dry" not found'
like "strict validation" "$(printf 'apiVersion: v1\nkind: ConfigMap\nmetadata: {name: q}\ndataz: {a: b}\n' |
  k create -f - 2>&1)" '*strict decoding error: unknown field "dataz"'
is "delete" "$(k delete -f "$work/web.yaml" | tr '\n' ' ')" 'deployment.apps "web" deleted service "web" deleted '

# services
k create service clusterip s1 --tcp=80 >/dev/null
like "cluster IP" "$(k get svc s1 -o 'jsonpath={.spec.clusterIP} {.spec.clusterIPs}')" '10.*.*.* \["10.*"\]'
k create service nodeport n1 --tcp=80 --node-port=30123 >/dev/null
like "node port taken" "$(k create service nodeport n2 --tcp=80 --node-port=30123 2>&1)" \
  '*spec.ports\[0\].nodePort: Invalid value: 30123: provided port is already allocated'
k delete svc n1 >/dev/null
is "node port free again" "$(k create service nodeport n2 --tcp=80 --node-port=30123)" "service/n2 created"
like "cluster IP taken" "$(k create service clusterip s2 --clusterip=10.96.0.1 --tcp=80 2>&1)" \
  '*failed to allocate IP 10.96.0.1: provided IP is already allocated'

# pods
is "run" "$(k run p --image=nginx --port=80)" "pod/p created"
is "service account" "$(k get pod p -o 'jsonpath={.spec.serviceAccountName} {.spec.volumes[0].projected.sources[0].serviceAccountToken.path}')" \
  "default token"
is "tolerations" "$(k get pod p -o 'jsonpath={.spec.tolerations[*].tolerationSeconds}')" "300 300"
is "no account" "$(printf 'apiVersion: v1\nkind: Pod\nmetadata: {name: q}\nspec: {serviceAccountName: nope, containers: [{name: c, image: i}]}\n' |
  k create -f - 2>&1 | sed 's/.*is forbidden/is forbidden/')" \
  'is forbidden: error looking up service account default/nope: serviceaccount "nope" not found'
like "describe" "$(k describe pod p)" "*Name:*p*Status:*Pending*"
like "log without a node" "$(k logs p 2>&1)" "*the node agent is not running*"
is "delete pod" "$(k delete pod p)" 'pod "p" deleted'

# watch
k -n x1 get cm -w -o name >"$work/watch" 2>/dev/null &
watcher=$!
wait_until "what is there is listed" grep -q configmap/a "$work/watch" # the watch goes on from the revision of that list
k -n x1 create cm w >/dev/null
k -n x1 delete cm w >/dev/null
seen_twice() { [ "$(grep -c /w "$work/watch")" = 2 ]; }
wait_until "the watch sees both" seen_twice
kill $watcher
is "watch" "$(grep /w "$work/watch" | tr '\n' ' ')" "configmap/w configmap/w "
is "wait" "$(k wait --for=jsonpath='{.data.k}'=v cm/a -n x1 --timeout=5s)" "configmap/a condition met"

# access
is "whoami" "$(k auth whoami -o 'jsonpath={.status.userInfo.username} {.status.userInfo.groups}')" \
  'admin ["system:masters","system:authenticated"]'
is "forbidden" "$(as_bob get pods 2>&1)" \
  'Error from server (Forbidden): pods is forbidden: User "bob" cannot list resource "pods" in API group "" in the namespace "default"'
is "can-i no" "$(as_bob auth can-i list pods 2>&1)" "no"
k create role reader --verb=get,list --resource=pods >/dev/null
k create rolebinding dev --role=reader --group=dev >/dev/null
is "can-i yes" "$(as_bob auth can-i list pods 2>&1)" "yes"
is "allowed" "$(as_bob get pods 2>&1)" "No resources found in default namespace."
is "not elsewhere" "$(as_bob -n x1 auth can-i list pods 2>&1)" "no"
is "impersonation" "$(k auth can-i list pods --as=eve --as-group=dev)" "yes"
like "foreign CA" "$("$KUBECTL" --kubeconfig "$work/foreign.conf" --cache-dir "$work/none" get pods 2>&1 | tail -1)" \
  "error: You must be logged in to the server*"
token=$(k create token default)
is "token's user" "$("$KUBECTL" --server "https://127.0.0.1:$port" --certificate-authority "$work/pki/ca.crt" \
  --kubeconfig /dev/null --token "$token" auth whoami -o 'jsonpath={.status.userInfo.username}')" \
  "system:serviceaccount:default:default"

is "bad token" "$(curl -s -o /dev/null -w '%{http_code}' --cacert "$work/pki/ca.crt" -H "Authorization: Bearer ${token}x" \
  "https://127.0.0.1:$port/api")" "401"

# what nobody may do: give away more than they have
k create clusterrole binder --verb=create --resource=roles.rbac.authorization.k8s.io >/dev/null
k create clusterrolebinding binder --clusterrole=binder --group=dev >/dev/null
like "escalation" "$(as_bob create role big --verb=delete --resource=secrets 2>&1)" \
  '*user "bob" (groups=\["dev" "system:authenticated"\]) is attempting to grant RBAC permissions not currently held*'
is "no escalation" "$(as_bob create role small --verb=get --resource=pods 2>&1)" "role.rbac.authorization.k8s.io/small created"

# what was acknowledged is there after kill -9
k create cm kept --from-literal=a=b >/dev/null
restart_cluster KILL
is "after kill -9" "$(k get cm kept -o 'jsonpath={.data.a}')" "b"
is "node port still taken" "$(k create service nodeport n3 --tcp=80 --node-port=30123 2>&1 | grep -c 'already allocated')" "1"
restart_cluster TERM
is "after a stop" "$(k get cm kept -o 'jsonpath={.data.a}')" "b"
done_testing
