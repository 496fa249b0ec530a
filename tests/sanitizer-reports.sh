#!/bin/sh
# sanitizer-reports.sh TEST [ARGUMENT...]: runs a test of a build with sanitizers, and fails it where any process of the test
# left a report. A status says that only of a process that somebody waits for and that ends by itself; a file says it also of
# one that was killed, and of one that should have failed anyway.
reports=$(mktemp -d "${TMPDIR:-/tmp}/sanitizer-reports-XXXXXX") || exit 99
trap 'rm -rf "$reports"' EXIT
options="log_path=$reports/report log_exe_name=1"
export ASAN_OPTIONS="$options $ASAN_OPTIONS" LSAN_OPTIONS="$options $LSAN_OPTIONS" TSAN_OPTIONS="$options $TSAN_OPTIONS" \
  UBSAN_OPTIONS="$options print_stacktrace=1 $UBSAN_OPTIONS"
export SANITIZED=yes # for what is not worth measuring then
"$@"
status=$?
if [ -n "$(ls "$reports")" ]; then
  for report in "$reports"/*; do
    echo "# report of ${report##*/report.}"
    sed 's/^/# /' "$report"
  done
  exit 66
fi
exit "$status"
