#!/usr/bin/env python3
"""A registry on 127.0.0.1 that serves one OCI image archive as every repository:tag, to bearers of its token only.

    serve-registry.py ARCHIVE      writes its port to stdout and serves until it is killed
"""
import http.server
import json
import sys
import tarfile

TOKEN = "a-token"


def read_archive(path):
    with tarfile.open(path) as tar:
        return {member.name: tar.extractfile(member).read() for member in tar if member.isfile()}


FILES = read_archive(sys.argv[1])
TOP = json.loads(FILES["index.json"])["manifests"][0]


class Handler(http.server.BaseHTTPRequestHandler):
    def answer(self, status, body=b"", kind="application/json", **headers):
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        if self.path.startswith("/token?"):
            self.answer(200, json.dumps({"token": TOKEN}).encode())
            return
        if self.headers.get("Authorization") != "Bearer " + TOKEN:
            realm = f'Bearer realm="http://127.0.0.1:{self.server.server_port}/token",service="here",scope="pull"'
            self.answer(401, WWW_Authenticate=realm)
            return
        what = self.path.rsplit("/", 1)[1]
        digest = what if what.startswith("sha256:") else TOP["digest"]
        body = FILES.get("blobs/sha256/" + digest.removeprefix("sha256:"))
        if "/missing/" in self.path or body is None:
            self.answer(404)
        elif "/damaged/" in self.path and "/blobs/" in self.path:
            self.answer(200, body[:-1] + b"x", "application/octet-stream")
        else:
            kind = TOP["mediaType"] if "/manifests/" in self.path else "application/octet-stream"
            self.answer(200, body, kind)

    def log_message(self, *args):
        pass


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
print(server.server_port, flush=True)
server.serve_forever()
