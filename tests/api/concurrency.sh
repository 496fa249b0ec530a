#!/bin/bash
# shellcheck disable=SC2034,SC2154 # harness.sh reads and sets them
# Many clients at once, on everything the server's threads share; see concurrency.py. A build with ThreadSanitizer finds what
# has no lock.
COMPONENTS=controllers,scheduler
. "$(dirname "$0")/harness.sh"
cat >"$work/policy.yaml" <<END
apiVersion: audit.k8s.io/v1
kind: Policy
rules: [{level: RequestResponse}]
END
start_cluster --audit-policy-file "$work/policy.yaml" --audit-log-path "$work/audit.log" --audit-log-maxsize 1 --audit-log-maxbackup 1
front_ca() {
  k -n kube-system get configmap extension-apiserver-authentication -o 'jsonpath={.data.requestheader-client-ca-file}'
}
wait_until "the front proxy's authority" front_ca
front_ca >"$work/front-ca.crt"
CLIENT_CA=$work/front-ca.crt
start_https
HOOKS_URL=$hooks HOOKS_PORT=$https_port HOOKS_CA=$ca_bundle python_tests "$(dirname "$0")/concurrency.py"
done_testing
