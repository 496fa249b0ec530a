#!/usr/bin/env python3
"""A small HTTPS server the API tests talk to: webhooks below /hook, an extension API server below /apis, pages below /page.

    https-server.py CERTIFICATE KEY CLIENT-CA READY-FILE LOG-FILE API-URL API-CA API-CERTIFICATE API-KEY

The port is written to READY-FILE, one JSON line for every request to LOG-FILE. A client certificate is asked for, not required."""
import base64
import hashlib
import http.server
import json
import os
import ssl
import sys
import threading
import time
import urllib.request

certificate, key, client_ca, ready, log_path, api_url, api_ca, api_certificate, api_key = sys.argv[1:10]
log_lock = threading.Lock()
connections = 0
held = threading.Event()


def log(entry):
    with log_lock, open(log_path, "a") as file:
        file.write(json.dumps(entry) + "\n")


def call_api(method, path, body=None):
    """As a webhook's own client would, while its caller waits."""
    context = ssl.create_default_context(cafile=api_ca)
    context.load_cert_chain(api_certificate, api_key)
    request = urllib.request.Request(api_url + path, method=method, data=json.dumps(body).encode() if body else None,
                                     headers={"Content-Type": "application/json"})
    with urllib.request.urlopen(request, context=context, timeout=20) as reply:
        return json.load(reply)


def respond(review, allowed=True, patch=None, **more):
    response = {"uid": review["request"]["uid"], "allowed": allowed, **more}
    if patch is not None:
        response["patchType"] = "JSONPatch"
        response["patch"] = base64.b64encode(json.dumps(patch).encode()).decode()
    return {"apiVersion": review["apiVersion"], "kind": "AdmissionReview", "response": response}


def add_label(review, name, value):
    labels = review["request"]["object"]["metadata"].get("labels")
    if labels is None:
        return [{"op": "add", "path": "/metadata/labels", "value": {name: value}}]
    return [{"op": "add", "path": "/metadata/labels/" + name, "value": value}]


def hook_label(review):
    return respond(review, patch=add_label(review, "hooked", "yes"))


def hook_count(review):
    """A label that counts how often it was called."""
    labels = review["request"]["object"]["metadata"].get("labels") or {}
    return respond(review, patch=add_label(review, "count", str(int(labels.get("count", "0")) + 1)))


def hook_back(review):
    """Reads and writes the API before it answers."""
    namespace = review["request"]["namespace"]
    call_api("GET", "/api/v1/namespaces/" + namespace)
    call_api("POST", f"/api/v1/namespaces/{namespace}/secrets", {"metadata": {"generateName": "back-"}})
    return respond(review)


def hook_data(review):
    if review["request"]["operation"] == "DELETE":
        return respond(review)
    return respond(review, patch=[{"op": "add", "path": "/data", "value": {"from": "webhook"}}])


def hook_note(review):
    """Members a schema knows, and some it does not."""
    return respond(review, patch=[{"op": "add", "path": "/data", "value": {"kept": "yes", "unknown": "no"}},
                                  {"op": "add", "path": "/extra", "value": {"a": 1}}] + add_label(review, "hooked", "yes"))


def hook_convert(review):
    """v1 has spec.hostPort ("a:1"), all else spec.host and spec.port."""
    request = review["request"]
    converted = []
    for item in request["objects"]:
        item = json.loads(json.dumps(item))
        spec = item.setdefault("spec", {})
        if request["desiredAPIVersion"].endswith("/v1"):
            if "host" in spec or "port" in spec:
                spec["hostPort"] = f"{spec.pop('host', '')}:{spec.pop('port', '')}"
        elif "hostPort" in spec:
            spec.update({name: part for name, part in zip(("host", "port"), spec.pop("hostPort").split(":")) if part})
        item["apiVersion"] = request["desiredAPIVersion"]
        item["metadata"].setdefault("labels", {})["converted"] = request["desiredAPIVersion"].split("/")[1]
        item["metadata"]["uid"] = "forged"
        converted.append(item)
    return {"apiVersion": review["apiVersion"], "kind": "ConversionReview",
            "response": {"uid": request["uid"], "result": {"status": "Success"}, "convertedObjects": converted}}


def hook_refuse(review):
    return {"apiVersion": review["apiVersion"], "kind": "ConversionReview",
            "response": {"uid": review["request"]["uid"], "result": {"status": "Failed", "message": "too old"}}}


