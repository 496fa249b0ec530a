#!/bin/bash
# Network policies between real pods: what they let pass passes, the rest is dropped.
# shellcheck source-path=SCRIPTDIR source=node-harness.sh
COMPONENTS=controllers,scheduler,node,proxy,dns
. "$(dirname "$0")/node-harness.sh"

# apply_policy SPEC [NAME [NAMESPACE]]: SPEC in YAML's flow style
apply_policy() {
  k apply -f - >/dev/null <<END_OF_POLICY
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: ${2:-one}, namespace: ${3:-default}}
spec: $1
END_OF_POLICY
}

no_policies() {
  k delete networkpolicies --all >/dev/null
}

# make_pod NAME LABELS [NAMESPACE]: it serves HTTP on 80 (named "http"), 8080 and 8081
make_pod() {
  k apply -f - >/dev/null <<END_OF_POD
apiVersion: v1
kind: Pod
metadata: {name: $1, namespace: ${3:-default}, labels: $2}
spec:
  terminationGracePeriodSeconds: 0
  containers:
  - name: main
    image: busybox:1.36
    command: [sh, -c, "mkdir -p /www; echo hello >/www/index.html; for port in 80 8080 8081; do httpd -p \$port -h /www; done; exec sleep 1000000"]
    ports: [{name: http, containerPort: 80}]
    readinessProbe: {httpGet: {port: 80, path: /}, periodSeconds: 1}
END_OF_POD
}

# address_of POD [NAMESPACE]
address_of() {
  k get pod "$1" -n "${2:-default}" -o 'jsonpath={.status.podIP}'
}

# ask FROM URL [NAMESPACE]: "hello", or "nothing" when no answer comes
ask() {
  local answer
  answer=$(k exec -n "${3:-default}" "$1" -- timeout 3 wget -q -O - "http://$2/" 2>/dev/null)
  echo "${answer:-nothing}"
}

# in_pod ADDRESS COMMAND...: runs a program of this machine in the network of the pod that has ADDRESS
in_pod() {
  for process in $(pgrep -f '^httpd -p 8080'); do
    nsenter -t "$process" -n ip -4 addr show dev eth0 | grep -q "inet $1/" && break
  done
  nsenter -t "$process" -n "${@:2}"
}

# datagram PROTOCOL FROM TO PORT: whether one packet passes: "passes" or "dropped". SCTP is the head of an INIT by hand: not every kernel speaks it.
datagram() {
  : >"$work/listens"
  in_pod "$3" python3 - "$1" "$3" "$4" "$work/listens" >"$work/datagram" <<'END_OF_RECEIVER' &
import socket, sys
protocol, address, port, ready = sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4]
raw = protocol == "sctp"
s = socket.socket(socket.AF_INET, socket.SOCK_RAW if raw else socket.SOCK_DGRAM, 132 if raw else 17)
s.bind((address, 0 if raw else port))
s.settimeout(1)
open(ready, "w").write("yes")
try:
    s.recv(1000)
    print("passes")
except socket.timeout:
    print("dropped")
END_OF_RECEIVER
  receiver=$!
  wait_until "somebody listens" test -s "$work/listens"
  in_pod "$2" python3 - "$1" "$3" "$4" <<'END_OF_SENDER'
import socket, struct, sys
protocol, address, port = sys.argv[1], sys.argv[2], int(sys.argv[3])
raw = protocol == "sctp"
s = socket.socket(socket.AF_INET, socket.SOCK_RAW if raw else socket.SOCK_DGRAM, 132 if raw else 17)
s.connect((address, 0 if raw else port))
init = struct.pack("!BBHIIHHI", 1, 0, 20, 7, 65536, 1, 1, 7)
s.send(struct.pack("!HHII", 40000, port, 0, 0) + init if raw else b"x")
END_OF_SENDER
  wait "$receiver"
  cat "$work/datagram"
}

start_cluster
load_busybox
k create namespace blue >/dev/null
k label namespace blue team=blue >/dev/null
until_is "the service accounts" "default default" k get serviceaccount -A --field-selector metadata.name=default -o 'jsonpath={.items[?(@.metadata.namespace=="blue")].metadata.name} {.items[?(@.metadata.namespace=="default")].metadata.name}'
make_pod web '{app: web}'
make_pod friend '{access: "true"}'
make_pod stranger '{}'
make_pod one '{access: "true"}' blue
for pod in web friend stranger; do
  k wait --for=condition=Ready "pod/$pod" --timeout=60s >/dev/null
