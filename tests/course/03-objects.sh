#!/bin/bash
# Module 3, objects: pods and their phases, init containers, presets, spreading, ephemeral containers, and the
# workloads; at the end the module's two exercises.
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"
module 03
nodes=$(k get nodes -o name | wc -l)

# condition POD TYPE: its status
condition() {
  field pod "$1" "{.status.conditions[?(@.type==\"$2\")].status}"
}

restarts() {
  field pod "$1" '{.status.containerStatuses[0].restartCount}'
}

# --- pods: phases, restart policies, states
ok "pods of every phase" k apply -f "$(manifest 03-phases)"
becomes "one succeeds" 60 '^Succeeded$' field pod succeeds '{.status.phase}'
ok "and shows as Completed" status_is succeeds Completed
becomes "one fails" 60 '^Failed$' field pod fails '{.status.phase}'
ok "and shows as Error" status_is fails Error
is "its exit code and last words" "3 went wrong" field pod fails \
  '{.status.containerStatuses[0].state.terminated.exitCode} {.status.containerStatuses[0].state.terminated.message}'
becomes "OnFailure tries again and succeeds" 60 '^Succeeded$' field pod restarts '{.status.phase}'
is "after one restart" 1 restarts restarts
becomes "Always ends in back-off" 90 CrashLoopBackOff k get pod crashes
like "with the reason in its last state" 'Last State: +Terminated' k describe pod crashes
becomes "an image that may not be pulled" 60 ErrImageNeverPull k get pod waits-for-image
is "a pod without a node is Pending" Pending field pod waits-for-node '{.status.phase}'
becomes "and its events say why" 30 "0/$nodes nodes are available: .*didn't match Pod's node affinity/selector" k describe pod waits-for-node
is "its PodScheduled condition says so too" "False Unschedulable" field pod waits-for-node \
  '{.status.conditions[?(@.type=="PodScheduled")].status} {.status.conditions[?(@.type=="PodScheduled")].reason}'
ok "delete them" k delete -f "$(manifest 03-phases)" --timeout=60s

# --- probes
ok "a pod with three probes" k apply -f "$(manifest 03-probes)"
ok "is ready when they are met" k wait pod/probes --for=condition=Ready --timeout=60s
like "conditions have times" '"lastTransitionTime":' k get pod probes -o json
for name in PodScheduled Initialized ContainersReady Ready; do
  is "condition $name" True condition probes $name
done
ok "make it busy" k exec probes -- touch /tmp/busy
ok "it is not ready" k wait pod/probes --for=condition=Ready=false --timeout=30s
like "but runs" 'probes +0/1 +Running +0 ' k get pod probes
ok "no longer busy" k exec probes -- rm /tmp/busy
ok "it is ready again" k wait pod/probes --for=condition=Ready --timeout=30s
ok "make it sick" k exec probes -- touch /tmp/sick
becomes "the liveness probe restarts it" 60 '^1$' restarts probes
like "with an event" 'Unhealthy.*Liveness probe failed: HTTP probe failed with statuscode: 500' k describe pod probes
ok "and it is well again" k wait pod/probes --for=condition=Ready --timeout=30s

# --- readiness gates
ok "a pod with a readiness gate" k apply -f "$(manifest 03-readiness-gate)"
ok "runs" eventually 60 status_is gated Running
is "is not ready" False condition gated Ready
like "the gate is shown" '0/1$' sh -c "'$KUBECTL' get pod gated -o wide --no-headers | sed 's/ *\$//'"
"$KUBECTL" proxy --port=0 >"$WORK/proxy" &
proxy=$!
ok "a proxy to the API" eventually 10 grep -q ':[0-9]' "$WORK/proxy"
ok "its condition is met" curl -sSf -X PATCH -H 'Content-Type: application/strategic-merge-patch+json' \
  "http://127.0.0.1:$(sed -n 's/.*127.0.0.1:\([0-9]*\).*/\1/p' "$WORK/proxy")/api/v1/namespaces/$NAMESPACE/pods/gated/status" \
  -d '{"status":{"conditions":[{"type":"course.example.com/approved","status":"True"}]}}'
kill $proxy
ok "is ready" k wait pod/gated --for=condition=Ready --timeout=30s

# --- init containers
ok "a pod that waits for services" k apply -f "$(manifest 03-init)"
ok "shows how many init containers are done" eventually 60 status_is myapp-pod Init:0/2
becomes "their logs can be read" 30 'waiting for myservice' k logs myapp-pod -c init-myservice
like "describe names them" 'init-mydb:' k describe -f "$(manifest 03-init)"
ok "the services" k apply -f "$(manifest 03-init-services)"
ok "then it runs" k wait pod/myapp-pod --for=condition=Ready --timeout=60s
is "and says so" 'The app is running!' k logs myapp-pod -c myapp-container
ok "init containers that fail" k apply -f "$(manifest 03-init-failing)"
ok "Init:Error" eventually 60 status_is init-fails-once Init:Error
is "a failed init container fails a pod that is not restarted" Failed field pod init-fails-once '{.status.phase}'
ok "Init:CrashLoopBackOff" eventually 90 status_is init-crashes Init:CrashLoopBackOff
ok "delete them" k delete -f "$(manifest 03-init-failing)" -f "$(manifest 03-init)" --timeout=60s

