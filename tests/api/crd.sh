#!/bin/bash
# shellcheck disable=SC2034,SC2154 # harness.sh reads and sets them
# CustomResourceDefinitions and their objects, with kubectl 1.32 and 1.20.
. "$(dirname "$0")/harness.sh"
COMPONENTS=${COMPONENTS:-controllers}
KUBECTL_120=$("$G_TEST_SRCDIR/tests/kubectl" 1.20)
[ -x "$KUBECTL_120" ] || skip_all "kubectl 1.20 is not installed"
start_cluster

wait_count() { [ "$(k get "$1" -o name 2>/dev/null | wc -l)" = "$2" ]; }

# --- definitions that are refused
is "no schema, wrong name" "$(k create -f - 2>&1 <<'END'
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: bad}
spec:
  group: example.com
  names: {plural: bads, kind: Bad}
  scope: Namespaced
  versions: [{name: v1, served: true, storage: true}]
END
)" "The CustomResourceDefinition \"bad\" is invalid: 
* metadata.name: Invalid value: \"bad\": must be spec.names.plural+\".\"+spec.group
* spec.versions[0].schema.openAPIV3Schema: Required value: schemas are required"
is "not structural" "$(k create -f - 2>&1 <<'END'
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: bads.example.com}
spec:
  group: example.com
  names: {plural: bads, kind: Bad}
  scope: Namespaced
  versions:
  - name: v1
    served: true
    storage: true
    schema: {openAPIV3Schema: {type: object, properties: {spec: {properties: {l: {type: array}}}}}}
END
)" "The CustomResourceDefinition \"bads.example.com\" is invalid: 
* spec.validation.openAPIV3Schema.properties[spec].type: Required value: must not be empty for specified object fields
* spec.validation.openAPIV3Schema.properties[spec].properties[l].items: Required value: must be specified"

# --- one that is not
cat >"$work/crontab.yaml" <<'END'
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: crontabs.stable.example.com}
spec:
  group: stable.example.com
  scope: Namespaced
  names: {plural: crontabs, singular: crontab, kind: CronTab, shortNames: [ct], categories: [all]}
  versions:
  - name: v1
    served: true
    storage: true
    selectableFields: [{jsonPath: .spec.color}]
    additionalPrinterColumns:
    - {name: Spec, type: string, jsonPath: .spec.cronSpec}
    - {name: Replicas, type: integer, jsonPath: .spec.replicas}
    - {name: Ready, type: string, priority: 1, jsonPath: '.status.conditions[?(@.type=="Ready")].status'}
    - {name: Age, type: date, jsonPath: .metadata.creationTimestamp}
    subresources:
      status: {}
      scale: {specReplicasPath: .spec.replicas, statusReplicasPath: .status.replicas, labelSelectorPath: .status.labelSelector}
    schema:
      openAPIV3Schema:
        description: A cron tab.
        type: object
        required: [spec]
        properties:
          spec:
            description: What is wanted.
            type: object
            required: [cronSpec]
            properties:
              cronSpec: {type: string, description: When to run., pattern: '^(\d+|\*)(/\d+)?(\s+(\d+|\*)(/\d+)?){4}$'}
              image: {type: string}
              color: {type: string, enum: [red, green]}
              replicas: {type: integer, minimum: 1, maximum: 10, default: 1}
              port: {x-kubernetes-int-or-string: true}
              free: {type: object, x-kubernetes-preserve-unknown-fields: true}
              limits: {type: object, additionalProperties: {type: integer}}
              ports:
                type: array
                x-kubernetes-list-type: map
                x-kubernetes-list-map-keys: [name]
                items:
                  type: object
                  required: [name]
                  properties: {name: {type: string}, number: {type: integer}}
          status:
            type: object
            properties:
              replicas: {type: integer}
              labelSelector: {type: string}
              conditions:
                type: array
                items: {type: object, properties: {type: {type: string}, status: {type: string}}}
