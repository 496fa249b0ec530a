#!/bin/bash
# shellcheck disable=SC2016
# What a pod can do on its node, and what it cannot: with real containers.
# shellcheck source-path=SCRIPTDIR source=node-harness.sh
. "$(dirname "$0")/node-harness.sh" "$@"

# pod NAME SPEC
pod() {
  printf 'apiVersion: v1\nkind: Pod\nmetadata: {name: %s}\nspec: {terminationGracePeriodSeconds: 1, %s}\n---\n' "$1" "$2"
}
apply() {
  k apply -f - >/dev/null
}
phase() {
  k get pod "$1" -o 'jsonpath={.status.phase}'
}
status() {
  k get pod "$1" -o 'jsonpath={.status.phase} {.status.reason}: {.status.message}'
}
event() {
  k get events --field-selector "reason=$1,involvedObject.name=$2" -o 'jsonpath={.items[-1:].message}'
}
waiting() {
  k get pod "$1" -o 'jsonpath={.status.containerStatuses[0].state.waiting.reason}: {.status.containerStatuses[0].state.waiting.message}'
}
# all_run NAME...
all_run() {
  [ "$(k get pod "$@" -o 'jsonpath={range .items[*]}{.status.phase}{"\n"}{end}' | grep -c '^Running$')" = "$#" ]
}
IN() {
  # shellcheck disable=SC2086
  k exec $1 -- sh -c "$2" 2>&1 | tr '\n' ' '
}
B='image: "busybox:1.36", command: [sh, -c, "trap exit TERM; sleep 1000 & wait"]'

mount -t tmpfs tmpfs /mnt
echo "of the node alone" >/mnt/secret
mkdir -p /var/lib/kubelet
mount -t tmpfs tmpfs /var/lib/kubelet
mkdir /var/lib/kubelet/seccomp
cat >/var/lib/kubelet/seccomp/no-folders.json <<'JSON'
{"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO"}]}
JSON
start_cluster --allowed-unsafe-sysctls 'kernel.msg*'
load_busybox
until_is "default service account" "default" k get serviceaccount default -o 'jsonpath={.metadata.name}'
k create secret generic theirs --from-literal=key=of-another-pod >/dev/null

{
  pod plain "containers: [{name: c, $B}]"
  pod unmasked 'hostUsers: false, containers: [{name: c, '"$B"', securityContext: {procMount: Unmasked}}]'
  pod privileged "containers: [{name: c, $B, securityContext: {privileged: true}}]"
  pod sysctls 'securityContext: {sysctls: [{name: net.ipv4.ip_local_port_range, value: "30000 50000"}, {name: kernel.shm_rmid_forced, value: "1"}, {name: kernel/msgmax, value: "12345"}]}, '"containers: [{name: c, $B}]"
  pod forbidden 'securityContext: {sysctls: [{name: net.core.somaxconn, value: "1024"}]}, '"containers: [{name: c, $B}]"
  pod confined 'containers: [{name: c, '"$B"', securityContext: {appArmorProfile: {type: RuntimeDefault}}}]'
  pod seccomp "containers: [{name: c, $B, securityContext: {seccompProfile: {type: Localhost, localhostProfile: no-folders.json}}}, {name: d, $B, securityContext: {seccompProfile: {type: RuntimeDefault}}}]"
  pod no-profile "containers: [{name: c, $B, securityContext: {seccompProfile: {type: Localhost, localhostProfile: none.json}}}]"
  pod groups "securityContext: {runAsUser: 33, supplementalGroups: [3000]}, containers: [{name: c, $B}]"
  pod strict "securityContext: {runAsUser: 33, supplementalGroups: [3000], supplementalGroupsPolicy: Strict}, containers: [{name: c, $B, securityContext: {readOnlyRootFilesystem: true}}]"
  pod owner "volumes: [{name: s, secret: {secretName: theirs}}], containers: [{name: c, $B, volumeMounts: [{name: s, mountPath: /s}]}]"
  # a link to a file of the node, where the termination message should go
  pod message 'restartPolicy: Never, volumes: [{name: v, emptyDir: {}}], initContainers: [{name: i, image: "busybox:1.36", command: [ln, -s, /mnt/secret, /v/message], volumeMounts: [{name: v, mountPath: /v}]}], containers: [{name: c, image: "busybox:1.36", command: [sh, -c, "exit 3"], terminationMessagePath: /v/message, volumeMounts: [{name: v, mountPath: /v}]}]'
} | apply
wait_until "they run" all_run plain unmasked privileged sysctls seccomp groups strict owner

