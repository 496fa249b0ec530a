#!/bin/bash
# shellcheck disable=SC2154 # clients.sh sets them
# The recorded sessions of two kubectls, run again; see transcript.py.
. "$(dirname "$0")/../clients/clients.sh"
reference=${LAUNCHER_REFERENCE:-}/data
[ -r "$reference/transcript-kubectl-1.32.txt" ] || skip_all "no recording: LAUNCHER_REFERENCE is not the folder of the reference"
FAKE_NODE=n1 start_fake_cluster
for version in 1.32 1.20; do
  if program=$("$G_TEST_SRCDIR/tests/kubectl" "$version"); then
    python_tests "$G_TEST_SRCDIR/tests/api/transcript.py" "$program" "$version" "$reference/transcript-kubectl-$version.txt"
  fi
done
done_testing
