#!/bin/bash
# shellcheck disable=SC2034,SC2154 # harness.sh reads and sets them
# API aggregation: APIServices of this server's own groups, and an extension API server behind a service.
. "$(dirname "$0")/harness.sh"
start_cluster
k create ns x1 >/dev/null
k create ns hooks >/dev/null
group=wardle.example.com

# --- what only a node can measure is not served without one ---
is "no metrics" "$(k top node 2>&1)" "error: Metrics API not available"
is "no such group" "$(request GET /apis/metrics.k8s.io/v1beta1/nodes | tr '\n' ' ')" "404 page not found  404 "
is "no APIService" "$(k get apiservice v1beta1.metrics.k8s.io 2>&1)" \
  'Error from server (NotFound): apiservices.apiregistration.k8s.io "v1beta1.metrics.k8s.io" not found'
is "no role" "$(k get clusterrole system:aggregated-metrics-reader 2>&1)" \
  'Error from server (NotFound): clusterroles.rbac.authorization.k8s.io "system:aggregated-metrics-reader" not found'

# --- who the server is to others ---
published() {
  k -n kube-system get configmap extension-apiserver-authentication -o "jsonpath={.data.$1}"
}
wait_until "the front proxy's authority" published requestheader-client-ca-file
published requestheader-client-ca-file >"$work/front-ca.crt"
is "the client CA is published" "$(published client-ca-file)" "$(cat "$work/pki/ca.crt")"
is "and the headers" "$(published requestheader-username-headers) $(published requestheader-group-headers)" \
  '["X-Remote-User"] ["X-Remote-Group"]'
CLIENT_CA=$work/front-ca.crt
start_https

# --- local ones ---
wait_until "the local APIServices" k get apiservice v1.storage.k8s.io
is "a local one" "$(k get apiservice v1.apps -o 'jsonpath={.spec} {.status.conditions[0].type}={.status.conditions[0].status} {.status.conditions[0].reason}')" \
  '{"group":"apps","groupPriorityMinimum":17800,"version":"v1","versionPriority":15} Available=True Local'
is "the core one" "$(k get apiservice v1. -o 'jsonpath={.spec.groupPriorityMinimum} {.metadata.labels}')" \
  '18000 {"kube-aggregator.kubernetes.io/automanaged":"onstart"}'
like "the table" "$(k get apiservice v1.batch)" "NAME *SERVICE *AVAILABLE *AGE*v1.batch *Local *True *"
k delete apiservice v1.batch >/dev/null
wait_until "one that was deleted comes back" k get apiservice v1.batch

# --- a remote one ---
condition() {
  k get apiservice v1.$group -o 'jsonpath={.status.conditions[?(@.type=="Available")].status} {.status.conditions[0].reason} {.status.conditions[0].message}'
}
# condition_is PATTERN
condition_is() {
  # shellcheck disable=SC2254 # it is a pattern
  case $(condition) in $1) ;; *) return 1 ;; esac
}
k create -f - >/dev/null <<END
{"apiVersion":"apiregistration.k8s.io/v1","kind":"APIService","metadata":{"name":"v1.$group"},"spec":{"group":"$group",
 "version":"v1","groupPriorityMinimum":1000,"versionPriority":15,"caBundle":"$ca_bundle",
 "service":{"namespace":"hooks","name":"wardle","port":$https_port}}}
END
wait_until "no service" condition_is 'False ServiceNotFound service/wardle in "hooks" is not present'
is "is not available" "$(request GET /apis/$group/v1/namespaces/x1/flunders | tr '\n' ' ')" "service unavailable  503 "
like "kubectl says so" "$(k get --raw /apis/$group/v1 2>&1)" \
  'Error from server (ServiceUnavailable): the server is currently unable to handle the request*'
like "discovery says it is stale" "$(request GET /apis -H 'Accept: application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList')" \
  '*{"metadata":{"name":"'$group'"},"versions":\[{"version":"v1","resources":\[\],"freshness":"Stale"}\]}*'
