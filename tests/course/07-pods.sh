#!/bin/bash
# Module 7, pods in depth: resources, probes, a shared process namespace, static pods, assignment to nodes, commands,
# variables, what a pod may know of itself.
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"
node=
clean_up() {
  [ -z "$node" ] || k label node "$node" disktype-
}
module 07
node=$(k get nodes -o 'jsonpath={.items[0].metadata.name}')

# --- CPU and memory
ok "a pod with requests and limits" k apply -f "$(manifest 07-resources)"
ok "runs" k wait pod/resources --for=condition=Ready --timeout=60s
becomes "its memory is limited" 10 '^(67108864)$' k exec resources -- sh -c \
  'cat /sys/fs/cgroup/memory.max 2>/dev/null || cat /sys/fs/cgroup/memory/memory.limit_in_bytes'
like "its CPU, too" '^(20000 100000|20000)$' k exec resources -- sh -c \
  'cat /sys/fs/cgroup/cpu.max 2>/dev/null || cat /sys/fs/cgroup/cpu/cpu.cfs_quota_us'
exits "more than the limit is no request" 1 'must be less than or equal to memory limit' k run wrong --image=busybox \
  --overrides='{"spec":{"containers":[{"name":"wrong","image":"busybox","resources":{"requests":{"memory":"2Mi"},"limits":{"memory":"1Mi"}}}]}}'

# --- one process namespace
ok "containers that share it" k apply -f "$(manifest 07-shared-processes)"
ok "run" k wait pod/shared --for=condition=Ready --timeout=60s
like "one sees the other's processes" 'sleep 3601' k exec shared -c shell -- ps
ok "and may end them" k exec shared -c shell -- sh -c \
  "kill \$(ps | awk '/sleep 3601/ && !/awk/ {print \$1}')"
becomes "the other is restarted" 60 '1' field pod shared '{.status.containerStatuses[?(@.name=="worker")].restartCount}'

# --- assignment to nodes
ok "a pod for fast disks" k apply -f "$(manifest 07-assign)"
is "finds no node" Pending field pod fast '{.status.phase}'
ok "label the node" k label node "$node" disktype=ssd
ok "now it runs" k wait pod/fast --for=condition=Ready --timeout=60s
is "one by the node's name" "$node" sh -c "sed 's/NODE/$node/' '$(manifest 07-node-name)' | '$KUBECTL' apply -f - >/dev/null && '$KUBECTL' get pod by-name -o 'jsonpath={.spec.nodeName}'"
ok "runs, too" k wait pod/by-name --for=condition=Ready --timeout=60s
ok "one that would rather be elsewhere" k wait pod/rather --for=condition=Ready --timeout=60s
becomes "pods that avoid each other" 20 "didn't match pod anti-affinity rules" sh -c \
  "[ \$('$KUBECTL' get nodes -o name | wc -l) -gt 1 ] && echo \"didn't match pod anti-affinity rules\" || '$KUBECTL' describe pod apart-2"

# --- command, arguments, variables
ok "a pod with a command and variables" k apply -f "$(manifest 07-command)"
becomes "has run" 60 '^Succeeded$' field pod command '{.status.phase}'
is "with its arguments" "hello Warm greetings to the Kubernetes" k logs command

# --- what it may know of itself
ok "a pod that asks about itself" k apply -f "$(manifest 07-downward)"
ok "runs" k wait pod/downward --for=condition=Ready --timeout=60s
address=$(field pod downward '{.status.podIP}')
is "by variables" "downward $NAMESPACE $address $node default 125m-64" k exec downward -- sh -c \
  'echo $NAME $NS $IP $NODE $ACCOUNT ${CPU}m-$MEMORY'
like "by files" 'zone="us-est-coast"' k exec downward -- cat /etc/podinfo/labels
ok "a label changes" k label pod downward zone=elsewhere --overwrite
becomes "the file follows" 100 'zone="elsewhere"' k exec downward -- cat /etc/podinfo/labels
