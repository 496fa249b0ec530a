#!/bin/bash
# shellcheck disable=SC2154 # harness.sh sets them
# What definitions cost a server, in memory. See definition-memory.py.
. "$(dirname "$0")/harness.sh"
[ -z "${SANITIZED:-}" ] || skip_all "a sanitizer's memory is not the server's"
start_cluster
python_tests "$(dirname "$0")/definition-memory.py"
done_testing
