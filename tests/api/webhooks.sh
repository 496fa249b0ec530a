#!/bin/bash
# shellcheck disable=SC2034,SC2154 # harness.sh reads and sets them
# Admission webhooks over real TLS: whom the server calls, with what, and what it makes of the answers.
. "$(dirname "$0")/harness.sh"
start_cluster
start_https
k create ns x1 >/dev/null
json=(-H "Content-Type: application/json")
maps=/api/v1/namespaces/x1/configmaps

# hooks KIND NAME WEBHOOK...: a configuration; every WEBHOOK is `path|members`
configure() {
  kind=$1
  name=$2
  shift 2
  list=
  for hook in "$@"; do
    path=${hook%%|*}
    list="$list{\"name\":\"$path.hooks.example\",\"clientConfig\":{\"url\":\"$hooks/hook/$path\",\"caBundle\":\"$ca_bundle\"},
      \"sideEffects\":\"None\",\"admissionReviewVersions\":[\"v1\",\"v1beta1\"],${hook#*|}},"
  done
  k apply -f - <<END
{"apiVersion":"admissionregistration.k8s.io/v1","kind":"$kind","metadata":{"name":"$name"},"webhooks":[${list%,}]}
END
}

validating() {
  configure ValidatingWebhookConfiguration "$@"
}

mutating() {
  configure MutatingWebhookConfiguration "$@"
}

remove() {
  k delete validatingwebhookconfigurations,mutatingwebhookconfigurations --all >/dev/null
}

# rules OPERATIONS GROUPS VERSIONS RESOURCES: JSON members, each argument one word
rules() {
  printf '"rules":[{"operations":["%s"],"apiGroups":["%s"],"apiVersions":["%s"],"resources":["%s"]}]' "$@"
}

on_maps=$(rules '*' '' v1 configmaps)
only_x1='"namespaceSelector":{"matchLabels":{"kubernetes.io/metadata.name":"x1"}}'

# last FILTER: of the newest logged review
last() {
  tail -1 "$https_log" | python3 -c "
import json, sys
entry = json.load(sys.stdin)
request = entry['request']
print($1)"
}

# message NAME CODE TEXT METHOD PATH [curl arguments]: the Status' message and code
message() {
  body=$(request "$4" "$5" "${@:6}")
  is "$1" "$(printf '%s' "$body" | head -1 | python3 -c 'import json,sys; print(json.load(sys.stdin).get("message"))')|$(printf '%s\n' "$body" | tail -1)" \
    "$3|$2"
}

# --- what is sent ---
validating v1 "allow|$on_maps" >/dev/null
request POST "$maps?fieldManager=me" "${json[@]}" -d '{"metadata":{"generateName":"gen-"},"data":{"k":"v"}}' >/dev/null
is "a review" "$(last '[entry["version"], request["operation"], request["namespace"], request["resource"], request["kind"]["kind"], request["requestKind"]["kind"], request["userInfo"]["username"], "system:masters" in request["userInfo"]["groups"], request["dryRun"], request["oldObject"]]')" \
  "['admission.k8s.io/v1', 'CREATE', 'x1', {'group': '', 'version': 'v1', 'resource': 'configmaps'}, 'ConfigMap', 'ConfigMap', 'admin', True, False, None]"
is "options" "$(last 'request["options"]')" \
  "{'kind': 'CreateOptions', 'apiVersion': 'meta.k8s.io/v1', 'fieldManager': 'me', 'fieldValidation': 'Warn'}"
like "a validating webhook sees the final name" "$(last 'request["object"]["metadata"]["name"]')" 'gen-?????'
is "the timeout is told" "$(last 'entry["path"]')" "/hook/allow?timeout=10s"
request POST $maps "${json[@]}" -d '{"metadata":{"name":"a"},"data":{"k":"v"}}' >/dev/null
k -n x1 patch cm a -p '{"data":{"k":"w"}}' >/dev/null
is "an update" "$(last 'request["operation"], request["name"], request["oldObject"]["data"], request["object"]["data"], request["options"]["kind"]')" \
  "UPDATE a {'k': 'v'} {'k': 'w'} UpdateOptions"
