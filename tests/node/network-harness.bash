# shellcheck shell=bash disable=SC2034,SC2154 # who sources this sets and reads its variables
# Sourced first by tests of services between real pods, the node and a machine outside: a whole node (node-harness.sh)
# with the proxy and DNS.
# shellcheck source-path=SCRIPTDIR source=node-harness.sh
COMPONENTS=controllers,scheduler,node,proxy,dns
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
. "$here/node-harness.sh"

# make_web_pod NAME PORTS [ENV]: label app=web; it says its name, and at /cgi-bin/from who asks. The rest in YAML's flow style.
make_web_pod() {
  k apply -f - >/dev/null <<END_OF_POD
apiVersion: v1
kind: Pod
metadata: {name: $1, labels: {app: web, name: $1}}
spec:
  terminationGracePeriodSeconds: 0
  containers:
  - name: main
    image: busybox:1.36
    command: [sh, -c, 'mkdir -p /www/cgi-bin; echo $1 >/www/index.html; printf "#!/bin/sh\necho; echo \\\$REMOTE_ADDR\n" >/www/cgi-bin/from; chmod +x /www/cgi-bin/from; exec httpd -f -p 80 -h /www']
    env: [${3:-}]
    ports: [$2]
    readinessProbe: {httpGet: {port: 80, path: /}, periodSeconds: 1}
END_OF_POD
}

# field SERVICE PATH: of its spec
field() {
  k get service "$1" -o "jsonpath={.spec.$2}"
}

# said_by_curl COMMAND..., from_node URL, from_outside URL: the answer, or "refused" or "nothing"
said_by_curl() {
  answer=$("$@") && status=0 || status=$?
  [ "$status" = 7 ] && answer=refused
  [ "$status" = 28 ] && answer=nothing
  echo "$answer"
}

from_node() {
  said_by_curl curl -g -s -m 2 "http://$1"
}

from_outside() {
  said_by_curl nsenter -t "$outside" -n curl -g -s -m 2 "http://$1"
}

# several COMMAND...: the different answers of twenty calls
several() {
  for _ in $(seq 20); do
    "$@"
  done | sort -u | paste -sd ' '
}

# in_pod ADDRESS COMMAND...: runs a program of this machine in the network of the pod that has ADDRESS
in_pod() {
  for process in $(pgrep -f '^httpd -f -p 80'); do
    nsenter -t "$process" -n ip addr show dev eth0 | grep -qE "inet6? $1/" && break
  done
  nsenter -t "$process" -n "${@:2}"
}

# Puts the other end of the node's cable into a machine of its own: $outside is a process there.
machine_outside() {
  unshare --net sleep 1000 &
  outside=$!
  is_apart() {
    [ "$(readlink "/proc/$outside/ns/net")" != "$(readlink /proc/self/ns/net)" ]
  }
  wait_until "there is a machine outside" is_apart
  ip link set uplink netns "$outside"
  nsenter -t "$outside" -n ip addr add 10.99.0.1/24 dev uplink
  nsenter -t "$outside" -n ip link set uplink up
}