END
is "apply" "$(k apply -f "$work/crontab.yaml" 2>&1)" "customresourcedefinition.apiextensions.k8s.io/crontabs.stable.example.com created"
is "established" "$(k wait --for condition=established --timeout=10s crd/crontabs.stable.example.com 2>&1)" \
  "customresourcedefinition.apiextensions.k8s.io/crontabs.stable.example.com condition met"
is "conditions" "$(k get crd crontabs.stable.example.com -o 'jsonpath={range .status.conditions[*]}{.type}={.status}:{.reason} {end}')" \
  "NamesAccepted=True:NoConflicts Established=True:InitialNamesAccepted "
is "accepted names" "$(k get crd crontabs.stable.example.com -o 'jsonpath={.status.acceptedNames.listKind} {.status.storedVersions}')" \
  'CronTabList ["v1"]'
is "apply again" "$(k apply -f "$work/crontab.yaml" 2>&1)" "customresourcedefinition.apiextensions.k8s.io/crontabs.stable.example.com unchanged"
like "discovery" "$(k api-resources --api-group=stable.example.com --no-headers)" "crontabs*ct*stable.example.com/v1*true*CronTab*"
like "legacy discovery" "$(k120 api-resources --api-group=stable.example.com --no-headers 2>&1)" "crontabs*ct*stable.example.com/v1*true*CronTab*"
like "explain" "$(k explain crontab.spec 2>&1)" "*What is wanted.*cronSpec*<string> -required-*When to run.*"
like "explain --recursive" "$(k explain crontab.spec --recursive 2>&1)" "*ports*<*Object>*name*<string>*number*<integer>*"
like "explain, 1.20" "$(k120 explain crontab.spec.cronSpec 2>&1)" "*FIELD:*cronSpec <string>*When to run.*"

# --- objects
cat >"$work/a.yaml" <<'END'
apiVersion: stable.example.com/v1
kind: CronTab
metadata: {name: a}
spec: {cronSpec: "* * * * */5", image: x, color: red, port: "80", free: {any: [1, {b: c}]}, limits: {cpu: 2}}
END
is "create" "$(k apply -f "$work/a.yaml" 2>&1)" "crontab.stable.example.com/a created"
is "unchanged" "$(k apply -f "$work/a.yaml" 2>&1)" "crontab.stable.example.com/a unchanged"
is "default" "$(k get ct a -o 'jsonpath={.spec.replicas} {.spec.free} {.metadata.generation}')" '1 {"any":[1,{"b":"c"}]} 1'
like "columns" "$(k get ct)" "NAME*SPEC*REPLICAS*AGE*a*\* \* \* \* \*/5*1*"
like "wide" "$(k get ct -o wide | head -1)" "NAME*SPEC*REPLICAS*READY*AGE"
like "category" "$(k get all)" "*crontab.stable.example.com/a*"
like "columns, 1.20" "$(k120 get crontabs)" "NAME*SPEC*REPLICAS*AGE*a*1*"
is "selectable field" "$(k get ct --field-selector spec.color=red -o name)$(k get ct --field-selector spec.color=green -o name)" \
  "crontab.stable.example.com/a"
is "all that is wrong" "$(k create --validate=false -f - 2>&1 <<'END'
apiVersion: stable.example.com/v1
kind: CronTab
metadata: {name: b}
spec: {cronSpec: "no", replicas: 0, color: blue, port: true, ports: [{name: x}, {name: x}], limits: {cpu: many}}
END
)" "The CronTab \"b\" is invalid: 
* spec.color: Unsupported value: \"blue\": supported values: \"red\", \"green\"
* spec.cronSpec: Invalid value: \"no\": spec.cronSpec in body should match '^(\d+|\*)(/\d+)?(\s+(\d+|\*)(/\d+)?){4}$'
* spec.limits.cpu: Invalid value: \"string\": spec.limits.cpu in body must be of type integer: \"string\"
* spec.port: Invalid value: \"boolean\": spec.port in body must be of type integer,string: \"boolean\"
* spec.ports[1]: Duplicate value: map[string]interface {}{\"name\":\"x\"}
* spec.replicas: Invalid value: 0: spec.replicas in body should be greater than or equal to 1"
is "required" "$(k create --validate=false -f - 2>&1 <<'END'
apiVersion: stable.example.com/v1
kind: CronTab
metadata: {name: b}
END
)" 'The CronTab "b" is invalid: spec: Required value'
unknown='{"apiVersion":"stable.example.com/v1","kind":"CronTab","metadata":{"name":"u"},"spec":{"cronSpec":"* * * * *","zap":1}}'
is "strict" "$(echo "$unknown" | k create --validate=strict -f - 2>&1)" \
  'Error from server (BadRequest): error when creating "STDIN": CronTab in version "v1" cannot be handled as a CronTab: strict decoding error: unknown field "spec.zap"'