HOOKS = {
    "allow": respond,
    "deny": lambda review: respond(review, False, status={"message": "not today"}),
    "forbid": lambda review: respond(review, False, status={"message": "never", "code": 403, "reason": "Forbidden"}),
    "mute": lambda review: respond(review, False),
    "warn": lambda review: respond(review, warnings=["mind the gap"], auditAnnotations={"seen": "yes"}),
    "uid": lambda review: {**respond(review), "response": {"uid": "other", "allowed": True}},
    "kind": lambda review: {**respond(review), "kind": "Other"},
    "empty": lambda review: {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview"},
    "patch": lambda review: {**respond(review), "response": {**respond(review)["response"], "patch": "WzFd"}},
    "badpatch": lambda review: respond(review, patch=[{"op": "replace", "path": "/nothing/here", "value": 1}]),
    "label": hook_label,
    "count": hook_count,
    "back": hook_back,
    "data": hook_data,
    "note": hook_note,
    "badnote": lambda review: respond(review, patch=[{"op": "add", "path": "/data", "value": {"kept": 1}}]),
    "convert": hook_convert,
    "refuse": hook_refuse,
}


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = 60

    def setup(self):
        global connections
        super().setup()
        with log_lock:
            connections += 1
            self.number = connections

    def log_message(self, *arguments):
        pass

    def answer(self, status, body, content_type="application/json", headers=()):
        body = body if isinstance(body, bytes) else body.encode()
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        for name, value in headers:
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def chunk(self, data):
        self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))
        self.wfile.flush()

    def hook(self, name, body):
        review = json.loads(body)
        log({"hook": name, "path": self.path, "connection": self.number, "request": review["request"],
             "version": review["apiVersion"]})
        if name == "slow":
            time.sleep(3)
            self.answer(200, json.dumps(respond(review)))
        elif name == "broken":
            self.answer(500, "out of order", "text/plain")
        elif name == "garbage":
            self.answer(200, "<html>", "text/html")
        else:
            self.answer(200, json.dumps(HOOKS[name](review)))

    def subject(self):
        peer = (isinstance(self.connection, ssl.SSLSocket) and self.connection.getpeercert()) or {}
        return ",".join(value for part in peer.get("subject", ()) for _, value in part)

    def pieces(self):
        """The body as it comes."""
        if self.headers.get("Transfer-Encoding") != "chunked":
            left = int(self.headers.get("Content-Length") or 0)
            while left and (piece := self.rfile.read(min(left, 1 << 16))):
                left -= len(piece)
                yield piece
            return
        while length := int(self.rfile.readline(), 16):
            yield self.rfile.read(length)
            self.rfile.readline()
        self.rfile.readline()

    def swallow(self):
        """Takes a body of any length, and tells what it was."""
        digest, length = hashlib.sha256(), 0
        for piece in self.pieces():
            digest.update(piece)
            length += len(piece)
        self.answer(200, f"{self.command} {length} {digest.hexdigest()}", "text/plain")

    def handle_all(self):
        if self.path.endswith("/swallow"):
            self.swallow()
            return
        length = int(self.headers.get("Content-Length") or 0)
        body = self.rfile.read(length)
        path = self.path.split("?")[0]
        if path.startswith("/hook/"):
            self.hook(path[len("/hook/"):], body)
            return
        log({"method": self.command, "path": self.path, "headers": dict(self.headers), "body": body.decode("latin1"),
             "subject": self.subject()})
        if self.headers.get("Upgrade"):
            self.upgrade()
        elif path.startswith("/apis"):
            self.api(path)
        elif path.startswith("/openapi"):
            self.openapi(path)
        else:
            self.page(path, body)

    # --- an extension API server ---

    FLUNDERS = {"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": "wardle.example.com/v1", "resources": [
        {"name": "flunders", "singularName": "flunder", "namespaced": True, "kind": "Flunder", "shortNames": ["fl"],
         "verbs": ["get", "list", "watch", "create", "delete"]}]}

    def api(self, path):
        if path == "/apis/wardle.example.com/v1":
            self.answer(200, json.dumps(self.FLUNDERS))
        elif path == "/apis/wardle.example.com":
            version = {"groupVersion": "wardle.example.com/v1", "version": "v1"}
            self.answer(200, json.dumps({"kind": "APIGroup", "apiVersion": "v1", "name": "wardle.example.com",
                                         "versions": [version], "preferredVersion": version}))
        elif "watch=" in self.path:
            self.watch()
        elif path.endswith("/flunders"):
            self.answer(200, json.dumps({"kind": "FlunderList", "apiVersion": "wardle.example.com/v1",
                                         "metadata": {"resourceVersion": "7"}, "items": [self.flunder("one")]}))
        elif path.endswith("/flunders/one"):
            self.answer(200, json.dumps(self.flunder("one")))
        else:
            self.answer(404, json.dumps({"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": 404,
                                         "reason": "NotFound", "message": "flunders \"none\" not found"}))

    SWAGGER = {"swagger": "2.0", "info": {"title": "wardle", "version": "1"}, "paths": {
        "/apis/wardle.example.com/v1/namespaces/{namespace}/flunders": {"get": {
            "responses": {"200": {"description": "OK", "schema": {"$ref": "#/definitions/com.example.wardle.FlunderList"}}}}},
        "/apis/other.example.com/v1/things": {"get": {"responses": {"200": {"description": "OK"}}}}}, "definitions": {
            "com.example.wardle.FlunderList": {"type": "object", "properties": {
                "items": {"type": "array", "items": {"$ref": "#/definitions/com.example.wardle.Flunder"}}}},
            "com.example.wardle.Flunder": {"type": "object", "description": "Something to flunder with.",
                "x-kubernetes-group-version-kind": [{"group": "wardle.example.com", "version": "v1", "kind": "Flunder"}],
                "properties": {"metadata": {"$ref": "#/definitions/io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"},
                               "spec": {"type": "object", "properties": {"user": {"type": "string", "description": "Who flunders."}}}}},
            "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta": {"type": "object", "properties": {"name": {"type": "string"}}},
            "com.example.wardle.Unused": {"type": "object"}}}

    def openapi(self, path):
        if path == "/openapi/v2":
            self.answer(200, json.dumps(self.SWAGGER))
        elif path == "/openapi/v3":
            self.answer(200, json.dumps({"paths": {"apis/wardle.example.com/v1": {
                "serverRelativeURL": "/openapi/v3/apis/wardle.example.com/v1?hash=H"}}}))
        else:
            self.answer(200, json.dumps({"openapi": "3.0.0", "info": {"title": "wardle", "version": "1"}, "paths": {}}))

    def flunder(self, name):
        return {"kind": "Flunder", "apiVersion": "wardle.example.com/v1",
                "metadata": {"name": name, "namespace": "x1", "creationTimestamp": None},
                "spec": {"user": self.headers.get("X-Remote-User"),
                         "groups": self.headers.get_all("X-Remote-Group"), "certificate": self.subject()}}

    def watch(self):
        """One event at once; the second when the test has seen the first."""
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        self.chunk(json.dumps({"type": "ADDED", "object": self.flunder("one")}).encode() + b"\n")
        held.wait(20)
        self.chunk(json.dumps({"type": "DELETED", "object": self.flunder("one")}).encode() + b"\n")
        self.chunk(b"")

    # --- pages behind a proxy subresource ---

    def page(self, path, body):
        if path == "/release":
            held.set()
            self.answer(200, "released", "text/plain")
        elif path == "/page/moved":
            self.answer(302, "", "text/plain", [("Location", "/page/index.html?x=1")])
        elif path == "/page/index.html":
            self.answer(200, '<html><body><a href="/page/next">next</a> <img src="pic.png"></body></html>', "text/html")
        elif path == "/page/big":
            self.send_response(200)
            self.send_header("Content-Type", "application/octet-stream")
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            for number in range(64):
                self.chunk(bytes([number]) * (1 << 20))
            self.chunk(b"")
        elif path == "/page/short":
            self.send_response(200)
            self.send_header("Content-Length", "1000")
            self.end_headers()
            self.wfile.write(b"only this")
            self.close_connection = True
        elif path == "/page/hang":
            self.rfile.read(1)
            log({"left": True})
        elif path == "/page/teapot":
            self.answer(418, "short and stout", "text/plain", [("X-Pot", "tea")])
        else:
            self.answer(200, json.dumps({"method": self.command, "path": self.path, "body": body.decode("latin1")}))

    def upgrade(self):
        """Answers like a WebSocket server and then sends every line back in upper case, until it is told "bye"."""
        accept = base64.b64encode(hashlib.sha1((self.headers.get("Sec-WebSocket-Key", "") +
                                                "258EAFA5-E914-47DA-95CA-C5AB0DC85B11").encode()).digest()).decode()
        self.send_response(101)
        self.send_header("Upgrade", self.headers["Upgrade"])
        self.send_header("Connection", "Upgrade")
        self.send_header("Sec-WebSocket-Accept", accept)
        self.end_headers()
        for line in self.rfile:
            self.wfile.write(line.upper())
            if line == b"bye\n":
                break
        self.close_connection = True

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = do_HEAD = do_OPTIONS = handle_all


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 256
    plain = False

    def get_request(self):
        connection, address = super().get_request()
        return connection, address

    def finish_request(self, request, address):
        """The handshake on the connection's own thread: a slow peer holds nobody up."""
        if not self.plain:
            request = self.tls.wrap_socket(request, server_side=True)
        super().finish_request(request, address)

    def handle_error(self, request, address):
        pass


def serve(plain):
    server = Server((os.environ.get("HTTPS_ADDRESS", "127.0.0.1"), 0), Handler)
    server.plain = plain
    server.tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.tls.load_cert_chain(certificate, key)
    server.tls.load_verify_locations(client_ca)
    server.tls.verify_mode = ssl.CERT_OPTIONAL
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server.server_address[1]


ports = f"{serve(False)} {serve(True)}\n"
with open(ready + ".new", "w") as file:
    file.write(ports)
os.rename(ready + ".new", ready)
threading.Event().wait()
