#!/bin/bash
# shellcheck disable=SC2034,SC2154 # harness.sh reads and sets them
# What the server answers byte by byte: status codes, texts and bodies that clients rely on.
. "$(dirname "$0")/harness.sh"
start_cluster
k create ns x1 >/dev/null
maps=/api/v1/namespaces/x1/configmaps
json=(-H "Content-Type: application/json")

# code NAME EXPECTED METHOD PATH [curl arguments]
code() {
  is "$1: $2" "$(request "$3" "$4" "${@:5}" -o /dev/null | tail -1)" "$2"
}

# message NAME CODE TEXT METHOD PATH [curl arguments]: the Status' message and code
message() {
  body=$(request "$4" "$5" "${@:6}")
  is "$1" "$(printf '%s' "$body" | head -1 | sed -n 's/.*"message":"\(.*\)","reason".*/\1/p')|$(printf '%s\n' "$body" | tail -1)" \
    "$3|$2"
}

code "create" 201 POST $maps "${json[@]}" -d '{"metadata":{"name":"a"},"data":{"k":"v"}}'
message "exists" 409 'configmaps \"a\" already exists' POST $maps "${json[@]}" -d '{"metadata":{"name":"a"}}'
message "not found" 404 'configmaps \"zz\" not found' GET $maps/zz
message "no name" 422 'ConfigMap \"\" is invalid: metadata.name: Required value: name or generateName is required' \
  POST $maps "${json[@]}" -d '{"metadata":{}}'
message "namespace mismatch" 400 'the namespace of the provided object does not match the namespace sent on the request' \
  POST $maps "${json[@]}" -d '{"metadata":{"name":"b","namespace":"x2"}}'
message "missing namespace" 404 'namespaces \"nope\" not found' POST /api/v1/namespaces/nope/configmaps "${json[@]}" \
  -d '{"metadata":{"name":"b"}}'
message "version on create" 400 'resourceVersion should not be set on objects to be created' POST $maps "${json[@]}" \
  -d '{"metadata":{"name":"b","resourceVersion":"1"}}'
message "wrong kind" 400 \
  'Secret in version \"v1\" cannot be handled as a ConfigMap: converting (v1.Secret) to (core.ConfigMap): unknown conversion' \
  POST $maps "${json[@]}" -d '{"kind":"Secret","apiVersion":"v1","metadata":{"name":"b"}}'
code "bad JSON" 400 POST $maps "${json[@]}" -d '{"a":'
code "YAML" 201 POST $maps -H "Content-Type: application/yaml" -d $'metadata: {name: y1}\ndata: {k: v}'
code "no content type" 201 POST $maps -H "Content-Type:" -d '{"metadata":{"name":"noct"}}'
message "unknown format" 415 \
  'the body of the request was in an unknown format - accepted media types include: application/json, application/yaml, application/vnd.kubernetes.protobuf' \
  POST $maps -H "Content-Type: text/plain" -d x
code "not acceptable" 406 GET $maps -H "Accept: image/png"
like "YAML reply" "$(request GET $maps/a -H "Accept: application/yaml")" "*kind: ConfigMap*"
message "unknown resource" 404 'the server could not find the requested resource' GET /api/v1/zzz
is "unknown group" "$(request GET /apis/zz/v1/foo | tr '\n' ' ')" "404 page not found  404 "
message "wrong method" 405 'the server does not allow this method on the requested resource' PUT $maps "${json[@]}" -d '{}'
message "stale PUT" 409 \
  'Operation cannot be fulfilled on configmaps \"a\": the object has been modified; please apply your changes to the latest version and try again' \
  PUT $maps/a "${json[@]}" -d '{"metadata":{"name":"a","resourceVersion":"1"}}'
message "name mismatch" 400 'the name of the object (b) does not match the name on the URL (a)' PUT $maps/a "${json[@]}" \
  -d '{"metadata":{"name":"b"}}'
message "PUT creates not" 404 'configmaps \"newone\" not found' PUT $maps/newone "${json[@]}" \
  -d '{"metadata":{"name":"newone"}}'
code "PUT creates a lease" 201 PUT /apis/coordination.k8s.io/v1/namespaces/x1/leases/l "${json[@]}" \
  -d '{"metadata":{"name":"l"},"spec":{}}'
code "unknown patch" 415 PATCH $maps/a "${json[@]}" -d '{}'
message "apply without manager" 422 \
  'PatchOptions.meta.k8s.io \"\" is invalid: fieldManager: Required value: is required for apply patch' \
  PATCH $maps/a -H "Content-Type: application/apply-patch+yaml" -d 'data: {k: w}'
message "bad dry run" 422 \
  'CreateOptions.meta.k8s.io \"\" is invalid: dryRun: Unsupported value: []string{\"Yes\"}: supported values: \"All\"' \
  POST "$maps?dryRun=Yes" "${json[@]}" -d '{"metadata":{"name":"b"}}'

