#!/bin/bash
# Cluster DNS, asked by the resolvers that pods have: glibc's, musl's, and BIND's tools; behind it real nameservers.
# shellcheck source-path=SCRIPTDIR source=node-harness.sh
for program in dig host nslookup dnsmasq musl-gcc getent; do
  command -v "$program" >/dev/null || { echo "1..0 # SKIP $program is missing"; exit 0; }
done
COMPONENTS=controllers,dns
. "$(dirname "$0")/node-harness.sh"

zone=svc.cluster.local
printf 'nameserver 10.96.0.10\nsearch default.%s %s cluster.local\noptions ndots:5\n' $zone $zone >"$work/pod.conf"
printf 'nameserver 127.0.0.2\n' >"$work/node.conf"

# as_pod COMMAND...: with a pod's resolv.conf
# shellcheck disable=SC2016 # the inner shell expands
as_pod() {
  unshare --mount sh -c 'mount --bind "$1" /etc/resolv.conf && shift && exec "$@"' sh "$work/pod.conf" "$@"
}

# the addresses that glibc and musl find, sorted, in one line
glibc() {
  as_pod getent ahosts "$1" | awk '{ print $1 }' | sort -u -V | paste -sd ' '
}

musl() {
  as_pod "$work/resolve" "$1" | sort -u -V | paste -sd ' '
}

ask() {
  dig @10.96.0.10 +time=20 +tries=1 "$@"
}

short() {
  ask +short "$@" | sort -V | paste -sd ' '
}

# what_of PATTERN ARGUMENTS OF DIG: the first group of the pattern in what dig prints
what_of() {
  ask "${@:2}" | sed -nE "s/.*$1.*/\\1/p" | head -n 1
}

status() {
  what_of 'status: ([A-Z]+),' "$@"
}

# slice NAME SERVICE ADDRESS...: the endpoints of a service without a selector
slice() {
  {
    printf 'apiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\naddressType: IPv4\n'
    printf 'metadata: {name: %s, labels: {kubernetes.io/service-name: %s}}\n' "$1" "$2"
    printf 'ports: [{name: pg, port: 5432, protocol: TCP}]\nendpoints:\n'
    printf -- '- {addresses: ["%s"]}\n' "${@:3}"
  } | k apply -f - >/dev/null
}

corefile() {
  k create configmap coredns -n kube-system --from-literal="Corefile=$1" --dry-run=client -o json | k apply -f - >/dev/null 2>&1
}

nameserver() {
  dnsmasq --keep-in-foreground --conf-file=/dev/null --no-resolv --no-hosts --bind-interfaces --user=root --pid-file= \
    --port=53 "$@" 2>>"$work/dnsmasq.log" &
  servers+=($!)
}

musl-gcc -static -Os -o "$work/resolve" "$G_TEST_SRCDIR/tests/node/resolve.c" || skip_all "musl-gcc does not work"
mount --bind "$work/node.conf" /etc/resolv.conf
servers=()
big=$(printf 'x%.0s' {1..200})
nameserver --listen-address=127.0.0.2 --address=/#/ --host-record=www.example.org,192.0.2.80 --txt-record=big.example.org,"$big","$big","$big","$big","$big","$big","$big","$big" \
  --cname=alias.example.org,real.example.org --host-record=real.example.org,192.0.2.7,2001:db8::7
nameserver --listen-address=127.0.0.3 --address=/#/ --host-record=www.stub.test,192.0.2.3 --host-record=new.stub.test,192.0.2.3
start_cluster

k create service clusterip web --tcp=80 >/dev/null
web=$(k get service web -o 'jsonpath={.spec.clusterIP}')
k create service clusterip db --clusterip=None >/dev/null
k create service externalname outside --external-name=real.example.org >/dev/null
k create service externalname moved --external-name="web.default.$zone" >/dev/null
mapfile -t many < <(seq -f '10.244.1.%g' 100)
slice db-1 db "${many[@]}"
until_is "a service" "$web" short "web.default.$zone"
until_is "a headless service" 100 sh -c "dig @10.96.0.10 +short db.default.$zone | wc -l"

