#!/bin/bash
# shellcheck disable=SC2034,SC2154 # harness.sh reads and sets them
# Events go when --event-ttl is over.
. "$(dirname "$0")/harness.sh"
start_cluster --event-ttl=1s
is "an event" "$(request POST /api/v1/namespaces/default/events -H "Content-Type: application/json" -o /dev/null -d '{"metadata":{"name":"a"},
 "involvedObject":{"kind":"Pod","namespace":"default","name":"p"},"reason":"R","type":"Normal"}' | tail -1)" "201"
k wait --for=delete event/a --timeout=30s >/dev/null 2>&1
is "is gone after a while" "$(k get events -o name)" ""
done_testing
