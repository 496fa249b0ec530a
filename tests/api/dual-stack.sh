#!/bin/bash
# shellcheck disable=SC2034,SC2154 # harness.sh reads and sets them
# A cluster whose services have addresses of both IP families, as those ask for them.
COMPONENTS=controllers
. "$(dirname "$0")/harness.sh"
start_cluster --service-cluster-ip-range 10.96.0.0/24,fd00:10:96::/112 --cluster-cidr 10.244.0.0/24,fd00:10:244::/64

# make NAME SPEC: in YAML's flow style, without braces
make() {
  k apply -f - 2>&1 <<END_OF_SERVICE | sed 's/^Error from server ([A-Za-z]*): error when creating "STDIN": //'
apiVersion: v1
kind: Service
metadata: {name: $1}
spec: {selector: {app: web}, ports: [{port: 80}]${2:+, $2}}
END_OF_SERVICE
}

# field NAME PATH
field() {
  k get service "$1" -o "jsonpath={.spec.$2}"
}

# families NAME: the policy, the families, and the families of the addresses
families() {
  echo "$(field "$1" ipFamilyPolicy) $(field "$1" 'ipFamilies[*]') $(field "$1" 'clusterIPs[*]' | tr ' ' '\n' |
    sed 's/^10\.96\.0\..*/4/; s/^fd00:10:96::.*/6/' | paste -sd ' ')"
}

make plain >/dev/null
is "a service that asks for nothing has one family" "$(families plain)" "SingleStack IPv4 4"
make six 'ipFamilies: [IPv6]' >/dev/null
is "or the one it asks for" "$(families six)" "SingleStack IPv6 6"
make both 'ipFamilyPolicy: PreferDualStack' >/dev/null
is "both" "$(families both)" "PreferDualStack IPv4 IPv6 4 6"
is "clusterIP is the first" "$(field both clusterIP)" "$(field both 'clusterIPs[0]')"
make turned 'ipFamilyPolicy: RequireDualStack, ipFamilies: [IPv6, IPv4]' >/dev/null
is "in the order it asks for" "$(families turned)" "RequireDualStack IPv6 IPv4 6 4"
make named 'ipFamilyPolicy: RequireDualStack, clusterIP: 10.96.0.77, clusterIPs: [10.96.0.77, "fd00:10:96::77"]' >/dev/null
is "addresses it names" "$(field named 'clusterIPs[*]')" "10.96.0.77 fd00:10:96::77"
is "an address is given once" "$(make again 'clusterIP: "fd00:10:96::77"')" \
  'The Service "again" is invalid: spec.clusterIPs: Invalid value: []string{"fd00:10:96::77"}: failed to allocate IP fd00:10:96::77: provided IP is already allocated'
is "of the range" "$(make again 'clusterIP: "fd00:10:97::1"')" \
  'The Service "again" is invalid: spec.clusterIPs: Invalid value: []string{"fd00:10:97::1"}: failed to allocate IP fd00:10:97::1: the provided IP (fd00:10:97::1) is not in the valid range. The range of valid IPs is fd00:10:96::/112'
k patch service plain -p '{"spec":{"ipFamilyPolicy":"RequireDualStack"}}' >/dev/null
is "one becomes two" "$(families plain)" "RequireDualStack IPv4 IPv6 4 6"
k patch service plain -p '{"spec":{"ipFamilyPolicy":"SingleStack"}}' >/dev/null
is "and one again" "$(families plain)" "SingleStack IPv4 4"
k delete service named >/dev/null
make again 'clusterIP: "fd00:10:96::77"' >/dev/null
is "what a service had is free after it" "$(families again)" "SingleStack IPv6 6"
is "kubernetes has the first family" "$(families kubernetes)" "SingleStack IPv4 4"
like "describe shows both" "$(k describe service both)" "*IP Family Policy: *PreferDualStack*IP Families: *IPv4,IPv6*"
slice_families() {
  k get endpointslices -l kubernetes.io/service-name=both -o 'jsonpath={range .items[*]}{.addressType}{"\n"}{end}' |
    sort | paste -sd ' '
}
until_is "endpoint slices of both" "IPv4 IPv6" slice_families
k apply -f - >/dev/null <<END_OF_NODE
apiVersion: v1
kind: Node
metadata: {name: other}
END_OF_NODE
until_is "nodes get ranges of both" "10.244.0.0/24 10.244.0.0/24 fd00:10:244::/64" \
  k get node other -o 'jsonpath={.spec.podCIDR} {.spec.podCIDRs[*]}'
done_testing
