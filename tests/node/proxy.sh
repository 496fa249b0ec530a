#!/bin/bash
# The corners of services, host ports, and that a pod sends in no other's name.
# shellcheck source-path=SCRIPTDIR source=network-harness.bash
. "$(dirname "$0")/network-harness.bash"

# make_pod NAME [PORTS]
make_pod() {
  make_web_pod "$1" "${2:-}"
}

# make_service NAME SPEC: in YAML's flow style, without braces; without a selector
make_service() {
  k apply -f - >/dev/null <<END_OF_SERVICE
apiVersion: v1
kind: Service
metadata: {name: $1}
spec: {ports: [{port: 80}], $2}
END_OF_SERVICE
}

# make_slice SERVICE ENDPOINTS [PORT]
make_slice() {
  slice_port='{name: "", port: 80}'
  k apply -f - >/dev/null <<END_OF_SLICE
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: $1-1, labels: {kubernetes.io/service-name: $1}}
addressType: IPv4
ports: [${3:-$slice_port}]
endpoints: [$2]
END_OF_SLICE
}

address_of() {
  k get pod "$1" -o 'jsonpath={.status.podIP}'
}

start_cluster
load_busybox
machine_outside
ip route add default via 10.99.0.1
until_is "the service account" "default" k get serviceaccount default -o 'jsonpath={.metadata.name}'
host_ports='{containerPort: 80, hostPort: 8080}, {name: b, containerPort: 80, hostPort: 8081, hostIP: 10.99.0.2}, {name: c, containerPort: 80, hostPort: 8082, hostIP: 127.0.0.1}, {name: u, containerPort: 5353, hostPort: 5300, protocol: UDP}'
make_pod one "$host_ports"
make_pod two
k wait --for=condition=Ready pod/one pod/two --timeout=60s >/dev/null
one=$(address_of one)
two=$(address_of two)

# --- node ports on the loopback address
make_service node 'type: NodePort, selector: {app: web}'
port=$(field node 'ports[0].nodePort')
until_is "a node port on 127.0.0.1" "one two" several from_node "127.0.0.1:$port"
k patch service node -p '{"spec":{"externalTrafficPolicy":"Local"}}' >/dev/null
until_is "with policy Local, too" "one two" several from_node "127.0.0.1:$port"
nsenter -t "$outside" -n ip route add 127.0.0.9/32 via 10.99.0.2
nsenter -t "$outside" -n sysctl -qw net.ipv4.conf.all.route_localnet=1
python3 -c "
import http.server
http.server.ThreadingHTTPServer(('127.0.0.9', 9999), http.server.SimpleHTTPRequestHandler).serve_forever()" 2>/dev/null &
loopback_server=$!
wait_until "somebody listens on a loopback address" curl -s -o /dev/null 127.0.0.9:9999
is "no loopback address is reached from outside" \
  "$(said_by_curl nsenter -t "$outside" -n curl -s -m 2 --interface uplink http://127.0.0.9:9999)" nothing
kill "$loopback_server"

# --- where a load balancer's clients come from
make_service balanced 'type: LoadBalancer, selector: {app: web}, loadBalancerSourceRanges: [10.99.0.0/24]'
k delete service node >/dev/null
until_is "clients of the ranges" "one two" several from_outside 10.99.0.2
k patch service balanced -p '{"spec":{"loadBalancerSourceRanges":["192.0.2.0/24"]}}' >/dev/null
until_is "others are not let in" nothing from_outside 10.99.0.2
is "but to the node port" "$(several from_outside "10.99.0.2:$(field balanced 'ports[0].nodePort')")" "one two"
k delete service balanced >/dev/null

# --- which endpoints
make_service chosen 'type: NodePort, externalTrafficPolicy: Local'
chosen=$(field chosen clusterIP)
port=$(field chosen 'ports[0].nodePort')
ready() {
  echo "{addresses: [$1], nodeName: ${2:-node1}, conditions: {ready: true, serving: true, terminating: false}}"
}
ending="{addresses: [$one], nodeName: node1, conditions: {ready: false, serving: true, terminating: true}}"
failed="{addresses: [$two], nodeName: node1, conditions: {ready: false, serving: false, terminating: false}}"
make_slice chosen "$ending, $failed"
until_is "one that ends while there is no other" one several from_node "$chosen"
is "by the node port as well" "$(several from_outside "10.99.0.2:$port")" one
make_slice chosen "$ending, $(ready "$two")"
until_is "then the other" two several from_node "$chosen"
make_slice chosen "$(ready "$one"), $(ready "$two" elsewhere)"
until_is "policy Local takes those of this node" one several from_outside "10.99.0.2:$port"
is "for the cluster's own address all count" "$(several from_node "$chosen")" "one two"
make_slice chosen "$(ready "$two" elsewhere)"
until_is "without any here it drops" nothing from_outside "10.99.0.2:$port"
k patch service chosen -p '{"spec":{"internalTrafficPolicy":"Local"}}' >/dev/null
until_is "as it does inside with that policy" nothing from_node "$chosen"
k patch service chosen -p '{"spec":{"internalTrafficPolicy":"Cluster"}}' >/dev/null
until_is "and without it not" two from_node "$chosen"
k label service chosen service.kubernetes.io/service-proxy-name=other >/dev/null
until_is "another proxy's service is left alone" nothing from_node "$chosen"
k label service chosen service.kubernetes.io/service-proxy-name- >/dev/null
until_is "until it is ours" two from_node "$chosen"
k delete service chosen >/dev/null