k -n hooks create service clusterip wardle --tcp 1:1 >/dev/null
wait_until "no such port" condition_is "False ServicePortError service/wardle in \"hooks\" is not listening on port $https_port"
k -n hooks delete service wardle >/dev/null
k -n hooks create service clusterip wardle --tcp "$https_port:$https_port" >/dev/null
wait_until "nobody behind it" condition_is \
  "False MissingEndpoints endpoints for service/wardle in \"hooks\" have no addresses with port name \"$https_port-$https_port\""
k -n hooks delete service wardle >/dev/null
k -n hooks create service externalname wardle --external-name localhost >/dev/null
wait_until "available" condition_is 'True Passed all checks passed'

# --- discovery ---
like "the groups" "$(request GET /apis)" '*"name":"'$group'","versions":\[{"groupVersion":"'$group'/v1","version":"v1"}\]*'
is "the group" "$(request GET /apis/$group | head -1)" \
  '{"kind":"APIGroup","apiVersion":"v1","name":"'$group'","versions":[{"groupVersion":"'$group'/v1","version":"v1"}],"preferredVersion":{"groupVersion":"'$group'/v1","version":"v1"}}'
like "the version" "$(request GET /apis/$group/v1)" '{"kind": "APIResourceList", *"flunders"*200'
like "the aggregated form" "$(request GET /apis -H 'Accept: application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList')" \
  '*{"version":"v1","resources":\[{"resource":"flunders","responseKind":{"group":"'$group'","version":"v1","kind":"Flunder"},"scope":"Namespaced","singularResource":"flunder","verbs":\["get","list","watch","create","delete"\],"shortNames":\["fl"\]}\],"freshness":"Current"}*'
is "api-resources" "$(k api-resources --api-group $group --no-headers | tr -s ' ')" "flunders fl $group/v1 true Flunder"
like "OpenAPI v3's index" "$(request GET /openapi/v3)" \
  '*"apis/'$group'/v1":{"serverRelativeURL":"/openapi/v3/apis/'$group'/v1?hash=H"}*'
like "OpenAPI v3" "$(request GET "/openapi/v3/apis/$group/v1?hash=H")" '{"openapi": "3.0.0", "info": {"title": "wardle"*200'
like "OpenAPI v2" "$(request GET /openapi/v2 | head -1 | python3 -c '
import json, sys
d = json.load(sys.stdin)
print([p for p in d["paths"] if "example.com" in p], sorted(n for n in d["definitions"] if "wardle" in n or n.endswith("ObjectMeta_v2")),
      d["definitions"]["com.example.wardle.Flunder"]["properties"]["metadata"], len(d["paths"]) > 100)')" \
  "*'/apis/$group/v1/namespaces/{namespace}/flunders'\] \['com.example.wardle.Flunder', 'com.example.wardle.FlunderList', 'io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta_v2'\] {'\$ref': '#/definitions/io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta_v2'} True"
if KUBECTL_120=$("$G_TEST_SRCDIR/tests/kubectl" 1.20); then
  like "kubectl 1.20 explains" "$(k120 explain flunder.spec.user)" "*FIELD:*user <string>*Who flunders.*"
fi

# --- requests ---
head -c 20971520 /dev/urandom >"$work/long"
is "a body longer than the server would keep" \
  "$(request POST /apis/$group/v1/namespaces/x1/flunders/swallow -T - <"$work/long" | head -1)" \
  "POST 20971520 $(sha256sum <"$work/long" | cut -d' ' -f1)"
like "kubectl get" "$(k -n x1 get flunders)" "NAME *AGE*one *"
is "who asks" "$(k -n x1 get fl one -o 'jsonpath={.spec}')" \
  '{"certificate":"front-proxy-client","groups":["system:masters","system:authenticated"],"user":"admin"}'
is "what a client says of itself is not believed" "$(request GET /apis/$group/v1/namespaces/x1/flunders/one \
  -H 'X-Remote-User: root' -H 'X-Remote-Group: wheel' -H 'X-Remote-Extra-A: b' | head -1 | python3 -c '
import json, sys
print(json.load(sys.stdin)["spec"])')" \
  "{'user': 'admin', 'groups': ['system:masters', 'system:authenticated'], 'certificate': 'front-proxy-client'}"
is "impersonation is resolved here" "$(k -n x1 get fl one --as bob --as-group system:masters --as-user-extra a/B=c -o 'jsonpath={.spec.user}' 2>/dev/null ||
  k -n x1 get fl one --as bob --as-group system:masters -o 'jsonpath={.spec.user}')" "bob"