done
k wait -n blue --for=condition=Ready pod/one --timeout=60s >/dev/null
k expose pod web --port=80 >/dev/null
web=$(address_of web)
stranger=$(address_of stranger)
service=$(k get service web -o 'jsonpath={.spec.clusterIP}')
until_is "the service answers" hello ask stranger "$service"
is "without policies all pods reach all" "$(ask stranger "$web") $(ask one "$web" blue)" "hello hello"

# --- the course's example
k apply -f "$G_TEST_SRCDIR/tests/course/manifests/06-network-policy.yaml" >/dev/null
until_is "the course's policy: a stranger is kept out" nothing ask stranger "$web"
is "who has access" "$(ask friend "$web")" hello
is "the same label in another namespace is not meant" "$(ask one "$web" blue)" nothing
is "through the service it is the same" "$(ask friend "$service") $(ask stranger "$service")" "hello nothing"
is "the node reaches its pods" "$(curl -s -m 5 "http://$web/")" hello
is "and so do its probes" "$(k get pod web -o 'jsonpath={.status.conditions[?(@.type=="Ready")].status}')" True
is "what web itself asks is answered" "$(ask web "$(address_of stranger)")" hello
is "other pods are open" "$(ask one "$(address_of friend)" blue)" hello
is "a pod reaches itself by its service" "$(ask web "$service")" hello
k label pod stranger access=true >/dev/null
until_is "a label opens" hello ask stranger "$web"
k label pod stranger access- >/dev/null
until_is "and closes" nothing ask stranger "$web"
k label pod web app- >/dev/null
until_is "a pod that is no longer selected is open" hello ask stranger "$web"
k label pod web app=web >/dev/null
until_is "and selected again it is not" nothing ask stranger "$web"
apply_policy '{podSelector: {matchLabels: {app: web}}, ingress: [{from: [{namespaceSelector: {matchLabels: {team: blue}}}]}]}'
until_is "policies add up" hello ask one "$web" blue
is "the first still holds" "$(ask friend "$web") $(ask stranger "$web")" "hello nothing"
k label namespace blue team- >/dev/null
until_is "a namespace's label closes" nothing ask one "$web" blue
k label namespace blue team=blue >/dev/null
until_is "and opens" hello ask one "$web" blue
no_policies
until_is "without them all is open" hello ask stranger "$web"

# --- ports
apply_policy '{podSelector: {matchLabels: {app: web}}, ingress: [{ports: [{port: 8080}]}]}'
until_is "a port that is not named" nothing ask stranger "$web"
is "one that is" "$(ask stranger "$web:8080")" hello
apply_policy '{podSelector: {matchLabels: {app: web}}, ingress: [{ports: [{port: http}]}]}'
until_is "by its name" hello ask stranger "$web"
is "and only it" "$(ask stranger "$web:8080")" nothing
apply_policy '{podSelector: {matchLabels: {app: web}}, ingress: [{ports: [{port: 8080, endPort: 9000}]}]}'
until_is "a range" hello ask stranger "$web:8081"
is "ends" "$(ask stranger "$web")" nothing
apply_policy '{podSelector: {matchLabels: {app: web}}, ingress: [{ports: [{port: 5353, protocol: TCP}]}]}'
until_is "another port" nothing ask stranger "$web:8081"
is "TCP is not UDP" "$(datagram udp "$stranger" "$web" 5353)" dropped
k exec stranger -- ping -c 1 -W 1 "$web" >/dev/null 2>&1 && pings=yes || pings=no
is "nor is ICMP a port" "$pings" no
apply_policy '{podSelector: {matchLabels: {app: web}}, ingress: [{ports: [{port: 5353, protocol: UDP}]}]}'
until_is "UDP" passes datagram udp "$stranger" "$web" 5353
is "UDP is not SCTP" "$(datagram sctp "$stranger" "$web" 5353)" dropped
apply_policy '{podSelector: {matchLabels: {app: web}}, ingress: [{ports: [{port: 5353, protocol: SCTP}]}]}'
until_is "SCTP" passes datagram sctp "$stranger" "$web" 5353
is "and no other port of it" "$(datagram sctp "$stranger" "$web" 5354)" dropped
no_policies

