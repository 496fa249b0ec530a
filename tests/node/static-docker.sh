#!/bin/bash
# static.sh with pods that are containers of dockerd.
RUNTIME=docker
export RUNTIME
. "$(dirname "$0")/static.sh"
