#!/bin/bash
# shellcheck disable=SC2016
# Volumes that are more than folders: block devices, images, parts of volumes while somebody changes them, mounts passed
# on; and that nothing of all this stays.
# shellcheck source-path=SCRIPTDIR source=node-harness.sh
. "$(dirname "$0")/node-harness.sh" "$@"

phase() {
  k get pod "$1" -o 'jsonpath={.status.phase}'
}
# event REASON POD: the message of its last event of the reason
event() {
  k get events --field-selector "reason=$1,involvedObject.name=$2" -o 'jsonpath={.items[-1:].message}'
}
waiting() {
  k get pod "$1" -o 'jsonpath={.status.containerStatuses[0].state.waiting.reason}: {.status.containerStatuses[0].state.waiting.message}'
}
loops() {
  cat /sys/block/loop*/loop/backing_file 2>/dev/null | grep -cF "$disks/"
}
delete() {
  k delete pod --timeout=30s "$@" >/dev/null
}
# pod NAME SPEC
pod() {
  printf 'apiVersion: v1\nkind: Pod\nmetadata: {name: %s}\nspec: {terminationGracePeriodSeconds: 1, %s}\n' "$1" "$2" | k apply -f - >/dev/null
}
C='image: "busybox:1.36", command: [sh, -c, "trap exit TERM; sleep 1000 & wait"]'

disks=/mnt/$(basename "$work") # loop devices are everybody's: a name of our own
mount -t tmpfs tmpfs /mnt
mkdir -p "$disks"
end() {
  [ -z "${registry_pid:-}" ] || kill "$registry_pid" 2>/dev/null
  for loop in /sys/block/loop*/loop/backing_file; do # of a failed test
    grep -qF "$disks/" "$loop" 2>/dev/null && losetup -d "/dev/$(basename "$(dirname "$(dirname "$loop")")")"
  done
  cleanup
}
trap end EXIT
start_cluster
load_busybox
until_is "default service account" "default" k get serviceaccount default -o 'jsonpath={.metadata.name}'

# --- block devices
if [ -e /dev/loop-control ]; then
  truncate -s 1M "$disks/disk"
  printf 'from the node' | dd of="$disks/disk" conv=notrunc status=none
  k apply -f - >/dev/null <<YAML
apiVersion: v1
kind: PersistentVolume
metadata: {name: raw}
spec:
  capacity: {storage: 1Mi}
  volumeMode: Block
  accessModes: [ReadWriteOnce]
  storageClassName: raw
  local: {path: $disks/disk}
  nodeAffinity: {required: {nodeSelectorTerms: [{matchExpressions: [{key: kubernetes.io/hostname, operator: In, values: [node1]}]}]}}
