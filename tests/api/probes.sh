#!/bin/bash
# shellcheck disable=SC2154 # harness.sh sets them
# The requests recorded with a real server, replayed: same status, reason, message and causes. See probes.py.
. "$(dirname "$0")/harness.sh"
export PROBES=${LAUNCHER_REFERENCE:-}/data/probes-1.20.txt
[ -r "$PROBES" ] || skip_all "no recording: LAUNCHER_REFERENCE is not the folder of the reference"
start_cluster --anonymous-auth=false # as the recorded server ran
python_tests "$(dirname "$0")/probes.py"
done_testing