# --- a client is forgotten when its time is over
make_service brief 'selector: {app: web}, sessionAffinity: ClientIP, sessionAffinityConfig: {clientIP: {timeoutSeconds: 1}}'
brief=$(field brief clusterIP)
remembered() {
  nft list ruleset | grep -c ' expires '
}
ask_brief() {
  from_node "$brief" >>"$work/brief"
  for _ in $(seq 200); do
    [ "$(remembered)" != 0 ] || break
    sleep 0.1
  done
  sort -u "$work/brief" | grep -v refused | paste -sd ' '
}
until_is "after its time a client may get another endpoint" "one two" ask_brief
k delete service brief >/dev/null

# --- SCTP: the head of an INIT by hand, for not every kernel speaks it
make_service sctp 'clusterIP: 10.96.0.132'
k patch service sctp --type=merge -p '{"spec":{"ports":[{"port":7,"protocol":"SCTP"}]}}' >/dev/null
make_slice sctp "$(ready "$one")" '{name: "", port: 7777, protocol: SCTP}'
: >"$work/sctp"
in_pod "$one" python3 -c "
import socket, struct
s = socket.socket(socket.AF_INET, socket.SOCK_RAW, 132)
s.bind(('$one', 0))
with open('$work/sctp', 'w', buffering=1) as out:
    print('listens', file=out)
    while True:
        packet = s.recv(1000)
        print(*struct.unpack('!HH', packet[20:24]), file=out)" &
receiver=$!
wait_until "somebody listens" test -s "$work/sctp"
send_sctp() {
  python3 -c "
import socket, struct
s = socket.socket(socket.AF_INET, socket.SOCK_RAW, 132)
s.connect(('10.96.0.132', 0))
s.send(struct.pack('!HHII', 40000, 7, 0, 0) + struct.pack('!BBHIIHHI', 1, 0, 20, 7, 65536, 1, 1, 7))"
  sed -n '2s/.* //p' "$work/sctp"
}
until_is "a service of SCTP" 7777 send_sctp
kill "$receiver"

# --- host ports
is "a host port" "$(from_outside 10.99.0.2:8080)" one
is "keeps the client's address" "$(from_outside 10.99.0.2:8080/cgi-bin/from)" "[::ffff:10.99.0.1]"
is "is open on 127.0.0.1" "$(from_node 127.0.0.1:8080)" one
is "and to its own pod" "$(k exec one -- timeout 5 wget -q -O - http://10.99.0.2:8080)" one
is "one of an address" "$(from_outside 10.99.0.2:8081) $(from_node 127.0.0.1:8081)" "one refused"
is "one of the loopback address" "$(from_node 127.0.0.1:8082) $(from_outside 10.99.0.2:8082)" "one refused"
make_pod three '{containerPort: 80, hostPort: 8080}'
until_is "a second pod with the port waits" \
  "0/1 nodes are available: 1 node(s) didn't have free ports for the requested pod ports. preemption: 0/1 nodes are available: 1 No preemption victims found for incoming pod." \
  k get pod three -o 'jsonpath={.status.conditions[?(@.type=="PodScheduled")].message}'
k delete pod three --now >/dev/null
serve_udp() {
  in_pod "$1" python3 -c "
import socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind(('', 5353))
while True:
    data, client = s.recvfrom(100)
    s.sendto(b'$2', client)" &
}
ask_udp() {
  nsenter -t "$outside" -n "$here/ask-udp.py" 10.99.0.2 5300
}
serve_udp "$one" first
udp_server=$!
until_is "one of UDP" first ask_udp
kill "$udp_server"
k delete pod one --now >/dev/null
make_pod one "$host_ports"
k wait --for=condition=Ready pod/one --timeout=60s >/dev/null
one=$(address_of one)
serve_udp "$one" second
udp_server=$!
until_is "whose client follows to the next pod" second ask_udp
kill "$udp_server"

# --- in no other's name
: >"$work/senders"
python3 -c "
import socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind(('10.99.0.2', 5999))
with open('$work/senders', 'w', buffering=1) as out:
    print('listens', file=out)
    while True:
        print(s.recvfrom(100)[1][0], file=out)" &
receiver=$!
wait_until "somebody listens" test -s "$work/senders"
in_pod "$one" python3 -c "
import socket, struct
def send(source):
    head = struct.pack('!BBHHHBBH4s4s', 0x45, 0, 0, 0, 0, 64, 17, 0, socket.inet_aton(source), socket.inet_aton('10.99.0.2'))
    s.sendto(head + struct.pack('!HHHH', 5999, 5999, 9, 0) + b'x', ('10.99.0.2', 0))
s = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
for source in ('$two', '10.244.0.1', '10.99.0.1', '10.99.0.2', '10.244.0.99', '8.8.8.8', '$one'):
    send(source)"
wait_until "a pod's own packet comes" grep -q "^$one$" "$work/senders"
is "those in another name do not" "$(sed 1d "$work/senders" | paste -sd ' ')" "$one"
# ARP that claims another pod's address
in_pod "$one" python3 -c "
import socket, struct
own = b'\\x0a\\x58\\x00\\x00\\x00\\x66'
s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
s.bind(('eth0', 0))
s.send(b'\\xff' * 6 + own + b'\\x08\\x06' + struct.pack('!HHBBH6s4s6s4s', 1, 0x800, 6, 4, 2, own, socket.inet_aton('$two'), b'\\xff' * 6, socket.inet_aton('$two')))"
is "nor does its claim of another's address count" "$(from_node "$two")" two
kill "$receiver"
k delete pod --all --now >/dev/null
kill "$outside"
wait "$outside" 2>/dev/null
done_testing
