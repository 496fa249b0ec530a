#!/bin/bash
# shellcheck disable=SC2016
# Static pods with real containers: files in a folder, mirrors in the API, and a clusterd that is killed in between.
# shellcheck source-path=SCRIPTDIR source=node-harness.sh
. "$(dirname "$0")/node-harness.sh" "$@"
manifests=/var/lib/launcher/manifests

manifest() {
  cat <<YAML
apiVersion: v1
kind: Pod
metadata: {name: static-web, labels: {role: myrole}}
spec:
  terminationGracePeriodSeconds: 1
  containers:
  - {name: web, image: "busybox:1.36", command: [sh, -c, "echo $1; exec sleep 1000"]}
YAML
}
mirror() {
  k get pod static-web-node1 -o "jsonpath=$1"
}
is_another() {
  local now
  now=$(mirror '{.metadata.uid}') && [ -n "$now" ] && [ "$now" != "$1" ] && runs static-web-node1
}
gone() {
  ! k get pod static-web-node1 >/dev/null 2>&1
}

containers() {
  mirror '{.status.containerStatuses[0].containerID} {.status.containerStatuses[0].restartCount}'
}
left() {
  find /var/log/pods /var/lib/launcher/pods -maxdepth 1 -name "*$hash*"
}

start_cluster
load_busybox
manifest one >"$manifests/web.yaml"
wait_until "the pod runs and is shown" runs static-web-node1
until_is "a file becomes a pod with a log" one k logs static-web-node1
is "commands run in it" "$(k exec static-web-node1 -- echo here)" here
hash=$(mirror '{.metadata.annotations.kubernetes\.io/config\.hash}')
like "its uid on the node is the hash" "$(left)" "/var/log/pods/default_static-web-node1_$hash*"
like "its events are found by it" "$(k describe pod static-web-node1)" "*Controlled By:*Node/node1*Started container web*"

before=$(containers)
uid=$(mirror '{.metadata.uid}')
k delete pod static-web-node1 --wait=false >/dev/null
wait_until "the mirror is back" is_another "$uid"
until_is "a deleted mirror comes back, and shows the same container" "$before" containers
is "whose log goes on" "$(k logs static-web-node1)" one

restart_cluster KILL
until_is "a clusterd that was killed takes the pod up" "$before" containers

manifest two >"$manifests/web.yaml"
until_is "a changed file replaces the pod" two k logs static-web-node1
is "what was before it is gone" "$(left)" ""
hash=$(mirror '{.metadata.annotations.kubernetes\.io/config\.hash}')
rm "$manifests/web.yaml"
wait_until "the pod goes" gone
is "without the file nothing is left" "$(left)" ""
done_testing