like "an error of its own" "$(k -n x1 get fl none 2>&1)" 'Error from server (NotFound): flunders "none" not found'
like "authorization is this server's" "$(as_bob -n x1 get flunders 2>&1)" \
  'Error from server (Forbidden): flunders.'$group' is forbidden: User "bob" cannot list resource "flunders" in API group "'$group'" in the namespace "x1"'
is "a body" "$(request POST /apis/$group/v1/namespaces/x1/flunders -H 'Content-Type: application/json' -d '{"a":1}' >/dev/null
tail -1 "$https_log" | python3 -c '
import json, sys
entry = json.load(sys.stdin)
print(entry["method"], entry["body"], entry["headers"]["X-Forwarded-Proto"], entry["subject"])')" \
  'POST {"a":1} https front-proxy-client'

# --- a watch streams ---
request GET "/apis/$group/v1/namespaces/x1/flunders?watch=1" -N >"$work/watch" &
watch=$!
wait_until "the first event" grep -q ADDED "$work/watch"
is "the second is not there yet" "$(grep -c DELETED "$work/watch")" "0"
curl -s --cacert "$work/pki/ca.crt" "$hooks/release" >/dev/null
wait "$watch"
is "it comes" "$(grep -c DELETED "$work/watch")" "1"

# --- trust ---
k patch apiservice v1.$group --type merge -p '{"spec":{"caBundle":null,"insecureSkipTLSVerify":true}}' >/dev/null
wait_until "without verification" condition_is 'True Passed*'
is "it is called all the same" "$(k -n x1 get fl one -o name)" "flunder.$group/one"
foreign=$(base64 -w0 "$work/pki/foreign-ca.crt")
k patch apiservice v1.$group --type merge -p '{"spec":{"caBundle":"'"$foreign"'","insecureSkipTLSVerify":false}}' >/dev/null
wait_until "another authority" condition_is \
  'False FailedDiscoveryCheck failing or missing response from https://localhost:*: tls: failed to verify certificate: x509: certificate signed by unknown authority'
k patch apiservice v1.$group --type merge -p '{"spec":{"caBundle":"'"$ca_bundle"'"}}' >/dev/null
wait_until "its own again" condition_is 'True Passed*'

# --- after a restart ---
restart_cluster KILL
two_authorities() {
  [ "$(published requestheader-client-ca-file | grep -c BEGIN)" = 2 ]
}
wait_until "this start's authority, too" two_authorities
published requestheader-client-ca-file >"$work/front-ca.crt"
is "two authorities" "$(grep -c BEGIN "$work/front-ca.crt")" "2"
kill "$https_pid"
wait "$https_pid" 2>/dev/null
rm "$work/https.ports"
start_https
k patch apiservice v1.$group --type merge -p '{"spec":{"service":{"port":'"$https_port"'}}}' >/dev/null
wait_until "available again" condition_is 'True Passed*'
is "and served" "$(k -n x1 get fl one -o name)" "flunder.$group/one"
kill "$https_pid"
wait "$https_pid" 2>/dev/null
rm "$work/https.ports"

# --- a certificate from files ---
CLIENT_CA=$work/pki/foreign-ca.crt
server_options=(--proxy-client-cert-file "$work/pki/foreign.crt" --proxy-client-key-file "$work/pki/foreign.key"
  --requestheader-client-ca-file "$CLIENT_CA")
restart_cluster TERM
start_https
foreign_ca() {
  published requestheader-client-ca-file | grep -qF "$(sed -n 2p "$CLIENT_CA")"
}
wait_until "its authority is published" foreign_ca
k patch apiservice v1.$group --type merge -p '{"spec":{"service":{"port":'"$https_port"'}}}' >/dev/null
wait_until "available with it" condition_is 'True Passed*'
is "it is shown" "$(k -n x1 get fl one -o 'jsonpath={.spec.certificate}')" "system:masters,mallory"
k delete apiservice v1.$group >/dev/null
is "and gone" "$(request GET /apis/$group/v1 | tr '\n' ' ')" "404 page not found  404 "
done_testing
