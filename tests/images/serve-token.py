#!/usr/bin/env python3
"""What gives out tokens for a docker-registry: to anyone for repositories below open/, for others to puller:secret, and by POST to
who has the identity token an+identity/=.

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

    def note(self, scope, who):
        with open(LOG, "a", encoding="utf-8") as log:
            print(self.command, scope, who.replace(" ", "_"), file=log)

    def give(self, query, allow_all):
        kind, name, actions = query["scope"][0].split(":")
        allowed = actions.split(",") if allow_all or name.startswith("open/") else []
        now = int(time.time())
        token = sign({"iss": "tokens", "sub": "", "aud": query["service"][0], "exp": now + 300, "nbf": now - 60, "iat": now,
                      "jti": str(now), "access": [{"type": kind, "name": name, "actions": allowed}]})
        self.answer(200, {"token" if self.command == "GET" else "access_token": token})

    def do_GET(self):
        query = urllib.parse.parse_qs(urllib.parse.urlsplit(self.path).query)
        if "scope" not in query:
            self.answer(400, {})
            return
        login = self.headers["Authorization"]
        self.note(query["scope"][0], login or "-")
        if login in (None, LOGIN):
            self.give(query, login)
        else:
            self.answer(401, {"details": "incorrect username or password"})

    def do_POST(self):
        form = urllib.parse.parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
        self.note(form["scope"][0], " ".join([self.path, form["grant_type"][0], form["client_id"][0], form["refresh_token"][0],
                                              self.headers["Authorization"] or "-"]))
        if form["grant_type"] == ["refresh_token"] and form["refresh_token"] == ["an+identity/="]:
            self.give(form, True)
        else:
            self.answer(401, {"details": "unknown identity"})

    def log_message(self, *args):
        pass


http.server.ThreadingHTTPServer(("127.0.0.1", int(PORT)), Handler).serve_forever()
