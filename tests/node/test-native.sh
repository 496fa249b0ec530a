#!/bin/sh
# The native runtime with real containers, where nothing of this machine can be harmed.
here=$(dirname "$0")
build=${G_TEST_BUILDDIR:-.}
for program in crun conmon python3 unshare; do
  command -v "$program" >/dev/null || { echo "1..0 # SKIP $program is missing"; exit 0; }
done
[ -x /bin/busybox ] || { echo "1..0 # SKIP busybox-static is missing"; exit 0; }
[ "$(id -u)" = 0 ] || { echo "1..0 # SKIP needs root"; exit 0; }
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
"$here/../images/make-image.py" --busybox --name busybox:1.36 "$scratch/busybox.tar" || exit 1
"$here/sandbox.sh" "$build/tests/node/test-native-runtime" --tap "$scratch/busybox.tar"
status=$?
[ "$status" != 77 ] || { echo "1..0 # SKIP no namespaces here"; exit 0; }
exit "$status"
