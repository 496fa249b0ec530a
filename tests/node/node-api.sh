#!/bin/bash
# The node's own HTTP API, behind nodes/NAME/proxy.
# shellcheck source-path=SCRIPTDIR source=node-harness.sh
. "$(dirname "$0")/node-harness.sh"
node=/api/v1/nodes/node1/proxy

# get PATH: the body.
get() {
  k get --raw "$node$1" 2>&1
}

# status_of PATH
status_of() {
  request GET "$1" | tail -1
}

# summary EXPRESSION: of the document as s, its pods by name as pods.
summary() {
  get "/stats/summary${2:-}" | python3 -c "
import json, sys
s = json.load(sys.stdin)
pods = {p['podRef']['name']: p for p in s['pods']}
print($1)" 2>&1
}

# metric PATH PATTERN: its value; PATTERN is a regular expression of the name and the labels.
metric() {
  get "$1" | sed -nE "s/^$2 ([^ ]+)( [0-9]+)?\$/\\1/p"
}

start_cluster
load_busybox
k apply -f - >/dev/null <<'END'
apiVersion: v1
kind: Pod
metadata: {name: web, labels: {app: web}}
spec:
  terminationGracePeriodSeconds: 0
  volumes: [{name: data, emptyDir: {}}]
  containers:
  - name: server
    image: busybox:1.36
    command: [sh, -c, "echo hello; echo again; dd if=/dev/zero of=/data/file bs=1M count=3 2>/dev/null; dd if=/dev/zero of=/tmp/own bs=1M count=2 2>/dev/null; touch /tmp/ready; exec httpd -f -p 80 -h /data"]
    resources: {limits: {memory: 64Mi}}
    volumeMounts: [{name: data, mountPath: /data}]
    readinessProbe: {exec: {command: [cat, /tmp/ready]}, periodSeconds: 1}
END
is_ready() {
  [ "$(k get pod web -o 'jsonpath={.status.containerStatuses[0].ready}')" = true ]
}
wait_until "the pod is ready" is_ready

# --- plain answers
is "healthz" "$(get /healthz)" ok
is "by the port's name, too" "$(k get --raw /api/v1/nodes/node1:10250/proxy/healthz)" ok
is "and its scheme" "$(k get --raw /api/v1/nodes/https:node1:10250/proxy/healthz)" ok
is "what is not there" "$(request GET $node/nothing)" "404 page not found

404"
is "only GET" "$(request POST $node/pods -d x | tail -1)" 405
is "no tricks in the path" "$(status_of "$node/logs/%2e%2e/passwd") $(status_of "$node/logs/a%2Fb")" "403 400"
is "another node" "$(request GET /api/v1/nodes/other/proxy/healthz | tail -1)" 404
is "pods" "$(get /pods | python3 -c "
import json, sys
v = json.load(sys.stdin)
print(v['kind'], v['apiVersion'], [(p['metadata']['name'], p['status']['phase'], 'kind' in p) for p in v['items']])")" \
  "PodList v1 [('web', 'Running', False)]"
is "runningpods" "$(get /runningpods/ | python3 -c "
import json, sys
v = json.load(sys.stdin)
print(v['kind'], [(p['metadata']['name'], p['metadata']['namespace'], [c['name'] for c in p['spec']['containers']]) for p in v['items']])")" \
  "PodList [('web', 'default', ['server'])]"
is "configz" "$(get /configz | python3 -c "
import json, sys
c = json.load(sys.stdin)['kubeletconfig']
print(c['kind'], c['clusterDNS'], c['maxPods'])")" "KubeletConfiguration ['10.96.0.10'] 110"

# --- logs
is "containerLogs" "$(get /containerLogs/default/web/server)" "hello
again"
is "with a tail" "$(get '/containerLogs/default/web/server?tailLines=1')" again
is "of no pod" "$(request GET $node/containerLogs/default/nobody/server)" 'pod "nobody" does not exist

404'
is "of no container" "$(request GET $node/containerLogs/default/web/nobody)" 'container "nobody" not found in pod "web"