k -n x1 delete cm a --dry-run=server >/dev/null
is "a deletion, tried" "$(last 'request["operation"], request["object"], request["oldObject"]["data"], request["dryRun"], request["options"]["kind"], request["options"]["propagationPolicy"]')" \
  "DELETE None {'k': 'w'} True DeleteOptions Background"
before=$(wc -l <"$https_log")
k -n x1 create secret generic s >/dev/null
k get ns >/dev/null
is "others are not told" "$(wc -l <"$https_log")" "$before"
is "one connection for all" "$(python3 -c "
import json
print(len({json.loads(line)['connection'] for line in open('$https_log')}))")" "1"

# --- what is answered ---
validating v1 "deny|$on_maps" >/dev/null
message "denied" 400 'admission webhook "deny.hooks.example" denied the request: not today' POST $maps "${json[@]}" \
  -d '{"metadata":{"name":"b"}}'
like "kubectl says it" "$(k -n x1 create cm b 2>&1)" \
  'error: failed to create configmap: admission webhook "deny.hooks.example" denied the request: not today'
validating v1 "forbid|$on_maps" >/dev/null
message "denied with a code" 403 'admission webhook "forbid.hooks.example" denied the request: never' DELETE $maps/a
like "and a reason" "$(request DELETE $maps/a)" '*"reason":"Forbidden"*'
is "nothing was deleted" "$(k -n x1 get cm a -o name)" "configmap/a"
validating v1 "mute|$on_maps" >/dev/null
message "denied without a word" 400 'admission webhook "mute.hooks.example" denied the request without explanation' POST $maps \
  "${json[@]}" -d '{"metadata":{"name":"b"}}'
validating v1 "allow|$on_maps" "deny|$on_maps" "forbid|$on_maps" >/dev/null
before=$(wc -l <"$https_log")
message "one of three says no" 400 'admission webhook "deny.hooks.example" denied the request: not today' POST $maps \
  "${json[@]}" -d '{"metadata":{"name":"b"}}'
is "all three were asked" "$(($(wc -l <"$https_log") - before))" "3"
validating v1 "warn|$on_maps" >/dev/null
like "a warning" "$(request POST $maps "${json[@]}" -d '{"metadata":{"name":"warned"}}' -D - | tr -d '\r')" \
  '*Warning: 299 - "mind the gap"*'

# --- calls that fail ---
# fails NAME HOOK TEXT: what the client is told
fails() {
  validating v1 "$2|$on_maps${4:+,$4}" >/dev/null
  message "$1" 500 "Internal error occurred: failed calling webhook \"$2.hooks.example\": $3" POST $maps "${json[@]}" \
    -d '{"metadata":{"name":"b"}}'
}
fails "an error" broken \
  'failed to call webhook: an error on the server ("out of order") has prevented the request from succeeding'
like "no JSON" "$(validating v1 "garbage|$on_maps" >/dev/null && request POST $maps "${json[@]}" -d '{"metadata":{"name":"b"}}')" \
  '*failed calling webhook*failed to call webhook: *500'
fails "no response" empty 'received invalid webhook response: webhook response was absent'
fails "another kind" kind \
  'received invalid webhook response: expected webhook response of admission.k8s.io/v1, Kind=AdmissionReview, got admission.k8s.io/v1, Kind=Other'
fails "a patch from a validating webhook" patch \
  'received invalid webhook response: validating webhook may not return response.patch'
fails "too slow" slow "failed to call webhook: Post \"$hooks/hook/slow?timeout=1s\": context deadline exceeded" \
  '"timeoutSeconds":1'
validating v1 "uid|$on_maps" >/dev/null
like "another uid" "$(request POST $maps "${json[@]}" -d '{"metadata":{"name":"b"}}')" \
  '*received invalid webhook response: expected response.uid=*, got *other*500'
