#!/bin/bash
# shellcheck disable=SC2034,SC2154 # harness.sh reads and sets them
# clusterd's command line: what it refuses, what it makes, and what the options of authentication and authorization do.
. "$(dirname "$0")/harness.sh"

refuses() {
  name=$1
  text=$2
  shift 2
  is "$name" "$("$CLUSTERD" "$@" 2>&1 >/dev/null | grep -v '^Run ')" "$text"
}

refuses "all errors at once" 'clusterd: unknown option --foo
clusterd: unexpected argument "zzz"
clusterd: --secure-port: "65536" must be a number from 0 to 65535
clusterd: --bind-address: "1.2.3" must be an IPv4 address
clusterd: --service-cluster-ip-range: "10.0.0.0/31" must be a range of 4 addresses or more, as 10.96.0.0/12, or one of each IP family, as 10.96.0.0/12,fd00:10:96::/112
clusterd: --anonymous-auth: "maybe" must be true or false
clusterd: --authorization-mode: "ABAC" is unknown; there are RBAC, Node, AlwaysAllow, AlwaysDeny
clusterd: --container-runtime: "rkt" is unknown; there are native, docker, containerd, cri-o
clusterd: --horizontal-pod-autoscaler-sync-period: "0s" must be at least 1s
clusterd: --horizontal-pod-autoscaler-tolerance: "-0.5" must be a number from 0 to 10, as 0.1
clusterd: --tls-private-key-file needs --tls-cert-file
clusterd: --no-node and --components=node exclude each other' \
  --no-node --secure-port 65536 --foo --bind-address=1.2.3 --service-cluster-ip-range 10.0.0.0/31 \
  --anonymous-auth=maybe --authorization-mode RBAC,ABAC --components=node --tls-private-key-file k \
  --container-runtime rkt --horizontal-pod-autoscaler-sync-period 0s --horizontal-pod-autoscaler-tolerance=-0.5 zzz
echo '{"serviceCIDR":"fd00:10:96::/112,10.96.0.0/12"}' >"$work/cluster.json"
refuses "a node's families" "clusterd: --service-cluster-ip-range and --cluster-cidr of a machine with a node must begin with the IPv4 range" \
  --config "$work/cluster.json"
refuses "neither a machine nor alone" 'clusterd: --config or --no-node must be given'
refuses "an option without its value" 'clusterd: --data-dir needs a value' --no-node --data-dir
echo '{"apiPort":"x","dnsIP":7,"nodeIP":"a"}' >"$work/cluster.json"
refuses "cluster.json" "clusterd: $work/cluster.json: apiPort must be a number
clusterd: $work/cluster.json: nodeIP: \"a\" must be an IPv4 address
clusterd: $work/cluster.json: dnsIP must be a string" --config "$work/cluster.json"
"$CLUSTERD" --no-node --foo 2>/dev/null
is "status of a usage error" "$?" 14
like "help" "$("$CLUSTERD" --help)" "*--secure-port PORT*\[6443\]*--token-auth-file FILE*"
like "the man page" "$("$CLUSTERD" man-page)" "*.TH CLUSTERD 8*secure*port*"
is "every option is in the man page" \
  "$("$CLUSTERD" --help | sed -n 's/^  --\([a-z-]*\).*/\1/p' | while read -r option; do
    "$CLUSTERD" man-page | tr -d '\\' | grep -q "^\.B --$option" || echo "$option"
  done)" ""

echo 'abc,alice,u1,"dev,ops"
"q""x",bob,u2
' >"$work/tokens"
printf 'abc,alice\n' >"$work/bad-tokens"
"$CLUSTERD" --no-node --data-dir "$work/none" --secure-port 0 --token-auth-file "$work/bad-tokens" 2>"$work/bad.log"
like "a bad token file" "$?:$(cat "$work/bad.log")" \
  "18:*must have at least 3 columns (token, user name, user uid), found 2 in record 1*"

# status TOKEN: the code of a list of pods
status() {
  curl -s -o /dev/null -w '%{http_code}' --cacert "$work/pki/ca.crt" -H "Authorization: $1" \
    "https://127.0.0.1:$port${2:-/api/v1/pods}"
}

start_cluster --token-auth-file "$work/tokens" --anonymous-auth=false --service-cluster-ip-range 10.8.0.0/24 \
  --write-kubeconfig "$work/copy.conf" --service-account-issuer https://issuer.example
is "the kubeconfig asked for" "$(cmp "$work/copy.conf" "$work/pki/admin.conf" && stat -c %a "$work/copy.conf")" "600"
is "who am I" "$("$KUBECTL" --kubeconfig "$work/copy.conf" auth whoami -o 'jsonpath={.status.userInfo.username}')" \
  "admin"
is "service range" "$(k get svc kubernetes -o 'jsonpath={.spec.clusterIP}')" "10.8.0.1"
is "token" "$(k --token abc auth whoami -o 'jsonpath={.status.userInfo}' --client-certificate= --client-key= \
  --kubeconfig /dev/null --server "https://127.0.0.1:$port" --certificate-authority "$work/pki/ca.crt")" \
  '{"groups":["dev","ops","system:authenticated"],"uid":"u1","username":"alice"}'