# --- PodPreset and the old body of ephemeral containers: in old clusters, and in launcher's
if knows podpresets.settings.k8s.io; then
  ok "a preset" k apply -f "$(manifest 03-preset)"
  ok "a pod it selects" k apply -f "$(manifest 03-preset-pod)"
  ok "is ready" k wait pod/website --for=condition=Ready --timeout=60s
  is "has its variable" 6379 k exec website -- sh -c 'echo $DB_PORT'
  ok "has its volume" k exec website -- touch /cache/file
  like "and says which preset" 'podpreset.admission.kubernetes.io/podpreset-allow-database' k get pod website -o yaml
  ok "delete both" k delete podpreset/allow-database pod/website --timeout=60s
else
  skip "presets" "this cluster has none"
fi

# --- topology spread
ok "pods spread over nodes" k apply -f "$(manifest 03-spread)"
ok "all run" k rollout status deployment/spread --timeout=180s
becomes "none where the key is missing" 30 "didn't match pod topology spread constraints \\(missing required label\\)" k describe pod nowhere
ok "delete them" k delete -f "$(manifest 03-spread)" --timeout=60s

# --- ephemeral containers
ok "a pod to look into" k apply -f "$(manifest 03-ephemeral-pod)"
ok "is ready" k wait pod/example-pod --for=condition=Ready --timeout=60s
if knows podpresets.settings.k8s.io; then
  cat >"$WORK/ec.json" <<'END'
{"apiVersion": "v1", "kind": "EphemeralContainers", "metadata": {"name": "example-pod"},
 "ephemeralContainers": [{"name": "debugger", "image": "busybox", "command": ["sleep", "3600"],
   "imagePullPolicy": "IfNotPresent", "terminationMessagePolicy": "File"}]}
END
  like "replace --raw" '"debugger"' k replace --raw "/api/v1/namespaces/$NAMESPACE/pods/example-pod/ephemeralcontainers" -f "$WORK/ec.json"
  becomes "it runs" 30 '^[0-9]' field pod example-pod '{.status.ephemeralContainerStatuses[?(@.name=="debugger")].state.running.startedAt}'
  is "a command in it" debugging k exec example-pod -c debugger -- echo debugging
  like "describe names it" 'Ephemeral Containers:' k describe pod example-pod
else
  skip "the old body of ephemeral containers" "this cluster does not know it"
fi
if k debug --help >/dev/null 2>&1; then
  ok "kubectl debug" k debug example-pod --image=busybox -c looker --target=main -- sh -c 'ps >/proc/1/fd/1; sleep 3600'
  becomes "it runs" 30 '^[0-9]' field pod example-pod '{.status.ephemeralContainerStatuses[?(@.name=="looker")].state.running.startedAt}'
  becomes "and sees its target's processes" 15 'sleep 3600' k exec example-pod -c looker -- ps
else
  skip "kubectl debug" "this kubectl has no such command"
fi

# --- ReplicaSet
ok "a replica set" k apply -f "$(manifest 03-replica-set)"
becomes "has its pods" 60 'frontend +3 +3 +3' k get rs frontend
pod=$(k get pods -l tier=frontend -o 'jsonpath={.items[0].metadata.name}')
ok "one of them goes" k delete pod "$pod" --timeout=60s
becomes "and is replaced" 60 'frontend +3 +3 +3' k get rs frontend
pod=$(k get pods -l tier=frontend -o 'jsonpath={.items[0].metadata.name}')
ok "one is taken out by its label" k label pod "$pod" tier=none --overwrite
becomes "and replaced" 60 'frontend +3 +3 +3' k get rs frontend
is "it is nobody's" "" field pod "$pod" '{.metadata.ownerReferences}'
ok "taken back" k label pod "$pod" tier=frontend --overwrite
becomes "there is one too many, which goes" 60 '^3$' sh -c "'$KUBECTL' get pods -l tier=frontend --no-headers | wc -l"
ok "delete it, leave its pods" k delete rs frontend --cascade=orphan
is "they are still there" 3 sh -c "'$KUBECTL' get pods -l tier=frontend --no-headers | wc -l"
ok "and go by their label" k delete pods -l tier=frontend --timeout=60s

