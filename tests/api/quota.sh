#!/bin/bash
# shellcheck disable=SC2034,SC2154 # harness.sh reads and sets them
# Quotas and limit ranges with kubectl: what it says of them, and that they hold.
COMPONENTS=controllers
. "$(dirname "$0")/harness.sh"
start_cluster

until_is "default service account" "default" k get serviceaccount default -o 'jsonpath={.metadata.name}'

is "create a quota" "$(k create quota q1 --hard=pods=2,configmaps=3,requests.cpu=1 2>&1)" "resourcequota/q1 created"
until_is "its status" "1 0" k get quota q1 -o 'jsonpath={.status.hard.requests\.cpu} {.status.used.requests\.cpu}'
like "its table" "$(k get quota)" "NAME*AGE*REQUEST*LIMIT*q1*configmaps: 1/3, pods: 0/2, requests.cpu: 0/1*"
is "must specify" "$(k run p1 --image=i 2>&1)" \
  'Error from server (Forbidden): pods "p1" is forbidden: failed quota: q1: must specify requests.cpu for: p1'

k apply -f - >/dev/null <<END
apiVersion: v1
kind: LimitRange
metadata: {name: l1}
spec: {limits: [{type: Container, defaultRequest: {cpu: 100m}, max: {cpu: "2"}}]}
END
like "limits" "$(k describe limits l1)" "*Container*cpu*2*100m*2*"
is "with a default" "$(k run p1 --image=i 2>&1)" "pod/p1 created"
is "used at once" "$(k get quota q1 -o 'jsonpath={.status.used}')" '{"configmaps":"1","pods":"1","requests.cpu":"100m"}'
like "described" "$(k describe quota q1)" "*pods*1*2*requests.cpu*100m*1*"

k create deployment d --image=i --replicas=3 >/dev/null
until_is "a set as far as the quota goes" "1" k get deployment d -o 'jsonpath={.status.replicas}'
like "and why" "$(k get rs -o 'jsonpath={.items[0].status.conditions[0].message}')" \
  'pods "d-*" is forbidden: exceeded quota: q1, requested: pods=1, used: pods=2, limited: pods=2'
is "exceeded" "$(k create configmap a 2>&1 && k create configmap b 2>&1 && k create configmap c 2>&1)" \
  'configmap/a created
configmap/b created
error: failed to create configmap: configmaps "c" is forbidden: exceeded quota: q1, requested: configmaps=1, used: configmaps=3, limited: configmaps=3'

k delete deployment d >/dev/null
until_is "given back" '{"configmaps":"3","pods":"1","requests.cpu":"100m"}' k get quota q1 -o 'jsonpath={.status.used}'
k delete configmap a >/dev/null
until_is "and the configmap" "2" k get quota q1 -o 'jsonpath={.status.used.configmaps}'
k patch pod p1 --subresource=status --type=merge -p '{"status":{"phase":"Succeeded"}}' >/dev/null
until_is "what has ended takes nothing" "0" k get quota q1 -o 'jsonpath={.status.used.pods}'
k patch quota q1 --type=merge -p '{"spec":{"hard":{"count/configmaps":"9","pods":null}}}' >/dev/null
until_is "another limit" '{"configmaps":"2","count/configmaps":"2","requests.cpu":"0"}' \
  k get quota q1 -o 'jsonpath={.status.used}'
like "dry run" "$(k create configmap z --dry-run=server 2>&1)" "configmap/z created (server dry run)"
is "charges nothing" "$(k get quota q1 -o 'jsonpath={.status.used.configmaps}')" "2"

# A quota made where much is already, and one that is asked to forget.
k delete quota q1 >/dev/null
is "without a quota" "$(k create configmap c 2>&1)" "configmap/c created"
k create quota q2 --hard=configmaps=1 >/dev/null
like "counts what is there" "$(k create configmap e 2>&1)" "*exceeded quota: q2, requested: configmaps=1, used: configmaps=3, limited: configmaps=1"
restart_cluster KILL
until_is "after kill -9" "3" k get quota q2 -o 'jsonpath={.status.used.configmaps}'

# Claims in use stay.
k apply -f - >/dev/null <<END
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: data}
spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}
---
apiVersion: v1
kind: Pod
metadata: {name: user}
spec:
  nodeName: n1
  containers: [{name: c, image: i}]
  volumes: [{name: v, persistentVolumeClaim: {claimName: data}}]
END
k delete pvc data --wait=false >/dev/null
like "a claim in use" "$(k get pvc data)" "*data*Terminating*"
k delete pod user --grace-period=0 --force >/dev/null 2>&1
until_is "is gone when it is not" 'Error from server (NotFound): persistentvolumeclaims "data" not found' k get pvc data

k create namespace old >/dev/null
k create quota none -n old --hard=count/deployments.apps=0 >/dev/null
until_is "a quota of none" "0" k get quota none -n old -o 'jsonpath={.status.used.count/deployments\.apps}'
old='{"metadata":{"name":"d"},"spec":{"selector":{"matchLabels":{"a":"b"}},"template":{"metadata":{"labels":{"a":"b"}},"spec":{"containers":[{"name":"c","image":"i"}]}}}}'
for group in extensions/v1beta1 apps/v1; do
  like "what is refused has the group it was asked for in: $group" \
    "$(request POST "/apis/$group/namespaces/old/deployments" -H 'Content-Type: application/json' -d "$old")" \
    "*\"message\":\"deployments.${group%/*} \\\\\"d\\\\\" is forbidden: exceeded quota: none, *\"group\":\"${group%/*}\"*403"
done
done_testing
