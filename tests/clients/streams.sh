#!/bin/bash
# shellcheck disable=SC2154 # harness.sh sets them
# exec, attach, cp, port-forward and logs with every client that has them: kubectl 1.20 (SPDY), 1.32 and 1.35 (WebSockets), the
# Python client (v4.channel.k8s.io) and the JavaScript client (v5). The pods are programs of this host; see host-node.c.
. "$(dirname "$0")/clients.sh"
start_cluster
k apply -f - >/dev/null <<END
apiVersion: v1
kind: Pod
metadata: {name: p}
spec: {nodeName: host, containers: [{name: c, image: i}]}
END
k patch pod p --subresource=status -p '{"status":{"phase":"Running","containerStatuses":[{"name":"c","image":"i","imageID":"i",
  "ready":true,"started":true,"restartCount":0,"containerID":"host://1","state":{"running":{"startedAt":"2026-01-02T03:04:05Z"}}}],
  "conditions":[{"type":"Ready","status":"True"}]}}' >/dev/null
export CLUSTERD=$G_TEST_BUILDDIR/tests/clients/host-node
restart_cluster TERM
sed "s|server: .*|server: https://127.0.0.1:$port|" "$work/admin.conf" >"$work/host.conf"
export KUBECONFIG=$work/host.conf HOME=$work
cd "$work" || exit 1

# streams NAME KUBECTL
streams() {
  run=(timeout 30 "$2" --cache-dir "$work/cache-$1")
  is "$1: exec" "$("${run[@]}" exec p -- echo hello)" hello
  "${run[@]}" exec p -- sh -c 'echo out; echo err >&2; exit 3' >out 2>err
  is "$1: exit status and both outputs" "$? $(cat out) $(head -1 err)" "3 out err"
  is "$1: input" "$(printf 'a\nb\n' | "${run[@]}" exec -i p -- wc -l)" 2
  is "$1: much output" "$("${run[@]}" exec p -- sh -c 'head -c 3000000 /dev/zero | tr "\0" x' | wc -c)" 3000000
  head -c 300000 /dev/urandom >"file-$1"
  "${run[@]}" cp "file-$1" "p:$work/copy-$1" >/dev/null 2>&1
  is "$1: cp there" "$(cmp "file-$1" "copy-$1" && echo same)" same
  "${run[@]}" cp "p:$work/copy-$1" "back-$1" >/dev/null 2>&1
  is "$1: and back" "$(cmp "file-$1" "back-$1" && echo same)" same
  is "$1: attach" "$(printf 'echo' | "${run[@]}" attach -i p 2>/dev/null)" "echo"
  is "$1: logs" "$("${run[@]}" logs p)" "the log of p/c"
  : >forward
  "${run[@]}" port-forward p :80 >forward 2>&1 &
  forward=$!
  for _ in $(seq 200); do
    grep -q Forwarding forward && break
    sleep 0.05
  done
  local_port=$(sed -n 's/.*127.0.0.1:\([0-9]*\).*/\1/p' forward | head -1)
  exec 8<>"/dev/tcp/127.0.0.1/$local_port"
  echo "through the tunnel" >&8
  read -r -t 10 line <&8
  exec 8>&-
  is "$1: port-forward" "$line" "through the tunnel"
  kill "$forward"
  wait "$forward" 2>/dev/null
}

streams 1.32 "$KUBECTL"
if old=$("$G_TEST_SRCDIR/tests/kubectl" 1.20); then
  streams 1.20 "$old"
fi
if clients=$("$G_TEST_SRCDIR/tests/clients/fetch" 2>/dev/null); then
  streams 1.35 "$clients/v35/kubectl/kubectl"
  cp "$G_TEST_SRCDIR/tests/clients/node-streams.mjs" "$work"
  ln -s "$clients/node_modules" "$work/node_modules"
  command -v node >/dev/null && PYTHON=node python_tests "$work/node-streams.mjs"
fi
if /usr/bin/python3 -c 'import kubernetes' 2>/dev/null; then
  PYTHON=/usr/bin/python3 PYTHONPATH=$G_TEST_SRCDIR/tests/api python_tests "$G_TEST_SRCDIR/tests/clients/python-streams.py"
fi
done_testing
