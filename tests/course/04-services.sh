#!/bin/bash
# Module 4, services: every kind of them, and the names that DNS gives to services and pods.
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"
module 04

# fetch URL: what the client sees there
fetch() {
  k exec client -- curl -sS -m 5 "$1"
}

# addresses NAME: what the name in this namespace stands for, in one line
addresses() {
  k exec vars -- nslookup "$1.$NAMESPACE.svc.cluster.local" | awk '/^Name:/ {of_it = 1} of_it && /^Address/ {print $NF}' |
    sort -u | paste -sd ' '
}

# answers N URL: how many different pods answer N requests
answers() {
  k exec client -- sh -c "for i in \$(seq $1); do curl -sS -m 5 $2; done" | sort -u | wc -l
}

ok "three pods and a client" k apply -f "$(manifest 04-web)"
ok "roll out" k rollout status deployment/web --timeout=180s
ok "the client" k wait pod/client --for=condition=Ready --timeout=60s
ok "services" sh -c "sed 's/NAMESPACE/$NAMESPACE/' '$(manifest 04-services)' | '$KUBECTL' apply -f -"

# --- ClusterIP
becomes "a service by its name" 20 '^web-' fetch http://by-name:8080/
like "and its full name" '^web-' fetch "http://by-name.$NAMESPACE.svc.cluster.local:8080/"
is "all of its pods answer" 3 answers 40 http://by-name:8080/
is "one only, who is sticky" 1 answers 20 http://sticky/
exits "nobody answers where nobody is" 7 'Failed to connect|refused|Couldn' fetch http://nobody/
is "the endpoints are the pods'" "$(k get pods -l app=web -o 'jsonpath={range .items[*]}{.status.podIP}{"\n"}{end}' | sort)" \
  sh -c "'$KUBECTL' get endpoints by-name -o 'jsonpath={range .subsets[0].addresses[*]}{.ip}{\"\n\"}{end}' | sort"
like "described" 'Endpoints: +10\.' k describe service by-name
is "as variables of pods that come later" 8080 sh -c "'$KUBECTL' run vars --image=busybox --restart=Never --command -- sleep 3600 >/dev/null &&
  '$KUBECTL' wait pod/vars --for=condition=Ready --timeout=60s >/dev/null && '$KUBECTL' exec vars -- sh -c 'echo \$BY_NAME_SERVICE_PORT'"

# --- headless, ExternalName
is "a headless service is its pods" "$(k get pods -l app=web -o 'jsonpath={range .items[*]}{.status.podIP}{"\n"}{end}' | sort | paste -sd ' ')" addresses headless
is "another name for a service" "$(field service by-name '{.spec.clusterIP}')" addresses elsewhere

# --- NodePort, LoadBalancer, external addresses
ok "expose the deployment" k expose deployment web --name=node-port --type=NodePort --port=80
port=$(field service node-port '{.spec.ports[0].nodePort}')
node=$(k get nodes -o 'jsonpath={.items[0].status.addresses[?(@.type=="InternalIP")].address}')
becomes "its port is open on the node" 20 '^web-' fetch "http://$node:$port/"
becomes "a load balancer has an address" 30 '^[0-9.]+$' field service balanced '{.status.loadBalancer.ingress[0].ip}'
like "shown" 'balanced +LoadBalancer +[0-9.]+ +[0-9.]+ +8099:[0-9]+/TCP' k get service balanced
becomes "an external address is caught" 20 '^web-' fetch http://198.51.100.32/

# --- without a selector
ok "endpoints by hand" k create -f - <<END
apiVersion: v1
kind: Endpoints
metadata: {name: by-hand}
subsets: [{addresses: [{ip: $(k get pods -l app=web -o 'jsonpath={.items[0].status.podIP}')}], ports: [{port: 80}]}]
END
becomes "answer" 20 '^web-' fetch http://by-hand/
becomes "and are mirrored to a slice" 20 'by-hand-' k get endpointslices -l kubernetes.io/service-name=by-hand

# --- ways in for a student: port-forward and proxy
"$KUBECTL" port-forward service/by-name :8080 >"$WORK/forward" 2>&1 &
forward=$!
ok "port-forward" eventually 10 grep -q '127.0.0.1:[0-9]* ->' "$WORK/forward"
like "answers" '^web-' curl -sS -m 5 "http://127.0.0.1:$(sed -n 's/.*127.0.0.1:\([0-9]*\) ->.*/\1/p' "$WORK/forward" | head -1)/"
kill $forward
like "the API server's proxy" '^web-' k get --raw "/api/v1/namespaces/$NAMESPACE/services/by-name:8080/proxy/"

# --- DNS
ok "pods with names" k apply -f "$(manifest 04-subdomain)"
ok "run" k wait pod/busybox1 pod/busybox2 --for=condition=Ready --timeout=60s
becomes "are known by them" 20 "^$(field pod busybox1 '{.status.podIP}')$" addresses busybox-1.default-subdomain
is "one knows its full name" "busybox-1.default-subdomain.$NAMESPACE.svc.cluster.local" k exec busybox1 -- hostname -f
ok "a pod of each DNS policy" k apply -f "$(manifest 04-dns-policies)"
for pod in cluster-first default host-net none; do
  becomes "dns-$pod has run" 60 '^Succeeded$' field pod dns-$pod '{.status.phase}'
done
like "ClusterFirst" "^search $NAMESPACE.svc.cluster.local svc.cluster.local cluster.local" k logs dns-cluster-first
like "ndots" '^options ndots:5' k logs dns-cluster-first
is "Default has the node's" 0 sh -c "'$KUBECTL' logs dns-default | grep -c svc.cluster.local"
like "ClusterFirstWithHostNet" "^search $NAMESPACE.svc.cluster.local" k logs dns-host-net
is "None has what it asks for" "nameserver 192.0.2.1 options ndots:2 edns0 search ns1.svc.cluster-domain.example my.dns.search.suffix" \
  sh -c "'$KUBECTL' logs dns-none | sort | paste -sd ' '"
