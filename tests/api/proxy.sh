#!/bin/bash
# shellcheck disable=SC2034,SC2154 # harness.sh reads and sets them
# The subresource proxy of pods, services and nodes, in a network of the test's own: an address that is no loopback address
# stands for a pod's.
if [ -z "${IN_OWN_NETWORK:-}" ]; then
  if ! unshare -rn true 2>/dev/null; then
    echo "1..0 # SKIP no namespaces"
    exit 0
  fi
  exec unshare -rn env IN_OWN_NETWORK=1 bash "$0"
fi
pod_ip=10.9.9.1
ip link set lo up
ip address add $pod_ip/32 dev lo
. "$(dirname "$0")/harness.sh"
start_cluster
HTTPS_ADDRESS=0.0.0.0
start_https
k create ns x1 >/dev/null
json=(-H "Content-Type: application/json")
core=/api/v1/namespaces/x1
page=$core/pods/web:$plain_port/proxy

k create -f - >/dev/null <<END
{"apiVersion":"v1","kind":"List","items":[
 {"apiVersion":"v1","kind":"ServiceAccount","metadata":{"name":"default","namespace":"x1"}},
 {"apiVersion":"v1","kind":"Pod","metadata":{"name":"web","namespace":"x1"},"spec":{"nodeName":"n1","containers":[
  {"name":"c","image":"i","ports":[{"containerPort":$plain_port}]}]}},
 {"apiVersion":"v1","kind":"Pod","metadata":{"name":"bad","namespace":"x1"},"spec":{"nodeName":"n1","containers":[{"name":"c","image":"i"}]}},
 {"apiVersion":"v1","kind":"Service","metadata":{"name":"web","namespace":"x1"},"spec":{"ports":[
  {"name":"http","port":80},{"name":"tls","port":443}]}},
 {"apiVersion":"v1","kind":"Service","metadata":{"name":"lost","namespace":"x1"},"spec":{"ports":[{"port":80}]}},
 {"apiVersion":"v1","kind":"Service","metadata":{"name":"sly","namespace":"x1"},"spec":{"ports":[{"port":80}]}},
 {"apiVersion":"v1","kind":"Endpoints","metadata":{"name":"web","namespace":"x1"},"subsets":[{
  "addresses":[{"ip":"$pod_ip","targetRef":{"kind":"Pod","name":"web","namespace":"x1"}}],
  "ports":[{"name":"http","port":$plain_port},{"name":"tls","port":$https_port}]}]},
 {"apiVersion":"v1","kind":"Endpoints","metadata":{"name":"sly","namespace":"x1"},"subsets":[{
  "addresses":[{"ip":"$pod_ip"}],"ports":[{"port":$plain_port}]}]},
 {"apiVersion":"v1","kind":"Node","metadata":{"name":"n1"},"status":{"addresses":[{"type":"InternalIP","address":"$pod_ip"}]}}]}
END
status() {
  request PATCH "$core/pods/$1/status" -H "Content-Type: application/merge-patch+json" \
    -d "{\"status\":{\"phase\":\"Running\",\"podIP\":\"$2\",\"podIPs\":[{\"ip\":\"$2\"}]}}" >/dev/null
}
status web $pod_ip
status bad 127.0.0.1

# last EXPRESSION: of the newest logged request
last() {
  tail -1 "$https_log" | python3 -c "
import json, sys
entry = json.load(sys.stdin)
headers = {name.lower(): value for name, value in entry.get('headers', {}).items()}
print($1)"
}

# message NAME CODE TEXT METHOD PATH [curl arguments]: the Status' message and code
message() {
  body=$(request "$4" "$5" "${@:6}")
  is "$1" "$(printf '%s' "$body" | head -1 | python3 -c 'import json,sys; print(json.load(sys.stdin).get("message"))')|$(printf '%s\n' "$body" | tail -1)" \
    "$3|$2"
}

# --- pods ---
is "a page" "$(request GET "$page/some/where%20else?a=b&c=d" | head -1)" \
  '{"method": "GET", "path": "/some/where%20else?a=b&c=d", "body": ""}'
