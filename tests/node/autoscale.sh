#!/bin/bash
# A HorizontalPodAutoscaler over a real node: what pods use changes how many there are.
# shellcheck source-path=SCRIPTDIR source=node-harness.sh
. "$(dirname "$0")/node-harness.sh"

replicas() {
  k get deployment busy -o 'jsonpath={.spec.replicas}'
}

start_cluster --horizontal-pod-autoscaler-sync-period=1s --horizontal-pod-autoscaler-initial-readiness-delay=1s \
  --horizontal-pod-autoscaler-cpu-initialization-period=1s
load_busybox
k apply -f - >/dev/null <<'END'
apiVersion: apps/v1
kind: Deployment
metadata: {name: busy}
spec:
  selector: {matchLabels: {app: busy}}
  template:
    metadata: {labels: {app: busy}}
    spec:
      terminationGracePeriodSeconds: 0
      containers:
      - name: main
        image: busybox:1.36
        command: [sh, -c, "while :; do :; done"]
        resources: {requests: {cpu: 20m}}
END
k autoscale deployment busy --min=1 --max=2 --cpu-percent=50 >/dev/null
is_scaled() {
  [ "$(replicas)" = 2 ]
}
wait_until "there are more pods when one has too much to do" is_scaled
is "as many as may be" "$(replicas)" 2
like "the share is told" "$(k get hpa busy --no-headers | tr -s ' ')" "busy Deployment/busy cpu: *%/50% 1 2 *"
is "numbers were found" "$(k get hpa busy -o 'jsonpath={.status.conditions[?(@.type=="ScalingActive")].reason}')" ValidMetricFound
k delete deployment,hpa busy >/dev/null
done_testing
