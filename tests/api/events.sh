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
# what comes by events.k8s.io/v1 is held to more than by core or the beta
old='{"metadata":{"name":"NAME"},"regarding":{"kind":"Pod","namespace":"default","name":"p"},"note":"n","reason":"r"'
by() {
  request POST "$group/$1/namespaces/default/events" "${json[@]}" -d "${old/NAME/$2}$3}"
}
causes() {
  python3 -c 'import json, sys
status, _ = json.JSONDecoder().raw_decode(sys.stdin.read())
print(" ".join(sorted(cause["field"] for cause in status["details"]["causes"])))'
}
is "the beta takes old events" "$(by v1beta1 d "" | tail -1)" "201"
is "v1 takes new ones" "$(by v1 e "" | causes)" "eventTime type"
new='"eventTime":"2024-01-01T00:00:00.123456Z","type":"Normal","reportingController":"example.com/c","reportingInstance":"c-1","action":"Try"'
is "who said it, and of what" "$(by v1 e ',"eventTime":"2024-01-01T00:00:00.123456Z","type":"Normal"' | causes)" \
  "action reportingController reportingController reportingController reportingInstance"
is "a series is of two" "$(by v1 e ",$new"',"series":{"count":1,"lastObservedTime":null}' | causes)" "series.count series.lastObservedTime"
is "and nothing of the older form" "$(by v1 e ",$new"',"deprecatedCount":1,"deprecatedSource":{"host":"h"},"deprecatedFirstTimestamp":"2024-01-01T00:00:00Z","deprecatedLastTimestamp":"2024-01-01T00:00:00Z"' | causes)" \
  "count firstTimestamp lastTimestamp source"
is "a good one" "$(by v1 e ",$new" | tail -1)" "201"
change() {
  request PATCH "$1/e" -H "Content-Type: application/merge-patch+json" -d "$2"
}
events=$group/v1/namespaces/default/events
is "it stays as it was" "$(change $events '{"note":"m","reason":"s","type":"Warning","action":"Do","reportingController":"example.com/d",
 "reportingInstance":"d","eventTime":"2025-01-01T00:00:00.000000Z","regarding":{"name":"q"},"related":{"kind":"Pod","name":"r"}}' | causes)" \
  "action eventTime involvedObject message reason related reportingController reportingInstance type"
is "but for its series" "$(change $events '{"series":{"count":2,"lastObservedTime":"2024-01-01T00:05:00.000001Z"}}' | tail -1)" "200"
is "its labels" "$(change $events '{"metadata":{"labels":{"a":"b"}}}' | tail -1)" "200"
is "and what comes by core" "$(change $core '{"message":"m"}' | tail -1)" "200"
is "deleted in one" "$(k delete events.v1.events.k8s.io a)" 'event.events.k8s.io "a" deleted'
is "gone in both" "$(k get events -o name | tr '\n' ' ')" "event/b event/c event/d event/e "
done_testing