# lists
like "list shape" "$(request GET "$maps?limit=1")" \
  '{"kind":"ConfigMapList","apiVersion":"v1","metadata":{"resourceVersion":"*","continue":"*","remainingItemCount":*},"items":\[{"metadata":{*'
like "empty list" "$(request GET /api/v1/namespaces/x1/secrets)" '*"items":\[\]}*'
message "bad limit" 400 'strconv.ParseInt: parsing \"abc\": invalid syntax' GET "$maps?limit=abc"
code "bad continue" 400 GET "$maps?limit=1&continue=abc"
message "match without version" 422 \
  'ListOptions.meta.k8s.io \"\" is invalid: resourceVersionMatch: Forbidden: resourceVersionMatch is forbidden unless resourceVersion is provided' \
  GET "$maps?resourceVersionMatch=Exact"
like "future version" "$(request GET "$maps?resourceVersion=999999999" -D - | tr -d '\r' | tr '\n' ' ')" \
  '*504*Retry-After: 1*Timeout: Too large resource version: 999999999, current: *ResourceVersionTooLarge*'
message "unknown field selector" 400 \
  '\"data.k\" is not a known field selector: only \"metadata.name\", \"metadata.namespace\"' GET "$maps?fieldSelector=data.k%3Dv"

# watches
like "watch from the start" "$(request GET "$maps?watch=1&timeoutSeconds=1")" \
  '{"type":"ADDED","object":{"kind":"ConfigMap","apiVersion":"v1",*'
restart_cluster TERM
like "watch too old" "$(request GET "$maps?watch=1&resourceVersion=1&timeoutSeconds=1")" \
  '{"type":"ERROR","object":{"kind":"Status",*"too old resource version: 1 (*)","reason":"Expired","code":410}}*200'
like "watch list" "$(request GET \
  "$maps?watch=1&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true&timeoutSeconds=1")" \
  '*ADDED*BOOKMARK*"k8s.io/initial-events-end":"true"*'
code "match on a watch" 422 GET "$maps?watch=1&resourceVersionMatch=NotOlderThan&resourceVersion=5"
like "watch as table" "$(request GET "$maps?watch=1&timeoutSeconds=1" \
  -H 'Accept: application/json;as=Table;v=v1;g=meta.k8s.io' | sed -n 2p)" '{"type":"ADDED","object":{"kind":"Table"*'
like "old watch path" "$(request GET "/api/v1/watch/namespaces/x1/configmaps?timeoutSeconds=1")" '{"type":"ADDED",*'
like "metadata only" "$(request GET $maps -H 'Accept: application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io')" \
  '{"kind":"PartialObjectMetadataList","apiVersion":"meta.k8s.io/v1",*'

# deletion
message "wrong precondition" 409 \
  'Operation cannot be fulfilled on ConfigMap \"a\": the UID in the precondition (1) does not match the UID in record ('"$(k -n x1 get cm a -o 'jsonpath={.metadata.uid}')"'). The object might have been deleted and then recreated' \
  DELETE $maps/a "${json[@]}" -d '{"preconditions":{"uid":"1"}}'
like "delete" "$(request DELETE $maps/a)" \
  '{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Success","details":{"name":"a","kind":"configmaps","uid":"*"}}*200'
like "delete collection" "$(request DELETE "$maps?labelSelector=none%3Dx")" '{"kind":"ConfigMapList",*"items":\[\]}*200'
message "protected namespace" 403 'namespaces \"default\" is forbidden: this namespace may not be deleted' \
  DELETE /api/v1/namespaces/default

# documents
is "health" "$(request GET /livez | tr '\n' ' ')" "ok 200 "
like "verbose" "$(request GET '/readyz?verbose')" '\[+\]ping ok*readyz check passed*'
like "root" "$(request GET /)" '*"/apis/apps/v1"*'
like "keys" "$(request GET /openid/v1/jwks)" '{"keys":\[{"use":"sig","kty":"EC",*'
etag=$(request GET /openapi/v2 -D - -o /dev/null | tr -d '\r' | sed -n 's/^ETag: //Ip')
code "unchanged OpenAPI" 304 GET /openapi/v2 -H "If-None-Match: $etag"
like "OpenAPI v3" "$(request GET /openapi/v3)" '*"apis/apps/v1":{"serverRelativeURL":"/openapi/v3/apis/apps/v1?hash=*'
code "OpenAPI v3, old hash" 301 GET '/openapi/v3/apis/apps/v1?hash=0'

# what a proxy in front would read differently
raw() {
  printf '%b' "$1" | timeout 5 openssl s_client -quiet -connect "127.0.0.1:$port" -CAfile "$work/pki/ca.crt" 2>/dev/null | head -1 |
    tr -d '\r'
}
is "two lengths" "$(raw 'POST /api HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nabc')" \
  "HTTP/1.1 400 Bad Request"
is "space before a colon" "$(raw 'GET /api HTTP/1.1\r\nHost : x\r\nConnection: close\r\n\r\n')" "HTTP/1.1 400 Bad Request"
done_testing
