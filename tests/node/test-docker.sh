#!/bin/sh
# The docker runtime keeps the contract, with a dockerd of Debian's (unpacked where it is not installed).
RUNTIME=docker
needs="crun containerd"
command -v dockerd >/dev/null || {
  dockerd=$("$(dirname "$0")/../unpacked" docker.io usr/sbin/dockerd) || { echo "1..0 # SKIP dockerd is missing"; exit 0; }
  PATH=$(dirname "$dockerd"):$PATH
  export PATH
}
# shellcheck source-path=SCRIPTDIR source=runtime-contract
. "$(dirname "$0")/runtime-contract"
