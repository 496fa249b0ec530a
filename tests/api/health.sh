#!/bin/bash
# shellcheck disable=SC2034,SC2154 # harness.sh reads and sets them
# What watches over a server asks it: health checks, metrics, the list of paths.
. "$(dirname "$0")/harness.sh"
COMPONENTS=controllers
start_cluster
ask() { curl -sk "https://127.0.0.1:$port$1"; }
for _ in $(seq 200); do
  [ "$(ask /readyz)" = ok ] && break
  sleep 0.02
done
is "anybody may ask" "$(ask /livez) $(ask /readyz) $(ask /healthz)" "ok ok ok"
is "every check" "$(k get --raw '/livez?verbose')" "[+]ping ok
[+]log ok
[+]etcd ok
[+]poststarthook/rbac/bootstrap-roles ok
[+]poststarthook/scheduling/bootstrap-system-priority-classes ok
livez check passed"
is "one is left out" "$(k get --raw '/readyz?verbose&exclude=etcd&exclude=nope' | grep -e etcd -e warn -e readyz)" \
  '[+]etcd excluded: ok
[+]etcd-readiness ok
warn: some health checks cannot be excluded: no matches for "nope"
readyz check passed'
is "one alone" "$(k get --raw /readyz/poststarthook/rbac/bootstrap-roles) $(k get --raw /livez/etcd) $(k get --raw /readyz/informer-sync)" "ok ok ok"
is "one there is not" "$(request GET /livez/informer-sync | tail -1) $(request GET /readyz/nope | tail -1)" "404 404"
is "the store, when the server is to be ready" "$(k get --raw /readyz/etcd-readiness) $(k get --raw '/readyz?verbose' | grep -c etcd)" "ok 2"
is "version" "$(k get --raw /version | tr -d ' \n' | grep -o '"gitVersion":"v1.32.0"')" '"gitVersion":"v1.32.0"'
is "the list of paths is sorted and has everything once" "$(k get --raw / | python3 -c '
import json, sys
paths = json.load(sys.stdin)["paths"]
print(paths == sorted(set(paths)), [p for p in ("/api/v1", "/apis/apps", "/apis/apps/v1", "/readyz/ping", "/metrics/slis") if p not in paths])')" \
  "True []"

is "parts of the control plane" "$(k get componentstatuses 2>&1 | tr -s ' ' | sed 's/ $//')" \
  "Warning: v1 ComponentStatus is deprecated in v1.19+
NAME STATUS MESSAGE ERROR
controller-manager Healthy ok
scheduler Unhealthy it does not run in this server, and nobody keeps the lease kube-scheduler
etcd-0 Healthy ok"
lease() { printf '{"metadata":{"name":"kube-scheduler"},"spec":{"holderIdentity":"me","leaseDurationSeconds":%s,"renewTime":"%s"}}' "$1" "$(date -u +%FT%T.%6NZ)"; }
leases=/apis/coordination.k8s.io/v1/namespaces/kube-system/leases
lease 600 | request POST "$leases" -H 'Content-Type: application/json' -d @- >/dev/null
is "a scheduler that others run" "$(k get cs scheduler -o jsonpath='{.kind} {.conditions}' 2>/dev/null)" \
  'ComponentStatus [{"message":"ok","status":"True","type":"Healthy"}]'
request PATCH "$leases/kube-scheduler" -H 'Content-Type: application/merge-patch+json' \
  -d '{"spec":{"renewTime":"2020-01-01T00:00:00.000000Z"}}' >/dev/null
is "and one that is gone" "$(k get cs scheduler -o jsonpath='{.conditions[0].status}' 2>/dev/null)" "False"
k delete lease -n kube-system kube-scheduler >/dev/null
is "one by its name" "$(k get cs --field-selector metadata.name=etcd-0 -o name 2>/dev/null)" "componentstatus/etcd-0"
like "one there is not" "$(request GET /api/v1/componentstatuses/nope)" '*"message":"Component not found: nope"*500'
is "they are only shown" "$(request POST /api/v1/componentstatuses -d '{}' | tail -1) $(request GET '/api/v1/componentstatuses?watch=1' | tail -1)" "405 405"