validating v1 "broken|$on_maps,\"failurePolicy\":\"Ignore\"" >/dev/null
is "a failure that is ignored" "$(k -n x1 create cm ignored -o name)" "configmap/ignored"
k patch validatingwebhookconfiguration v1 --type json \
  -p '[{"op":"replace","path":"/webhooks/0/clientConfig","value":{"url":"https://127.0.0.1:1/x"}},{"op":"replace","path":"/webhooks/0/failurePolicy","value":"Fail"}]' >/dev/null
message "nobody there" 500 \
  'Internal error occurred: failed calling webhook "broken.hooks.example": failed to call webhook: Post "https://127.0.0.1:1/x?timeout=10s": dial tcp 127.0.0.1:1: connect: connection refused' \
  POST $maps "${json[@]}" -d '{"metadata":{"name":"b"}}'
k patch validatingwebhookconfiguration v1 --type json \
  -p '[{"op":"replace","path":"/webhooks/0/clientConfig","value":{"url":"'"$hooks"'/hook/allow"}}]' >/dev/null
message "unknown authority" 500 \
  "Internal error occurred: failed calling webhook \"broken.hooks.example\": failed to call webhook: Post \"$hooks/hook/allow?timeout=10s\": tls: failed to verify certificate: x509: certificate signed by unknown authority" \
  POST $maps "${json[@]}" -d '{"metadata":{"name":"b"}}'

# --- services ---
k patch validatingwebhookconfiguration v1 --type json \
  -p '[{"op":"replace","path":"/webhooks/0/clientConfig","value":{"service":{"namespace":"hooks","name":"hook","path":"/hook/deny","port":'"$https_port"'},"caBundle":"'"$ca_bundle"'"}}]' >/dev/null
message "no service" 500 \
  "Internal error occurred: failed calling webhook \"broken.hooks.example\": failed to call webhook: Post \"https://hook.hooks.svc:$https_port/hook/deny?timeout=10s\": service \"hook\" not found" \
  POST $maps "${json[@]}" -d '{"metadata":{"name":"b"}}'
k create ns hooks >/dev/null
k -n hooks create service externalname hook --external-name localhost >/dev/null
message "a service" 400 'admission webhook "broken.hooks.example" denied the request: not today' POST $maps "${json[@]}" \
  -d '{"metadata":{"name":"b"}}'
remove

# --- which requests ---
validating v1 "deny|$on_maps,$only_x1" >/dev/null
like "in the chosen namespace" "$(k -n x1 create cm c1 2>&1)" '*denied*'
is "in another one" "$(k create cm c1 -o name)" "configmap/c1"
validating v1 "deny|$on_maps,\"objectSelector\":{\"matchLabels\":{\"a\":\"b\"}}" >/dev/null
is "another object" "$(k -n x1 create cm c1 -o name)" "configmap/c1"
like "the old object counts, too" "$(k -n x1 label cm c1 a=b 2>&1; k -n x1 create -f - 2>&1 <<END
{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"c2","labels":{"a":"b"}}}
END
)" '*denied*denied*'
validating v1 "deny|$(rules '*' '*' '*' 'deployments/scale')" >/dev/null
is "the resource itself is not its subresources" "$(k -n x1 create deployment d --image=i -o name)" "deployment.apps/d"
like "a subresource" "$(k -n x1 scale deployment d --replicas=3 2>&1)" '*denied*'
is "a scale is shown as one" "$(last 'request["kind"]["kind"], request["resource"]["resource"], request["subResource"], request["object"]["spec"]')" \
  "Scale deployments scale {'replicas': 3}"
validating v1 "deny|$(rules CREATE '' v1 namespaces),\"namespaceSelector\":{\"matchLabels\":{\"team\":\"red\"}}" >/dev/null
is "a namespace is in itself" "$(k create ns blue -o name; k create -f - 2>&1 <<END
{"apiVersion":"v1","kind":"Namespace","metadata":{"name":"red","labels":{"team":"red"}}}
END
)" "namespace/blue
Error from server: error when creating \"STDIN\": admission webhook \"deny.hooks.example\" denied the request: not today"
k -n x1 create -f - >/dev/null <<END
{"apiVersion":"v1","kind":"List","items":[{"apiVersion":"v1","kind":"ServiceAccount","metadata":{"name":"default"}},
 {"apiVersion":"v1","kind":"Pod","metadata":{"name":"p"},"spec":{"nodeName":"n","containers":[{"name":"c","image":"i"}]}}]}
