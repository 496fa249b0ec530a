#!/bin/bash
# A node whose pods have addresses of both IP families: pods, services, host ports and policies over IPv6.
# shellcheck source-path=SCRIPTDIR source=network-harness.bash
. "$(dirname "$0")/network-harness.bash"
[ -e /proc/sys/net/ipv6 ] || skip_all "no IPv6 here"

# make_pod NAME [MORE]: it serves on both families. MORE of its port
make_pod() {
  make_web_pod "$1" "{name: http, containerPort: 80${2:+, $2}}" \
    '{name: IPS, valueFrom: {fieldRef: {fieldPath: status.podIPs}}}, {name: HOSTS, valueFrom: {fieldRef: {fieldPath: status.hostIPs}}}'
}

# make_service NAME SPEC: in YAML's flow style, without braces
make_service() {
  k apply -f - >/dev/null <<END_OF_SERVICE
apiVersion: v1
kind: Service
metadata: {name: $1}
spec: {selector: {app: web}, ports: [{port: 80, targetPort: http}], ipFamilyPolicy: RequireDualStack, $2}
END_OF_SERVICE
}

# address_of POD
address_of() {
  k get pod "$1" -o 'jsonpath={.status.podIPs[1].ip}'
}

# from_pod URL: the answer, or "refused" or "nothing"
from_pod() {
  answer=$(k exec one -- timeout 2 wget -q -O - "http://$1" 2>&1)
  case $answer in
    *"Connection refused"*) echo refused ;;
    *"exit code 143"*) echo nothing ;;
    *) echo "$answer" ;;
  esac
}

# all_from_pod URL: the same from a pod, asked inside of it
all_from_pod() {
  k exec one -- sh -c "for i in $(seq -s ' ' 20); do timeout 2 wget -q -O - 'http://$1'; done" 2>/dev/null | sort -u | paste -sd ' '
}

ip link add eth0 type veth peer name uplink
ip addr add 10.99.0.2/24 dev eth0
ip addr add fd00:99::2/64 dev eth0 nodad
machine_outside
nsenter -t "$outside" -n ip addr add fd00:99::1/64 dev uplink nodad
ip link set eth0 up
ip route add default via 10.99.0.1
ip -6 route add default via fd00:99::1
nsenter -t "$outside" -n ip -6 route add 2001:db8::/64 via fd00:99::2

start_cluster --service-cluster-ip-range 10.96.0.0/16,fd00:10:96::/112 --cluster-cidr 10.244.0.0/24,fd00:10:244::/64
load_busybox
until_is "the service account" "default" k get serviceaccount default -o 'jsonpath={.metadata.name}'
make_pod one 'hostPort: 8080'
make_pod two
k wait --for=condition=Ready pod/one pod/two --timeout=60s >/dev/null
one=$(address_of one)
two=$(address_of two)

# --- the node and its pods
is "the node's ranges" "$(k get node node1 -o 'jsonpath={.spec.podCIDRs[*]}')" "10.244.0.0/24 fd00:10:244::/64"
is "and addresses" "$(k get node node1 -o 'jsonpath={.status.addresses[*].address}')" "10.99.0.2 fd00:99::2 node1"
like "a pod's addresses" "$(k get pod one -o 'jsonpath={.status.podIP} {.status.podIPs[*].ip}')" \
  "10.244.0.* 10.244.0.* fd00:10:244::*"
is "as its environment tells them" "$(k exec one -- sh -c 'echo $IPS $HOSTS')" \
  "$(k get pod one -o 'jsonpath={.status.podIP}'),$one 10.99.0.2,fd00:99::2"
like "as /etc/hosts does" "$(k exec one -- cat /etc/hosts)" "*$one"$'\t'"one*"
is "a pod reaches another" "$(from_pod "[$two]")" two
is "the node reaches it" "$(from_node "[$two]")" two
is "which sees who asks" "$(from_pod "[$two]/cgi-bin/from")" "[$one]"
is "outside it is the node" "$(
  nsenter -t "$outside" -n python3 -c "
import http.server, socket
class Server(http.server.HTTPServer): address_family = socket.AF_INET6
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self): self.send_response(200); self.end_headers(); self.wfile.write(self.client_address[0].encode())
    def log_message(self, *text): pass
server = Server(('fd00:99::1', 80), Handler)
open('$work/listens', 'w').close()
server.handle_request()" &
  wait_until "somebody listens outside" test -e "$work/listens"
  from_pod '[fd00:99::1]'
)" "fd00:99::2"

# --- services
make_service both 'type: NodePort, externalIPs: ["2001:db8::7"]'
both=$(field both 'clusterIPs[1]')
port=$(field both 'ports[0].nodePort')
until_is "a service by its IPv6 address" "one two" all_from_pod "[$both]"
is "and by its IPv4 address" "$(all_from_pod "$(field both clusterIP)")" "one two"
is "from the node" "$(several from_node "[$both]")" "one two"
is "a port that the service has not is refused" "$(from_node "[$both]:81")" refused
is "its node port" "$(several from_outside "[fd00:99::2]:$port")" "one two"
is "from the node itself" "$(several from_node "[fd00:99::2]:$port")" "one two"
is "its external address" "$(several from_outside "[2001:db8::7]")" "one two"
is "clients are masqueraded" "$(from_outside "[fd00:99::2]:$port/cgi-bin/from" | grep -c fd00:99::1)" 0
askers() {
  all_from_pod "[$both]/cgi-bin/from" | wc -w
}
until_is "a pod that asks itself through a service is masqueraded" 2 askers
k patch service both -p '{"spec":{"type":"LoadBalancer","externalTrafficPolicy":"Local"}}' >/dev/null
until_is "those of policy Local are not" "[fd00:99::1]" from_outside "[fd00:99::2]:$port/cgi-bin/from"
health=$(field both healthCheckNodePort)
until_is "the health check counts endpoints once" \
  '{"service":{"namespace":"default","name":"both"},"localEndpoints":2,"serviceProxyHealthy":true}' \
  from_outside "[fd00:99::2]:$health/"
