#!/bin/bash
# Module 5, storage: emptyDir, hostPath, volumes and claims by hand, local volumes, provisioning.
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"
clean_up() {
  k delete pod,pvc --all --timeout=60s
  k delete pv task-pv-volume example-pv nfs --ignore-not-found --wait=false
  k delete storageclass local-storage --ignore-not-found
}
module 05

# --- exercise: emptyDir
ok "a pod with an empty folder" k apply -f "$(manifest 05-empty-dir)"
ok "is ready" k wait pod/redis --for=condition=Ready --timeout=60s
ok "write a file" k exec redis -- sh -c 'echo Hello > /data/redis/test-file'
ok "end its process" k exec redis -- kill 1
becomes "it is restarted" 60 '^1$' field pod redis '{.status.containerStatuses[0].restartCount}'
becomes "and runs" 60 'redis +1/1 +Running' k get pod redis
is "the file is still there" Hello k exec redis -- cat /data/redis/test-file
ok "delete the pod" k delete pod redis --timeout=60s

# --- hostPath and its types
ok "paths of the node" k apply -f "$(manifest 05-host-path)"
ok "are there" k wait pod/host-path --for=condition=Ready --timeout=60s
ok "a folder was made" k exec host-path -- test -s /made/date
ok "and a file" k exec host-path -- test -f /made-file
ok "what is read-only stays so" k exec host-path -- sh -c '! touch /logs/x'
becomes "one that must be there and is not" 60 'FailedMount.*hostPath type check failed: /mnt/course/not-there is not a directory' k describe pod host-path-missing
ok "delete them" k delete -f "$(manifest 05-host-path)" --timeout=60s

# --- exercise: nginx serves a page from a volume made by hand
ok "the page" k apply -f "$(manifest 05-pv-page)"
becomes "is written" 60 '^Succeeded$' field pod writer '{.status.phase}'
ok "a volume" k apply -f "$(manifest 05-pv-volume)"
becomes "is available" 20 'task-pv-volume +10Gi +RWO +Retain +Available +manual' k get pv task-pv-volume
ok "a claim" k apply -f "$(manifest 05-pv-claim)"
becomes "is bound" 20 'task-pv-claim +Bound +task-pv-volume +10Gi +RWO +manual' k get pvc task-pv-claim
like "so is the volume" "task-pv-volume +10Gi +RWO +Retain +Bound +$NAMESPACE/task-pv-claim +manual" k get pv task-pv-volume
ok "the pod" k apply -f "$(manifest 05-pv-pod)"
ok "is ready" k wait pod/task-pv-pod --for=condition=Ready --timeout=90s
is "serves the page" "Hello from Kubernetes storage" k exec task-pv-pod -- curl -sS http://localhost/
ok "delete the claim while it is in use" k delete pvc task-pv-claim --wait=false
like "it waits for its pod" 'task-pv-claim +Terminating' k get pvc task-pv-claim
ok "delete the pod" k delete pod task-pv-pod --timeout=60s
becomes "then it goes" 30 'NotFound' k get pvc task-pv-claim
becomes "the volume is released, not free" 20 'Released' k get pv task-pv-volume

# --- a local volume
node=$(k get nodes -o 'jsonpath={.items[0].metadata.labels.kubernetes\.io/hostname}')
ok "a local volume of $node" sh -c "sed 's/NODE/$node/' '$(manifest 05-local)' | '$KUBECTL' apply -f -"
becomes "its claim waits for a consumer" 20 'WaitForFirstConsumer' k describe pvc example-claim
ok "a consumer" k apply -f "$(manifest 05-local-pod)"
ok "runs" k wait pod/local-pod --for=condition=Ready --timeout=60s
is "the claim is bound" Bound field pvc example-claim '{.status.phase}'

# --- provisioning
like "there is a default class" '\(default\)' k get storageclass
ok "a claim and a pod" k apply -f "$(manifest 05-dynamic)"
ok "runs" k wait pod/dynamic --for=condition=Ready --timeout=60s
volume=$(field pvc dynamic '{.spec.volumeName}')
like "a volume was made for it" "$volume +1Gi +RWO +Delete +Bound +$NAMESPACE/dynamic" k get pv "$volume"
ok "the pod goes" k delete pod dynamic --timeout=60s
ok "and comes again" k apply -f "$(manifest 05-dynamic)"
ok "runs" k wait pod/dynamic --for=condition=Ready --timeout=60s
is "with what the first one wrote" 2 k exec dynamic -- sh -c 'wc -l </data/starts'
ok "delete both" k delete -f "$(manifest 05-dynamic)" --timeout=60s
becomes "the volume goes with its claim" 30 NotFound k get pv "$volume"

# --- NFS
ok "a volume of an NFS server" k apply -f "$(manifest 05-nfs)"
becomes "is bound like any other" 20 '^Bound$' field pvc nfs '{.status.phase}'
