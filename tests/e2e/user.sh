#!/bin/bash
# The libvirt driver as an ordinary user: libvirt's session daemon, and nothing that is root's. Root starts it, and it becomes
# `nobody` for everything that it tests.
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"
KUBECTL=$(kubectl_path 1.32) || skip_all "no kubectl 1.32 to be had"
PROFILE=user
user=65534
runtime=$WORK/run

as_user() {
  (cd "$WORK" && exec setpriv --reuid="$user" --regid="$user" --clear-groups env -i PATH="$PATH" HOME="$WORK" NO_COLOR=1 \
    XDG_RUNTIME_DIR="$runtime" XDG_CONFIG_HOME="$WORK/config" XDG_CACHE_HOME="$WORK/cache" XDG_DATA_HOME="$WORK/data" \
    LAUNCHER_HOME="$LAUNCHER_HOME" KUBECONFIG="$KUBECONFIG" "$@")
}

launcher() {
  as_user "$LAUNCHER" "$@"
}

kubectl() {
  as_user "$KUBECTL" "$@"
}

phase_is() {
  [ "$(kubectl get pod "$1" -o 'jsonpath={.status.phase}')" = "$2" ]
}

# libvirt's daemons end on their own.
processes() {
  pgrep -u "$user" -a | grep -Ev 'libvirtd|virtlogd'
}

finish_user() {
  launcher delete --all >/dev/null 2>&1
  [ ! -s "$runtime/libvirt/libvirtd.pid" ] || kill "$(cat "$runtime/libvirt/libvirtd.pid")" 2>/dev/null
  finish
}

[ "$(id -u)" -eq 0 ] || skip_all "only root can become another user"
before=$(processes)
[ -z "$before" ] || skip_all "user $user runs something already"
mkdir -m 0700 "$runtime" && chown -R "$user:$user" "$WORK"
as_user test -x "$LAUNCHER" || skip_all "user $user may not run $LAUNCHER"
as_user test -x "$KUBECTL" || skip_all "user $user may not run $KUBECTL"
trap finish_user EXIT

ok "start" launcher start --driver libvirt -p "$PROFILE" --cpus 2 --memory 2048 --disk-size 20000 \
  ${LAUNCHER_ISO:+--iso-url "$LAUNCHER_ISO"} ${LAUNCHER_ISO_KEY:+--iso-key "$LAUNCHER_ISO_KEY"}
ok "status is 0 when all runs" launcher status -p "$PROFILE"
like "the node is Ready" "^$PROFILE +Ready +control-plane" kubectl get nodes
like "it is a machine of the user's own session" "launcher-$PROFILE" as_user virsh -c qemu:///session list --name
is "QEMU runs as the user" "$user" bash -c "ps -o uid= -p \"\$(pgrep -u $user qemu-system)\" | tr -d ' '"
ok "run hello" kubectl run hello --image=launcher/hello-world --port=80
ok "hello is Running" eventually 60 phase_is hello Running
is "exec runs in it" hello kubectl exec hello -- hostname
ok "delete the pod" kubectl delete pod hello --timeout=60s
like "stop" '1 node stopped' launcher stop -p "$PROFILE"
like "delete" 'Removed all traces' launcher delete -p "$PROFILE"
is "nothing of root's is among its files" "" find "$WORK" -mindepth 1 -uid 0
is "no process is left" "" processes
is "no domain is left" "" bash -c "$(declare -f as_user); $(declare -p WORK user runtime LAUNCHER_HOME KUBECONFIG)
  as_user virsh -c qemu:///session list --all --name | tr -d '\n'"
