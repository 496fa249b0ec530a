#!/bin/bash
# shellcheck disable=SC2034,SC2154 # harness.sh reads and sets them
# Events: one store under two APIs.
. "$(dirname "$0")/harness.sh"
start_cluster
json=(-H "Content-Type: application/json")
core=/api/v1/namespaces/default/events
group=/apis/events.k8s.io

is "an event of core" "$(request POST $core "${json[@]}" -o /dev/null -d '{"metadata":{"name":"a"},
 "involvedObject":{"kind":"Pod","apiVersion":"v1","namespace":"default","name":"p","uid":"u1","fieldPath":"spec.containers{c}"},
 "reason":"Pulled","message":"got it","type":"Normal","count":3,"source":{"component":"kubelet","host":"n"},
 "firstTimestamp":"2024-01-01T00:00:00Z","lastTimestamp":"2024-01-01T00:10:00Z"}' | tail -1)" "201"
for version in v1 v1beta1; do
  path=$group/$version/namespaces/default/events/a
  field "$version: regarding" $path regarding \
    '{"apiVersion": "v1", "fieldPath": "spec.containers{c}", "kind": "Pod", "name": "p", "namespace": "default", "uid": "u1"}'
  field "$version: note" $path note "got it"
  field "$version: count" $path deprecatedCount 3
  field "$version: source" $path deprecatedSource '{"component": "kubelet", "host": "n"}'
  field "$version: last time" $path deprecatedLastTimestamp 2024-01-01T00:10:00Z
done
is "an event of events.k8s.io" "$(request POST $group/v1/namespaces/default/events "${json[@]}" -o /dev/null -d '{"metadata":{"name":"b"},
 "eventTime":"2024-01-01T00:00:00.123456Z","reportingController":"example.com/c","reportingInstance":"c-1","action":"Try","reason":"Tried",
 "type":"Warning","regarding":{"kind":"Node","name":"n"},"related":{"kind":"Pod","namespace":"default","name":"q"},"note":"did not work",
 "series":{"count":2,"lastObservedTime":"2024-01-01T00:05:00.000001Z"}}' | tail -1)" "201"
field "is one of core" $core/b involvedObject '{"kind": "Node", "name": "n"}'
field "its message" $core/b message "did not work"
field "its component" $core/b reportingComponent example.com/c
field "its time" $core/b eventTime 2024-01-01T00:00:00.123456Z
field "its series" $core/b series '{"count": 2, "lastObservedTime": "2024-01-01T00:05:00.000001Z"}'

# selectors name members of their own version
for selector in involvedObject.kind=Node involvedObject.name=n reason=Tried type=Warning reportingComponent=example.com/c; do
  is "core: $selector" "$(k get events -A --field-selector $selector -o 'jsonpath={.items[*].metadata.name}')" "b"
done
for selector in regarding.kind=Node regarding.name=n reason=Tried type=Warning reportingController=example.com/c; do
  is "events.k8s.io: $selector" "$(k get events.v1.events.k8s.io -A --field-selector $selector -o 'jsonpath={.items[*].metadata.name}')" "b"
done
like "not the other's" "$(k get events.v1.events.k8s.io --field-selector involvedObject.name=n 2>&1)" "*field label not supported*"
like "core's table" "$(k get events)" "LAST SEEN*TYPE*REASON*OBJECT*MESSAGE*Pulled*pod/p*got it*Tried*node/n*did not work*"
like "the other's table" "$(k get events.v1.events.k8s.io)" "LAST SEEN*TYPE*REASON*OBJECT*MESSAGE*Pulled*pod/p*got it*Tried*node/n*did not work*"
like "kubectl events" "$(k events --for pod/p)" "*Pulled*Pod/p*got it*"
is "a series grows by a patch" "$(k patch events.v1.events.k8s.io b --type merge -p '{"series":{"count":3}}')" \
  "event.events.k8s.io/b patched"
field "in both" $core/b series/count 3
is "PUT creates" "$(request PUT $core/c "${json[@]}" -o /dev/null -d '{"metadata":{"name":"c"},
 "involvedObject":{"kind":"Pod","namespace":"default","name":"p"}}' | tail -1)" "201"
is "deleted in one" "$(k delete events.v1.events.k8s.io a)" 'event.events.k8s.io "a" deleted'
is "gone in both" "$(k get events -o name | tr '\n' ' ')" "event/b event/c "
done_testing
