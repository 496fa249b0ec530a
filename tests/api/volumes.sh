#!/bin/bash
# shellcheck disable=SC2034,SC2154 # harness.sh reads and sets them
# Volumes and claims as both kubectls show them: the course's exercise, what people read while they wait, and a server
# that is killed while it binds. The node is played by fake-node.py.
COMPONENTS=controllers,scheduler
. "$(dirname "$0")/harness.sh"
KUBECTL_120=$("$G_TEST_SRCDIR/tests/kubectl" 1.20) || KUBECTL_120=
manifests=$G_TEST_SRCDIR/tests/course/manifests
start_cluster

API_PORT=$port API_PKI=$work/pki PYTHONDONTWRITEBYTECODE=1 python3 "$G_TEST_SRCDIR/tests/fake-node.py" n1 >"$work/node.log" 2>&1 &
node_pid=$!
trap 'kill "$node_pid" 2>/dev/null; wait "$node_pid" 2>/dev/null; cleanup' EXIT
wait_until "the node" grep -q ready "$work/node.log"
until_is "default service account" "default" k get serviceaccount default -o 'jsonpath={.metadata.name}'

# both NAME EXPECTED ARGUMENTS...: what each kubectl prints, its columns one space apart
both() {
  is "$1" "$(k "${@:3}" 2>&1 | tr -s ' ')" "$2"
  [ -z "$KUBECTL_120" ] || is "$1 (1.20)" "$(k120 "${@:3}" 2>&1 | tr -s ' ')" "$2"
}
# shows NAME PATTERN ARGUMENTS...: the same of descriptions
shows() {
  like "$1" "$(k describe "${@:3}" 2>&1 | tr -s ' \n' ' ')" "$2"
  [ -z "$KUBECTL_120" ] || like "$1 (1.20)" "$(k120 describe "${@:3}" 2>&1 | tr -s ' \n' ' ')" "$2"
}
phase() {
  k get "$1" "$2" -o 'jsonpath={.status.phase}'
}

# the exercise of the course's module 5
is "a volume" "$(k apply -f "$manifests/05-pv-volume.yaml")" "persistentvolume/task-pv-volume created"
until_is "is available" "Available" phase pv task-pv-volume
both "its fields" "task-pv-volume 10Gi ReadWriteOnce Retain Available manual" get pv task-pv-volume --no-headers \
  -o 'custom-columns=:.metadata.name,:.spec.capacity.storage,:.spec.accessModes[0],:.spec.persistentVolumeReclaimPolicy,:.status.phase,:.spec.storageClassName'
like "its line" "$(k get pv task-pv-volume --no-headers | tr -s ' ')" "task-pv-volume 10Gi RWO Retain Available manual <unset> *"
is "a claim" "$(k apply -f "$manifests/05-pv-claim.yaml")" "persistentvolumeclaim/task-pv-claim created"
until_is "is bound" "Bound" phase pvc task-pv-claim
like "get pv" "$(k get pv task-pv-volume --no-headers | tr -s ' ')" \
  "task-pv-volume 10Gi RWO Retain Bound default/task-pv-claim manual <unset> *"
like "get pvc" "$(k get pvc --no-headers | tr -s ' ')" "task-pv-claim Bound task-pv-volume 10Gi RWO manual <unset> *"
[ -z "$KUBECTL_120" ] || like "get pv,pvc (1.20)" "$(k120 get pv,pvc --no-headers | tr -s ' \n' ' ')" \
  "persistentvolume/task-pv-volume 10Gi RWO Retain Bound default/task-pv-claim manual * persistentvolumeclaim/task-pv-claim Bound task-pv-volume 10Gi RWO manual *"
is "a pod" "$(k apply -f "$manifests/05-pv-pod.yaml")" "pod/task-pv-pod created"
until_is "runs" "Running" phase pod task-pv-pod
shows "describe pvc" "Name: task-pv-claim Namespace: default StorageClass: manual Status: Bound Volume: task-pv-volume Labels: <none> Annotations: pv.kubernetes.io/bind-completed: yes pv.kubernetes.io/bound-by-controller: yes Finalizers: ?kubernetes.io/pvc-protection? Capacity: 10Gi Access Modes: RWO VolumeMode: Filesystem Used By: task-pv-pod Events: <none>*" \
  pvc task-pv-claim