404'
is "with a bad parameter" "$(status_of "$node/containerLogs/default/web/server?tailLines=x")" 400
echo 'what happened' >/var/log/node.log
printf 'a\0b' >/var/log/binary
ln -s /etc/passwd /var/log/escape
like "logs lists files" "$(get /logs/)" '<pre>*<a href="./binary">binary</a>*<a href="./node.log">node.log</a>*<a href="./pods/">pods/</a>*</pre>*'
is "and shows one" "$(get /logs/node.log)" "what happened"
like "text is text" "$(request GET $node/logs/node.log -D - -o /dev/null)" *"ontent-"?"ype: text/plain; charset=utf-8"*
like "other bytes are not" "$(request GET $node/logs/binary -D - -o /dev/null)" *"ontent-"?"ype: application/octet-stream"*
like "a folder wants its slash" "$(request GET $node/logs/pods -D - -o /dev/null)" *301*"ocation: pods/"*
is "no link leads out" "$(status_of $node/logs/escape)" 403
is "nor up" "$(status_of "$node/logs/..%2f..%2fetc/passwd")" 400
is "an absent file" "$(status_of $node/logs/absent)" 404

truncate -s 100M /var/log/large
is "a large file comes whole, to a client that takes its time" \
  "$(request GET $node/logs/large -o /dev/null --limit-rate 60M -w '%{size_download}\n' | head -1)" 104857600

# --- summary
is "the summary's node" "$(summary "(s['node']['nodeName'], sorted(s['node']))")" \
  "('node1', ['cpu', 'fs', 'memory', 'network', 'nodeName', 'rlimit', 'runtime', 'startTime', 'swap', 'systemContainers'])"
is "its network" "$(summary "(s['node']['network']['name'], s['node']['network']['txBytes'] >= 0)")" "('eth0', True)"
is "its file system" "$(summary "s['node']['fs']['capacityBytes'] > s['node']['fs']['usedBytes'] > 0")" True
is "its processor and memory" "$(summary "sorted(s['node']['cpu']) + sorted(s['node']['memory'])")" \
  "['time', 'usageCoreNanoSeconds', 'usageNanoCores', 'availableBytes', 'majorPageFaults', 'pageFaults', 'rssBytes', 'time', 'usageBytes', 'workingSetBytes']"
is "system containers" "$(summary "[c['name'] for c in s['node']['systemContainers']]")" "['kubelet', 'pods']"
is "the pod" "$(summary "sorted(pods['web'])")" \
  "['containers', 'cpu', 'ephemeral-storage', 'memory', 'network', 'podRef', 'process_stats', 'startTime', 'swap', 'volume']"
is "its container" "$(summary "sorted(pods['web']['containers'][0])")" \
  "['cpu', 'logs', 'memory', 'name', 'rootfs', 'startTime', 'swap']"
is "3 MiB in its volume" "$(summary "[(v['name'], 3 << 20 <= v['usedBytes'] < 4 << 20) for v in pods['web']['volume'] if v['name'] == 'data']")" "[('data', True)]"
is "2 MiB in its own layer" "$(summary "2 << 20 <= pods['web']['containers'][0]['rootfs']['usedBytes'] < 3 << 20")" True
is "both are its ephemeral storage" "$(summary "5 << 20 <= pods['web']['ephemeral-storage']['usedBytes'] < 7 << 20")" True
is "what is left of 64 MiB" "$(summary "(64 << 20) - pods['web']['containers'][0]['memory']['workingSetBytes'] == pods['web']['containers'][0]['memory']['availableBytes']")" True
processes=1
[ "$RUNTIME" = native ] || processes=2 # and the pod's pause process
for _ in $(seq 100); do # a probe may just be one more
  found=$(summary "pods['web']['process_stats']['process_count']")
  [ "$found" != "$processes" ] || break
  sleep 0.2
done
is "its processes" "$found" "$processes"
before=$(summary "pods['web']['network']['rxBytes']")
address=$(k get pod web -o 'jsonpath={.status.podIP}')
for _ in 1 2 3 4 5; do
  curl -s -o /dev/null "http://$address/file"