---
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: raw}
spec: {volumeMode: Block, accessModes: [ReadWriteOnce], storageClassName: raw, resources: {requests: {storage: 1Mi}}}
YAML
  device='volumeDevices: [{name: v, devicePath: /dev/xvda}]'
  claim='volumes: [{name: v, persistentVolumeClaim: {claimName: raw}}]'
  pod writer "$claim, containers: [{name: c, $C, $device}]"
  pod reader "volumes: [{name: v, persistentVolumeClaim: {claimName: raw, readOnly: true}}], containers: [{name: c, $C, $device}]"
  until_is "a pod has a block device" "Running" phase writer
  until_is "so has another, for reading" "Running" phase reader
  is "it is a block device" "$(k exec writer -- stat -c %F /dev/xvda)" "block special file"
  is "with what the node's file holds" "$(k exec writer -- head -c 13 /dev/xvda)" "from the node"
  k exec writer -- sh -c 'printf "from a pod  " | dd of=/dev/xvda conv=notrunc,fsync 2>/dev/null'
  is "what is written is there" "$(head -c 12 "$disks/disk")" "from a pod  "
  is "the other sees it" "$(k exec reader -- head -c 12 /dev/xvda)" "from a pod  "
  like "and cannot write" "$(k exec reader -- sh -c 'echo x >/dev/xvda' 2>&1)" "*not permitted*"
  is "other devices are not for it" "$(k exec writer -- sh -c 'mknod /tmp/d b 7 9999 && cat /tmp/d 2>&1 | grep -c permitted')" "1"
  is "one device for both" "$(loops)" "1"
  restart_cluster KILL
  is "a killed clusterd leaves it" "$(loops) $(k exec writer -- head -c 12 /dev/xvda)" "1 from a pod  "
  delete writer
  is "the other pod keeps it" "$(loops) $(k exec reader -- head -c 12 /dev/xvda)" "1 from a pod  "
  delete reader
  is "with the last it goes" "$(loops)" "0"
  pod mounts "$claim, containers: [{name: c, $C, volumeMounts: [{name: v, mountPath: /v}]}]"
  until_is "no folder is made of it" \
    "Unable to attach or mount volumes: unmounted volumes=[v], unattached volumes=[], failed to process volumes=[v]: error processing PVC default/raw: volume raw has volumeMode Block, but is specified in volumeMounts" \
    event FailedMount mounts
  rm "$disks/disk"
  mkdir "$disks/disk"
  delete mounts
  pod folder "$claim, containers: [{name: c, $C, $device}]"
  until_is "nor a device of a folder" \
    "MapVolume.MapBlockVolume failed for volume \"raw\" : $disks/disk is not a block device" event FailedMapVolume folder
  delete folder
fi

# --- images
mkdir -p "$work/layer/data"
echo "of an image" >"$work/layer/data/file"
printf '#!/bin/sh\necho ran\n' >"$work/layer/data/run"
chmod 755 "$work/layer/data/run"
"$G_TEST_SRCDIR/tests/images/make-image.py" --name data:1 --layer "$work/layer" "$work/data.tar"
"$CLUSTERD" image load "$work/data.tar" >/dev/null
pod image 'volumes: [{name: v, image: {reference: "data:1"}}], containers: [{name: c, '"$C"', volumeMounts: [{name: v, mountPath: /v}]}]'
until_is "a pod has an image as a volume" "Running" phase image
is "with what is in it" "$(k exec image -- cat /v/data/file)" "of an image"
like "read-only" "$(k exec image -- touch /v/x 2>&1)" "*Read-only file system*"
like "what is in it is not run" "$(k exec image -- /v/data/run 2>&1)" "*ermission denied*"
like "its events" "$(event Pulled image)" 'Container image * already present on machine'
like "it is not removed while it is used" "$("$CLUSTERD" image rm data:1 2>&1)" "*used by a container*"
restart_cluster KILL
is "nor after a crash" "$(k exec image -- cat /v/data/file)" "of an image"
like "it still is in use" "$("$CLUSTERD" image rm data:1 2>&1)" "*used by a container*"
k exec image -- kill 1
until_is "its container starts again" "1 true" k get pod image -o 'jsonpath={.status.containerStatuses[0].restartCount} {.status.containerStatuses[0].ready}'
is "with the same volume" "$(k exec image -- cat /v/data/file)" "of an image"
delete image
is "then it can go" "$("$CLUSTERD" image rm data:1 2>&1 | grep -c 'used by')" "0"
pod never 'volumes: [{name: v, image: {reference: "data:1", pullPolicy: Never}}], containers: [{name: c, '"$C"', volumeMounts: [{name: v, mountPath: /v}]}]'
until_is "an image that is not here, and never fetched" \
  'ErrImageNeverPull: Container image "data:1" is not present with pull policy of Never' waiting never
delete never
like "a part of an image is refused" "$(pod part 'volumes: [{name: v, image: {reference: "data:1"}}], containers: [{name: c, '"$C"', volumeMounts: [{name: v, mountPath: /v, subPath: data}]}]' 2>&1)" \
  "*volumeMounts?0?.subPath: Invalid value: \"data\": not allowed in image volume sources*"