# --- kernel settings
is "settings of the pod's own" "$(IN sysctls 'cat /proc/sys/net/ipv4/ip_local_port_range /proc/sys/kernel/shm_rmid_forced /proc/sys/kernel/msgmax')" \
  "$(printf '30000\t50000 1 12345 ')"
is "are nobody else's" "$(IN plain 'cat /proc/sys/net/ipv4/ip_local_port_range')" "$(tr '\n' ' ' </proc/sys/net/ipv4/ip_local_port_range)"
until_is "others are refused" \
  'Failed SysctlForbidden: Pod was rejected: forbidden sysctl: "net.core.somaxconn" not allowlisted' status forbidden
is "with an event" "$(event SysctlForbidden forbidden)" 'forbidden sysctl: "net.core.somaxconn" not allowlisted'

# --- profiles
until_is "a profile of AppArmor holds a pod up" \
  'Pending AppArmor: Cannot enforce AppArmor: AppArmor is not enabled on the host' status confined
is "which is shown as blocked" "$(k get pod confined -o 'jsonpath={.status.containerStatuses[0].state.waiting.reason}')" "Blocked"
is "a seccomp profile of the node's" "$(IN "seccomp -c c" 'mkdir /tmp/x 2>/dev/null || echo refused; touch /tmp/y && echo fine')" "refused fine "
is "that of the runtime, and none" "$(k exec seccomp -c d -- grep Seccomp: /proc/1/status; IN plain 'grep Seccomp: /proc/1/status')" \
  $'Seccomp:\t2\nSeccomp:\t0 '
until_is "one that is not there" "CreateContainerError" k get pod no-profile -o 'jsonpath={.status.containerStatuses[0].state.waiting.reason}'

# --- users, limits, devices
is "groups of the image's files" "$(IN groups 'id -G')" "33 10 3000 "
is "unless the pod says no" "$(IN strict 'id -G; touch /x 2>/dev/null || echo read-only')" "33 3000 read-only "
hard=$(ulimit -Hn)
[ "$hard" != unlimited ] && [ "$hard" -lt 1048576 ] || hard=1048576
is "open files" "$(IN plain 'ulimit -n; ulimit -Hn')" "$hard $hard "
is "what the kernel shows of the node is hidden" \
  "$(IN plain 'cat /proc/kcore /proc/keys /proc/timer_list 2>/dev/null | head -c 1 | wc -c; echo 1 2>/dev/null >/proc/sys/vm/swappiness || echo no; echo b 2>/dev/null >/proc/sysrq-trigger || echo no; mount -t tmpfs x /mnt 2>/dev/null || echo no; touch /sys/x 2>/dev/null || echo no')" \
  "0 no no no no "
is "whatever a pod says" "$(IN unmasked 'cat /proc/kcore /proc/keys /proc/timer_list 2>/dev/null | head -c 1 | wc -c')" "0 "
is "devices of the node are for who may" "$(IN privileged 'test -c /dev/loop-control && echo there'; IN plain 'ls /dev')" \
  "there core fd full mqueue null ptmx pts random shm stderr stdin stdout termination-log tty urandom zero "

# --- what is another's
until_is "a message is what the container wrote" "Failed" phase message
is "never a file of the node" "$(k get pod message -o 'jsonpath={.status.containerStatuses[0].state.terminated.exitCode}:{.status.containerStatuses[0].state.terminated.message}:'; cat /mnt/secret)" \
  "3::of the node alone"
