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
ok "start" "${START[@]}" -p lab --cpus 2 --memory 4096 --disk-size 20000
ok "load the images" "$LAUNCHER" image load -p lab "$WORK/stand-in.tar"
for name in "$@"; do
  echo "# $name"
  "$SOURCE/tests/course/$name.sh"
  report $? "module $name" ""
done
