#!/bin/bash
# shellcheck disable=SC2034,SC2154 # harness.sh reads and sets them
# clusterd is killed again and again while it binds pods; see scheduling-kill.py, which starts it itself.
. "$(dirname "$0")/harness.sh"
port=0
python_tests "$(dirname "$0")/scheduling-kill.py" "$CLUSTERD" "$work"
echo "1..$tests"
[ "$failures" -eq 0 ]