# --- pods that say who they are, and the other family
k create serviceaccount default >/dev/null 2>&1
k apply -f - >/dev/null <<'END_OF_PODS'
apiVersion: v1
kind: Pod
metadata: {name: busybox1, labels: {name: busybox}}
spec: {hostname: busybox-1, subdomain: busybox-subdomain, automountServiceAccountToken: false, containers: [{name: main, image: busybox}]}
---
apiVersion: v1
kind: Service
metadata: {name: busybox-subdomain}
spec: {clusterIP: None, selector: {name: busybox}, ports: [{name: foo, port: 1234}]}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
addressType: IPv6
metadata: {name: db-6, labels: {kubernetes.io/service-name: db}}
ports: [{name: pg, port: 5432, protocol: TCP}]
endpoints: [{addresses: ["fd00:1::7"]}]
END_OF_PODS
# pod_status READY
pod_status() {
  k patch pod busybox1 --subresource=status -p "{\"status\":{\"phase\":\"Running\",\"podIP\":\"10.244.9.9\",\"podIPs\":[{\"ip\":\"10.244.9.9\"}],\"conditions\":[{\"type\":\"Ready\",\"status\":\"$1\"}]}}" >/dev/null
}
pod=busybox-1.busybox-subdomain.default.$zone
pod_status True
until_is "a pod with a hostname and a subdomain" 10.244.9.9 short "$pod"
is "its port" "$(short SRV "_foo._tcp.busybox-subdomain.default.$zone")" "0 100 1234 $pod."
is "its address' name" "$(short -x 10.244.9.9)" "$pod."
pod_status False
until_is "one that is not ready is not there" NXDOMAIN status "$pod"
k patch service busybox-subdomain -p '{"spec":{"publishNotReadyAddresses":true}}' >/dev/null
until_is "unless the service says so" 10.244.9.9 short "$pod"
is "an IPv6 endpoint" "$(short AAAA "db.default.$zone")" fd00:1::7
is "its own name" "$(short AAAA "fd00-1--7.db.default.$zone")" fd00:1::7
is "and the name of its address" "$(short -x fd00:1::7)" "fd00-1--7.db.default.$zone."
k delete endpointslice db-6 >/dev/null

# --- BIND's tools
is "over TCP" "$(short +tcp "web.default.$zone")" "$web"
is "in any case" "$(short "WEB.Default.$zone")" "$web"
is "no IPv6 address is no answer, not a name that is not there" "$(status AAAA "web.default.$zone")" NOERROR
is "a name that is not there" "$(status "nobody.default.$zone")" NXDOMAIN
like "with the zone's authority" "$(ask "nobody.default.$zone" | grep SOA)" "cluster.local.*30*IN*SOA*ns.dns.cluster.local. hostmaster.cluster.local. *30"
is "a named port" "$(short SRV "_80._tcp.web.default.$zone")" "0 100 80 web.default.$zone."
is "with its address" "$(what_of "^web.*IN\s+A\s+(.*)" SRV "_80._tcp.web.default.$zone")" "$web"
is "the name of an address" "$(short -x "$web")" "web.default.$zone."
is "and of an endpoint" "$(short -x 10.244.1.7)" "10-244-1-7.db.default.$zone."
is "the endpoint's own name" "$(short "10-244-1-7.db.default.$zone")" 10.244.1.7
is "a pod's name" "$(short 10-1-2-3.default.pod.cluster.local)" 10.1.2.3
is "the version of the specification" "$(short TXT dns-version.cluster.local)" '"1.1.0"'
is "any type" "$(status ANY "web.default.$zone")" NOERROR
is "another class" "$(status CH TXT version.bind)" REFUSED
is "another operation" "$(status +opcode=status .)" NOTIMP
is "an EDNS version that is none" "$(status +edns=1 +noednsnegotiation "web.default.$zone")" BADVERS
is "options and padding are passed over" "$(short +padding=128 +cookie +nsid "web.default.$zone")" "$web"
like "an answer that is cut off" "$(what_of 'flags: ([a-z ]+);' +ignore +noedns "db.default.$zone")" "*tc*"
is "is as long as the client takes" "$(what_of 'ANSWER: ([0-9]+),' +ignore +noedns "db.default.$zone")" 29
is "or as fits in one packet" "$(what_of 'ANSWER: ([0-9]+),' +ignore +bufsize=4096 "db.default.$zone")" 73
is "and whole over TCP" "$(what_of 'ANSWER: ([0-9]+),' "db.default.$zone")" 100
is "SRV records of many endpoints" "$(what_of 'ANSWER: ([0-9]+),' +tcp SRV "_pg._tcp.db.default.$zone")" 100
is "several questions on one connection" "$(ask +keepopen +tcp +short "web.default.$zone" "moved.default.$zone" A | sort -u | paste -sd ' ')" "$web web.default.$zone."
like "host" "$(as_pod host web)" "web.default.$zone has address $web*"
like "nslookup" "$(as_pod nslookup outside)" "*canonical name = real.example.org.*192.0.2.7*2001:db8::7*"

# --- nameservers
is "a name outside" "$(short www.example.org)" 192.0.2.80
is "another from the cache, with less time" "$(short www.example.org)" 192.0.2.80
is "more than fits in a datagram, from the nameserver by TCP" "$(short +tcp TXT big.example.org | wc -c)" 1624
is "an alias that leads outside" "$(short "outside.default.$zone" | tr ' ' '\n' | sort -V | paste -sd ' ')" "192.0.2.7 real.example.org."
is "an alias within" "$(short "moved.default.$zone")" "$web web.default.$zone."