k create configmap a --from-literal=a=b >/dev/null
k get configmap a >/dev/null
k get configmap nope >/dev/null 2>&1
k get configmaps >/dev/null
k create configmap b --dry-run=server --from-literal=a=b >/dev/null
metric() { k get --raw /metrics | grep -F "$1" | sed 's/.* //'; }
labels='component="apiserver",dry_run="",group="",resource="configmaps",scope="resource",subresource=""'
is "requests are counted" "$(metric "apiserver_request_total{code=\"200\",$labels,verb=\"GET\",version=\"v1\"}") \
$(metric "apiserver_request_total{code=\"404\",$labels,verb=\"GET\",version=\"v1\"}") \
$(metric "apiserver_request_total{code=\"201\",$labels,verb=\"POST\",version=\"v1\"}")" "1 1 1"
is "dry runs by themselves" "$(metric 'dry_run="All",group="",resource="configmaps",scope="resource",subresource="",verb="POST",version="v1"} ' | head -1)" "1"
is "and timed" "$(metric "apiserver_request_duration_seconds_count{$labels,verb=\"GET\",version=\"v1\"}") \
$(metric "apiserver_request_duration_seconds_bucket{$labels,verb=\"GET\",version=\"v1\",le=\"+Inf\"}") \
$(metric "apiserver_request_duration_seconds_bucket{$labels,verb=\"GET\",version=\"v1\",le=\"60\"}")" "2 2 2"
is "objects are counted" "$(metric 'apiserver_storage_objects{resource="clusterroles.rbac.authorization.k8s.io"}')" \
  "$(k get clusterroles -o name | wc -l)"
is "this request is in flight" "$(metric 'apiserver_current_inflight_requests{request_kind="readOnly"}')" "1"
curl -sk -H 'Authorization: Bearer wrong' "https://127.0.0.1:$port/api" >/dev/null
is "those that were not let in" "$(metric 'authentication_attempts{result="error"}')" "1"
"$KUBECTL" --kubeconfig "$work/admin.conf" --cache-dir "$work/cache" get configmaps --watch >"$work/watched" &
watcher=$!
for _ in $(seq 200); do
  [ "$(metric apiserver_longrunning_requests)" = 1 ] && break
  sleep 0.02
done
is "a watch goes on" "$(k get --raw /metrics | grep '^apiserver_longrunning_requests')" "apiserver_longrunning_requests 1"
kill "$watcher"
wait "$watcher" 2>/dev/null
for _ in $(seq 200); do
  [ "$(k get --raw /metrics | grep -c '^apiserver_longrunning_requests 0')" = 1 ] && break
  sleep 0.02
done
is "and ends" "$(k get --raw /metrics | grep '^apiserver_longrunning_requests')" "apiserver_longrunning_requests 0"
is "the process" "$(k get --raw /metrics | python3 -c '
import sys
values = dict(l.rsplit(" ", 1) for l in sys.stdin if l.startswith("process_"))
import time
print(float(values["process_resident_memory_bytes"]) > 1e6, 0 < float(values["process_open_fds"]) < 1000,
      abs(time.time() - float(values["process_start_time_seconds"])) < 600, float(values["process_cpu_seconds_total"]) > 0)')" \
  "True True True True"
is "every line is one Prometheus reads" "$(k get --raw /metrics | grep -vcE '^(# (HELP|TYPE) [a-z_]+ .+|[a-z_]+(\{([a-z_]+="[^"]*",?)+\})? -?[0-9.e+-]+)$')" "0"
is "nothing is told twice" "$(k get --raw /metrics | grep -v '^#' | sed 's/ [^ ]*$//' | sort | uniq -d)" ""
like "slis" "$(k get --raw /metrics/slis)" '*kubernetes_healthcheck{name="etcd",type="readyz"} 1*'
is "not for everybody" "$(curl -sk -o /dev/null -w '%{http_code}' "https://127.0.0.1:$port/metrics")" "403"
done_testing
