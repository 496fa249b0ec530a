#!/bin/sh
# The native runtime keeps the contract.
RUNTIME=native
needs="crun conmon"
# shellcheck source-path=SCRIPTDIR source=runtime-contract
. "$(dirname "$0")/runtime-contract"
