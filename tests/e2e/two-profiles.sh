#!/bin/bash
# Two clusters at once, one of them small; neither knows of the other.
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"
KUBECTL=$(kubectl_path 1.32) || skip_all "no kubectl 1.32 to be had"
pki=$LAUNCHER_HOME/.launcher/profiles/one/pki

ok "start one" "${START[@]}" -p one
ok "start two with 1 CPU and 512 MiB" "${START[@]}" -p two --cpus 1 --memory 512
ok "they have addresses of their own" test "$("$LAUNCHER" ip -p one)" != "$("$LAUNCHER" ip -p two)"
for profile in one two; do
  ok "a pod in $profile" "$KUBECTL" --context $profile run only-$profile --image=busybox --restart=Never --command -- sleep 3600
  ok "only-$profile runs" eventually 60 prints Running "$KUBECTL" --context $profile get pod only-$profile
done
is "one sees its own pod only" "pod/only-one" "$KUBECTL" --context one get pods -o name
is "two sees its own pod only" "pod/only-two" "$KUBECTL" --context two get pods -o name
exits "the client certificate of one opens nothing in two" 1 'Unauthorized|certificate|tls|EOF|logged in' "$KUBECTL" \
  --context two --client-certificate "$pki/client.crt" --client-key "$pki/client.key" get pods
like "profile list shows both" 'one .*OK .*two .*OK' bash -c "'$LAUNCHER' profile list | tr '\n' ' '"
is "kubectl of launcher uses the profile's" "pod/only-one" "$LAUNCHER" -p one kubectl -- get pods -o name
ok "pause one" "$LAUNCHER" pause -p one
exits "status of a paused cluster is 2" 2 'apiserver: Paused' "$LAUNCHER" status -p one
ok "unpause one" "$LAUNCHER" unpause -p one
ok "its API answers again" eventually 20 "$KUBECTL" --context one get --raw /readyz
ok "delete one" "$LAUNCHER" delete -p one
ok "two does not notice" "$KUBECTL" --context two get pod only-two
is "the current context was two's and stays" two "$KUBECTL" config current-context