is "warn" "$(echo "$unknown" | k create --validate=warn -f - 2>&1)" \
  'Warning: unknown field "spec.zap"
crontab.stable.example.com/u created'
is "pruned" "$(k get ct u -o 'jsonpath={.spec}')" '{"cronSpec":"* * * * *","replicas":1}'
like "1.20 checks by OpenAPI v2" "$(echo "$unknown" | k120 create --dry-run=client -f - 2>&1)" '*unknown field "zap" in com.example.stable.v1.CronTab.spec*'
is "strategic patch" "$(k patch ct a --type=strategic -p '{}' 2>&1 | grep -c 'media types include: application/json-patch+json, application/merge-patch+json, application/apply-patch+yaml')" "1"
is "merge patch" "$(k patch ct a --type=merge -p '{"spec":{"image":"y"}}')" "crontab.stable.example.com/a patched"
is "json patch" "$(k patch ct a --type=json -p '[{"op":"add","path":"/spec/ports","value":[{"name":"p","number":1}]}]')" "crontab.stable.example.com/a patched"
is "generation" "$(k get ct a -o 'jsonpath={.metadata.generation} {.spec.image}')" "3 y"
is "a label is no new generation" "$(k label ct a x=y >/dev/null; k get ct a -o 'jsonpath={.metadata.generation}')" "3"
k get ct a -o json | sed '/"resourceVersion"/d' >"$work/put.json"
is "PUT needs a version" "$(k replace --raw /apis/stable.example.com/v1/namespaces/default/crontabs/a -f "$work/put.json" 2>&1)" \
  'The crontabs "a" is invalid: metadata.resourceVersion: Invalid value: 0x0: must be specified for an update'

is "edit" "$(KUBE_EDITOR="sed -i s/color:.red/color:\ green/" k edit ct a)" "crontab.stable.example.com/a edited"
is "edited" "$(k get ct a -o 'jsonpath={.spec.color}')" "green"
is "1.20 applies" "$(sed 's/name: a/name: old/' "$work/a.yaml" | k120 apply -f - 2>&1)" "crontab.stable.example.com/old created"
is "1.20 applies at the server" "$(sed 's/name: a/name: old2/' "$work/a.yaml" | k120 apply --server-side -f - 2>&1)" \
  "crontab.stable.example.com/old2 serverside-applied"
is "1.20 deletes" "$(k120 delete ct old old2 2>&1 | tr '\n' ' ')" \
  'crontab.stable.example.com "old" deleted crontab.stable.example.com "old2" deleted '

# --- subresources
is "status" "$(k patch ct a --subresource=status --type=merge -p '{"status":{"replicas":4,"labelSelector":"x=y","conditions":[{"type":"Ready","status":"True"}]},"spec":{"image":"z"}}')" \
  "crontab.stable.example.com/a patched"
is "status alone" "$(k get ct a -o 'jsonpath={.status.replicas} {.spec.image} {.metadata.generation}')" "4 y 4"
is "not by the main resource" "$(k patch ct a --type=merge -p '{"status":{"replicas":9}}' >/dev/null; k get ct a -o 'jsonpath={.status.replicas}')" "4"
like "a filtered column" "$(k get ct a -o wide --no-headers)" "*True*"
is "scale" "$(k scale ct a --replicas=5)" "crontab.stable.example.com/a scaled"
is "scaled" "$(k get ct a -o 'jsonpath={.spec.replicas} {.metadata.generation}')" "5 5"
is "the Scale" "$(k get ct a --subresource=scale -o 'jsonpath={.kind} {.apiVersion} {.spec.replicas} {.status.replicas} {.status.selector}')" \
  "Scale autoscaling/v1 5 4 x=y"

