#!/bin/bash
# shellcheck disable=SC2154 # harness.sh sets them
# What definitions cost a server, in memory. See definition-memory.py.
. "$(dirname "$0")/harness.sh"
[ -z "${SANITIZED:-}" ] || skip_all "a sanitizer's memory is not the server's"
start_cluster
python_tests "$(dirname "$0")/definition-memory.py"
restart_cluster TERM
wait_until "they are served again" sh -c "$KUBECTL --kubeconfig $work/admin.conf get foo99s"
resident=$(awk '/VmRSS/ { print $2 }' "/proc/$server_pid/status")
is "a definition is held once ($((resident / 100)) KiB for each, all in all)" "$((resident / 100 < 950))" 1
done_testing
