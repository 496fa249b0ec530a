#!/bin/bash
# node-api.sh with pods that are containers of dockerd.
RUNTIME=docker
export RUNTIME
. "$(dirname "$0")/node-api.sh"
