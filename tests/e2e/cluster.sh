#!/bin/bash
# The main job, from start to delete: cluster.sh [KUBECTL_VERSION]. DRIVER chooses the driver.
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"
version=${1:-1.32}
PROFILE=e2e
KUBECTL=$(kubectl_path "$version") || skip_all "no kubectl $version to be had"

in_machine() {
  "$LAUNCHER" ssh -p "$PROFILE" -- "$@"
}

curl_from_machine() {
  in_machine curl -sS -m 10 "http://$("$KUBECTL" get pod "$1" -o 'jsonpath={.status.podIP}')/"
}

curl_from_host() {
  local port
  port=$("$KUBECTL" get service "$1" -o 'jsonpath={.spec.ports[0].nodePort}')
  curl -sS -m 10 --noproxy '*' "http://$("$LAUNCHER" ip -p "$PROFILE"):$port/"
}

ok "start ($DRIVER)" "${START[@]}" -p "$PROFILE" --cpus 2 --memory 2048 --disk-size 20000
ok "status is 0 when all runs" "$LAUNCHER" status -p "$PROFILE"
like "boot events count from the machine's start" '"event":"ready","t":[0-9]{1,3}[.,]' in_machine cat /var/log/launcher/events.log
like "kubectl $version reaches the server" 'Server Version.*v?1.32|GitVersion:"v1.32' "$KUBECTL" version
like "the node is Ready" "^$PROFILE +Ready +control-plane" "$KUBECTL" get nodes
ok "run hello" "$KUBECTL" run hello --image=launcher/hello-world --port=80
ok "hello is Running" eventually 60 phase_is hello Running
like "get pods -o wide shows its address and node" "^hello +1/1 +Running +0 +[0-9]+[sm] +10\\.244\\.0\\.[0-9]+ +$PROFILE" \
  "$KUBECTL" get pods -o wide
like "curl the pod from launcher ssh" '[Hh]ello' curl_from_machine hello
ok "its log has the request" eventually 10 prints 'url:/' "$KUBECTL" logs hello
is "exec runs in it" "hello" "$KUBECTL" exec hello -- hostname
exits "exec passes the exit code" 3 '' "$KUBECTL" exec hello -- sh -c 'exit 3'
is "exec passes standard input" "through" bash -c "echo through | '$KUBECTL' exec -i hello -- cat"
ok "create deployment web" "$KUBECTL" create deployment web --image=nginx
ok "scale it to 3" "$KUBECTL" scale deployment web --replicas=3
ok "its rollout ends" "$KUBECTL" rollout status deployment web --timeout=90s
ok "expose it" "$KUBECTL" expose deployment web --port=80 --type=NodePort
ok "curl the node port from the host" eventually 20 prints 'nginx' curl_from_host web
ok "run busybox" "$KUBECTL" run client --image=busybox --restart=Never --command -- sleep 3600
ok "busybox is Running" eventually 60 phase_is client Running
ok "its DNS finds the service" eventually 20 prints 'Address.*10\.[0-9.]+' \
  "$KUBECTL" exec client -- nslookup web.default.svc.cluster.local
ok "a pod reaches the service by name" eventually 20 prints nginx "$KUBECTL" exec client -- wget -qO- -T 5 http://web/
like "describe tells the pod's events" 'Started' "$KUBECTL" describe pod hello
uid=$("$KUBECTL" get deployment web -o 'jsonpath={.metadata.uid}')

like "stop" '1 node stopped' "$LAUNCHER" stop -p "$PROFILE"
exits "status is 7 when stopped" 7 'host: Stopped' "$LAUNCHER" status -p "$PROFILE"
ok "start again" "${START[@]}" -p "$PROFILE"
is "the deployment is the same" "$uid" "$KUBECTL" get deployment web -o 'jsonpath={.metadata.uid}'
ok "its pods run again" "$KUBECTL" rollout status deployment web --timeout=90s
ok "hello runs again" eventually 60 phase_is hello Running
ok "the node port answers again" eventually 30 prints 'nginx' curl_from_host web

ok "delete the pod" "$KUBECTL" delete pod hello --timeout=60s
ok "delete deployment and service" "$KUBECTL" delete deployment,service web --timeout=60s
ok "its pods go" eventually 60 bash -c "[ -z \"\$('$KUBECTL' get pods -l app=web -o name)\" ]"
like "delete" 'Removed all traces' "$LAUNCHER" delete -p "$PROFILE"
ok "no profile is left" test ! -e "$LAUNCHER_HOME/.launcher/profiles/$PROFILE"
ok "no kubeconfig entry is left" bash -c "! grep -q '$PROFILE' '$KUBECONFIG'"
ok "no process is left" bash -c "! ps -eo args | grep -F '$LAUNCHER_HOME' | grep -v grep"
ok "no mount is left" bash -c "! grep -F '$WORK' /proc/mounts"
[ "$DRIVER" != libvirt ] || ok "no domain is left" bash -c "! virsh list --all --name | grep -F launcher-$PROFILE"