make_service sticky 'sessionAffinity: ClientIP'
sticky=$(field sticky 'clusterIPs[1]')
until_is "it answers" 1 sh -c "curl -g -s -m 2 'http://[$sticky]' | wc -l"
is "a client stays with its endpoint" "$(several from_node "[$sticky]" | wc -w)" 1
make_service empty 'selector: {app: nobody}'
until_is "without endpoints it is refused" refused from_node "[$(field empty 'clusterIPs[1]')]"
k apply -f - >/dev/null <<END_OF_SERVICE
apiVersion: v1
kind: Service
metadata: {name: single}
spec: {selector: {app: web}, ports: [{port: 80}], ipFamilies: [IPv6], type: NodePort}
END_OF_SERVICE
until_is "a service of IPv6 alone" "one two" all_from_pod "[$(field single clusterIP)]"
is "has no node port of IPv4" "$(from_outside "10.99.0.2:$(field single 'ports[0].nodePort')")" refused

# --- host ports
is "a host port" "$(from_outside "[fd00:99::2]:8080")" one
is "which keeps the client's address" "$(from_outside "[fd00:99::2]:8080/cgi-bin/from")" "[fd00:99::1]"

# --- UDP follows its endpoints
k apply -f - >/dev/null <<END_OF_SERVICE
apiVersion: v1
kind: Service
metadata: {name: udp}
spec: {ports: [{port: 53, protocol: UDP, targetPort: 5353}], ipFamilies: [IPv6]}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: udp-1, labels: {kubernetes.io/service-name: udp}}
addressType: IPv6
ports: [{name: "", port: 5353, protocol: UDP}]
endpoints: [{addresses: ["$one"]}]
END_OF_SERVICE
udp=$(field udp clusterIP)
servers=()
for address in "$one" "$two"; do
  in_pod "$address" python3 -c "
import socket
s = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
s.bind(('$address', 5353))
while True:
    data, client = s.recvfrom(100)
    s.sendto(b'$address', client)" &
  servers+=($!)
done
ask_udp() {
  "$here/ask-udp.py" "$udp" 53
}
until_is "UDP" "$one" ask_udp
k patch endpointslice udp-1 --type=merge -p "{\"endpoints\":[{\"addresses\":[\"$two\"]}]}" >/dev/null
until_is "the next datagram of a connection goes to the endpoint that there is" "$two" ask_udp

# --- in no other's name
: >"$work/senders"
python3 -c "
import socket
s = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
s.bind(('fd00:99::2', 5999))
with open('$work/senders', 'w', buffering=1) as out:
    print('listens', file=out)
    while True:
        print(s.recvfrom(100)[1][0], file=out)" &
servers+=($!)
wait_until "somebody listens" test -s "$work/senders"
in_pod "$one" python3 -c "
import socket, subprocess
def send(source):
    s = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
    s.bind((source, 0))
    s.sendto(b'x', ('fd00:99::2', 5999))
for source in ('$two', 'fd00:10:244::1', 'fd00:99::1', '2001:db8::1'):
    subprocess.run(['ip', '-6', 'addr', 'add', source + '/128', 'dev', 'lo', 'nodad'], check=True)
    send(source)
    subprocess.run(['ip', '-6', 'addr', 'del', source + '/128', 'dev', 'lo'], check=True)
send('$one')"
wait_until "a pod's own packet comes" grep -q "^$one$" "$work/senders"
is "a pod sends in no other's name" "$(sed 1d "$work/senders" | paste -sd ' ')" "$one"

# --- policies
k apply -f - >/dev/null <<END_OF_POLICY
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: deny}
spec: {podSelector: {matchLabels: {name: two}}, ingress: [{from: [{ipBlock: {cidr: "fd00:99::/64", except: ["fd00:99::8/125"]}}]}]}
END_OF_POLICY
until_is "a policy isolates" nothing from_pod "[$two]"
is "in the other family, too" "$(from_pod "$(k get pod two -o 'jsonpath={.status.podIP}')")" nothing
is "the node reaches its pods" "$(from_node "[$two]")" two
nsenter -t "$outside" -n ip -6 route add fd00:10:244::/64 via fd00:99::2
is "a block is let in" "$(from_outside "[$two]")" two
nsenter -t "$outside" -n ip addr add fd00:99::9/64 dev uplink nodad
is "but not what it excepts" "$(said_by_curl nsenter -t "$outside" -n curl -g -s -m 2 --interface fd00:99::9 "http://[$two]")" nothing
k delete networkpolicy deny >/dev/null
until_is "without it all is open" two from_pod "[$two]"

k delete pod --all --now >/dev/null
kill "$outside" "${servers[@]}"
wait "$outside" "${servers[@]}" 2>/dev/null
done_testing
