#!/bin/bash
# Services between real pods, the node, and a machine outside.
# shellcheck source-path=SCRIPTDIR source=network-harness.bash
. "$(dirname "$0")/network-harness.bash"

make_pod() {
  make_web_pod "$1" '{name: http, containerPort: 80}'
}

# make_service NAME SPEC: in YAML's flow style, without braces
make_service() {
  k apply -f - >/dev/null <<END_OF_SERVICE
apiVersion: v1
kind: Service
metadata: {name: $1}
spec: {selector: {app: web}, ports: [{port: 80, targetPort: http}], $2}
END_OF_SERVICE
}

# from_pod URL: the answer, or "refused" or "nothing"
from_pod() {
  answer=$(k exec one -- timeout 5 wget -q -O - "http://$1" 2>&1) || answer=${answer##*: }
  answer=${answer%%$'\n'*}
  echo "${answer:-nothing}"
}

start_cluster
load_busybox
# the other end of the node's cable is put into a machine of its own
machine_outside
ip route add default via 10.99.0.1
nsenter -t "$outside" -n ip route add 203.0.113.0/24 via 10.99.0.2
until_is "the service account" "default" k get serviceaccount default -o 'jsonpath={.metadata.name}'
make_pod one
make_pod two
k wait --for=condition=Ready pod/one pod/two --timeout=60s >/dev/null
pod_ip=$(k get pod one -o 'jsonpath={.status.podIP}')

# --- ClusterIP
make_service plain 'type: ClusterIP'
plain=$(field plain clusterIP)
until_is "all endpoints answer" "one two" several from_pod "$plain"
is "to the node, too" "$(several from_node "$plain")" "one two"
is "and by the service's name" "$(several from_pod plain)" "one two"
is "a port that the service has not is refused" "$(from_pod "$plain:81")" "Connection refused"
# a pod asks both, itself among them: the other sees its address, it sees the node's
askers() {
  several from_pod "$plain/cgi-bin/from" | wc -w
}
until_is "a pod that asks itself through a service is masqueraded" 2 askers
make_service empty 'selector: {app: nobody}'
until_is "without endpoints it is refused" "Connection refused" from_pod "$(field empty clusterIP)"
is "to the node, too" "$(from_node "$(field empty clusterIP)")" refused

# --- affinity
make_service sticky 'sessionAffinity: ClientIP'
sticky=$(field sticky clusterIP)
until_is "it answers" 1 sh -c "curl -s -m 2 http://$sticky | wc -l"
is "a client stays with its endpoint" "$(several from_node "$sticky" | wc -w)" 1
first=$(from_node "$sticky")
k label pod "$first" app=other --overwrite >/dev/null
other=$([ "$first" = one ] && echo two || echo one)
until_is "until that is gone" "$other" from_node "$sticky"
k label pod "$first" app=web --overwrite >/dev/null
until_is "all endpoints are back" "one two" several from_node "$plain"

# --- NodePort
make_service node 'type: NodePort'
port=$(field node 'ports[0].nodePort')
until_is "a node port from outside" "one two" several from_outside "10.99.0.2:$port"
is "from the node itself" "$(several from_node "10.99.0.2:$port")" "one two"
is "from a pod" "$(several from_pod "10.99.0.2:$port")" "one two"
is "clients of policy Cluster are masqueraded" "$(from_outside "10.99.0.2:$port/cgi-bin/from" | grep -c 10.99.0.1)" 0

# --- Local
k patch service node -p '{"spec":{"type":"LoadBalancer","externalTrafficPolicy":"Local"}}' >/dev/null
until_is "those of policy Local are not" "[::ffff:10.99.0.1]" from_outside "10.99.0.2:$port/cgi-bin/from"
health=$(field node healthCheckNodePort)
until_is "the health check counts" '{"service":{"namespace":"default","name":"node"},"localEndpoints":2,"serviceProxyHealthy":true}' \
  from_outside "10.99.0.2:$health/"
make_service inside 'internalTrafficPolicy: Local'
until_is "internalTrafficPolicy Local" "one two" several from_pod "$(field inside clusterIP)"

# --- externalIPs and the address of a load balancer
make_service outer 'externalIPs: [203.0.113.7]'
until_is "an external address from outside" "one two" several from_outside 203.0.113.7
is "and from a pod" "$(several from_pod 203.0.113.7)" "one two"
balanced=$(k get service node -o 'jsonpath={.status.loadBalancer.ingress[0].ip}')
is "the load balancer's address from outside" "$(several from_outside "$balanced")" "one two"
is "and from a pod" "$(several from_pod "$balanced")" "one two"

# --- UDP and TCP on one port; a client follows when the endpoint changes
k apply -f - >/dev/null <<END_OF_SERVICE
apiVersion: v1
kind: Service
metadata: {name: both}
spec:
  ports: [{name: tcp, port: 53, targetPort: 80}, {name: udp, port: 53, protocol: UDP, targetPort: 5353}]
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: both-1, labels: {kubernetes.io/service-name: both}}
addressType: IPv4
ports: [{name: tcp, port: 80}, {name: udp, port: 5353, protocol: UDP}]
endpoints: [{addresses: [$pod_ip]}]
END_OF_SERVICE
both=$(field both clusterIP)
until_is "TCP of a port" one from_node "$both:53"
cat >"$work/udp.py" <<'END_OF_SERVER'
import socket, sys
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind((sys.argv[1], 5353))
while True:
    data, client = s.recvfrom(100)
    s.sendto(sys.argv[1].encode(), client)
END_OF_SERVER
two_ip=$(k get pod two -o 'jsonpath={.status.podIP}')
servers=()
for address in "$pod_ip" "$two_ip"; do
  in_pod "$address" python3 "$work/udp.py" "$address" &
  servers+=($!)
done
ask_udp() {
  "$here/ask-udp.py" "$both" 53
}
until_is "UDP of the same port" "$pod_ip" ask_udp
k patch endpointslice both-1 --type=merge -p "{\"endpoints\":[{\"addresses\":[\"$two_ip\"]}]}" >/dev/null
until_is "the next datagram of a connection goes to the endpoint that there is" "$two_ip" ask_udp
k delete pod --all --now >/dev/null
until_is "without endpoints the health check says so" '{"service":{"namespace":"default","name":"node"},"localEndpoints":0,"serviceProxyHealthy":true} 503' \
  nsenter -t "$outside" -n curl -s -m 2 -w ' %{http_code}' "http://10.99.0.2:$health/"
is "and the node port refuses" "$(from_outside "10.99.0.2:$port")" refused
kill "$outside" "${servers[@]}"
wait "$outside" "${servers[@]}" 2>/dev/null
done_testing