# --- server-side apply: lists are merged by their keys
ssa() { k apply --server-side --field-manager="$1" "${@:2}" -f - 2>&1; }
body() { echo "{\"apiVersion\":\"stable.example.com/v1\",\"kind\":\"CronTab\",\"metadata\":{\"name\":\"s\"},\"spec\":$1}"; }
is "apply one" "$(body '{"cronSpec":"* * * * *","ports":[{"name":"a","number":1}]}' | ssa one)" "crontab.stable.example.com/s serverside-applied"
is "apply two" "$(body '{"cronSpec":"* * * * *","ports":[{"name":"b","number":2}]}' | ssa two)" "crontab.stable.example.com/s serverside-applied"
is "both" "$(k get ct s -o 'jsonpath={.spec.ports}')" '[{"name":"a","number":1},{"name":"b","number":2}]'
like "conflict" "$(body '{"cronSpec":"* * * * *","ports":[{"name":"a","number":7}]}' | ssa two)" \
  '*conflict with "one": .spec.ports\[name="a"\].number*'
is "given up" "$(body '{"cronSpec":"* * * * *"}' | ssa one; k get ct s -o 'jsonpath={.spec.ports}')" \
  "crontab.stable.example.com/s serverside-applied
[{\"name\":\"b\",\"number\":2}]"

# --- a new schema while objects are there and watched
k get ct -w -o name >"$work/watch" 2>&1 &
watch_pid=$!
wait_until "the watch" grep -q crontab.stable.example.com/u "$work/watch"
sed -i 's/image: {type: string}/image: {type: string}\n              extra: {type: string, default: new}/' "$work/crontab.yaml"
is "another schema" "$(k apply -f "$work/crontab.yaml")" "customresourcedefinition.apiextensions.k8s.io/crontabs.stable.example.com configured"
is "defaults on read" "$(k get ct u -o 'jsonpath={.spec.extra}')" "new"
is "the new field" "$(k patch ct u --type=merge -p '{"spec":{"extra":"mine"}}' >/dev/null; k get ct u -o 'jsonpath={.spec.extra}')" "mine"
is "OpenAPI follows" "$(k explain ct.spec.extra 2>&1 | grep -c 'FIELD: extra')" "1"

# --- a second version
is "two versions" "$(k patch crd crontabs.stable.example.com --type=json -p '[{"op":"add","path":"/spec/versions/-","value":{"name":"v2","served":true,"storage":false,"schema":{"openAPIV3Schema":{"type":"object","x-kubernetes-preserve-unknown-fields":true}}}}]')" \
  "customresourcedefinition.apiextensions.k8s.io/crontabs.stable.example.com patched"
is "the newer is preferred" "$(k api-resources --api-group=stable.example.com --no-headers | awk '{print $3}')" "stable.example.com/v2"
is "converted" "$(k get crontabs.v2.stable.example.com a -o 'jsonpath={.apiVersion} {.spec.replicas}')" "stable.example.com/v2 5"
is "another storage version" "$(k patch crd crontabs.stable.example.com --type=json -p '[{"op":"replace","path":"/spec/versions/0/storage","value":false},{"op":"replace","path":"/spec/versions/1/storage","value":true}]' >/dev/null
k get crd crontabs.stable.example.com -o 'jsonpath={.status.storedVersions}')" '["v1","v2"]'
is "read back as v1" "$(k get crontabs.v1.stable.example.com a -o 'jsonpath={.apiVersion} {.spec.replicas}')" "stable.example.com/v1 5"
is "stored as v2" "$(k get --raw /apis/stable.example.com/v1/namespaces/default/crontabs/a | k replace -f - 2>&1)" "crontab.stable.example.com/a replaced"
is "stored versions stay" "$(k patch crd crontabs.stable.example.com --type=json -p '[{"op":"remove","path":"/spec/versions/0"}]' 2>&1)" \
  'The CustomResourceDefinition "crontabs.stable.example.com" is invalid: status.storedVersions[0]: Invalid value: "v1": must appear in spec.versions'
is "immutable" "$(k patch crd crontabs.stable.example.com --type=merge -p '{"spec":{"scope":"Cluster"}}' 2>&1)" \
  'The CustomResourceDefinition "crontabs.stable.example.com" is invalid: spec.scope: Invalid value: "Cluster": field is immutable'

# --- names that are taken
sed 's/crontabs/others/g; s/singular: crontab, kind: CronTab/singular: other, kind: Other/' "$work/crontab.yaml" | k create -f - >/dev/null
wait_until "the conflict" sh -c "$KUBECTL --kubeconfig $work/admin.conf get crd others.stable.example.com -o jsonpath='{.status.conditions[0].reason}' | grep -q ShortNamesConflict"
is "not accepted" "$(k get crd others.stable.example.com -o 'jsonpath={range .status.conditions[*]}{.type}={.status}:{.message} {end}')" \
  'NamesAccepted=False:"ct" is already in use Established=False:not all names are accepted '
is "and not served" "$(k get others 2>&1)" "error: the server doesn't have a resource type \"others\""

# --- protected groups, rules nobody enforces
is "approval" "$(sed 's/stable.example.com/stable.k8s.io/' "$work/crontab.yaml" | k create -f - 2>&1)" \
  'The CustomResourceDefinition "crontabs.stable.k8s.io" is invalid: metadata.annotations[api-approved.kubernetes.io]: Required value: protected groups must have approval annotation "api-approved.kubernetes.io", see https://github.com/kubernetes/enhancements/pull/1111'
sed 's/stable.example.com/stable.k8s.io/; s/shortNames: .ct., //; s/^metadata: {/metadata: {annotations: {api-approved.kubernetes.io: "unapproved, a test"}, /' "$work/crontab.yaml" | k create -f - >/dev/null
k wait --for condition=established crd/crontabs.stable.k8s.io >/dev/null
is "the approval is told of" "$(k get crd crontabs.stable.k8s.io -o 'jsonpath={.status.conditions[?(@.type=="KubernetesAPIApprovalPolicyConformant")].status}')" "False"
k patch crd crontabs.stable.k8s.io --type=json -p '[{"op":"add","path":"/spec/versions/0/deprecated","value":true}]' >/dev/null
like "a deprecated version" "$(k get crontabs.stable.k8s.io 2>&1)" "Warning: stable.k8s.io/v1 CronTab is deprecated*"
k delete crd crontabs.stable.k8s.io >/dev/null
like "rules" "$(k create -f - 2>&1 <<'END'
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: ruled.example.com}
spec:
  group: example.com
  names: {plural: ruled, kind: Ruled}
  scope: Cluster
  versions:
  - name: v1
    served: true
    storage: true
    schema: {openAPIV3Schema: {type: object, properties: {spec: {type: object, x-kubernetes-validations: [{rule: "self.a > 1"}], properties: {a: {type: integer}}}}}}
