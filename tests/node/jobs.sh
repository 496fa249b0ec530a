#!/bin/bash
# Jobs and cron jobs with real containers: the course's examples do their work.
# shellcheck source-path=SCRIPTDIR source=node-harness.sh
COMPONENTS=controllers,scheduler,node,proxy,dns
. "$(dirname "$0")/node-harness.sh"

# example NAME: the manifest, with the image that this node has
example() {
  sed 's/image: busybox$/image: busybox:1.36/' "$G_TEST_SRCDIR/tests/course/manifests/08-$1.yaml" | k apply -f - >/dev/null
}

# logs_of JOB: all lines of all its pods, sorted, in one line
logs_of() {
  k logs -l "job-name=$1" --tail=-1 --prefix=false | sort | paste -sd ' '
}

start_cluster
load_busybox
until_is "the service account" "default" k get serviceaccount default -o 'jsonpath={.metadata.name}'

for name in job-fixed job-indexed job-failing job-queue; do
  example "$name"
done
is "fixed completions" "$(k wait --for=condition=complete job/fixed --timeout=120s)" "job.batch/fixed condition met"
is "six did the work" "$(k logs -l job-name=fixed --tail=-1 | grep -c '^done$')" "6"
is "indexes" "$(k wait --for=condition=complete job/parts --timeout=120s)" "job.batch/parts condition met"
is "each its own part" "$(logs_of parts)" \
  "part 0: red part 1: orange part 2: yellow part 3: green part 4: blue"
is "the name of its machine tells, too" "$(k get pods -l job-name=parts -o 'jsonpath={.items[*].spec.hostname}' | tr ' ' '\n' | sort | paste -sd ' ')" \
  "parts-0 parts-1 parts-2 parts-3 parts-4"
is "one that fails" "$(k wait --for=condition=failed job/failing --timeout=120s)" "job.batch/failing condition met"
is "and what it said" "$(logs_of failing)" "cannot work"
is "its code" "$(k get pods -l job-name=failing -o 'jsonpath={.items[*].status.containerStatuses[0].state.terminated.exitCode}')" "3"
is "a work queue" "$(k wait --for=condition=complete job/workers --timeout=120s)" "job.batch/workers condition met"
is "each item once" "$(k logs -l job-name=workers --tail=-1 | sed -n 's/^item //p' | sort | paste -sd ' ')" \
  "apple banana cherry date lemon melon orange peach plum"
is "and all saw the end" "$(k logs -l job-name=workers --tail=-1 | grep -c '^the queue is empty$')" "3"

# --- a pod that is deleted has failed, and says so itself where that is waited for
k apply -f - >/dev/null <<END_OF_JOB
apiVersion: batch/v1
kind: Job
metadata: {name: robbed}
spec:
  podReplacementPolicy: Failed
  backoffLimit: 0
  template:
    spec:
      restartPolicy: Never
      terminationGracePeriodSeconds: 1
      containers: [{name: main, image: busybox:1.36, command: [sleep, "1000"]}]
END_OF_JOB
until_is "it runs" "1" k get job robbed -o 'jsonpath={.status.ready}'
k delete pod -l job-name=robbed --wait=false >/dev/null
is "it fails" "$(k wait --for=condition=failed job/robbed --timeout=60s)" "job.batch/robbed condition met"
until_is "and nothing holds its pod" "" k get pods -l job-name=robbed -o name

# --- restarts in the pod are failures, too
k apply -f - >/dev/null <<END_OF_JOB
apiVersion: batch/v1
kind: Job
metadata: {name: loop}
spec:
  backoffLimit: 1
  template:
    spec:
      restartPolicy: OnFailure
      terminationGracePeriodSeconds: 1
      containers: [{name: main, image: busybox:1.36, command: ["false"]}]
END_OF_JOB
is "restarts are counted" "$(k wait --for=condition=failed job/loop --timeout=60s)" "job.batch/loop condition met"

# --- what runs beside the work does not keep a job from being done
k apply -f - >/dev/null <<END_OF_JOB
apiVersion: batch/v1
kind: Job
metadata: {name: helped}
spec:
  template:
    spec:
      restartPolicy: Never
      terminationGracePeriodSeconds: 1
      initContainers: [{name: helper, image: busybox:1.36, command: [sleep, "1000"], restartPolicy: Always}]
      containers: [{name: main, image: busybox:1.36, command: [echo, helped]}]
END_OF_JOB
is "a job with a sidecar" "$(k wait --for=condition=complete job/helped --timeout=60s)" "job.batch/helped condition met"

# --- a look into a container that has nothing to look with
k run bare --image=busybox:1.36 --restart=Never --command -- sleep 4321 >/dev/null
k wait --for=condition=Ready pod/bare --timeout=60s >/dev/null
like "kubectl debug" "$(k debug bare --image=busybox:1.36 --target=bare -c look -- sleep 1000 2>&1)" '*Targeting container "bare"*'
until_is "it begins" "look" k get pod bare -o 'jsonpath={.status.ephemeralContainerStatuses[?(@.state.running)].name}'
is "and sees its processes" "$(k exec bare -c look -- ps -o pid,args | sed -n 's/^ *1 //p')" "sleep 4321"
k delete pod bare --grace-period=1 --wait=false >/dev/null

# --- cron jobs
example cron-job
is "a job of it by hand" "$(k create job by-hand --from=cronjob/minutely)" "job.batch/by-hand created"
is "does its work" "$(k wait --for=condition=complete job/by-hand --timeout=60s)" "job.batch/by-hand condition met"
like "and says so" "$(k logs job/by-hand)" "*Hello from the cluster"
k patch cronjob minutely -p '{"spec":{"schedule":"@every 1s"}}' >/dev/null
until_is "its time comes" "1" sh -c "'$KUBECTL' --kubeconfig '$work/admin.conf' get jobs -o name | grep -c job.batch/minutely-"
done_testing
