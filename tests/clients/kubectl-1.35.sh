#!/bin/bash
# shellcheck disable=SC2154 # harness.sh sets them
# kubectl 1.35, unmodified: it asks in protobuf and waits by watch lists, more than the kubectl of the API's own release.
. "$(dirname "$0")/clients.sh"
need_clients
start_fake_cluster

k135() {
  timeout 60 "$clients/v35/kubectl/kubectl" --cache-dir "$work/cache135" "$@"
}

like "version" "$(k135 version 2>/dev/null)" "*Client Version: v1.35*Server Version: v1.32*"
like "api-resources" "$(k135 api-resources)" "*deployments *deploy *apps/v1 *true *Deployment*"
like "explain" "$(k135 explain pod.spec.containers.livenessProbe)" "*KIND: *Pod*FIELDS:*"
is "create" "$(k135 create deployment web --image=nginx --replicas=2)" "deployment.apps/web created"
like "rollout status" "$(k135 rollout status deployment/web --timeout=30s)" '*successfully rolled out'
is "wait" "$(k135 wait --for=condition=Available deployment/web --timeout=30s)" "deployment.apps/web condition met"
is "wait for a path" "$(k135 wait --for='jsonpath={.status.readyReplicas}=2' deployment/web --timeout=30s)" \
  "deployment.apps/web condition met"
like "get" "$(k135 get deploy web)" "NAME*READY*web *2/2*"
like "describe" "$(k135 describe deploy web)" "*Replicas: *2 desired | 2 updated | 2 total | 2 available*"
is "scale" "$(k135 scale deploy web --replicas=1)" "deployment.apps/web scaled"
is "apply" "$(k135 create cm a --from-literal=k=v --dry-run=client -o yaml | k135 apply -f -)" "configmap/a created"
is "apply again" "$(k135 create cm a --from-literal=k=v --dry-run=client -o yaml | k135 apply -f -)" "configmap/a unchanged"
is "apply on the server" "$(k135 create cm a --from-literal=k=w --dry-run=client -o yaml | k135 apply --server-side -f -)" \
  "configmap/a serverside-applied"
like "diff" "$(k135 create cm a --from-literal=k=x --dry-run=client -o yaml | k135 diff -f -)" "*-  k: w*+  k: x*"
is "patch" "$(k135 patch cm a --type=merge -p '{"data":{"l":"m"}}')" "configmap/a patched"
is "label" "$(k135 label cm a x=y)" "configmap/a labeled"
is "set image" "$(k135 set image deploy/web nginx=nginx:2)" "deployment.apps/web image updated"
like "rollout history" "$(k135 rollout history deploy/web)" "*REVISION*1*2*"
like "rollout undo" "$(k135 rollout undo deploy/web)" "deployment.apps/web rolled back"
is "can-i" "$(k135 auth can-i create pods)" "yes"
like "whoami" "$(k135 auth whoami)" "*Username *"
like "token" "$(k135 create token default)" "ey*.*.*"
like "top without metrics" "$(k135 top nodes 2>&1)" "error: Metrics API not available"
is "delete" "$(k135 delete deploy web --timeout=30s)" 'deployment.apps "web" deleted from default namespace'
is "wait for the end" "$(k135 wait --for=delete pod -l app=web --timeout=30s >/dev/null 2>&1; k135 get pods -o name)" ""
is "namespace" "$(k135 create ns gone && k135 delete ns gone --timeout=30s)" "namespace/gone created
namespace \"gone\" deleted"
done_testing
