#!/bin/bash
# The course's modules on a lab machine as a trainer provisions it: course.sh KUBECTL_VERSION MODULE... (03-objects …).
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"
KUBECTL=$(kubectl_path "$1") || skip_all "no kubectl $1 to be had"
export KUBECTL
shift
[ -x /bin/busybox ] || skip_all "busybox-static is missing"

# Where the course names images that the machine does not bring, it gets stand-ins: one static file server.
stand_in() {
  local names=()
  for name in "$@"; do
    names+=(--name "$name")
  done
  mkdir -p "$WORK/layer/www"
  echo "nginx, or what stands for it" >"$WORK/layer/www/index.html"
  "$SOURCE/tests/images/make-image.py" --busybox --layer "$WORK/layer" "${names[@]}" \
    --entrypoint '["httpd", "-f", "-p", "80", "-h", "/www"]' "$WORK/stand-in.tar"
}

stand_in nginx:1.7.1 nginx:1.7.9 nginx:1.8.1 nginx:1.9.1 nginx:1.14.2 || exit 1
# module NAME: on a machine of its own.
module() {
  local profile=lab-${1%%-*}
  "${START[@]}" -p "$profile" --keep-context --cpus 2 --memory 4096 --disk-size 20000 &&
    "$LAUNCHER" image load -p "$profile" "$WORK/stand-in.tar" &&
    KUBECONFIG=$(own_kubeconfig "$profile") "$SOURCE/tests/course/$1.sh"
  local status=$?
  "$LAUNCHER" delete -p "$profile"
  return "$status"
}

# own_kubeconfig PROFILE: a copy of what start wrote, with this profile as the current one.
own_kubeconfig() {
  local copy=$WORK/kubeconfig-$1
  cp "$KUBECONFIG" "$copy"
  "$KUBECTL" --kubeconfig "$copy" config use-context "$1" >/dev/null
  echo "$copy"
}

# They mostly wait (for a minute to pass, for a container to give up): several at once, where a machine costs nothing.
AT_ONCE=1
[ "$DRIVER" != container ] || AT_ONCE=4
modules=()
for name in "$@"; do
  while [ "$(jobs -pr | wc -l)" -ge "$AT_ONCE" ]; do
    wait -n
  done
  module "$name" >"$WORK/$name.out" 2>&1 &
  modules+=("$name $!")
done
for one in "${modules[@]}"; do
  read -r name pid <<<"$one"
  wait "$pid"
  status=$?
  echo "# $name"
  cat "$WORK/$name.out"
  report "$status" "module $name" ""
done