# --- glibc and musl, with search domains
for libc in glibc musl; do
  is "$libc: a short name" "$($libc web)" "$web"
  is "$libc: with the namespace" "$($libc web.default)" "$web"
  is "$libc: the whole name" "$($libc "web.default.$zone.")" "$web"
  is "$libc: a name outside, through all search domains" "$($libc www.example.org)" 192.0.2.80
  is "$libc: both families of an alias" "$($libc outside)" "192.0.2.7 2001:db8::7"
  is "$libc: an alias within" "$($libc moved)" "$web"
done
is "glibc: a hundred endpoints, by TCP" "$(glibc db | wc -w)" 100
is "musl: as many as it takes" "$(musl db | wc -w | awk '{ print ($1 >= 20) }')" 1
is "glibc: the name of an address" "$(as_pod getent hosts "$web" | awk '{ print $2 }')" "web.default.$zone"
like "musl: a name that is not there" "$(as_pod "$work/resolve" nobody)" "Name does not resolve"
# two questions from one socket at once, again and again
racing() {
  seq 200 | as_pod xargs -P8 -I{} getent ahostsv4 "$1" | awk '$2 == "STREAM" { print $1 }' | sort | uniq -c | xargs
}
is "many at once" "$(racing outside)" "200 192.0.2.7"
is "also of the cluster" "$(racing web)" "200 $web"

# --- changes
k delete service web >/dev/null
until_is "a service that is gone is gone at once" NXDOMAIN status "web.default.$zone"
slice db-1 db 10.244.1.1 10.244.1.2
until_is "so are endpoints" "10.244.1.1 10.244.1.2" short "db.default.$zone"
printf 'nameserver 127.0.0.3\n' >"$work/node.conf"
until_is "the machine has other nameservers" 192.0.2.3 short www.stub.test
printf 'nameserver 127.0.0.2\n' >"$work/node.conf"
until_is "and those before" 192.0.2.80 short www.example.org

# --- configuration
like "the Corefile is there to be edited" "$(k get configmap coredns -n kube-system -o 'jsonpath={.data.Corefile}')" ".:53 {*kubernetes cluster.local*"
corefile '.:53 {
    errors
    kubernetes cluster.local in-addr.arpa ip6.arpa {
       pods insecure
       fallthrough in-addr.arpa ip6.arpa
    }
    rewrite name shop.test 10-244-1-1.db.default.svc.cluster.local
    hosts {
       10.11.12.13 printer.lan
       fallthrough
    }
    forward . /etc/resolv.conf
    cache 30
}
stub.test:53 {
    forward . 127.0.0.3
}'
until_is "a stub domain" 192.0.2.3 short www.stub.test
is "a host of the file" "$(short printer.lan)" 10.11.12.13
is "and its reverse" "$(short -x 10.11.12.13)" printer.lan.
is "a name that stands for another" "$(glibc shop.test)" 10.244.1.1
is "for musl, too" "$(musl shop.test)" 10.244.1.1
is "what is not in the stub domain goes on" "$(short www.example.org)" 192.0.2.80
corefile '.:53 {
    errors
    forwrad . 127.0.0.3
}'
events() {
  k get events -n kube-system --field-selector "reason=$1,involvedObject.name=coredns" -o 'jsonpath={.items[*].message}'
}
until_is "a mistake is told with its line" "Corefile:3: Unknown directive 'forwrad'; what was in force stays" events InvalidCorefile
is "and changes nothing" "$(short www.stub.test)" 192.0.2.3
corefile '.:53 {
    forward . 127.0.0.3
    kubernetes cluster.local in-addr.arpa {
       pods verified
       endpoint_pod_names
    }
}'
until_is "put right, it counts" 192.0.2.3 short new.stub.test
is "a pod's address, when there is such a pod" "$(short 10-244-9-9.default.pod.cluster.local)" 10.244.9.9
is "and none when there is not" "$(status 10-244-9-8.default.pod.cluster.local)" NXDOMAIN
is "reverse names end here when the file says so" "$(status -x 192.0.2.3)" NXDOMAIN
k delete configmap coredns -n kube-system >/dev/null
until_is "without it all is as at first" 192.0.2.80 short www.example.org
restart_cluster KILL
until_is "killed and started again, it answers" "10.244.1.1 10.244.1.2" short "db.default.$zone"
like "and the Corefile is there again" "$(k get configmap coredns -n kube-system -o 'jsonpath={.data.Corefile}')" ".:53 {*"
kill "${servers[@]}"
wait "${servers[@]}" 2>/dev/null
done_testing