theirs=/var/lib/launcher/pods/$(k get pod owner -o 'jsonpath={.metadata.uid}')/volumes/files/s
is "a pod has a secret" "$(IN owner 'cat /s/key')" "$(cat "$theirs/key")"
for link in "$theirs" ../../../../../.."$theirs"; do
  pod thief 'volumes: [{name: v, emptyDir: {}}], initContainers: [{name: i, image: "busybox:1.36", command: [ln, -s, '"$link"', /v/link], volumeMounts: [{name: v, mountPath: /v}]}], containers: [{name: c, '"$B"', volumeMounts: [{name: v, mountPath: /w, subPath: link}]}]' | apply
  until_is "no other gets it through a link" \
    'CreateContainerConfigError: failed to prepare subPath for volumeMount "v" of container "c"' waiting thief
  k delete pod thief >/dev/null
done
nodes=$(cat /etc/hosts)
IN plain 'echo 10.1.1.1 mine >>/etc/hosts; echo "# mine" >>/etc/resolv.conf; echo x >/dev/termination-log' >/dev/null
is "what a pod writes under /etc is its own" "$(IN plain 'grep -c mine /etc/hosts'; IN owner 'grep -c mine /etc/hosts /etc/resolv.conf || true'; [ "$(cat /etc/hosts)" = "$nodes" ] && echo same)" \
  "1 /etc/hosts:0 /etc/resolv.conf:0 same"
is "nobody else on the node reads its files" \
  "$(setpriv --reuid 65534 --clear-groups cat "$theirs/key" 2>&1; setpriv --reuid 65534 --clear-groups ls /var/lib/launcher 2>&1)" \
  "$(printf 'cat: %s/key: Permission denied\nls: cannot open directory '"'/var/lib/launcher'"': Permission denied' "$theirs")"
is "the node's API wants to know who asks" \
  "$(curl -sk -o /dev/null -w '%{http_code}' "https://127.0.0.1:$port/api/v1/nodes/node1/proxy/pods")" "403"
is "and whether he may" \
  "$(curl -sk -o /dev/null -w '%{http_code}' -H "Authorization: Bearer $(k create token default)" "https://127.0.0.1:$port/api/v1/nodes/node1/proxy/run/default/plain/c?cmd=id")" "403"

# --- runtime classes
k apply -f - >/dev/null <<'YAML'
{"apiVersion": "node.k8s.io/v1", "kind": "RuntimeClass", "metadata": {"name": "unknown"}, "handler": "unheard-of"}
YAML
printf 'apiVersion: node.k8s.io/v1\nkind: RuntimeClass\nmetadata: {name: usual}\nhandler: runc\noverhead: {podFixed: {cpu: 250m, memory: 64Mi}}\n' | apply
{
  pod unheard "runtimeClassName: unknown, containers: [{name: c, $B}]"
  pod usual "runtimeClassName: usual, containers: [{name: c, $B, resources: {limits: {cpu: 500m, memory: 64Mi}}}]"
} | apply
until_is "a handler that is not there" \
  'Failed to create pod sandbox: rpc error: code = Unknown desc = failed to get sandbox runtime: no runtime for "unheard-of" is configured' \
  event FailedCreatePodSandBox unheard
until_is "one that is" "Running" phase usual
group=kubepods/pod$(k get pod usual -o 'jsonpath={.metadata.uid}')
limits() {
  (cd /sys/fs/cgroup && cat {cpu,cpu,cpuacct,.}/"$group"/cpu.{shares,cfs_quota_us,weight,max} {memory,.}/"$group"/memory.{limit_in_bytes,max}) 2>/dev/null |
    sort -u | tr '\n' ' '
}
case $(limits) in
"134217728 75000 768 " | "134217728 30 75000 100000 ") ok "its overhead is added to what its containers may use" ;;
*) is "its overhead is added to what its containers may use" "$(limits)" "128 MiB, 0.75 of a processor" ;;
esac
k delete pod --all >/dev/null
is "nothing is left" "$(ls /var/lib/launcher/pods)" ""
done_testing