END
)" "Warning: x-kubernetes-validations: *customresourcedefinition.apiextensions.k8s.io/ruled.example.com created"
k wait --for condition=established crd/ruled.example.com >/dev/null
like "rules are told of" "$(echo '{"apiVersion":"example.com/v1","kind":"Ruled","metadata":{"name":"r"},"spec":{"a":1}}' | k create -f - 2>&1)" \
  "Warning: x-kubernetes-validations: *ruled.example.com/r created"
is "cluster scope" "$(k get ruled -o name)" "ruled.example.com/r"

# --- conversion by webhook
start_https
definition() {
  cat <<END
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: hosts.example.com}
spec:
  group: example.com
  names: {plural: hosts, kind: Host}
  scope: Namespaced
  conversion:
    strategy: Webhook
    webhook: {conversionReviewVersions: [v1], clientConfig: {url: "$hooks/hook/$1", caBundle: $ca_bundle}}
  versions:
  - name: v1
    served: true
    storage: true
    schema: {openAPIV3Schema: {type: object, properties: {spec: {type: object, properties: {hostPort: {type: string}}}}}}
  - name: v1beta1
    served: true
    storage: false
    additionalPrinterColumns: [{name: Port, type: string, jsonPath: .spec.port}]
    selectableFields: [{jsonPath: .spec.port}]
    schema: {openAPIV3Schema: {type: object, properties: {spec: {type: object, required: [host], properties: {host: {type: string}, port: {type: string}}}}}}