# --- parts of volumes
mkdir -p /mnt/shared/good/inner /mnt/outside/inner
echo outside >/mnt/outside/inner/secret
# one container swaps the folder for a link that leads out, and back, as fast as it can; the other is started again and again
pod race 'restartPolicy: Never, volumes: [{name: v, hostPath: {path: /mnt/shared}}], containers: [{name: c, image: "busybox:1.36", command: [sh, -c, "cd /v; while :; do mv good hidden; ln -s ../outside good; rm good; mv hidden good; done"], volumeMounts: [{name: v, mountPath: /v}]}]'
until_is "somebody changes a volume" "Running" phase race
parts='part-1 part-2 part-3 part-4 part-5 part-6'
for i in $parts; do
  pod "$i" 'restartPolicy: Never, volumes: [{name: v, hostPath: {path: /mnt/shared}}], containers: [{name: c, image: "busybox:1.36", command: [ls, /w], volumeMounts: [{name: v, mountPath: /w, subPath: good/inner}]}]'
done
# shellcheck disable=SC2086
unsettled() {
  k get pod $parts -o 'jsonpath={range .items[*]}{.status.phase} {.status.containerStatuses[0].state.waiting.message}{"\n"}{end}' |
    grep -cvE '^Succeeded |^Pending failed to prepare subPath for volumeMount "v" of container "c"$'
}
until_is "pods with a part of it start or are told why not" "0" unsettled
is "none sees what is outside" "$(for i in $parts; do k logs "$i" 2>/dev/null; done | grep -c secret)" "0"
# shellcheck disable=SC2086
delete race $parts

pod parts 'securityContext: {runAsUser: 33}, volumes: [{name: v, emptyDir: {}}], containers: [{name: c, env: [{name: WHO, value: me}], '"$C"', volumeMounts: [{name: v, mountPath: /a, subPath: made}, {name: v, mountPath: /b, subPathExpr: of/$(WHO)}, {name: v, mountPath: /v}]}]'
until_is "parts of an empty folder" "Running" phase parts
is "are made for whoever runs there" "$(k exec parts -- sh -c 'touch /a/x /b/y && ls /v/made /v/of/me' | tr '\n' ' ')" "/v/made: x  /v/of/me: y "
pod unknown 'volumes: [{name: v, emptyDir: {}}], containers: [{name: c, '"$C"', volumeMounts: [{name: v, mountPath: /b, subPathExpr: of/$(NOBODY)}]}]'
until_is "a variable that is not there" 'CreateContainerConfigError: missing value for "NOBODY"' waiting unknown
delete parts unknown

# --- mounts passed on
mkdir -p /mnt/tree/below
mount --make-shared /mnt
volume='volumes: [{name: v, hostPath: {path: /mnt/tree}}]'
pod none "$volume, containers: [{name: c, $C, volumeMounts: [{name: v, mountPath: /v}]}]"
pod follows "$volume, containers: [{name: c, $C, volumeMounts: [{name: v, mountPath: /v, mountPropagation: HostToContainer}]}]"
pod leads "$volume, containers: [{name: c, $C, securityContext: {privileged: true}, volumeMounts: [{name: v, mountPath: /v, mountPropagation: Bidirectional}]}]"
pod deep "$volume, containers: [{name: c, $C, volumeMounts: [{name: v, mountPath: /v, readOnly: true, recursiveReadOnly: Enabled}, {name: v, mountPath: /w, readOnly: true}]}]"
for name in none follows leads; do
  until_is "$name" "Running" phase "$name"
done
mount -t tmpfs tmpfs /mnt/tree/below
touch /mnt/tree/below/of-node
is "a mount of the node is seen where it was asked for" \
  "$(for name in none follows leads; do k exec "$name" -- ls /v/below; echo .; done | tr '\n' ' ')" ". of-node . of-node . "
