# Shared by the end-to-end tests: TAP, kubectl of two versions, and a home of their own for every test.
# The caller sets LAUNCHER (the installed program; default: launcher on PATH) and DRIVER.
# shellcheck shell=bash disable=SC2034
set -uo pipefail

LAUNCHER=${LAUNCHER:-$(command -v launcher)}
DRIVER=${DRIVER:-container}
SOURCE=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
WORK=$(mktemp -d "${TMPDIR:-/tmp}/launcher-e2e-XXXXXX")
START=("$LAUNCHER" start --driver "$DRIVER" ${LAUNCHER_ISO:+--iso-url "$LAUNCHER_ISO"}
  ${LAUNCHER_ISO_KEY:+--iso-key "$LAUNCHER_ISO_KEY"})
export LAUNCHER_HOME=$WORK/home KUBECONFIG=$WORK/kubeconfig NO_COLOR=1
# shellcheck source=../tap.sh
. "$SOURCE/tests/tap.sh"

# phase_is POD PHASE
phase_is() {
  [ "$("$KUBECTL" get pod "$1" -o 'jsonpath={.status.phase}')" = "$2" ]
}

# kubectl_path VERSION: the client of that minor version; 1.20 is Debian's package, unpacked.
kubectl_path() {
  "$SOURCE/tests/kubectl" "$1"
}

# skip_all REASON
skip_all() {
  trap - EXIT
  rm -rf "$WORK"
  echo "1..0 # SKIP $1"
  exit 0
}

# Deletes what is left and prints the plan.
finish() {
  "$LAUNCHER" delete --all >/dev/null 2>&1
  rm -rf "$WORK"
  echo "1..$tests_run"
  exit $((tests_failed > 0))
}
trap finish EXIT
