#!/usr/bin/env python3
"""What gives out tokens for a docker-registry: to anyone for repositories below open/, for others to puller:secret.

    serve-token.py PORT KEY CERTIFICATE LOG

Source: distribution's "Token authentication". Signed by openssl(1) with KEY; the token carries CERTIFICATE (both PEM).
"""
import base64
import http.server
import json
import subprocess
import sys
import time
import urllib.parse

PORT, KEY, CERTIFICATE, LOG = sys.argv[1:5]
LOGIN = "Basic " + base64.b64encode(b"puller:secret").decode()


def packed(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=")


def sign(claims):
    with open(CERTIFICATE, encoding="ascii") as file:
        der = "".join(line.strip() for line in file if not line.startswith("-----"))
    header = {"typ": "JWT", "alg": "RS256", "x5c": [der]}
    text = packed(json.dumps(header).encode()) + b"." + packed(json.dumps(claims).encode())
    signature = subprocess.run(["openssl", "dgst", "-sha256", "-sign", KEY], input=text, check=True, capture_output=True)
    return (text + b"." + packed(signature.stdout)).decode()


class Handler(http.server.BaseHTTPRequestHandler):
    def answer(self, status, value):
        body = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        query = urllib.parse.parse_qs(urllib.parse.urlsplit(self.path).query)
        login = self.headers["Authorization"]
        scope = query["scope"][0]
        with open(LOG, "a", encoding="utf-8") as log:
            print(scope, login or "-", file=log)
        if login not in (None, LOGIN):
            self.answer(401, {"details": "incorrect username or password"})
            return
        kind, name, actions = scope.split(":")
        allowed = actions.split(",") if login or name.startswith("open/") else []
        now = int(time.time())
        self.answer(200, {"token": sign({"iss": "tokens", "sub": "", "aud": query["service"][0], "exp": now + 300,
                                         "nbf": now - 60, "iat": now, "jti": str(now),
                                         "access": [{"type": kind, "name": name, "actions": allowed}]})})

    def log_message(self, *args):
        pass


http.server.ThreadingHTTPServer(("127.0.0.1", int(PORT)), Handler).serve_forever()