is "what the pod is told" "$(last 'headers["x-forwarded-for"], headers["x-forwarded-uri"], headers["host"]')" \
  "127.0.0.1 $page/some/where%20else 127.0.0.1:$port"
is "links lie below the proxy, by kubectl get --raw" "$(k get --raw "$page/page/index.html")" \
  '<html><body><a href="'"$page"'/page/next">next</a> <img src="pic.png"></body></html>'
is "the first port of a container" "$(request GET $core/pods/web/proxy/x | tail -1)" "200"
is "TLS" "$(request GET "$core/pods/https:web:$https_port/proxy/tls" | head -1)" '{"method": "GET", "path": "/tls", "body": ""}'
for method in POST PUT PATCH DELETE; do
  is "$method" "$(request $method "$page/form" -d "body of $method" | head -1)" \
    "{\"method\": \"$method\", \"path\": \"/form\", \"body\": \"body of $method\"}"
done
is "HEAD" "$(request HEAD "$page/form" -I | tail -1)" "200"
is "no body, no content type" "$(request POST "$page/form" >/dev/null; last 'headers.get("content-type"), headers.get("content-length")')" \
  "None 0"
is "credentials stay here" "$(curl -s --cacert "$work/pki/ca.crt" --cert "$work/pki/admin.crt" --key "$work/pki/admin.key" \
  -H 'Impersonate-User: admin' -H 'Impersonate-Group: system:masters' -H 'X-Mine: 1' "https://127.0.0.1:$port$page/x" >/dev/null
last '[name for name in headers if name.startswith("impersonate") or name in ("authorization", "x-mine")]')" "['x-mine']"
is "another status and its headers" "$(request GET "$page/page/teapot" -D - | tr -d '\r' | grep -E '^(HTTP|X-Pot|short)' | tr '\n' ' ')" \
  "HTTP/1.1 418 Client Error X-Pot: tea short and stout "
is "without a path" "$(request GET "$page?a=b" -D - | tr -d '\r' | grep -E '^(HTTP|Location)' | tr '\n' ' ')" \
  "HTTP/1.1 301 Moved Permanently Location: $page/?a=b "
like "a redirect" "$(request GET "$page/page/moved" -D - | tr -d '\r')" "*302*Location: $page/page/index.html?x=1*"
is "many bytes" "$(request GET "$page/page/big" | head -c 67108864 | sha256sum)" \
  "$(python3 -c '
import sys
for number in range(64): sys.stdout.buffer.write(bytes([number]) * (1 << 20))' | sha256sum)"
is "a slow reader" "$(request GET "$page/page/big" --limit-rate 60M | head -c 67108864 | wc -c)" "67108864"
request GET "$page/page/short" >/dev/null
is "a body that breaks off" "$?" "18"
command curl -s --cacert "$work/pki/ca.crt" --cert "$work/pki/admin.crt" --key "$work/pki/admin.key" \
  "https://127.0.0.1:$port$page/page/hang" &
hanging=$!
wait_until "a request that hangs" grep -q page/hang "$https_log"
kill "$hanging"
wait "$hanging" 2>/dev/null
wait_until "the pod learns" grep -q left "$https_log" && ok "the pod learns that the client left"
message "nobody listens" 503 "error trying to reach service: dial tcp $pod_ip:1: connect: connection refused" GET \
  "$core/pods/web:1/proxy/"
message "no pod" 404 'pods "none" not found' GET "$core/pods/none/proxy/"
message "an address of the server's own" 400 "address not allowed" GET "$core/pods/bad:$plain_port/proxy/"
message "too many parts" 400 'invalid pod request "a:b:c:d"' GET "$core/pods/a:b:c:d/proxy/"
message "a port that is none" 400 'invalid pod request "web:80@elsewhere"' GET "$core/pods/web:80%40elsewhere/proxy/"

# --- services ---
is "a service by its port's name" "$(request GET "$core/services/web:http/proxy/s" | head -1)" \
  '{"method": "GET", "path": "/s", "body": ""}'
