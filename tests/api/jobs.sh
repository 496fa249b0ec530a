#!/bin/bash
# shellcheck disable=SC2154 # harness.sh sets them
# Jobs and cron jobs by real kubectls, 1.32's and 1.20's, over a node that only pretends: its pods end at once, or as their
# annotation fake-node/state says.
. "$(dirname "$0")/../clients/clients.sh"
KUBECTL_120=$("$G_TEST_SRCDIR/tests/kubectl" 1.20)
[ -x "$KUBECTL_120" ] || skip_all "kubectl 1.20 is not installed"
start_fake_cluster

# status JOB FIELD
status() {
  k get job "$1" -o "jsonpath={.status.$2}"
}

# job NAME SPEC ANNOTATIONS: SPEC are members of spec, one a line
job() {
  k create -f - >/dev/null <<YAML
apiVersion: batch/v1
kind: Job
metadata: {name: $1}
spec:
  $2
  template:
    metadata: {annotations: {$3}}
    spec: {restartPolicy: Never, containers: [{name: main, image: busybox}]}
YAML
}

# --- one that succeeds, as both kubectls show it
k create job once --image=busybox -- true >/dev/null
is "wait for it" "$(k wait --for=condition=complete job/once --timeout=60s)" "job.batch/once condition met"
is "its row" "$(k get job once --no-headers | awk '{ print $1, $2, $3 }')" "once Complete 1/1"
is "its row for 1.20" "$(k120 get job once --no-headers | awk '{ print $1, $2 }')" "once Complete"
described=$(k describe job once)
like "describe: statuses" "$described" "*Pods Statuses:*0 Active (0 Ready) / 1 Succeeded / 0 Failed*"
like "describe: a start and an end" "$described" "*Start Time:*Completed At:*Duration:*"
like "describe: events" "$described" "*Normal*SuccessfulCreate*job-controller*Created pod: once-*Normal*Completed*job-controller*Job completed*"
described=$(k120 describe job once)
like "describe of 1.20: statuses" "$described" "*Pods Statuses:*0 Running / 1 Succeeded / 0 Failed*"
like "describe of 1.20: its pods by both labels" "$described" "*Labels:*controller-uid=*job-name=once*"
like "describe of 1.20: events" "$described" "*SuccessfulCreate*Created pod: once-*Completed*Job completed*"
is "its pods by the old label" "$(k get pods -l job-name=once --no-headers | awk '{ print $3 }')" "Completed"
is "and by the new one" "$(k get pods -l batch.kubernetes.io/job-name=once --no-headers | awk '{ print $3 }')" "Completed"
is "nothing holds its pods" "$(k get pods -l job-name=once -o 'jsonpath={.items[*].metadata.finalizers}')" ""
is "1.20 makes one" "$(k120 create job old --image=busybox -- true)" "job.batch/old created"
is "and waits for it" "$(k120 wait --for=condition=complete job/old --timeout=60s)" "job.batch/old condition met"

# --- many pods: a fixed number, a work queue, indexes
job fixed "completions: 5
  parallelism: 2" ""
k wait --for=condition=complete job/fixed --timeout=60s >/dev/null
is "fixed completions" "$(status fixed succeeded)" "5"
is "as many pods" "$(k get pods -l job-name=fixed --no-headers | wc -l)" "5"
job queue "parallelism: 3" ""
k wait --for=condition=complete job/queue --timeout=60s >/dev/null
is "a work queue: all its pods" "$(status queue succeeded)" "3"
is "its row" "$(k get job queue --no-headers | awk '{ print $2, $3, $4, $5 }')" "Complete 3/1 of 3"
job parts "completions: 4
  parallelism: 4
  completionMode: Indexed" ""
k wait --for=condition=complete job/parts --timeout=60s >/dev/null
is "indexes" "$(status parts completedIndexes)" "0-3"
is "the index of each pod" \
  "$(k get pods -l job-name=parts -o 'jsonpath={range .items[*]}{.metadata.labels.batch\.kubernetes\.io/job-completion-index}{.spec.hostname}{"\n"}{end}' | sort | paste -sd ' ')" \
  "0parts-0 1parts-1 2parts-2 3parts-3"
like "describe: indexes" "$(k describe job parts)" "*Completion Mode:*Indexed*Completed Indexes:*0-3*"

# --- suspend, resume, scale
job rest "completions: 2
  parallelism: 2" "fake-node/state: running"
until_is "two run" "2 2" sh -c "'$KUBECTL' get job rest -o 'jsonpath={.status.active} {.status.ready}'"
k patch job rest -p '{"spec":{"suspend":true}}' >/dev/null
is "suspended" "$(k wait --for=condition=suspended job/rest --timeout=60s)" "job.batch/rest condition met"
until_is "its pods go" "" k get pods -l job-name=rest -o name
is "its row" "$(k get job rest --no-headers | awk '{ print $2 }')" "Suspended"
k patch job rest -p '{"spec":{"suspend":false}}' >/dev/null
until_is "resumed" "2 2" sh -c "'$KUBECTL' get job rest -o 'jsonpath={.status.active} {.status.ready}'"
like "describe: events" "$(k describe job rest)" "*SuccessfulDelete*Deleted pod: rest-*Suspended*Job suspended*Resumed*Job resumed*"
k annotate pods -l job-name=rest fake-node/state=0 --overwrite >/dev/null
is "and complete" "$(k wait --for=condition=complete job/rest --timeout=60s)" "job.batch/rest condition met"

