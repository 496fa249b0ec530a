#!/bin/bash
# Module 9, debugging: events, descriptions, logs, a shell in a container, and the usual suspects.
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"
module 09
node=$(k get nodes -o 'jsonpath={.items[0].metadata.name}')

ok "things that are broken" k apply -f "$(manifest 09-broken)"
ok "some of which work" k rollout status deployment/shop --timeout=180s
ok "a pod of two containers" k wait pod/my-pod --for=condition=Ready --timeout=60s

# --- events
like "events" 'Pulled' k get events
like "of a namespace" 'Started' k get events --namespace="$NAMESPACE"
like "of all" "$NAMESPACE +" k get events --all-namespaces
like "in order" 'Scheduled' k get events --sort-by=.metadata.creationTimestamp
is "of one object" "crashing" sh -c "'$KUBECTL' get events --field-selector involvedObject.name=crashing -o 'jsonpath={.items[*].involvedObject.name}' | tr ' ' '\n' | sort -u"
ok "exported" sh -c "'$KUBECTL' get events -o json | jq -e '.items | length > 5'"

# --- nodes
like "a node in full" 'kubeletVersion' k get node "$node" -o yaml
like "described" 'Ready +True' k describe node "$node"
like "all of them" "$node +Ready" k get nodes -o wide

# --- a pod that crashes
becomes "it backs off" 60 'CrashLoopBackOff' k get pod crashing
is "its last words" "cannot open the configuration" k logs crashing --previous
becomes "its events" 30 'BackOff.*Back-off restarting failed container' k describe pod crashing

# --- a service that leads nowhere
like "has no endpoints" '<none>' k get endpoints shop
is "because its selector is wrong" shopp field service shop '{.spec.selector.app}'
ok "mended" k patch service shop -p '{"spec":{"selector":{"app":"shop"}}}'
becomes "it has them" 20 '10\.[0-9.]+:80,10\.' k get endpoints shop

# --- a shell in a container
like "a shell" 'root' k exec -i my-pod --container main-app -- /bin/bash -c 'id -un'
ok "a terminal" sh -c "script -qec \"'$KUBECTL' exec -it my-pod -c main-app -- /bin/bash -c 'tty'\" /dev/null </dev/null | grep -q /dev/pts"
like "the environment" 'KUBERNETES_SERVICE_HOST=' k exec my-pod -c main-app -- env
ok "edit a file" k exec my-pod -c main-app -- sh -c 'echo Hello shell demo >/usr/share/nginx/html/index.html'
is "and look at it" "Hello shell demo" k exec my-pod -c main-app -- curl -sS http://localhost/
is "copy a file in and out" "from outside" sh -c "echo from outside >'$WORK/file' && '$KUBECTL' cp '$WORK/file' $NAMESPACE/my-pod:/tmp/file -c main-app &&
  '$KUBECTL' cp $NAMESPACE/my-pod:/tmp/file '$WORK/back' -c main-app >/dev/null && cat '$WORK/back'"

# --- logs
like "of one container" '^line 1$' k logs my-pod -c helper-app
is "the last ones" 2 sh -c "'$KUBECTL' logs my-pod -c helper-app --tail=2 | wc -l"
like "with times" '^20[0-9-]+T[0-9:.]+Z line 1$' k logs my-pod -c helper-app --timestamps
becomes "followed" 20 'line 3' timeout 3 "$KUBECTL" logs -f my-pod -c helper-app
like "of all pods of a label" 'GET' sh -c "'$KUBECTL' logs -l app=shop --tail=-1"

# --- a deployment swapped for a process elsewhere
ok "take the shop away" k scale deployment shop --replicas=0
ok "its service without a selector" k patch service shop --type=json -p '[{"op":"remove","path":"/spec/selector"}]'
ok "leads to another pod" k apply -f - <<END
apiVersion: v1
kind: Endpoints
metadata: {name: shop}
subsets: [{addresses: [{ip: $(field pod my-pod '{.status.podIP}')}], ports: [{port: 80}]}]
END
becomes "which answers in its place" 20 'Hello shell demo' k exec my-pod -c main-app -- curl -sS -m 5 http://shop/

# --- what the cluster says of itself
like "the API server's checks" 'readyz check passed' k get --raw '/readyz?verbose'
like "its components" 'scheduler +Healthy' k get componentstatuses
like "its metrics" 'apiserver_request_total' k get --raw /metrics
