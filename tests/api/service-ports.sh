#!/bin/bash
# shellcheck disable=SC2034,SC2154 # harness.sh reads and sets them
# Ports of services on the host, and what a service is told when one cannot be opened: all of the keeper but the machine.
. "$(dirname "$0")/harness.sh"
address=127.77.200.2
start_cluster

pki=$work/.launcher/profiles/test/pki
mkdir -p "$pki"
cp "$work/pki/ca.crt" "$pki/ca.crt"
cp "$work/pki/admin.crt" "$pki/client.crt"
cp "$work/pki/admin.key" "$pki/client.key"

python3 -c "
import signal, socket
taken = socket.create_server(('$address', 30080))
open('$work/taken', 'w').close()
signal.pause()" &
other=$!
wait_until "another program has the port" test -e "$work/taken"
LAUNCHER_HOME=$work/.launcher "$G_TEST_BUILDDIR/tests/api/port-watch" "$port" "$address" 2>"$work/watch.log" &
watch=$!

answers() {
  if (: <"/dev/tcp/$address/$1") 2>/dev/null; then echo yes; else echo no; fi
}

told() {
  k get events --field-selector "involvedObject.name=$1,reason=$2" -o 'jsonpath={range .items[*]}{.type}: {.message}{"\n"}{end}'
}

k create service nodeport web --tcp=80:80 --node-port=30080 >/dev/null
k create service nodeport free --tcp=80:80 --node-port=30081 >/dev/null
until_is "a port that is free is opened" yes answers 30081
until_is "a service is told of one that is taken" \
  "Warning: The port $address:30080/tcp is taken on this host; it is tried again every 5 s" told web HostPortNotOpened
described=$(k describe service web)
like "describe shows it" "$described" "*HostPortNotOpened*launcher*is taken on this host*"
is "another service is told nothing" "$(told free HostPortNotOpened)" ""
kill "$other"
wait "$other" 2>/dev/null
until_is "it is opened by itself when it is free" "Normal: The port $address:30080/tcp is open now" told web HostPortOpened
is "then it answers" "$(answers 30080)" yes
k delete service free >/dev/null
until_is "the port of a service that goes is closed" no answers 30081
kill -TERM "$server_pid"
wait "$watch"
is "what watches ends with the server" "$?" 0
sed "s/^/# /" "$work/watch.log"
done_testing