is "by its number" "$(request GET "$core/services/web:80/proxy/s" | tail -1)" "200"
is "with TLS" "$(request GET "$core/services/https:web:tls/proxy/s" | tail -1)" "200"
message "without a port, of two with names" 503 'no endpoints available for service "web"' GET "$core/services/web/proxy/"
message "no such port" 503 'no service port 81 found for service "web"' GET "$core/services/web:81/proxy/"
message "no endpoints" 503 'no endpoints available for service "lost"' GET "$core/services/lost/proxy/"
message "an address that is no pod's" 503 'no endpoints available for service "sly"' GET "$core/services/sly/proxy/"

# --- bodies longer than the server would keep ---
head -c 104857600 /dev/urandom >"$work/upload"
sum=$(sha256sum <"$work/upload" | cut -d' ' -f1)
peak() { awk '/VmHWM/ { print $2 }' "/proc/$server_pid/status"; }
before=$(peak)
is "a long body" "$(request POST "$page/swallow" -H Expect: -T "$work/upload" | head -1)" "POST 104857600 $sum"
is "in chunks, to a service" "$(request PUT "$core/services/http:web:http/proxy/swallow" -H Expect: -T - <"$work/upload" | head -1)" \
  "PUT 104857600 $sum"
is "to a slow reader's pace" "$(head -c 8388608 "$work/upload" | request POST "$page/swallow" --limit-rate 6M -T - | head -1)" \
  "POST 8388608 $(head -c 8388608 "$work/upload" | sha256sum | cut -d' ' -f1)"
[ -n "${SANITIZED:-}" ] || is "memory is bounded" "$(($(peak) - before < 20000))" 1
is "a sender who leaves" "$(timeout 0.5 curl -s --cacert "$work/pki/ca.crt" --cert "$work/pki/admin.crt" --key "$work/pki/admin.key" \
  --limit-rate 1M -T "$work/upload" "https://127.0.0.1:$port$page/swallow"; request GET "$page/some" | tail -1)" "200"
like "leave to send" "$(curl -sv --cacert "$work/pki/ca.crt" --cert "$work/pki/admin.crt" --key "$work/pki/admin.key" -o /dev/null \
  --expect100-timeout 60 -H "Expect: 100-continue" -T "$work/upload" "https://127.0.0.1:$port$page/swallow" 2>&1)" "*HTTP/1.1 100 Continue*HTTP/1.1 200*"
message "nobody there to take it" 503 'no endpoints available for service "lost"' POST "$core/services/lost/proxy/" -H Expect: -T "$work/upload"

# --- nodes ---
is "a node's port" "$(request GET "/api/v1/nodes/n1:$plain_port/proxy/n" | head -1)" '{"method": "GET", "path": "/n", "body": ""}'
message "its agent, which is not there" 503 \
  "error trying to reach service: dial tcp $pod_ip:10250: connect: connection refused" GET /api/v1/nodes/n1/proxy/healthz

# --- upgrades ---
upgrade() {
  printf '%b' "GET $1 HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\nhello\nbye\n" |
    timeout 10 openssl s_client -quiet -connect "127.0.0.1:$port" -CAfile "$work/pki/ca.crt" -cert "$work/pki/admin.crt" \
      -key "$work/pki/admin.key" 2>/dev/null | tr -d '\r'
}
like "an upgrade" "$(upgrade "$page/socket")" \
  "HTTP/1.1 101 *Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=*HELLO
BYE"
like "an upgrade over TLS" "$(upgrade "$core/services/https:web:tls/proxy/socket")" "HTTP/1.1 101 *HELLO
BYE"

# --- who may ---
is "not everybody" "$(as_bob get --raw "$page/x" 2>&1)" \
  'Error from server (Forbidden): pods "web:'"$plain_port"'" is forbidden: User "bob" cannot get resource "pods/proxy" in API group "" in the namespace "x1"'
k create clusterrole proxies --verb=get --resource=pods/proxy >/dev/null
k create clusterrolebinding proxies --clusterrole=proxies --user=bob >/dev/null
like "who may get" "$(as_bob get --raw "$page/x")" '{"method": "GET"*'
like "may not post" "$(as_bob create --raw "$page/x" -f /dev/null 2>&1)" '*cannot create resource "pods/proxy"*'
done_testing