done
is "what was sent is counted" "$(summary "(pods['web']['network']['name'], pods['web']['network']['rxBytes'] > $before, pods['web']['network']['txBytes'] > 15 << 20)")" "('eth0', True, True)"
is "only processor and memory" "$(summary "(sorted(s['node']), sorted(pods['web']), sorted(pods['web']['containers'][0]))" '?only_cpu_and_memory=true')" \
  "(['cpu', 'memory', 'nodeName', 'startTime', 'swap', 'systemContainers'], ['containers', 'cpu', 'memory', 'podRef', 'startTime', 'swap'], ['cpu', 'memory', 'name', 'startTime', 'swap'])"

# --- Prometheus
like "resource: the container" "$(metric /metrics/resource 'container_memory_working_set_bytes\{container="server",namespace="default",pod="web"\}')" "[1-9]*"
like "the pod" "$(metric /metrics/resource 'pod_cpu_usage_seconds_total\{namespace="default",pod="web"\}')" "[0-9]*"
like "the node" "$(metric /metrics/resource 'node_cpu_usage_seconds_total')" "[0-9]*"
is "without errors" "$(metric /metrics/resource resource_scrape_error)" 0
like "with times" "$(get /metrics/resource | grep '^node_memory_working_set_bytes')" "node_memory_working_set_bytes * [0-9]*"
like "cadvisor: the container" "$(metric /metrics/cadvisor 'container_cpu_usage_seconds_total\{container="server",id="\/kubepods\/burstable\/pod[^"]*",image="[^"]+",name="[0-9a-f]{64}",namespace="default",pod="web",cpu="total"\}')" "[0-9]*"
like "its network" "$(metric /metrics/cadvisor 'container_network_transmit_bytes_total\{interface="eth0",namespace="default",pod="web"\}')" "[1-9]*"
is "its limit" "$(metric /metrics/cadvisor 'container_spec_memory_limit_bytes\{container="server".*\}')" 67108864
is "the machine" "$(metric /metrics/cadvisor machine_cpu_cores)" "$(nproc)"
is "the agent's own: pods" "$(metric /metrics kubelet_running_pods) $(metric /metrics kubelet_desired_pods.*)" "1 1"
is "containers" "$(metric /metrics 'kubelet_running_containers\{container_state="running"\}')" 1
is "its node" "$(metric /metrics 'kubelet_node_name\{node="node1"\}')" 1
like "its process" "$(metric /metrics process_cpu_seconds_total)" "[0-9]*"
like "probes that succeeded" "$(metric /metrics/probes 'prober_probe_total\{container="server",namespace="default",pod="web",pod_uid="[-0-9a-f]+",probe_type="Readiness",result="successful"\}')" "[1-9]*"
k exec web -- rm /tmp/ready
fails_counted() {
  metric /metrics/probes 'prober_probe_total\{.*probe_type="Readiness",result="failed"\}' | grep -q '^[1-9]'
}
wait_until "and those that failed are counted" fails_counted
for page in metrics metrics/resource metrics/cadvisor metrics/probes; do
  is "/$page is well-formed" "$(get /$page | python3 -c "
import re, sys
seen = set()
for line in sys.stdin.read().splitlines():
    if line.startswith('# TYPE '):
        name = line.split()[2]
        assert name not in seen, name
        seen.add(name)
    elif not line.startswith('#'):
        match = re.fullmatch(r'([a-z_]+)(\{([a-z_]+=\"[^\"]*\",?)*\})? [-+0-9.e]+( [0-9]+)?', line)
        assert match and match[1] in seen, line
print('good')" 2>&1)" good
done

# --- who may
k create clusterrole numbers --verb=get --resource=nodes/metrics,nodes/stats,nodes/log >/dev/null
k create clusterrolebinding bob-numbers --clusterrole=numbers --user=bob >/dev/null
wait_until "bob may see the node's numbers" as_bob auth can-i get nodes --subresource=stats
is "but through the proxy the API server asks, and that bob may not" "$(as_bob get --raw $node/stats/summary 2>&1)" \
  'Error from server (Forbidden): nodes "node1" is forbidden: User "bob" cannot get resource "nodes/proxy" in API group "" at the cluster scope'
k create clusterrole proxies --verb=get --resource=nodes/proxy >/dev/null
k create clusterrolebinding bob-proxies --clusterrole=proxies --user=bob >/dev/null
until_is "with nodes/proxy he may" ok as_bob get --raw $node/healthz
k delete pod web --now >/dev/null
done_testing
