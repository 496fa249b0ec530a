#!/bin/bash
# eval $(launcher docker-env): the real docker client builds an image, and a pod runs it without a copy.
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"
KUBECTL=$(kubectl_path 1.32) || skip_all "no kubectl 1.32 to be had"
DOCKER=$("$SOURCE/tests/docker") || skip_all "no docker client to be had"
images=${LAUNCHER_IMAGES:-$(dirname "${LAUNCHER_ISO:-$(dirname "$LAUNCHER")/../share/launcher/launcher.iso}")/images}

ok "start" "${START[@]}" -p rajesh --cpus 2 --memory 4096 --disk-size 20000
is "docker-env prints four exports" 4 bash -c "'$LAUNCHER' docker-env -p rajesh --shell bash | grep -c '^export '"
eval "$("$LAUNCHER" docker-env -p rajesh --shell bash)"
is "the profile is named" rajesh printenv LAUNCHER_ACTIVE_DOCKERD
exits "no daemon runs before it is asked" 1 '' "$LAUNCHER" ssh -p rajesh -- pidof dockerd
like "docker version reaches the machine's daemon" 'Server' timeout 120 "$DOCKER" version
ok "docker loads the busybox image" timeout 120 "$DOCKER" load -i "$images/busybox.tar"
is "docker runs it" "said inside" timeout 120 "$DOCKER" run --rm busybox echo said inside
mkdir "$WORK/context"
printf 'FROM busybox\nRUN echo built here >/built\n' >"$WORK/context/Dockerfile"
ok "docker builds on it" env DOCKER_BUILDKIT=0 timeout 240 "$DOCKER" build -t mine:1 "$WORK/context"
ok "a pod of it, never pulled" "$KUBECTL" run mine --image=mine:1 --image-pull-policy=Never --restart=Never --command -- sleep 3600
ok "runs" eventually 60 phase_is mine Running
is "and has what was built" "built here" "$KUBECTL" exec mine -- cat /built
like "image ls knows it" 'mine:1' "$LAUNCHER" image ls -p rajesh
exits "image rm while the pod runs" 1 'used by a container' "$LAUNCHER" image rm mine:1 -p rajesh
ok "the pod ends" "$KUBECTL" delete pod mine --grace-period=1 --timeout=60s
ok "image rm takes it out of docker" "$LAUNCHER" image rm mine:1 -p rajesh
is "docker knows it no longer" '' "$DOCKER" images -q mine:1
ok "stop" "$LAUNCHER" stop -p rajesh
ok "start again" "${START[@]}" -p rajesh
like "docker's images outlive a stop" '^sha256:' timeout 120 "$DOCKER" images -q --no-trunc busybox:latest
like "--unset takes it back" '^unset DOCKER_HOST' "$LAUNCHER" docker-env -u -p rajesh --shell bash
