#!/bin/bash
# shellcheck disable=SC2154 # harness.sh sets them
# @kubernetes/client-node, unmodified.
. "$(dirname "$0")/clients.sh"
command -v node >/dev/null || skip_all "node is not installed"
need_clients
start_fake_cluster
cp "$G_TEST_SRCDIR/tests/clients/node-client.mjs" "$work"
ln -s "$clients/node_modules" "$work/node_modules"
PYTHON=node python_tests "$work/node-client.mjs"
done_testing
