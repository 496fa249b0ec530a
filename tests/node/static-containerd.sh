#!/bin/bash
# static.sh with pods that are containers of containerd.
RUNTIME=containerd
export RUNTIME
. "$(dirname "$0")/static.sh"
