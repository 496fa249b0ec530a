#!/bin/bash
# A node whose disk fills, with real containers: pods with limits go, then images nobody uses, then the pod that fills it.
# shellcheck source-path=SCRIPTDIR source=node-harness.sh
. "$(dirname "$0")/node-harness.sh"

# Everything of the node lies on a small disk.
mount -t tmpfs -o size=128m tmpfs /var/lib/launcher
start_cluster --housekeeping-interval=1s '--eviction-hard=nodefs.available<30%,memory.available<16Mi' \
  --eviction-pressure-transition-period=2s --image-gc-high-threshold=100 --minimum-image-ttl-duration=0s \
  --kube-reserved=cpu=100m,memory=64Mi
load_busybox
mkdir "$work/layer"
head -c 16777216 /dev/urandom >"$work/layer/ballast"
"$G_TEST_SRCDIR/tests/images/make-image.py" --layer "$work/layer" --name unused:1 "$work/unused.tar"
"$CLUSTERD" image load "$work/unused.tar" >/dev/null
rm "$work/unused.tar" "$work/layer/ballast"
until_is "default service account" "default" k get serviceaccount default -o 'jsonpath={.metadata.name}'

# pod NAME COMMAND RESOURCES VOLUME
pod() {
  k apply -f - >/dev/null <<END
apiVersion: v1
kind: Pod
metadata: {name: $1}
spec:
  terminationGracePeriodSeconds: 0
  volumes: [{name: cache, emptyDir: {${4:-}}}]
  containers:
  - {name: c, image: "busybox:1.36", command: [sh, -c, "$2; sleep 3600"], resources: {${3:-}}, volumeMounts: [{name: cache, mountPath: /cache}]}
END
}
# says NAME: phase, reason and message
says() {
  k get pod "$1" -o 'jsonpath={.status.phase} {.status.reason} {.status.message}'
}
images() {
  "$CLUSTERD" image ls | grep -c unused
}

# limits of their own
pod innocent true
pod volume "head -c 2097152 /dev/zero >/cache/file" "" "sizeLimit: 1Mi"
pod layer "head -c 2097152 /dev/zero >/file" "limits: {ephemeral-storage: 1Mi}"
until_is "a volume beyond its size" 'Failed Evicted Usage of EmptyDir volume "cache" exceeds the limit "1Mi". ' says volume
until_is "a container that writes too much" \
  "Failed Evicted Pod ephemeral local storage usage exceeds the total limit of containers 1Mi. " says layer
uid=$(k get pod volume -o 'jsonpath={.metadata.uid}')
is "its volume has been given back" "$(ls "/var/lib/launcher/pods/$uid/volumes" 2>&1 | wc -l)" "1"
until_is "who has no limit runs" "Running" pod_phase innocent
is "an unused image is kept while there is room" "$(images)" "1"

# the disk fills
k get node node1 -w -o 'jsonpath={.status.conditions[?(@.type=="DiskPressure")].reason} {.spec.taints[*].key}{"\n"}' \
  >"$work/node" 2>/dev/null &
watch_pid=$!
wait_until "the node is watched" test -s "$work/node"
pod filler "head -c 94371840 /dev/zero >/cache/file"
until_is "the pod that fills it is evicted" "Failed Evicted" k get pod filler -o 'jsonpath={.status.phase} {.status.reason}'
message=$(k get pod filler -o 'jsonpath={.status.message}')
case $message in
"The node was low on resource: ephemeral-storage. Threshold quantity: 40265320, available: "*". "*) ok "and told why" ;;
*) not_ok "and told why: $message" ;;
esac
is "images nobody uses went first" "$(images)" "0"
wait_until "the condition and the taint" grep -q '^KubeletHasDiskPressure node.kubernetes.io/disk-pressure$' "$work/node" &&
  ok "the node says so, and is tainted"
ends() {
  [ "$(tail -n 1 "$work/node")" = "KubeletHasNoDiskPressure " ]
}
wait_until "the end of the pressure" ends && ok "and both go"
kill "$watch_pid"
is "who filled nothing runs on" "$(pod_phase innocent)" "Running"
reasons() {
  k get events --field-selector involvedObject.kind=Node -o 'jsonpath={.items[*].reason}'
}
for reason in Starting NodeHasSufficientMemory NodeHasNoDiskPressure NodeHasSufficientPID NodeReady \
  NodeAllocatableEnforced NodeHasDiskPressure EvictionThresholdMet; do
  told() {
    reasons | grep -qw "$reason"
  }
  wait_until "event $reason" told && ok "event $reason"
done
pod later true
until_is "a pod may come again" "Running" pod_phase later

# what all pods together may have
limit=$(cat /sys/fs/cgroup/memory/kubepods/memory.limit_in_bytes /sys/fs/cgroup/kubepods/memory.max 2>/dev/null)
capacity=$(k get node node1 -o 'jsonpath={.status.capacity.memory}')
difference=$(((${capacity%Ki} * 1024 - limit) / 1048576))
is "the kernel keeps pods from what is reserved" "$difference" "64"

# what a student sees
k describe node node1 >"$work/described"
for line in 'Conditions:' '  MemoryPressure *False .*KubeletHasSufficientMemory *kubelet has sufficient memory available' \
  '  DiskPressure *False .*KubeletHasNoDiskPressure *kubelet has no disk pressure' \
  '  PIDPressure *False .*KubeletHasSufficientPID *kubelet has sufficient PID available' \
  '  Ready *True .*KubeletReady *kubelet is posting ready status' 'Addresses:' '  InternalIP: *10.99.0.2' \
  '  Hostname: *node1' 'Capacity:' '  ephemeral-storage: *128Mi' '  hugepages-2Mi: *' '  pods: *110' 'Allocatable:' \
  '  ephemeral-storage: *93952408' 'System Info:' '  Machine ID: *[0-9a-f]' '  Boot ID: *[0-9a-f]' \
  '  Kernel Version: *[0-9]' '  OS Image: *[A-Z]' '  Operating System: *linux' '  Architecture: *[a-z]' \
  '  Container Runtime Version: *[a-z]*://' '  Kubelet Version: *v1.32' 'PodCIDR: *10.244.0.0/24' \
  'Non-terminated Pods: *(2 in total)' '  default *innocent *0 (0%)' 'Allocated resources:' \
  '  ephemeral-storage *0 (0%)  *0 (0%)' 'Events:'; do
  grep -q "^$line" "$work/described" && ok "describe node: $line" || not_ok "describe node: $line"
done

# a clusterd that was killed remembers when images were used, and that pods were evicted
restart_cluster KILL
until_is "an evicted pod stays so" 'Failed Evicted' k get pod filler -o 'jsonpath={.status.phase} {.status.reason}'
is "when images were used is on disk" "$(grep -c '"used":[1-9]' /var/lib/launcher/image-use.json)" "1"
is "the pod that ran goes on" "$(k get pod innocent -o 'jsonpath={.status.phase} {.status.containerStatuses[0].restartCount}')" \
  "Running 0"
k delete pods --all >/dev/null
done_testing
