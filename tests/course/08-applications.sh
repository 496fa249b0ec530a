#!/bin/bash
# Module 8, applications: stateless and stateful ones, rolling updates, autoscaling, jobs and cron jobs.
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"
module 08

# in_order COMMAND...: what it prints, in one line
in_order() {
  "$@" | paste -sd ' '
}

# kubectl 1.20 knows cron jobs by their first version only.
run_by_hand() {
  k create job by-hand --from=cronjob/minutely || k create job by-hand --from=cronjob.v1beta1.batch/minutely
}

# --- a stateless application, updated while it is visited
ok "a front end and a visitor" k apply -f "$(manifest 08-stateless)"
ok "rolls out" k rollout status deployment/front --timeout=180s
ok "the visitor" k wait pod/visitor --for=condition=Ready --timeout=60s
becomes "sees release 1" 30 'release 1' k logs visitor --tail=1
ok "release 2" k set env deployment/front RELEASE=2
ok "rolls out" k rollout status deployment/front --timeout=180s
becomes "the visitor sees it" 30 'release 2' k logs visitor --tail=1
is "no visit was lost in between" 0 sh -c "'$KUBECTL' logs visitor | sed '1,/release 1/d' | grep -c lost"
ok "pause" k rollout pause deployment/front
ok "release 3, while paused" k set env deployment/front RELEASE=3
is "nothing rolls out" 1 sh -c "'$KUBECTL' get rs -l app=front --no-headers | awk '\$2 > 0' | wc -l"
ok "scaling works all the same" k scale deployment/front --replicas=4
becomes "4" 60 'front +4/4' k get deployment front
ok "resume" k rollout resume deployment/front
ok "rolls out" k rollout status deployment/front --timeout=180s
ok "little patience" k patch deployment front -p '{"spec":{"progressDeadlineSeconds":10}}'
ok "a release that has no image" k set image deployment/front web=no-such-image:v1
exits "does not get past its deadline" 1 'exceeded its progress deadline' k rollout status deployment/front --timeout=180s
is "the others still serve" 4 field deployment front '{.status.availableReplicas}'
ok "more patience" k patch deployment front -p '{"spec":{"progressDeadlineSeconds":600}}'
ok "undo" k rollout undo deployment/front
ok "rolls out" k rollout status deployment/front --timeout=180s
ok "restart all" k rollout restart deployment/front
ok "rolls out" k rollout status deployment/front --timeout=180s
ok "delete it" k delete -f "$(manifest 08-stateless)" --timeout=90s

# --- stateful applications
ok "stateful applications" k apply -f "$(manifest 08-stateful)"
ok "one of a single instance" k rollout status deployment/single --timeout=180s
first=$(k get pods -l app=single -o 'jsonpath={.items[0].metadata.name}')
ok "is updated" k set env deployment/single RELEASE=2
ok "rolls out" k rollout status deployment/single --timeout=180s
like "the next one finds the data of the first" "^$first " in_order k exec deployment/single -- cat /data/starts
ok "a set that starts all at once" k rollout status statefulset/members --timeout=180s
ok "a canary: its last member" k set env statefulset/members RELEASE=2
like "rolls out up to the partition" 'partitioned roll out complete: 1 new pods' k rollout status statefulset/members --timeout=180s
is "one has the new release" "1 1 2" in_order sh -c "for i in 0 1 2; do '$KUBECTL' exec members-\$i -- sh -c 'echo \$RELEASE'; done"
ok "the canary lives: all of them" k patch statefulset members -p '{"spec":{"updateStrategy":{"rollingUpdate":{"partition":0}}}}'
ok "roll out" k rollout status statefulset/members --timeout=180s
is "all have it" "2 2 2" in_order sh -c "for i in 0 1 2; do '$KUBECTL' exec members-\$i -- sh -c 'echo \$RELEASE'; done"
ok "delete them" k delete -f "$(manifest 08-stateful)" --timeout=90s

