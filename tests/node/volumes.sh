#!/bin/bash
# Volumes in real containers: the course's exercises, a volume that is made for its claim, and what of it outlives a
# restart.
# shellcheck source-path=SCRIPTDIR source=node-harness.sh
. "$(dirname "$0")/node-harness.sh"
manifests=$G_TEST_SRCDIR/tests/course/manifests
provisioned=/tmp/hostpath-provisioner

# What pods write goes to memory.
mount -t tmpfs tmpfs /mnt
mkdir /mnt/data
echo "a page" >/mnt/data/index.html
mkdir -p "$provisioned"
mount -t tmpfs tmpfs "$provisioned"
trap 'umount "$provisioned"; rmdir "$provisioned"; cleanup' EXIT
start_cluster
load_busybox
until_is "default service account" "default" k get serviceaccount default -o 'jsonpath={.metadata.name}'
is "a node has the class standard" "$(k get storageclass --no-headers | awk '{print $1, $2, $3, $4, $5}')" \
  "standard (default) k8s.io/minikube-hostpath Delete Immediate"

# apply NAME: a manifest of the course, with the one image there is.
apply() {
  sed -e 's/image: nginx/image: busybox:1.36\n    command: [sleep, "3600"]/' -e 's/image: busybox$/image: busybox:1.36/' \
    -e 's/NODE/node1/; s|path: /mnt}|path: /mnt/not-there}|' "$manifests/$1.yaml" | k apply -f - >/dev/null
}
phase() {
  k get "$1" "$2" -o 'jsonpath={.status.phase}'
}

# a volume made by hand, with a page on it
apply 05-pv-volume
apply 05-pv-claim
apply 05-pv-pod
apply 05-dynamic
apply 05-empty-dir
until_is "a pod has its volume" "Running" phase pod task-pv-pod
is "and its page" "$(k exec task-pv-pod -- cat /usr/share/nginx/html/index.html)" "a page"

# one that is made for its claim
starts=$provisioned/default/dynamic/starts
count_starts() {
  wc -l <"$starts"
}
until_is "a pod has one that was made for it" "Running" phase pod dynamic
until_is "where the node keeps them" "1" count_starts

# an empty folder outlives its container's process
until_is "a pod has an empty folder" "Running" phase pod redis
k exec redis -- sh -c 'echo kept >/data/redis/file; kill 1'
restarts() {
  k get pod redis -o 'jsonpath={.status.containerStatuses[0].restartCount} {.status.containerStatuses[0].ready}'
}
until_is "its process is started again" "1 true" restarts
is "the file is still there" "$(k exec redis -- cat /data/redis/file)" "kept"

# one that comes and goes with its pod
printf 'apiVersion: v1\nkind: Pod\nmetadata: {name: scratch}\nspec: {terminationGracePeriodSeconds: 1, volumes: [{name: v, ephemeral: {volumeClaimTemplate: {spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Mi}}}}}}], containers: [{name: c, image: "busybox:1.36", command: [sh, -c, "touch /v/file; trap exit TERM; sleep 1000 & wait"], volumeMounts: [{name: v, mountPath: /v}]}]}\n' | k apply -f - >/dev/null
until_is "a pod has a volume of its own" "Running" phase pod scratch
until_is "which lies where others do" "file" ls "$provisioned/default/scratch-v"
k delete pod scratch >/dev/null
left() {
  k get pvc -o name | grep -c scratch
  find "$provisioned/default" -name "scratch*" | wc -l
}
until_is "and goes with it" $'0\n0' left

# what is not there
apply 05-local
apply 05-local-pod
complaint() {
  k get events --field-selector reason=FailedMount,involvedObject.name=local-pod -o 'jsonpath={range .items[*]}{.message}{"\n"}{end}' |
    grep -v "PVC is not bound" # as it is for a moment
}
until_is "a local volume without its folder" \
  'MountVolume.NewMounter initialization failed for volume "example-pv" : path "/mnt/not-there" does not exist' complaint
mkdir /mnt/not-there
until_is "with it the pod runs" "Running" phase pod local-pod

# restarted, then deleted
restart_cluster TERM
is "it is there after a restart" "$(count_starts)" "1"
k delete pod dynamic >/dev/null
k delete pvc dynamic >/dev/null
provisioned_volumes() {
  k get pv -o name | grep -c pvc-
}
until_is "the volume goes with its claim" "0" provisioned_volumes
is "and its folder" "$(ls "$provisioned/default")" ""
k delete pod task-pv-pod >/dev/null
k delete pvc task-pv-claim >/dev/null
until_is "what was made by hand is kept" "Released" phase pv task-pv-volume
is "with its page" "$(cat /mnt/data/index.html)" "a page"
k delete pods --all >/dev/null
done_testing