END
}
definition convert | k apply -f - >/dev/null
k wait --for condition=established crd/hosts.example.com >/dev/null
is "created as v1beta1" "$(echo '{"apiVersion":"example.com/v1beta1","kind":"Host","metadata":{"name":"h"},"spec":{"host":"a","port":"1"}}' | k create -f - 2>&1)" \
  "host.example.com/h created"
is "stored as v1" "$(k get hosts.v1.example.com h -o 'jsonpath={.apiVersion} {.spec}')" 'example.com/v1 {"hostPort":"a:1"}'
is "shown as v1beta1" "$(k get hosts.v1beta1.example.com h -o 'jsonpath={.apiVersion} {.spec}')" 'example.com/v1beta1 {"host":"a","port":"1"}'
is "metadata is not the webhook's" "$(k get hosts.v1beta1.example.com h -o 'jsonpath={.metadata.labels.converted} {.metadata.uid}' | grep -c forged)" "0"
like "columns of the version" "$(k get hosts.v1beta1.example.com)" "NAME*PORT*h*1*"
k get hosts.v1beta1.example.com -w -o 'jsonpath={.spec.port}{"\n"}' >"$work/hosts" 2>&1 &
hosts_pid=$!
wait_until "the watch" grep -q 1 "$work/hosts"
k patch hosts.v1.example.com h --type=merge -p '{"spec":{"hostPort":"a:2"}}' >/dev/null
wait_until "the change in the other version" grep -q 2 "$work/hosts"
is "watched in the other version" "$(tr '\n' ' ' <"$work/hosts")" "1 2 "
kill "$hosts_pid"
wait "$hosts_pid" 2>/dev/null
is "patched in the other version" "$(k patch hosts.v1beta1.example.com h --type=merge -p '{"spec":{"port":"3"}}' >/dev/null; k get hosts.v1.example.com h -o 'jsonpath={.spec}')" '{"hostPort":"a:3"}'
is "judged as the version asked" "$(k patch hosts.v1beta1.example.com h --type=json -p '[{"op":"remove","path":"/spec/host"}]' 2>&1)" \
  'The Host "h" is invalid: spec.host: Required value'

# --- selectors look at the version that is asked for
cat <<'END' | k create -f - >/dev/null
{"apiVersion":"v1","kind":"List","items":[
 {"apiVersion":"example.com/v1","kind":"Host","metadata":{"name":"i"},"spec":{"hostPort":"b:7"}},
 {"apiVersion":"example.com/v1","kind":"Host","metadata":{"name":"j"},"spec":{"hostPort":"c:7"}}]}
