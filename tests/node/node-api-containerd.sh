#!/bin/bash
# node-api.sh with pods that are containers of containerd.
RUNTIME=containerd
export RUNTIME
. "$(dirname "$0")/node-api.sh"
