#!/bin/bash
# shellcheck disable=SC2154 # harness.sh sets them
# Bad input over the wire, the same every time; a build with sanitizers finds what goes wrong inside. See robustness.py.
. "$(dirname "$0")/harness.sh"
start_cluster
API_SERVER_PID=$server_pid python_tests "$(dirname "$0")/robustness.py"
done_testing
