#!/bin/bash
# shellcheck disable=SC2154 # harness.sh sets them
# The API machinery, line by line: what every client relies on and no kind changes. Each program has a cluster's namespaces of
# its own; see the top of each for what it is about.
. "$(dirname "$0")/harness.sh"
start_cluster
for program in negotiation versions watch delete patch write; do
  python_tests "$(dirname "$0")/machinery-$program.py"
done
done_testing