shows "describe pv" "Name: task-pv-volume Labels: type=local Annotations: pv.kubernetes.io/bound-by-controller: yes Finalizers: ?kubernetes.io/pv-protection? StorageClass: manual Status: Bound Claim: default/task-pv-claim Reclaim Policy: Retain Access Modes: RWO VolumeMode: Filesystem Capacity: 10Gi Node Affinity: <none> Message: Source: Type: HostPath (bare host directory volume) Path: /mnt/data HostPathType: Events: <none>*" \
  pv task-pv-volume

# in use, and let go
k delete pvc task-pv-claim --wait=false >/dev/null
like "a claim in use is held" "$(k get pvc task-pv-claim --no-headers)" "task-pv-claim*Terminating*"
k delete pod task-pv-pod >/dev/null
until_is "and goes with the pod" "" k get pvc -o name
until_is "the volume is kept" "Released" phase pv task-pv-volume
k apply -f "$manifests/05-pv-claim.yaml" >/dev/null
explained() {
  k describe pvc "$1" | grep -c "$2"
}
until_is "but not for the next" "1" explained task-pv-claim 'ProvisioningFailed.*persistentvolume-controller.*storageclass.storage.k8s.io "manual" not found'
is "which waits" "$(phase pvc task-pv-claim)" "Pending"
k patch pv task-pv-volume --type=json -p '[{"op":"remove","path":"/spec/claimRef"}]' >/dev/null
until_is "until somebody says so" "Bound" phase pvc task-pv-claim

# what people read
k apply -f - >/dev/null <<END
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: none}
spec: {storageClassName: "", accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}
END
until_is "no class, no volume" "1" explained none "FailedBinding.*no persistent volumes available for this claim and no storage class is set"
k apply -f "$manifests/05-nfs.yaml" >/dev/null
until_is "a volume of a server is bound like any other" "Bound" phase pvc nfs
sed 's/NODE/n1/' "$manifests/05-local.yaml" | k apply -f - >/dev/null
until_is "a local one waits for a pod" "1" explained example-claim "WaitForFirstConsumer.*waiting for first consumer to be created before binding"

# only an object here: drivers read it
k apply -f - >/dev/null <<END
apiVersion: storage.k8s.io/v1beta1
kind: VolumeAttributesClass
metadata: {name: silver}
driverName: example.com
parameters: {iops: "100"}
END
like "a class of attributes" "$(k get vac --no-headers | tr -s ' ')" "silver example.com *"

# killed while it binds
for i in $(seq 40); do
  cat <<END
---
apiVersion: v1
kind: PersistentVolume
metadata: {name: many-$i, labels: {lot: many}}
spec: {storageClassName: many, capacity: {storage: ${i}Mi}, accessModes: [ReadWriteOnce], hostPath: {path: /mnt/$i}}
---
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: many-$i, labels: {lot: many}}
spec: {storageClassName: many, accessModes: [ReadWriteOnce], resources: {requests: {storage: ${i}Mi}}}
END
done >"$work/many.yaml"
k apply -f "$work/many.yaml" >/dev/null 2>&1 &
applying=$!
some_bound() {
  k get pvc -l lot=many --no-headers 2>/dev/null | grep -q Bound
}
wait_until "some are bound" some_bound
kill -KILL "$server_pid"
wait "$server_pid" "$applying" 2>/dev/null
: >"$work/events"
run_server
k apply -f "$work/many.yaml" >/dev/null
count_bound() {
  k get "$1" -l lot=many --no-headers | awk '{print '"$2"'}' | grep -c Bound
}
until_is "all are in the end" "40" count_bound pvc '$2'
until_is "from both ends" "40" count_bound pv '$5'
is "each has one of its own" "$(k get pvc -l lot=many -o 'jsonpath={range .items[*]}{.spec.volumeName}{"\n"}{end}' | sort -u | wc -l)" "40"
is "and that has it" \
  "$(k get pv -l lot=many -o 'jsonpath={range .items[*]}{.metadata.name}{" "}{.spec.claimRef.name}{" "}{.spec.claimRef.uid}{"\n"}{end}' | sort)" \
  "$(k get pvc -l lot=many -o 'jsonpath={range .items[*]}{.spec.volumeName}{" "}{.metadata.name}{" "}{.metadata.uid}{"\n"}{end}' | sort)"
done_testing
