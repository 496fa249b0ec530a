# Shared by the course's modules. Each runs against whatever cluster KUBECONFIG names, in a namespace of its own that
# goes at the end; it needs nothing but kubectl (KUBECTL: another than the one on PATH) and the images it names.
# shellcheck shell=bash disable=SC2034
set -uo pipefail

COURSE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
KUBECTL=${KUBECTL:-kubectl}
WORK=$(mktemp -d "${TMPDIR:-/tmp}/course-XXXXXX")
# shellcheck source=../tap.sh
. "$COURSE/../tap.sh"

k() {
  "$KUBECTL" "$@"
}

# module NAME: its namespace course-NAME is new and is what kubectl means from here on.
module() {
  NAMESPACE=course-$1
  k config view --flatten --minify >"$WORK/kubeconfig" || exit 1
  export KUBECONFIG=$WORK/kubeconfig KUBECACHEDIR=$WORK/cache
  k delete namespace "$NAMESPACE" --ignore-not-found --timeout=120s >/dev/null || exit 1
  k create namespace "$NAMESPACE" >/dev/null || exit 1
  k config set-context --current --namespace="$NAMESPACE" >/dev/null || exit 1
  eventually 30 k get serviceaccount default >/dev/null || exit 1
}

# manifest NAME: the path of one of ours.
manifest() {
  echo "$COURSE/manifests/$1.yaml"
}

# field RESOURCE NAME JSONPATH
field() {
  k get "$1" "$2" -o "jsonpath=$3"
}

# status_is POD TEXT: what `kubectl get pod` shows in the column STATUS.
status_is() {
  [ "$(k get pod "$1" --no-headers | awk '{print $3}')" = "$2" ]
}

# becomes DESCRIPTION SECONDS REGEX COMMAND...: sooner or later it prints this.
becomes() {
  local description=$1 seconds=$2 regex=$3
  shift 3
  ok "$description" eventually "$seconds" prints "$regex" "$@"
}

# knows RESOURCE.GROUP: whether this cluster serves it; what is not in every Kubernetes is tried only then.
knows() {
  k get "$1" >/dev/null 2>&1
}

# skip DESCRIPTION REASON
skip() {
  tests_run=$((tests_run + 1))
  echo "ok $tests_run - $1 # SKIP $2"
}

# A module that makes what is in no namespace defines clean_up to delete it.
finish() {
  local status=$?
  ! declare -F clean_up >/dev/null || clean_up >/dev/null 2>&1
  k delete namespace "$NAMESPACE" --wait=false >/dev/null 2>&1
  rm -rf "$WORK"
  echo "1..$tests_run"
  exit $((tests_failed > 0 || status > 0))
}
trap finish EXIT
