# shellcheck shell=bash
# Test Anything Protocol for the tests of the boot image: sourced. The image is looked for in LAUNCHER_ISO_DIR, by default where
# `make iso` puts it.
set -uo pipefail
export LC_ALL=C PATH=$PATH:/usr/sbin:/sbin
source_dir=${G_TEST_SRCDIR:-$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)}
iso_dir=${LAUNCHER_ISO_DIR:-${G_TEST_BUILDDIR:-$source_dir}/iso}
tests=0 failures=0

# skip_all REASON
skip_all() {
  echo "1..0 # SKIP $1"
  exit 0
}

need_image() {
  [[ -f $iso_dir/launcher.iso ]] || skip_all "there is no $iso_dir/launcher.iso: run make iso"
}

need_programs() {
  local program
  for program in "$@"; do
    type -P "$program" >/dev/null || skip_all "$program is not installed"
  done
}

need_long() {
  [[ ${LAUNCHER_LONG:-} == 1 ]] || skip_all "takes minutes: set LAUNCHER_LONG=1"
}

# check DESCRIPTION COMMAND...: passes when the command succeeds; what it says is shown when it does not.
check() {
  local description=$1 output
  shift
  tests=$((tests + 1))
  if output=$("$@" 2>&1); then
    echo "ok $tests - $description"
  else
    echo "not ok $tests - $description"
    echo "# ${output//$'\n'/$'\n'# }"
    failures=$((failures + 1))
  fi
}

finish() {
  echo "1..$tests"
  exit $((failures > 0))
}