END
validating v1 "deny|$(rules CONNECT '' v1 'pods/exec')" >/dev/null
like "a connection" "$(k -n x1 exec p -- ls -l 2>&1)" '*admission webhook "deny.hooks.example" denied the request: not today*'
is "is shown as its options" "$(last 'request["operation"], request["name"], request["subResource"], request["kind"]["kind"], request["object"]["command"], request["object"]["stdout"], request["options"]')" \
  "CONNECT p exec PodExecOptions ['ls', '-l'] True None"
validating v1 "deny|$(rules CREATE '' v1 'pods/eviction')" >/dev/null
like "an eviction" "$(request POST /api/v1/namespaces/x1/pods/p/eviction "${json[@]}" \
  -d '{"apiVersion":"policy/v1","kind":"Eviction","metadata":{"name":"p"}}')" '*denied the request: not today*400'
is "is shown as one" "$(last 'request["kind"], request["object"]["kind"], request["name"]')" \
  "{'group': 'policy', 'version': 'v1', 'kind': 'Eviction'} Eviction p"
validating v1 "deny|$(rules '*' '*' '*' '*')" >/dev/null
is "its own configuration is never asked about" "$(k annotate validatingwebhookconfiguration v1 a=b -o name)" \
  "validatingwebhookconfiguration.admissionregistration.k8s.io/v1"
remove

# --- another version of the same objects ---
validating v1 "deny|$(rules CREATE autoscaling v1 horizontalpodautoscalers)" >/dev/null
hpa='{"metadata":{"name":"h"},"spec":{"minReplicas":1,"maxReplicas":3,"scaleTargetRef":{"apiVersion":"apps/v1","kind":"Deployment","name":"d"}}}'
request POST /apis/autoscaling/v2/namespaces/x1/horizontalpodautoscalers "${json[@]}" -d "$hpa" >/dev/null
is "an equivalent version is converted" "$(last 'request["kind"]["version"], request["requestKind"]["version"], request["object"]["apiVersion"]')" \
  "v1 v2 autoscaling/v1"
validating v1 "deny|$(rules CREATE autoscaling v1 horizontalpodautoscalers),\"matchPolicy\":\"Exact\"" >/dev/null
is "an exact match only" "$(request POST /apis/autoscaling/v2/namespaces/x1/horizontalpodautoscalers "${json[@]}" -d "$hpa" | tail -1)" "201"
remove

# --- changes ---
mutating m1 "label|$on_maps" >/dev/null
is "a label is added" "$(k -n x1 create cm m1 --from-literal=a=b -o 'jsonpath={.metadata.labels.hooked}')" "yes"
request POST $maps "${json[@]}" -d '{"metadata":{"generateName":"gen-"}}' >/dev/null
is "no name yet" "$(last 'request["object"]["metadata"].get("name"), request["object"]["metadata"].get("uid"), request.get("name")')" \
  "None None None"
is "who owns it" "$(k -n x1 get cm m1 -o json --show-managed-fields | python3 -c "
import json, sys
print('hooked' in json.dumps(json.load(sys.stdin)['metadata']['managedFields']))")" "False"
mutating m1 "badpatch|$on_maps" >/dev/null
like "a patch that does not apply" "$(request POST $maps "${json[@]}" -d '{"metadata":{"name":"m2"}}')" \
  '*"message":"Internal error occurred: *500'