# --- StatefulSet
ok "a stateful set with claims" k apply -f "$(manifest 03-stateful-set)"
ok "its pods start one after the other" k rollout status statefulset/web --timeout=180s
is "in order" "web-0 web-1 web-2" sh -c "'$KUBECTL' get pods -l app=nginx-set --sort-by=.status.startTime -o name | sed 's#pod/##' | paste -sd ' '"
is "each has a claim" "www-web-0 www-web-1 www-web-2" sh -c "'$KUBECTL' get pvc -o name | sed 's#.*/##' | paste -sd ' '"
is "all are bound" "Bound Bound Bound" k get pvc -o 'jsonpath={.items[*].status.phase}'
ok "a client" k run client --image=busybox --restart=Never --command -- sleep 3600
ok "runs" k wait pod/client --for=condition=Ready --timeout=60s
is "each has a name" web-1 k exec client -- wget -qO- -T 5 "http://web-1.nginx.$NAMESPACE.svc.cluster.local/"
ok "delete a pod" k delete pod web-1 --timeout=60s
ok "it comes back" k rollout status statefulset/web --timeout=180s
is "with its page" web-1 k exec client -- wget -qO- -T 5 "http://web-1.nginx/"
ok "scale down" k scale statefulset/web --replicas=1
becomes "the last go first" 60 '^web-0$' sh -c "'$KUBECTL' get pods -l app=nginx-set -o name | sed 's#pod/##' | paste -sd ' '"
is "their claims stay" 3 sh -c "'$KUBECTL' get pvc --no-headers | wc -l"
ok "delete it" k delete -f "$(manifest 03-stateful-set)" --timeout=60s
ok "delete the claims" k delete pvc --all --timeout=60s

# --- DaemonSet
ok "a daemon set" k apply -f "$(manifest 03-daemon-set)"
ok "runs on every node" k rollout status daemonset/log-agent --timeout=180s
like "as many as nodes" "log-agent +$nodes +$nodes +$nodes +$nodes +$nodes" k get daemonset log-agent
ok "delete it" k delete daemonset log-agent --timeout=60s

# --- exercise: init containers
ok "where the page comes from" k run origin --image=nginx --port=80 --expose
ok "the pod" k apply -f "$(manifest 03-exercise-init)"
ok "is ready" k wait pod/init-demo --for=condition=Ready --timeout=90s
like "serves the page" nginx k exec init-demo -- curl -sS http://localhost

# --- exercise: deployments
ok "a deployment" k create deployment nginx --image=nginx:1.7.9 --replicas=3
ok "rolls out" k rollout status deployment/nginx --timeout=180s
ok "scale to 1" k scale deployment/nginx --replicas=1
becomes "1" 60 'nginx +1/1 +1 +1' k get deployment nginx
ok "scale to 8" k scale deployment/nginx --replicas=8
becomes "8" 90 'nginx +8/8 +8 +8' k get deployment nginx
ok "a second revision" k set image deployment/nginx nginx=nginx:1.8.1
ok "rolls out" k rollout status deployment/nginx --timeout=180s
ok "a third" k set image deployment/nginx nginx=nginx:1.9.1
ok "rolls out" k rollout status deployment/nginx --timeout=180s
is "the history" "1 2 3" sh -c "'$KUBECTL' rollout history deployment/nginx | awk '/^[0-9]/ {print \$1}' | paste -sd ' '"
like "one revision in full" 'nginx:1.8.1' k rollout history deployment/nginx --revision=2
like "roll back to revision 2" 'rolled back' k rollout undo deployment/nginx --to-revision=2
ok "rolls out" k rollout status deployment/nginx --timeout=180s
is "revision 2 is now 4" "1 3 4" sh -c "'$KUBECTL' rollout history deployment/nginx | awk '/^[0-9]/ {print \$1}' | paste -sd ' '"
is "its image is back" nginx:1.8.1 field deployment nginx '{.spec.template.spec.containers[0].image}'
like "deployments, replica sets, pods" 'deployment.apps/nginx' k get deployments,rs,pods
like "no replication controller" 'No resources found' k get rc
ok "scale to 5" k scale deployment/nginx --replicas=5
becomes "5" 60 'nginx +5/5 +5 +5' k get deployment nginx
ok "set image nginx:1.9.1" k set image deployment/nginx nginx=nginx:1.9.1
ok "and at once nginx:1.7.1" k set image deployment/nginx nginx=nginx:1.7.1
ok "rolls out" k rollout status deployment/nginx --timeout=180s
is "all run the last image" "nginx:1.7.1" sh -c "'$KUBECTL' get pods -l app=nginx --field-selector=status.phase=Running -o jsonpath='{range .items[?(@.metadata.deletionTimestamp==\"\")]}{end}{range .items[*]}{.metadata.deletionTimestamp}|{.spec.containers[0].image}{\"\n\"}{end}' | sed -n 's/^|//p' | sort -u"
first=$(k get rs -l app=nginx -o 'jsonpath={range .items[*]}{.spec.template.spec.containers[0].image} {.status.replicas}{"\n"}{end}' | awk '$1 == "nginx:1.9.1" {print $2}')
is "the first rollout did not complete: it was given up" 0 echo "$first"
is "both are in the history" "1 4 5 6" sh -c "'$KUBECTL' rollout history deployment/nginx | awk '/^[0-9]/ {print \$1}' | paste -sd ' '"
ok "delete it" k delete deployment nginx --timeout=60s
becomes "its pods go with it" 60 '^0$' sh -c "'$KUBECTL' get pods -l app=nginx --no-headers 2>/dev/null | wc -l"
