#!/bin/bash
# Images without a registry: launcher image load, ls in every form and rm. What was loaded runs, and outlives a stop.
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"
KUBECTL=$(kubectl_path 1.32) || skip_all "no kubectl 1.32 to be had"
[ -x /bin/busybox ] || skip_all "busybox-static is missing"

# make_image ARGUMENT...: an archive of busybox and the layer.
make_image() {
  "$SOURCE/tests/images/make-image.py" --busybox --layer "$WORK/layer" "$@"
}

# run_pod NAME IMAGE: a pod that sleeps; its image is never pulled.
run_pod() {
  "$KUBECTL" run "$1" --image="$2" --image-pull-policy=Never --restart=Never --command -- sleep 3600
}

# lacks TEXT COMMAND...: it succeeds, and no line it prints has this.
lacks() {
  local text=$1 output
  shift
  output=$("$@") && ! grep -qF -- "$text" <<<"$output"
}

waiting_reason() {
  "$KUBECTL" get pod "$1" -o 'jsonpath={.status.containerStatuses[0].state.waiting.reason}'
}

mkdir "$WORK/layer"
echo 'said by a layer' >"$WORK/layer/said"
make_image --name mine:1 --name registry.test:5000/team/mine:2 "$WORK/mine.tar" || exit 1
make_image --format oci --gzip --env ORIGIN=pipe --name piped:1 "$WORK/piped.tar" || exit 1
head -c 100000 "$WORK/mine.tar" >"$WORK/short.tar"
id=$(tar -xOf "$WORK/mine.tar" manifest.json | jq -r '.[0].Config | sub(".*/"; "") | sub("[.]json$"; "")')
image=("$LAUNCHER" image -p images)

exits "ls without a machine" 85 'images' "${image[@]}" ls
ok "start" "${START[@]}" -p images
like "ls knows what came with the machine" '^docker.io/library/busybox:' "${image[@]}" ls

like "load from a file" 'docker.io/library/mine:1' "${image[@]}" load "$WORK/mine.tar"
like "load from standard input" 'docker.io/library/piped:1' sh -c "'$LAUNCHER' image -p images load - <'$WORK/piped.tar'"
ok "load of what is there already" "${image[@]}" load "$WORK/mine.tar"
exits "load of an archive that breaks off" 90 'short.tar' "${image[@]}" load "$WORK/short.tar"
exits "load of no archive" 90 'lib.sh' "${image[@]}" load "$SOURCE/tests/e2e/lib.sh"
exits "load of a file that is not there" 30 'No such file' "${image[@]}" load "$WORK/none.tar"
exits "load of nothing" 14 'usage' "${image[@]}" load
exits "an unknown verb" 14 'frobnicate' "${image[@]}" frobnicate
exits "an unknown form" 14 'format' "${image[@]}" ls --format xml

names='docker.io/library/mine:1 docker.io/library/piped:1 registry.test:5000/team/mine:2'
is "ls: every name, a line each" "$names" sh -c "'$LAUNCHER' image -p images ls | grep -E 'mine|piped' | paste -sd ' '"
ok "ls is sorted" sh -c "'$LAUNCHER' image -p images ls | LC_ALL=C sort -c"
is "list is the same" "$("${image[@]}" ls)" "${image[@]}" list --format short
is "ls --format json: one entry an image" "$id docker.io/library/mine:1 registry.test:5000/team/mine:2 string array" sh -c "
  '$LAUNCHER' image -p images ls --format json | jq -r '.[] | select(.repoTags[0] | contains(\"mine:\")) |
    \"\(.id) \(.repoTags | sort | join(\" \")) \(.size | type) \(.repoDigests | type)\"'"
like "ls --format yaml" '^ *- docker.io/library/mine:1$' "${image[@]}" ls --format yaml
like "ls --format table" "^│ registry.test:5000/team/mine +│ 2 +│ ${id:0:13} │ [0-9.]+[kM]B +│\$" "${image[@]}" ls --format table

ok "a pod of it, never pulled" run_pod mine mine:1
ok "runs" eventually 60 phase_is mine Running
is "and has the layer" "said by a layer" "$KUBECTL" exec mine -- cat /said

ok "stop" "$LAUNCHER" stop -p images
ok "start again" "${START[@]}" -p images
is "the images are still there" "$names" sh -c "'$LAUNCHER' image -p images ls | grep -E 'mine|piped' | paste -sd ' '"
ok "another pod" run_pod piped piped:1
ok "runs, too" eventually 60 phase_is piped Running
is "with its environment" pipe "$KUBECTL" exec piped -- sh -c 'echo $ORIGIN'

exits "rm of nothing" 14 'usage' "${image[@]}" rm
exits "rm of what is not there" 95 'not found' "${image[@]}" rm none:1
ok "rm of one of two names" "${image[@]}" rm registry.test:5000/team/mine:2
ok "takes the name only" lacks registry.test "${image[@]}" ls
exits "rm of an image that is in use" 1 'used by a container' "${image[@]}" rm piped:1
ok "the pods end" "$KUBECTL" delete pod --all --grace-period=1 --timeout=60s
ok "rm of several" "${image[@]}" rm mine:1 piped:1
ok "the image is gone" lacks mine:1 "${image[@]}" ls
ok "a pod of it" run_pod late mine:1
ok "never finds it" eventually 30 prints ErrImageNeverPull waiting_reason late
