#!/usr/bin/env python3
"""A metrics server of the test's own: metrics.k8s.io, custom.metrics.k8s.io and external.metrics.k8s.io over HTTPS.

    metrics-server.py CERTIFICATE KEY CLIENT-CA READY-FILE LOG-FILE LOAD-FILE API-URL API-CA API-CERTIFICATE API-KEY

LOAD-FILE says what is measured, as JSON: {"cpu": "100m", "memory": "8Mi", "qps": "20", "lag": "30", "hits": "7"}. Pods are those the API has. The
port is written to READY-FILE, and to LOG-FILE a line for every request: who asked, for what."""
import datetime
import http.server
import json
import os
import ssl
import sys
import urllib.parse
import urllib.request

certificate, key, client_ca, ready, log_path, load_path, api_url, api_ca, api_certificate, api_key = sys.argv[1:11]
GROUPS = {"metrics.k8s.io": "v1beta1", "custom.metrics.k8s.io": "v1beta2", "external.metrics.k8s.io": "v1beta1"}


def load():
    with open(load_path) as file:
        return json.load(file)


def find_pods(namespace, selector):
    context = ssl.create_default_context(cafile=api_ca)
    context.load_cert_chain(api_certificate, api_key)
    url = f"{api_url}/api/v1/namespaces/{namespace}/pods?labelSelector={urllib.parse.quote(selector)}"
    with urllib.request.urlopen(url, context=context, timeout=20) as reply:
        return json.load(reply)["items"]


def now():
    return datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def pod_metrics(pod):
    usage = {"cpu": load()["cpu"], "memory": load()["memory"]}
    return {"metadata": {"name": pod["metadata"]["name"], "namespace": pod["metadata"]["namespace"],
                         "labels": pod["metadata"].get("labels")},
            "timestamp": now(), "window": "15.123s",
            "containers": [{"name": container["name"], "usage": usage} for container in pod["spec"]["containers"]]}


def metric_value(kind, name, metric):
    return {"describedObject": {"kind": kind, "name": name, "apiVersion": "v1"}, "metric": {"name": metric},
            "timestamp": now(), "value": load()[metric]}


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = 60

    def log_message(self, *arguments):
        pass

    def answer(self, status, document):
        body = json.dumps(document).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def fail(self, text):
        self.answer(404, {"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": 404, "reason": "NotFound",
                          "message": text})

    def resources(self, group, selector, parts):
        if len(parts) != 3 or parts[2] != "pods":
            return None
        return [pod_metrics(pod) for pod in find_pods(parts[1], selector) if pod["status"].get("phase") == "Running"]

    def custom(self, group, selector, parts):
        if len(parts) != 5 or parts[4] not in load():
            return None
        if parts[2:4] == ["pods", "*"]:
            return [metric_value("Pod", pod["metadata"]["name"], parts[4]) for pod in find_pods(parts[1], selector)]
        return [metric_value(parts[2], parts[3], parts[4])]

    def external(self, group, selector, parts):
        if len(parts) != 3 or parts[2] not in load():
            return None
        return [{"metricName": parts[2], "timestamp": now(), "value": load()[parts[2]]}]

    def do_GET(self):
        url = urllib.parse.urlsplit(self.path)
        parts = [urllib.parse.unquote(part) for part in url.path.split("/")[1:]]
        query = urllib.parse.parse_qs(url.query)
        with open(log_path, "a") as file:
            file.write(json.dumps({"user": self.headers.get("X-Remote-User"), "path": self.path}) + "\n")
        if len(parts) < 3 or parts[0] != "apis" or GROUPS.get(parts[1]) != parts[2]:
            self.fail("no such group")
            return
        version = "/".join(parts[1:3])
        if len(parts) == 3:
            names = ["pods"] if parts[1] == "metrics.k8s.io" else []
            self.answer(200, {"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": version, "resources": [
                {"name": name, "singularName": "", "namespaced": True, "kind": "PodMetrics", "verbs": ["get", "list"]}
                for name in names]})
            return
        find = {"metrics.k8s.io": self.resources, "custom.metrics.k8s.io": self.custom,
                "external.metrics.k8s.io": self.external}[parts[1]]
        items = find(parts[1], query.get("labelSelector", [""])[0], parts[3:])
        if items is None:
            self.fail(f"the server could not find the metric {parts[-1]}")
        else:
            self.answer(200, {"kind": "List", "apiVersion": version, "metadata": {}, "items": items})


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
server.daemon_threads = True
tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
tls.load_cert_chain(certificate, key)
tls.load_verify_locations(client_ca)
tls.verify_mode = ssl.CERT_OPTIONAL
server.socket = tls.wrap_socket(server.socket, server_side=True)
with open(ready + ".new", "w") as file:
    file.write(f"{server.server_address[1]}\n")
os.rename(ready + ".new", ready)
server.serve_forever()
