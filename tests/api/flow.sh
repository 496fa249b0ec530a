#!/bin/bash
# shellcheck disable=SC2034,SC2154 # harness.sh reads and sets them
# Priority and fairness as clients see it: the objects, the headers, and who is turned away.
COMPONENTS=controllers
. "$(dirname "$0")/harness.sh"
start_cluster
group=/apis/flowcontrol.apiserver.k8s.io/v1

# header NAME USER PATH: the value of a reply's header
header() {
  curl -s -o /dev/null -D - --cacert "$work/pki/ca.crt" --cert "$work/pki/$2.crt" --key "$work/pki/$2.key" \
    "https://127.0.0.1:$port$3" | tr -d '\r' | sed -n "s/^$1: //ip"
}

uid() {
  k get "$1" "$2" -o 'jsonpath={.metadata.uid}'
}

is "flow schemas" "$(k get flowschemas --no-headers -o 'custom-columns=N:.metadata.name,P:.spec.matchingPrecedence' --sort-by=.spec.matchingPrecedence | tr -s ' ' | tr '\n' ';')" \
  "exempt 1;probes 2;system-leader-election 100;endpoint-controller 150;workload-leader-election 200;system-node-high 400;system-nodes 500;kube-controller-manager 800;kube-scheduler 800;kube-system-service-accounts 900;service-accounts 9000;global-default 9900;catch-all 10000;"
is "priority levels" "$(k get prioritylevelconfigurations --no-headers -o 'custom-columns=N:.metadata.name,S:.spec.limited.nominalConcurrencyShares' | tr -s ' ' | tr '\n' ';')" \
  "catch-all 5;exempt <none>;global-default 20;leader-election 10;node-high 40;system 30;workload-high 40;workload-low 100;"
is "a master's flow" "$(header X-Kubernetes-PF-FlowSchema-UID admin /api/v1/pods)" "$(uid flowschema exempt)"
is "its level" "$(header X-Kubernetes-PF-PriorityLevel-UID admin /api/v1/pods)" "$(uid prioritylevelconfiguration exempt)"
is "anybody's flow, though forbidden" "$(header X-Kubernetes-PF-FlowSchema-UID bob /api/v1/pods)" "$(uid flowschema global-default)"
is "a probe's flow" "$(header X-Kubernetes-PF-FlowSchema-UID bob /readyz)" "$(uid flowschema probes)"

k create -f - >/dev/null <<END
apiVersion: flowcontrol.apiserver.k8s.io/v1
kind: PriorityLevelConfiguration
metadata: {name: jail}
spec: {type: Limited, limited: {nominalConcurrencyShares: 0, limitResponse: {type: Reject}}}
---
apiVersion: flowcontrol.apiserver.k8s.io/v1
kind: FlowSchema
metadata: {name: bob}
spec:
  priorityLevelConfiguration: {name: jail}
  matchingPrecedence: 50
  rules:
  - subjects: [{kind: User, user: {name: bob}}]
    resourceRules: [{verbs: ["*"], apiGroups: ["*"], resources: ["*"], namespaces: ["*"], clusterScope: true}]
END
reply=$(curl -s -D - --cacert "$work/pki/ca.crt" --cert "$work/pki/bob.crt" --key "$work/pki/bob.key" \
  "https://127.0.0.1:$port/api/v1/pods" | tr -d '\r')
like "no room" "$reply" "HTTP/1.1 429*Too many requests, please try again later."
like "when to come back" "$reply" "*Retry-After: 1*"
is "other paths are another flow" "$(header X-Kubernetes-PF-FlowSchema-UID bob /version)" "$(uid flowschema global-default)"
is "the others go on" "$(k get flowschema bob -o name)" "flowschema.flowcontrol.apiserver.k8s.io/bob"
dangling() {
  for _ in $(seq 100); do
    got=$(k get flowschema bob -o 'jsonpath={.status.conditions[0].type} {.status.conditions[0].status} {.status.conditions[0].reason}')
    [ "$got" = "$1" ] && break
    sleep 0.1
  done
  is "$1" "$got" "$1"
}
dangling "Dangling False Found"
k delete prioritylevelconfiguration jail >/dev/null
dangling "Dangling True NotFound"
like "a table tells it" "$(k get flowschema bob)" "*MISSINGPL*bob*jail*50*True*"
k delete flowschema bob >/dev/null
is "and so does he" "$(header X-Kubernetes-PF-FlowSchema-UID bob /api/v1/pods)" "$(uid flowschema global-default)"

# --- queues ---
k create -f - >/dev/null <<END
apiVersion: flowcontrol.apiserver.k8s.io/v1
kind: PriorityLevelConfiguration
metadata: {name: narrow}
spec:
  type: Limited
  limited:
    nominalConcurrencyShares: 1
    borrowingLimitPercent: 0
    limitResponse: {type: Queue, queuing: {queues: 4, handSize: 2, queueLengthLimit: 50}}
---
apiVersion: flowcontrol.apiserver.k8s.io/v1
kind: FlowSchema
metadata: {name: bob}
spec:
  priorityLevelConfiguration: {name: narrow}
  matchingPrecedence: 50
  distinguisherMethod: {type: ByUser}
  rules:
  - subjects: [{kind: User, user: {name: bob}}]
    resourceRules: [{verbs: ["*"], apiGroups: ["*"], resources: ["*"], namespaces: ["*"], clusterScope: true}]
END
k create clusterrole readers --verb=list --resource=configmaps >/dev/null
k create clusterrolebinding readers --clusterrole=readers --user=bob >/dev/null
codes=$(seq 60 | xargs -P 30 -I{} curl -s -o /dev/null -w '%{http_code}\n' --cacert "$work/pki/ca.crt" --cert "$work/pki/bob.crt" \
  --key "$work/pki/bob.key" "https://127.0.0.1:$port/api/v1/configmaps?x={}" | sort | uniq -c | tr -s ' ')
is "many at a narrow door all come in" "$codes" " 60 200"
metrics=$(k get --raw /metrics)
like "and are counted" "$metrics" '*apiserver_flowcontrol_dispatched_requests_total{flow_schema="bob",priority_level="narrow"} 60*'
like "its seats" "$metrics" '*apiserver_flowcontrol_nominal_limit_seats{priority_level="narrow"} 1*'
like "nobody waits any more" "$metrics" '*apiserver_flowcontrol_current_inqueue_requests{flow_schema="bob",priority_level="narrow"} 0*'
like "how long they waited" "$metrics" '*apiserver_flowcontrol_request_wait_duration_seconds_count{execute="true",flow_schema="bob",priority_level="narrow"} 60*'
done_testing