END
is "a field of one version" "$(k get hosts.v1beta1.example.com --field-selector spec.port=7 -o name | tr '\n' ' ')" "host.example.com/i host.example.com/j "
is "in pages" "$(request GET '/apis/example.com/v1beta1/namespaces/default/hosts?fieldSelector=spec.port%3D7&limit=1' | head -1 | python3 -c '
import json, sys
page = json.load(sys.stdin)
print([item["metadata"]["name"] for item in page["items"]], bool(page["metadata"].get("continue")))')" "['i'] True"
like "which the other has not" "$(k get hosts.v1.example.com --field-selector spec.port=7 2>&1)" '*"spec.port" is not a known field selector*'
is "a label of one version" "$(k get hosts.v1beta1.example.com -l converted=v1beta1 -o name | wc -l)" "3"
is "and not of the other" "$(k get hosts.v1.example.com -l converted=v1beta1 -o name | wc -l)" "0"
k get hosts.v1beta1.example.com --field-selector spec.port=8 -w -o 'jsonpath={.metadata.name}={.spec.port}{"\n"}' >"$work/selected" 2>&1 &
hosts_pid=$!
k patch hosts.v1.example.com i --type=merge -p '{"spec":{"hostPort":"b:8"}}' >/dev/null
wait_until "a watch sees what enters" grep -q i=8 "$work/selected"
k patch hosts.v1.example.com j --type=merge -p '{"spec":{"hostPort":"c:9"}}' >/dev/null
k patch hosts.v1.example.com i --type=merge -p '{"spec":{"hostPort":"b:9"}}' >/dev/null
k patch hosts.v1.example.com j --type=merge -p '{"spec":{"hostPort":"c:8"}}' >/dev/null
wait_until "and what enters later" grep -q j=8 "$work/selected"
is "and nothing else" "$(grep -v '^i=8$' "$work/selected" | tr '\n' ' ')" "j=8 "
kill "$hosts_pid"
wait "$hosts_pid" 2>/dev/null

# --- fields that other versions call otherwise
host() { # MANAGER VERSION SPEC
  echo "{\"apiVersion\":\"example.com/$2\",\"kind\":\"Host\",\"metadata\":{\"name\":\"s\"},\"spec\":$3}" |
    k apply --server-side --field-manager "$1" -f - 2>&1
}
spec() { k get hosts.v1.example.com s -o 'jsonpath={.spec.hostPort}'; }
host one v1 '{"hostPort":"a:1"}' >/dev/null
host one v1beta1 '{"host":"b","port":"2"}' >/dev/null
is "one manager changes its version" "$(spec)" "b:2"
like "another one's conflict is in the owner's version" "$(host two v1 '{"hostPort":"c:3"}')" \
  '*conflicts with "one"*- .spec.host*- .spec.port*'
is "what both want is no conflict" "$(host two v1 '{"hostPort":"b:2"}')" "host.example.com/s serverside-applied"
host one v1 '{}' >/dev/null
is "what another one owns by its other name stays" "$(spec)" "b:2"
host two v1 '{}' >/dev/null
is "what nobody owns goes" "$(spec)" ""

definition refuse | k apply -f - >/dev/null
is "a webhook that fails" "$(k get hosts.v1beta1.example.com h 2>&1)" \
  'Error from server (InternalError): conversion webhook for example.com/v1, Kind=Host failed: too old'
is "no matter to the stored version" "$(k get hosts.v1.example.com h -o name)" "host.example.com/h"
is "the definition goes nevertheless" "$(k delete crd hosts.example.com --timeout=10s)" 'customresourcedefinition.apiextensions.k8s.io "hosts.example.com" deleted'