k exec leads -- sh -c 'mkdir /v/more && mount -t tmpfs tmpfs /v/more && touch /v/more/of-pod'
is "a mount of a pod is seen by the node and those who follow" "$(ls /mnt/tree/more; k exec follows -- ls /v/more; k exec none -- ls /v/more)" $'of-pod\nof-pod'
until_is "a volume that is read-only all the way down" "Running" phase deep
delete deep
pod deep "$volume, containers: [{name: c, $C, volumeMounts: [{name: v, mountPath: /v, readOnly: true, recursiveReadOnly: Enabled}, {name: v, mountPath: /w, readOnly: true}]}]"
until_is "with what is mounted in it" "Running" phase deep
is "holds for what is mounted in it, too" "$(k exec deep -- sh -c 'touch /v/below/x 2>/dev/null || echo no; touch /w/below/x && echo yes' | tr '\n' ' ')" "no yes "
is "and is shown" "$(k get pod deep -o 'jsonpath={range .status.containerStatuses[0].volumeMounts[*]}{.mountPath} {.readOnly} {.recursiveReadOnly},{end}' | grep -o '/[vw] [^,]*' | tr '\n' ' ')" "/v true Enabled /w true Disabled "
delete none follows leads deep
umount /mnt/tree/more /mnt/tree/below

# --- files
k create configmap settings --from-literal=a=old --from-literal=b=x >/dev/null
pod files 'securityContext: {fsGroup: 2000}, volumes: [{name: v, configMap: {name: settings, defaultMode: 256, items: [{key: a, path: deep/a}, {key: b, path: b, mode: 292}]}}, {name: o, secret: {secretName: none, optional: true}}, {name: m, emptyDir: {medium: Memory, sizeLimit: 1Mi}}, {name: u, configMap: {name: later}}], containers: [{name: c, '"$C"', volumeMounts: [{name: v, mountPath: /v}, {name: v, mountPath: /part, subPath: deep/a}, {name: o, mountPath: /o}, {name: m, mountPath: /m}]}]'
until_is "files out of the API" "Running" phase files
is "modes, and the group of the pod" "$(k exec files -- sh -c 'stat -L -c "%a %g" /v/deep/a /v/b; ls /o' | tr '\n' ' ')" "440 2000 444 2000 "
is "memory is as large as was asked for" "$(k exec files -- sh -c 'dd if=/dev/zero of=/m/x bs=1k count=2048 2>/dev/null; stat -c %s /m/x')" "1048576"
k patch configmap settings -p '{"data": {"a": "new"}}' >/dev/null
until_is "a change is seen soon" "new" k exec files -- cat /v/deep/a
is "but not in a part that is mounted" "$(k exec files -- cat /part)" "old"
k create secret generic none --from-literal=now=here >/dev/null
until_is "what was not there comes" "now" k exec files -- ls /o
k create configmap later --from-literal=key=value >/dev/null
k patch pod files --subresource ephemeralcontainers -p '{"spec": {"ephemeralContainers": [{"name": "e", "image": "busybox:1.36", "command": ["sleep", "1000"], "volumeMounts": [{"name": "u", "mountPath": "/u"}]}]}}' >/dev/null
until_is "a volume nobody used is there for a container that comes later" "value" k exec files -c e -- cat /u/key
delete files

# --- whatever happens in between
cut_off() {
  for i in 1 2 3 4; do
    printf 'apiVersion: v1\nkind: Pod\nmetadata: {name: cut-%s}\nspec: {terminationGracePeriodSeconds: 1, volumes: [{name: s, secret: {secretName: none}}, {name: m, emptyDir: {medium: Memory}}, {name: i, image: {reference: "busybox:1.36"}}], containers: [{name: c, %s, volumeMounts: [{name: s, mountPath: /s, subPath: now}, {name: m, mountPath: /m}, {name: i, mountPath: /i}]}]}\n---\n' "$i" "$C"
  done | k apply -f - >/dev/null
}
cut_off
k delete pod --force --grace-period=0 cut-1 cut-2 cut-3 cut-4 >/dev/null 2>&1
cut_off
restart_cluster KILL
delete cut-1 cut-2
restart_cluster KILL
delete cut-3 cut-4

# --- the end
mounts() {
  grep -cE '/(var/lib|run)/launcher/(pods|containers|sandboxes)' /proc/self/mounts
}
until_is "no mount is left" "0" mounts
is "nor a folder" "$(ls /var/lib/launcher/pods)" ""
done_testing