# --- autoscaling, under load and without
ok "a page that costs CPU" k apply -f "$(manifest 08-autoscale)"
ok "rolls out" k rollout status deployment/costly --timeout=180s
ok "autoscale it" k autoscale deployment costly --cpu-percent=50 --min=1 --max=4
becomes "top knows the pods" 90 'costly-.* [0-9]+m +[0-9]+Mi' k top pods
becomes "and the nodes" 60 '[0-9]+m +[0-9]+% +[0-9]+Mi +[0-9]+%' k top nodes
becomes "the autoscaler has its numbers" 90 '[0-9]+%/50% +1 +4 +1' k get hpa costly
ok "it may shrink at once" k patch hpa costly -p '{"spec":{"behavior":{"scaleDown":{"stabilizationWindowSeconds":0}}}}'
ok "load" k scale deployment load --replicas=2
becomes "more pods come" 120 '^[234]$' field deployment costly '{.spec.replicas}'
like "events say why" 'SuccessfulRescale.*New size: [234]; reason: cpu resource utilization \(percentage of request\) above target' k describe hpa costly
ok "the load ends" k scale deployment load --replicas=0
becomes "they go again" 180 '^1$' field deployment costly '{.spec.replicas}'
ok "delete it" k delete hpa costly && ok "and what it scaled" k delete -f "$(manifest 08-autoscale)" --timeout=60s

# --- parallel jobs
ok "a job of six, two at a time" k apply -f "$(manifest 08-job-fixed)"
ok "completes" k wait job/fixed --for=condition=complete --timeout=90s
is "with six pods" 6 sh -c "'$KUBECTL' get pods -l job-name=fixed --field-selector=status.phase=Succeeded --no-headers | wc -l"
like "describe counts them" 'Pods Statuses: +0 .*6 Succeeded' k describe job fixed
ok "a job over a work queue" k apply -f "$(manifest 08-job-queue)"
ok "completes" k wait job/workers --for=condition=complete --timeout=90s
is "each item was worked on once" "apple banana cherry date lemon melon orange peach plum" in_order sh -c \
  "for pod in \$('$KUBECTL' get pods -l job-name=workers -o name); do '$KUBECTL' logs \$pod | sed -n 's/^item //p'; done | sort"
ok "an indexed job" k apply -f "$(manifest 08-job-indexed)"
ok "completes" k wait job/parts --for=condition=complete --timeout=90s
is "every index" 0-4 field job parts '{.status.completedIndexes}'
is "each with its part" "part 2: yellow" k logs -l batch.kubernetes.io/job-completion-index=2,job-name=parts
ok "a job that fails" k apply -f "$(manifest 08-job-failing)"
ok "is told so" k wait job/failing --for=condition=failed --timeout=60s
like "with the reason" 'BackoffLimitExceeded' k get job failing -o yaml
ok "jobs go with their pods" k delete -f "$(manifest 08-job-fixed)" -f "$(manifest 08-job-indexed)" -f "$(manifest 08-job-queue)" \
  -f "$(manifest 08-job-failing)" --timeout=60s
becomes "none is left" 60 '^0$' sh -c "'$KUBECTL' get pods -l job-name --no-headers 2>/dev/null | wc -l"

# --- cron jobs
ok "a cron job" k apply -f "$(manifest 08-cron-job)"
like "is shown with its schedule" 'minutely +\* \* \* \* \*' k get cronjob minutely
becomes "runs within a minute" 90 'minutely-[0-9]+ ' k get jobs
becomes "says so" 60 'Hello from the cluster' k logs -l app=minutely
like "its events tell" 'SuccessfulCreate.*Created job minutely-' k describe cronjob minutely
ok "suspend it" k patch cronjob minutely -p '{"spec":{"suspend":true}}'
ok "run it by hand" run_by_hand
ok "completes" k wait job/by-hand --for=condition=complete --timeout=60s
ok "one by the clocks of Zurich" k apply -f "$(manifest 08-cron-job-zone)"
is "which kubectl shows" Europe/Zurich field cronjob morning '{.spec.timeZone}'
ok "delete them" k delete cronjob --all --timeout=60s
becomes "and what they made" 60 '^0$' sh -c "'$KUBECTL' get jobs --no-headers 2>/dev/null | wc -l"
