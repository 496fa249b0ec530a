#!/bin/bash
# shellcheck disable=SC2154 # harness.sh sets them
# Debian's python3-kubernetes, unmodified.
. "$(dirname "$0")/clients.sh"
/usr/bin/python3 -c 'import kubernetes' 2>/dev/null || skip_all "python3-kubernetes is not installed"
start_fake_cluster
PYTHON=/usr/bin/python3 PYTHONPATH=$G_TEST_SRCDIR/tests/api python_tests "$G_TEST_SRCDIR/tests/clients/python-client.py"
done_testing