# --- failures
job bad "backoffLimit: 0" "fake-node/state: '3'"
is "one that fails" "$(k wait --for=condition=failed job/bad --timeout=60s)" "job.batch/bad condition met"
like "describe: why" "$(k describe job bad)" "*0 Succeeded / 1 Failed*Warning*BackoffLimitExceeded*Job has reached the specified backoff limit*"
like "describe of 1.20: why" "$(k120 describe job bad)" "*0 Succeeded / 1 Failed*Warning*BackoffLimitExceeded*"
is "its row" "$(k get job bad --no-headers | awk '{ print $2, $3 }')" "Failed 0/1"
job rule "podFailurePolicy: {rules: [{action: FailJob, onExitCodes: {operator: In, values: [42]}}]}" "fake-node/state: '42'"
k wait --for=condition=failed job/rule --timeout=60s >/dev/null
like "a policy fails it at once" "$(k get job rule -o 'jsonpath={.status.conditions[?(@.type=="Failed")].message}')" \
  "Container main for pod default/rule-* failed with exit code 42 matching FailJob rule at index 0"

like "a job must end some time" "$(k create -f - 2>&1 <<YAML
apiVersion: batch/v1
kind: Job
metadata: {name: endless}
spec: {template: {spec: {containers: [{name: c, image: i}]}}}
YAML
)" '*spec.template.spec.restartPolicy: Required value: valid values: "OnFailure", "Never"*'

# --- how jobs go
job brief "ttlSecondsAfterFinished: 1" ""
until_is "after their time" "" k get job brief --ignore-not-found -o name
is "with their pods" "$(k get pods -l job-name=brief -o name)" ""
k delete job fixed --cascade=orphan >/dev/null
until_is "without their pods, which nothing holds" "" k get pods -l job-name=fixed -o 'jsonpath={.items[*].metadata.finalizers}'
is "they stay" "$(k get pods -l job-name=fixed --no-headers | wc -l)" "5"
k delete job rest --cascade=foreground --timeout=60s >/dev/null
is "after their pods" "$(k get pods -l job-name=rest -o name)" ""

k create namespace gone >/dev/null
k -n gone create job holds --image=busybox -- true >/dev/null
k -n gone wait --for=condition=complete job/holds --timeout=60s >/dev/null
is "with their namespace" "$(k delete namespace gone --timeout=60s)" 'namespace "gone" deleted'

# --- cron jobs
k create cronjob tick --image=busybox --schedule='0 0 1 1 *' -- true >/dev/null
is "the row of a cron job" "$(k get cronjob tick --no-headers | awk '{ print $1, $6, $7, $8, $9 }')" "tick * <none> False 0"
is "a job of it by hand" "$(k create job by-hand --from=cronjob/tick)" "job.batch/by-hand created"
is "is marked" "$(k get job by-hand -o 'jsonpath={.metadata.annotations.cronjob\.kubernetes\.io/instantiate}')" "manual"
is "and completes" "$(k wait --for=condition=complete job/by-hand --timeout=60s)" "job.batch/by-hand condition met"
until_is "the cron job has seen it" "true" sh -c "'$KUBECTL' get cronjob tick -o 'jsonpath={.status.lastSuccessfulTime}' | grep -q T && echo true"
# the newest cron jobs that it knows are of v1beta1
is "1.20 makes another" "$(k120 create job by-hand-too --from=cronjob.v1beta1.batch/tick 2>/dev/null)" "job.batch/by-hand-too created"
is "and waits for it" "$(k120 wait --for=condition=complete job/by-hand-too --timeout=60s)" "job.batch/by-hand-too condition met"
k patch cronjob tick -p '{"spec":{"schedule":"@every 1s"}}' >/dev/null
until_is "its time comes" "true" sh -c "'$KUBECTL' get cronjob tick -o 'jsonpath={.status.lastScheduleTime}' | grep -q T && echo true"
k patch cronjob tick -p '{"spec":{"suspend":true}}' >/dev/null
until_is "its jobs" "cronjob/tick" sh -c "'$KUBECTL' get events --field-selector reason=SuccessfulCreate,involvedObject.kind=CronJob --no-headers | awk 'NR == 1 { print \$4 }'"
described=$(k describe cronjob tick)
like "describe" "$described" "*Schedule:*@every 1s*Concurrency Policy:*Allow*Suspend:*True*Successful Job History Limit:*3*Last Schedule Time:*Events:*Created job tick-*"
like "describe of 1.20" "$(k120 describe cronjob tick)" "*Schedule:*@every 1s*Suspend:*True*Created job tick-*"
k delete cronjob tick --cascade=foreground --timeout=60s >/dev/null
is "its jobs go with it" "$(k get jobs -o name | grep -c 'tick-\|by-hand')" "0"
is "1.20 makes one" "$(k120 create cronjob old --image=busybox --schedule='*/5 * * * *' -- true 2>/dev/null)" "cronjob.batch/old created"
is "and shows it" "$(k120 get cronjob old --no-headers 2>/dev/null | awk '{ print $1, $2 }')" "old */5"

# --- the course's examples
k delete jobs,cronjobs --all --timeout=60s >/dev/null 2>&1
for name in job-fixed job-queue job-indexed job-failing cron-job cron-job-zone; do
  k apply -f "$G_TEST_SRCDIR/tests/course/manifests/08-$name.yaml" >"$work/applied" 2>&1
  is "08-$name.yaml" "$(grep -vc ' created$' "$work/applied")" "0"
done
is "they complete" "$(k wait --for=condition=complete job/fixed job/workers job/parts --timeout=60s | wc -l)" "3"
done_testing
