#!/bin/bash
# sandbox.sh pods.sh --inside: a node, whose pods are started beside bare `crun run` and, where there is a dockerd, `docker run`. Prints what pods.py found.
# shellcheck source-path=SCRIPTDIR source=../node/node-harness.sh
here=$(cd "$(dirname "$0")" && pwd)
. "$here/../node/node-harness.sh"
mkdir -p /var/lib/launcher/docker /var/lib/docker /etc/docker
mount --bind /var/lib/launcher/docker /var/lib/docker
mount -t tmpfs -o mode=755 tmpfs /etc/docker
start_cluster >&2
load_busybox
until_is "default service account" "default" k get serviceaccount default -o 'jsonpath={.metadata.name}' >&2
layer=$(find /var/lib/launcher/images/layers -mindepth 1 -maxdepth 1 | head -1)
mkdir "$work/bundle"
cp -a "$layer" "$work/bundle/rootfs"
(cd "$work/bundle" && crun spec && sed -i 's/"terminal": true/"terminal": false/; s/"sh"/"true"/' config.json)
if [ -n "${DOCKER_CLIENT:-}" ] && [ -S /var/run/docker.sock ]; then
  export DOCKER_HOST=unix:///var/run/docker.sock
  "$DOCKER_CLIENT" load -q -i "$work/busybox.tar" >&2 || DOCKER_CLIENT=
fi
DOCKER_CLIENT=${DOCKER_CLIENT:-} python3 "$here/pods.py" "$port" "$work/pki" "$work/bundle" "$server_pid"
kill "$server_pid"
wait "$server_pid"