is "token not allowed" "$(status 'Bearer abc')" "403"
is "token with a quote" "$(status 'Bearer q"x')" "403"
is "wrong token" "$(status 'Bearer abcd')" "401"
is "anonymous is not let in" "$(status 'Basic abc')" "401"
is "issuer" "$(k get --raw /.well-known/openid-configuration | sed 's/.*"issuer":"\([^"]*\)".*/\1/')" \
  "https://issuer.example"
sum=$(sha256sum "$work/pki/ca.crt" "$work/pki/admin.crt" "$work/pki/apiserver.crt" "$work/pki/sa.key")
restart_cluster TERM
is "a second start keeps the keys" "$(sha256sum "$work/pki/ca.crt" "$work/pki/admin.crt" "$work/pki/apiserver.crt" \
  "$work/pki/sa.key")" "$sum"
ends_cleanly

server_options=(--authorization-mode=AlwaysDeny --advertise-address 192.0.2.7)
: >"$work/events"
run_server
like "AlwaysDeny" "$(request GET /api/v1/pods --cert "$work/pki/bob.crt" --key "$work/pki/bob.key")" \
  '*"pods is forbidden: User \\"bob\\" cannot list resource \\"pods\\" in API group \\"\\" at the cluster scope"*403'
is "system:masters may" "$(k get ns default -o name)" "namespace/default"
is "advertised" "$(k get endpoints kubernetes -o 'jsonpath={.subsets[0].addresses[0].ip}')" "192.0.2.7"
is "the serving certificate follows" "$(openssl x509 -in "$work/pki/apiserver.crt" -noout -checkip 192.0.2.7)" \
  "IP 192.0.2.7 does match certificate"
ends_cleanly

server_options=(--authorization-mode=RBAC --authorization-mode=AlwaysAllow --tls-cert-file "$work/own.crt"
  --tls-private-key-file "$work/own.key")
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -keyout "$work/own.key" -out "$work/own.crt" \
  -subj /CN=own -addext subjectAltName=IP:127.0.0.1 2>/dev/null
: >"$work/events"
run_server
is "AlwaysAllow after RBAC, a certificate of one's own" \
  "$("$KUBECTL" --kubeconfig "$work/admin.conf" --as nobody get secrets 2>&1)" "No resources found in default namespace."
# replaced files are served with at once
served() {
  openssl s_client -connect "127.0.0.1:$port" </dev/null 2>/dev/null | openssl x509 -noout "$@" 2>&1
}
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -keyout "$work/new.key" -out "$work/new.crt" \
  -subj /CN=new -addext subjectAltName=IP:127.0.0.1 2>/dev/null
mv "$work/new.key" "$work/own.key"
mv "$work/new.crt" "$work/own.crt"
until_is "new certificates without a restart" "subject=CN = new" served -subject
ends_cleanly

# what is near its end is made anew, without a restart
server_options=()
: >"$work/events"
run_server
openssl req -new -key "$work/pki/apiserver.key" -subj /CN=old 2>/dev/null |
  openssl x509 -req -CA "$work/pki/ca.crt" -CAkey "$work/pki/ca.key" -CAcreateserial -days 10 -out "$work/old.crt" 2>/dev/null
mv "$work/old.crt" "$work/pki/apiserver.crt"
until_is "and renewed in time" "Certificate will not expire" served -checkend $((300 * 86400))
is "as the cluster's own" "$(served -subject)" "subject=CN = kube-apiserver"
ends_cleanly

server_options=("--authorization-mode=Node,RBAC")
: >"$work/events"
run_server
node() { "$KUBECTL" --kubeconfig "$work/admin.conf" --as system:node:n1 --as-group system:nodes "$@" 2>&1; }
k create -f - >/dev/null <<END
{"apiVersion":"v1","kind":"List","items":[
 {"apiVersion":"v1","kind":"Node","metadata":{"name":"n1"}}, {"apiVersion":"v1","kind":"Node","metadata":{"name":"n2"}},
 {"apiVersion":"v1","kind":"ServiceAccount","metadata":{"name":"default","namespace":"default"}},
 {"apiVersion":"v1","kind":"ServiceAccount","metadata":{"name":"other","namespace":"default"}},
 {"apiVersion":"v1","kind":"Secret","metadata":{"name":"used","namespace":"default"}},
 {"apiVersion":"v1","kind":"Secret","metadata":{"name":"mounted","namespace":"default"}},
 {"apiVersion":"v1","kind":"Secret","metadata":{"name":"unused","namespace":"default"}},
 {"apiVersion":"v1","kind":"Pod","metadata":{"name":"p","namespace":"default"},"spec":{"nodeName":"n1",
  "volumes":[{"name":"v","secret":{"secretName":"mounted"}}],
  "containers":[{"name":"c","image":"i","envFrom":[{"secretRef":{"name":"used"}}]}]}}]}
END
is "a node reads what its pods need" "$(node get secret used mounted -o name | tr '\n' ' ')" "secret/used secret/mounted "
is "and nothing else" "$(node get secret unused)" \
  "Error from server (Forbidden): secrets \"unused\" is forbidden: User \"system:node:n1\" cannot get resource \"secrets\" in API group \"\" in the namespace \"default\": no relationship found between node 'n1' and this object"
like "not all of them" "$(node get secrets)" "*secrets is forbidden:*no relationship found between node 'n1' and this object"
is "its own node" "$(node get node n1 -o name)" "node/n1"
like "no other" "$(node get node n2)" "*node 'n1' cannot read 'n2', only its own Node object"
is "its pods" "$(node get pods -A --field-selector spec.nodeName=n1 -o name)" "pod/p"
like "not all" "$(node get pods -A)" "*can only list/watch pods with spec.nodeName field selector"
is "a token for its pod's account" "$(node create token default --bound-object-kind Pod --bound-object-name p \
  --bound-object-uid "$(node get pod p -o 'jsonpath={.metadata.uid}')" >/dev/null && echo made)" "made"
like "for no other" "$(node create token other)" "*no relationship found between node 'n1' and this object"
done_testing
