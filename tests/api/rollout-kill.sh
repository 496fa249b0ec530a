#!/bin/bash
# shellcheck disable=SC2034,SC2154 # harness.sh reads and sets them
# clusterd is killed at random points of fifty rollouts; see rollout-kill.py, which starts it itself.
. "$(dirname "$0")/harness.sh"
port=0
python_tests "$(dirname "$0")/rollout-kill.py" "$CLUSTERD" "$work"
echo "1..$tests"
[ "$failures" -eq 0 ]