# --- owners and namespaces
k create ns n1 >/dev/null
sed 's/name: a/name: inside, finalizers: [example.com\/hold]/' "$work/a.yaml" | k -n n1 create -f - >/dev/null
uid=$(k get ct s -o 'jsonpath={.metadata.uid}')
k create -f - >/dev/null <<END
apiVersion: v1
kind: ConfigMap
metadata: {name: owned, ownerReferences: [{apiVersion: stable.example.com/v1, kind: CronTab, name: s, uid: $uid}]}
END
k delete ct s >/dev/null
wait_until "owned objects go" sh -c "! $KUBECTL --kubeconfig $work/admin.conf get cm owned"
is "owned objects go with their owner" "$(k get cm owned 2>&1)" 'Error from server (NotFound): configmaps "owned" not found'
k create -f - >/dev/null <<END
apiVersion: stable.example.com/v1
kind: CronTab
metadata: {name: left, ownerReferences: [{apiVersion: stable.example.com/v1, kind: CronTab, name: u, uid: $(k get ct u -o 'jsonpath={.metadata.uid}')}]}
spec: {cronSpec: "* * * * *"}
END
is "orphans" "$(k delete ct u --cascade=orphan)" 'crontab.stable.example.com "u" deleted'
wait_until "the owner goes" sh -c "! $KUBECTL --kubeconfig $work/admin.conf get ct u"
is "stay without an owner" "$(k get ct left -o 'jsonpath={.metadata.name}{.metadata.ownerReferences}')" "left"
sed 's/name: a/name: u/' "$work/a.yaml" | k create -f - >/dev/null
k patch ct left --type=merge -p "{\"metadata\":{\"ownerReferences\":[{\"apiVersion\":\"stable.example.com/v1\",\"kind\":\"CronTab\",\"name\":\"u\",\"uid\":\"$(k get ct u -o 'jsonpath={.metadata.uid}')\",\"blockOwnerDeletion\":true}]}}" >/dev/null
is "dependents go first" "$(k delete ct u --cascade=foreground --timeout=10s; k get ct left 2>&1)" 'crontab.stable.example.com "u" deleted
Error from server (NotFound): crontabs.stable.example.com "left" not found'
sed 's/name: a/name: u/' "$work/a.yaml" | k create -f - >/dev/null
k delete ns n1 --wait=false >/dev/null
wait_until "the namespace waits" sh -c "$KUBECTL --kubeconfig $work/admin.conf get ns n1 -o jsonpath='{.status.conditions[*].message}' | grep -q 'crontabs.stable.example.com has 1 resource instances'"
k -n n1 patch ct inside --type=merge -p '{"metadata":{"finalizers":null}}' >/dev/null
wait_until "the namespace goes" sh -c "! $KUBECTL --kubeconfig $work/admin.conf get ns n1"
is "the namespace is gone" "$(k get ns n1 2>&1)" 'Error from server (NotFound): namespaces "n1" not found'

# --- after a restart
kill "$watch_pid" 2>/dev/null
wait "$watch_pid" 2>/dev/null
restart_cluster KILL
is "served at once" "$(k get ct -o name | tr '\n' ' ')" "crontab.stable.example.com/a crontab.stable.example.com/u "
is "with what they held" "$(k get ct a -o 'jsonpath={.spec.replicas} {.spec.image}')" "5 y"

# --- deletion
k patch ct u --type=merge -p '{"metadata":{"finalizers":["example.com/hold"]}}' >/dev/null
k get ct -w -o name >"$work/watch" 2>&1 &
watch_pid=$!
wait_until "the watch" grep -q crontab.stable.example.com/u "$work/watch"
is "delete" "$(k delete crd crontabs.stable.example.com --wait=false)" 'customresourcedefinition.apiextensions.k8s.io "crontabs.stable.example.com" deleted'
wait_until "the cleanup" wait_count ct 1
is "terminating" "$(k get crd crontabs.stable.example.com -o 'jsonpath={.metadata.finalizers} {.status.conditions[?(@.type=="Terminating")].reason}')" \
  '["customresourcecleanup.apiextensions.k8s.io"] InstanceDeletionInProgress'
is "nothing new" "$(sed 's/name: a/name: late/' "$work/a.yaml" | k create -f - 2>&1)" \
  'Error from server (MethodNotAllowed): error when creating "STDIN": create not allowed while custom resource definition is terminating'
k patch ct u --type=merge -p '{"metadata":{"finalizers":null}}' >/dev/null
is "gone" "$(k wait --for=delete crd/crontabs.stable.example.com --timeout=60s >/dev/null 2>&1; echo $?)" 0 # it says nothing of one that was gone before
wait_until "the watch ends" sh -c "! kill -0 $watch_pid"
is "served no more" "$(k get --raw /apis/stable.example.com/v1/crontabs 2>&1)" 'Error from server (NotFound): the server could not find the requested resource'
wait_until "the names are free" sh -c "$KUBECTL --kubeconfig $work/admin.conf get others"
is "another takes the names" "$(k api-resources >/dev/null; k get ct 2>&1)" "No resources found in default namespace."
done_testing
