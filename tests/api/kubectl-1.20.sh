#!/bin/sh
# Prints the path of Debian's kubectl 1.20 client, unpacked (not installed) into a cache folder on first use. Fails, saying
# why, when the package cannot be had.
set -eu
cache=${LAUNCHER_TEST_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/launcher-tests}
kubectl=$cache/kubernetes-client/usr/bin/kubectl
if [ ! -x "$kubectl" ]; then
  command -v apt-get >/dev/null && command -v dpkg >/dev/null || {
    echo "no apt-get or dpkg" >&2
    exit 1
  }
  scratch=$(mktemp -d)
  trap 'rm -rf "$scratch"' EXIT
  (cd "$scratch" && apt-get -q download kubernetes-client >/dev/null 2>&1) || {
    echo "the package kubernetes-client cannot be downloaded" >&2
    exit 1
  }
  dpkg -x "$scratch"/kubernetes-client_*.deb "$scratch/tree"
  mkdir -p "$cache"
  rm -rf "$cache/kubernetes-client"
  mv "$scratch/tree" "$cache/kubernetes-client"
fi
echo "$kubectl"
