#!/bin/bash
# shellcheck disable=SC2154 # harness.sh sets them
# What watches cost a server, in memory. See watch-bounds.py.
. "$(dirname "$0")/harness.sh"
start_cluster
python_tests "$(dirname "$0")/watch-bounds.py"
done_testing
