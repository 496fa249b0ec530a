#!/bin/sh
# The CRI runtime keeps the contract, with a containerd of Debian's (unpacked where it is not installed) in the machine's own
# configuration.
RUNTIME=containerd
needs="crun"
second_chance=yes # under load its 1.6 may not answer StopPodSandbox for minutes
command -v containerd >/dev/null || {
  containerd=$("$(dirname "$0")/../unpacked" containerd usr/bin/containerd) || { echo "1..0 # SKIP containerd is missing"; exit 0; }
  PATH=$(dirname "$containerd"):$PATH
  export PATH
}
# shellcheck source-path=SCRIPTDIR source=runtime-contract
. "$(dirname "$0")/runtime-contract"
