#!/bin/bash
# Pods as containers of the machine's dockerd, then of its containerd: launcher start --container-runtime=NAME.
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"
KUBECTL=$(kubectl_path 1.32) || skip_all "no kubectl 1.32 to be had"
DOCKER=$("$SOURCE/tests/docker") || skip_all "no docker client to be had"

names() {
  timeout 60 "$DOCKER" ps --format '{{.Names}}' "$@"
}

gone() {
  [ -z "$(names -a --filter "name=_$1_default_")" ]
}

exits "a runtime that the boot image does not have" 95 'the boot image has no cri-o' "${START[@]}" -p other --container-runtime crio
ok "start" "${START[@]}" -p runtimes --container-runtime docker
like "the node tells its runtime" '^docker://[0-9]' "$KUBECTL" get node runtimes -o 'jsonpath={.status.nodeInfo.containerRuntimeVersion}'
like "so does the profile" '^runtimes .* docker ' "$LAUNCHER" profile list
ok "a pod of a preloaded image" "$KUBECTL" run one --image=busybox --image-pull-policy=IfNotPresent --command -- \
  sh -c 'echo said inside; exec sleep 3600'
ok "runs" eventually 120 phase_is one Running
eval "$("$LAUNCHER" docker-env -p runtimes --shell bash)"
like "docker ps shows its container" '^k8s_one_one_default_.*_0$' names
like "and what holds its namespaces" '^k8s_POD_one_default_.*_0$' names
is "logs" "said inside" "$KUBECTL" logs one
is "exec" "one" "$KUBECTL" exec one -- hostname
like "the pod has an address of the pod network" '^10\.244\.0\.' "$KUBECTL" get pod one -o 'jsonpath={.status.podIP}'
like "its id is docker's" '^docker://[0-9a-f]{64}$' "$KUBECTL" get pod one -o 'jsonpath={.status.containerStatuses[0].containerID}'
exits "another runtime is refused" 14 'uses the container runtime docker' "$LAUNCHER" start -p runtimes -c native
ok "stop" "$LAUNCHER" stop -p runtimes
ok "start again" "${START[@]}" -p runtimes
ok "the pod is started again" eventually 120 bash -c "[ \"\$('$KUBECTL' get pod one -o 'jsonpath={.status.containerStatuses[0].restartCount}')\" = 1 ]"
ok "and runs" eventually 120 phase_is one Running
is "exec after that" "one" "$KUBECTL" exec one -- hostname
ok "a server from another image" "$KUBECTL" run web --image=nginx --image-pull-policy=IfNotPresent --port 80 --expose
ok "is ready" "$KUBECTL" wait --for=condition=Ready pod/web --timeout=120s
ok "its service answers a pod by its name" eventually 30 "$KUBECTL" exec one -- wget -qO- -T 5 http://web
ok "delete" "$KUBECTL" delete pod one --grace-period=1 --timeout=60s
ok "docker has nothing left of it" eventually 60 gone one
ok "delete the machine" "$LAUNCHER" delete -p runtimes

ok "start with containerd" "${START[@]}" -p runtimes --container-runtime containerd
like "the node tells that" '^containerd://[0-9]' "$KUBECTL" get node runtimes -o 'jsonpath={.status.nodeInfo.containerRuntimeVersion}'
ok "a pod of a preloaded image" "$KUBECTL" run two --image=busybox --image-pull-policy=IfNotPresent --command -- \
  sh -c 'echo said inside; exec sleep 3600'
ok "runs" eventually 120 phase_is two Running
is "logs" "said inside" "$KUBECTL" logs two
is "exec" "two" "$KUBECTL" exec two -- hostname
like "the pod has an address of the pod network" '^10\.244\.0\.' "$KUBECTL" get pod two -o 'jsonpath={.status.podIP}'
like "its id is containerd's" '^containerd://[0-9a-f]{64}$' "$KUBECTL" get pod two -o 'jsonpath={.status.containerStatuses[0].containerID}'
ok "stop" "$LAUNCHER" stop -p runtimes
ok "start again" "${START[@]}" -p runtimes
ok "the pod is started again" eventually 120 bash -c "[ \"\$('$KUBECTL' get pod two -o 'jsonpath={.status.containerStatuses[0].restartCount}')\" = 1 ]"
ok "and runs" eventually 120 phase_is two Running
is "exec after that" "two" "$KUBECTL" exec two -- hostname
ok "delete" "$KUBECTL" delete pod two --grace-period=1 --timeout=60s
