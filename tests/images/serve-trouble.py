#!/usr/bin/env python3
"""A registry in front of a good one, with trouble: what happens depends on the first part of a repository's name.

    serve-trouble.py UPSTREAM-PORT PORT LOG [RELEASE]

/v2/TROUBLE/NAME/... is UPSTREAM's /v2/NAME/...; each request is a line "METHOD PATH RANGE AUTHORIZATION ADDRESS" of
LOG, ADDRESS being where it came in; what has a space in it has "_" instead.
  plain      none
  cut        each answer with a blob ends after 400000 bytes
  once       the first such answer does, and no range is ever heeded
  held       answers with a blob stop after 400000 bytes until the file RELEASE is there
  busy       the first two requests are too many
  always     every request is one too many, for an hour
  damaged    the last byte of a blob is another
  short      a blob is one byte too short, and its length is not said
  moved      blobs are at 127.0.0.2, same port, which answers like "plain"; needs the login puller:secret
  carried    the same; needs a token, which /token gives to everyone
  gone       blobs are not there
As a proxy (GET http://...) it passes on to UPSTREAM whatever the host.
"""
import base64
import http.server
import os
import sys
import threading
import time
import urllib.error
import urllib.request

UPSTREAM, PORT, LOG = sys.argv[1:4]
RELEASE = sys.argv[4] if len(sys.argv) > 4 else None
LIMIT = 400000
HERE, ELSEWHERE = "127.0.0.1", "127.0.0.2"
NEEDED = {"moved": ("Basic " + base64.b64encode(b"puller:secret").decode(), 'Basic realm="here"'),
          "carried": ("Bearer a-token", f'Bearer realm="http://{HERE}:{PORT}/token",service="here"')}
lock = threading.Lock()
seen = {}


def count(key):
    with lock:
        seen[key] = seen.get(key, 0) + 1
        return seen[key]


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def refuse(self, status, **headers):
        self.reply(status, b'{"errors":[{"code":"TOOMANYREQUESTS","message":"slow down"}]}' if status == 429 else b"{}", **headers)

    def reply(self, status, body, **headers):
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def fetch(self, path, ranged):
        headers = {name: self.headers[name] for name in ("Accept",) if self.headers[name]}
        if ranged and self.headers["Range"]:
            headers["Range"] = self.headers["Range"]
        try:
            return urllib.request.urlopen(urllib.request.Request(f"http://127.0.0.1:{UPSTREAM}{path}", None, headers))
        except urllib.error.HTTPError as error:
            return error

    def send(self, answer, trouble, blob):
        body = answer.read()
        if trouble == "damaged" and blob:
            body = body[:-1] + bytes([body[-1] ^ 1])
        self.send_response(answer.status)
        for name in ("Content-Type", "Content-Range"):
            if answer.headers[name]:
                self.send_header(name, answer.headers[name])
        if trouble == "short" and blob:
            body = body[:-1]
            self.send_header("Connection", "close")
            self.close_connection = True
        else:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        cut = blob and len(body) > LIMIT and (trouble in ("cut", "held") or (trouble == "once" and count(self.path) == 1))
        if not cut:
            self.wfile.write(body)
            return
        self.wfile.write(body[:LIMIT])
        self.wfile.flush()
        if trouble == "held":
            while not os.path.exists(RELEASE):
                time.sleep(0.02)
            self.wfile.write(body[LIMIT:])
            return
        self.close_connection = True

    def do_GET(self):
        login = self.headers["Authorization"]
        address = self.connection.getsockname()[0]
        with lock:
            with open(LOG, "a", encoding="utf-8") as log:
                print(self.command, self.path, self.headers["Range"] or "-", (login or "-").replace(" ", "_"), address, file=log)
        if self.path.startswith("http://"):
            path = "/" + self.path.split("/", 3)[3]
            self.send(self.fetch(path, True), "plain", False)
            return
        if self.path.startswith("/token?"):
            self.reply(200, b'{"token": "a-token"}')
            return
        parts = self.path.split("/", 3)
        trouble, rest = (parts[2], parts[3]) if len(parts) == 4 else ("plain", "")
        blob = "/blobs/" in self.path
        if trouble == "busy" and count("busy") <= 2:
            self.refuse(429, Retry_After="0")
        elif trouble == "always":
            self.refuse(429, Retry_After="3600")
        elif trouble == "gone" and blob:
            self.refuse(404)
        elif trouble in NEEDED and address == HERE and login != NEEDED[trouble][0]:
            self.refuse(401, WWW_Authenticate=NEEDED[trouble][1])
        elif trouble in NEEDED and address == HERE and blob:
            self.refuse(307, Location=f"http://{ELSEWHERE}:{PORT}{self.path}")
        else:
            self.send(self.fetch("/v2/" + rest, trouble != "once"), trouble, blob)

    def log_message(self, *args):
        pass


class Server(http.server.ThreadingHTTPServer):
    def handle_error(self, request, client_address):
        pass  # a client that goes away in the middle is what is wanted


Server(("0.0.0.0", int(PORT)), Handler).serve_forever()