mutating m1 "data|$on_maps" >/dev/null
is "data is set" "$(k -n x1 create cm m3 --from-literal=a=b -o 'jsonpath={.data}')" '{"from":"webhook"}'
is "and in a dry run" "$(k -n x1 create cm m4 --dry-run=server -o 'jsonpath={.data}')" '{"from":"webhook"}'
k patch mutatingwebhookconfiguration m1 --type json -p '[{"op":"replace","path":"/webhooks/0/sideEffects","value":"NoneOnDryRun"}]' >/dev/null
is "side effects it can do without" "$(k -n x1 create cm m4 --dry-run=server -o 'jsonpath={.data}')" '{"from":"webhook"}'
remove
k create -f - >/dev/null <<END
{"apiVersion":"admissionregistration.k8s.io/v1","kind":"MutatingWebhookConfiguration","metadata":{"name":"a1"},"webhooks":[
 {"name":"count.a.example","clientConfig":{"url":"$hooks/hook/count","caBundle":"$ca_bundle"},"sideEffects":"None",
  "admissionReviewVersions":["v1beta1"],"reinvocationPolicy":"IfNeeded",$on_maps},
 {"name":"label.a.example","clientConfig":{"url":"$hooks/hook/label","caBundle":"$ca_bundle"},"sideEffects":"None",
  "admissionReviewVersions":["v1"],$on_maps}]}
END
is "called again after another one's change" "$(k -n x1 create cm m5 -o 'jsonpath={.metadata.labels}')" \
  '{"count":"2","hooked":"yes"}'
remove

# --- what a webhook adds to a custom resource keeps to its schema ---
k create -f - >/dev/null <<END
{"apiVersion":"apiextensions.k8s.io/v1","kind":"CustomResourceDefinition","metadata":{"name":"notes.x.example"},"spec":{
 "group":"x.example","scope":"Namespaced","names":{"plural":"notes","kind":"Note"},"versions":[
 {"name":"v1","served":true,"storage":true,"schema":{"openAPIV3Schema":{"type":"object","properties":{
  "data":{"type":"object","properties":{"kept":{"type":"string"},"filled":{"type":"string","default":"in"}}}}}}}]}}
END
k wait --for condition=established crd/notes.x.example >/dev/null
mutating m1 "note|$(rules CREATE x.example v1 notes)" >/dev/null
notes=/apis/x.example/v1/namespaces/x1/notes
note='{"apiVersion":"x.example/v1","kind":"Note","metadata":{"name":"n"}}'
like "what the schema knows stays, the rest goes" "$(request POST $notes "${json[@]}" -d "$note")" \
  '*"data":{"kept":"yes","filled":"in"}}*201'
is "so it is stored" "$(k -n x1 get note n -o 'jsonpath={.data}{.extra}{.metadata.labels}')" \
  '{"filled":"in","kept":"yes"}{"hooked":"yes"}'
remove
mutating m1 "badnote|$(rules CREATE x.example v1 notes)" >/dev/null
message "what the schema forbids is refused" 422 'Note.x.example "m" is invalid: data.kept: Invalid value: "integer": data.kept in body must be of type string: "integer"' \
  POST $notes "${json[@]}" -d "${note/\"n\"/\"m\"}"
remove

# --- calls that come back, more of them than there are workers ---
validating v1 "back|$on_maps,$only_x1,\"timeoutSeconds\":30" >/dev/null
crowd=70
is "calls that come back" "$(seq $crowd | xargs -P $crowd -I{} curl -s -o /dev/null -w '%{http_code}\n' --max-time 60 \
  --cacert "$work/pki/ca.crt" --cert "$work/pki/admin.crt" --key "$work/pki/admin.key" "${json[@]}" \
  -d '{"metadata":{"generateName":"crowd-"}}' "https://127.0.0.1:$port$maps" | sort | uniq -c | tr -s ' ')" " $crowd 201"
remove

# --- conditions ---
like "conditions are kept, with a warning" "$(validating v1 "deny|$on_maps,\"matchConditions\":[{\"name\":\"c\",\"expression\":\"true\"}]" 2>&1)" \
  '*Warning: webhooks*matchConditions*created*'
is "they are kept" "$(k get validatingwebhookconfiguration v1 -o 'jsonpath={.webhooks[0].matchConditions[0].expression}')" "true"
done_testing