# --- what is there already, and pods of the node's network
k apply -f - >/dev/null <<END_OF_POD
apiVersion: v1
kind: Pod
metadata: {name: hosted, labels: {app: web}}
spec:
  hostNetwork: true
  terminationGracePeriodSeconds: 0
  containers: [{name: main, image: "busybox:1.36", command: [sh, -c, "mkdir -p /www; echo hello >/www/index.html; exec httpd -f -p 8088 -h /www"]}]
END_OF_POD
k wait --for=condition=Ready pod/hosted --timeout=60s >/dev/null
in_pod "$web" python3 -c "
import socket
server = socket.create_server(('$web', 7070))
client, _ = server.accept()
while True:
    data = client.recv(100)
    if not data:
        break
    client.send(data)" &
talk_server=$!
# once a line is in the file it goes through the connection; what comes back is written
: >"$work/say"
: >"$work/heard"
in_pod "$stranger" python3 -c "
import socket, time
for _ in range(200):
    try:
        s = socket.create_connection(('$web', 7070), 1)
        break
    except OSError:
        time.sleep(0.1)
s.settimeout(2)
with open('$work/say') as said, open('$work/heard', 'w', buffering=1) as heard:
    while True:
        line = said.readline()
        if not line:
            time.sleep(0.05)
            continue
        try:
            s.send(line.encode())
            print(s.recv(100).decode().strip(), file=heard)
        except OSError:
            print('nothing', file=heard)" &
talk_client=$!
echo one >>"$work/say"
wait_until "a connection is there" grep -q one "$work/heard"
apply_policy '{podSelector: {matchLabels: {app: web}}, policyTypes: [Ingress]}'
until_is "no more connections" nothing ask stranger "$web"
echo two >>"$work/say"
wait_until "something is said" sh -c "[ \$(wc -l <'$work/heard') = 2 ]"
is "a connection that is there is cut" "$(sed -n 2p "$work/heard")" nothing
is "a pod of the node's network is not meant" "$(ask stranger 10.99.0.2:8088)" hello
kill "$talk_client" "$talk_server"
k delete pod hosted --now >/dev/null
no_policies

# --- blocks
apply_policy "{podSelector: {matchLabels: {app: web}}, ingress: [{from: [{ipBlock: {cidr: 10.244.0.0/16, except: [$stranger/32]}}]}]}"
until_is "outside of a block" nothing ask stranger "$web"
is "in it" "$(ask friend "$web")" hello

# --- what goes out
apply_policy '{podSelector: {}, policyTypes: [Egress]}'
until_is "nothing may go out" nothing ask stranger "$web"
is "but in" "$(ask one "$web" blue)" hello
is "to names neither" "$(k exec stranger -- timeout 2 nslookup web.default.svc.cluster.local >/dev/null 2>&1 && echo found || echo nothing)" nothing
apply_policy '{podSelector: {}, policyTypes: [Egress], egress: [{to: [{namespaceSelector: {}, podSelector: {matchLabels: {k8s-app: kube-dns}}}], ports: [{port: 53, protocol: UDP}]}, {to: [{podSelector: {matchLabels: {app: web}}}], ports: [{port: http}]}]}'
until_is "to DNS and web's port" hello ask stranger web
is "no other port" "$(ask stranger "$web:8080")" nothing
is "no other pod" "$(ask stranger "$(address_of friend)")" nothing
apply_policy '{podSelector: {matchLabels: {app: web}}, policyTypes: [Ingress]}' two
until_is "and no way in means no way" nothing ask stranger web
no_policies
until_is "open again" hello ask stranger "$web"

# --- a pod that comes later is as isolated as the others
apply_policy '{podSelector: {}, policyTypes: [Ingress]}' deny blue
make_pod two '{}' blue
k wait -n blue --for=condition=Ready pod/two --timeout=60s >/dev/null
is "a later pod is closed, too" "$(ask stranger "$(address_of two blue)")" nothing
k delete pod --all --now >/dev/null
k delete pod --all --now -n blue >/dev/null
done_testing
