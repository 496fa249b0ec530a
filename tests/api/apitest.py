"""What the Python tests of the API share: one raw HTTPS client and the lines harness.sh reads (python_tests)."""
import http.client
import json
import os
import re
import ssl
import sys

TIMEOUT_SECONDS = 60


class Reply:
    """Status, headers and the whole body of one answer."""

    def __init__(self, response):
        self.status = response.status
        self.headers = response.headers
        self.body = response.read()

    @property
    def text(self):
        return self.body.decode("utf-8", "replace")

    def json(self):
        return json.loads(self.body)

    def lines(self):
        """The events of a watch."""
        return [json.loads(line) for line in self.body.splitlines() if line]

    def message(self):
        return self.json().get("message")


def status(reply):
    """Code, reason and message of the Status in the body."""
    document = reply.json()
    return document.get("code"), document.get("reason"), document.get("message")


class Api:
    """USER's client certificate, or none at all with user=None. Every request has a connection of its own."""

    def __init__(self, user="admin"):
        self.port = int(os.environ["API_PORT"])
        pki = os.environ["API_PKI"]
        self.tls = ssl.create_default_context(cafile=f"{pki}/ca.crt")
        if user:
            self.tls.load_cert_chain(f"{pki}/{user}.crt", f"{pki}/{user}.key")

    def connect(self, timeout=TIMEOUT_SECONDS):
        return http.client.HTTPSConnection("127.0.0.1", self.port, context=self.tls, timeout=timeout)

    def open(self, method, path, body=None, **headers):
        """The open response; names in HEADERS say _ for -."""
        if body is not None and not isinstance(body, (str, bytes)):
            body = json.dumps(body)
        if isinstance(body, str):
            body = body.encode()
        sent = {"User-Agent": "Python-urllib/3.11"}
        if body is not None and "Content_Type" not in headers:
            sent["Content-Type"] = "application/json"
        sent.update({name.replace("_", "-"): value for name, value in headers.items() if value is not None})
        connection = self.connect()
        connection.request(method, path, body, sent)
        return connection.getresponse()

    def request(self, method, path, body=None, **headers):
        return Reply(self.open(method, path, body, **headers))

    def get(self, path, **headers):
        return self.request("GET", path, **headers)

    def post(self, path, body, **headers):
        return self.request("POST", path, body, **headers)

    def put(self, path, body, **headers):
        return self.request("PUT", path, body, **headers)

    def delete(self, path, body=None, **headers):
        return self.request("DELETE", path, body, **headers)

    def merge(self, path, body):
        return self.request("PATCH", path, body, Content_Type="application/merge-patch+json")

    def strategic(self, path, body):
        return self.request("PATCH", path, body, Content_Type="application/strategic-merge-patch+json")

    def json_patch(self, path, body):
        return self.request("PATCH", path, body, Content_Type="application/json-patch+json")

    def apply(self, path, body):
        return self.request("PATCH", path, body, Content_Type="application/apply-patch+yaml")


class Watch:
    """A running watch; next() waits for its next event that is no bookmark (or any, with bookmarks=True)."""

    def __init__(self, api, path, **headers):
        self.response = api.open("GET", path, **headers)
        self.status = self.response.status

    def next(self, bookmarks=False):
        """(type, object), or None at the end of the watch."""
        while True:
            line = self.response.readline()
            if not line:
                return None
            event = json.loads(line)
            if bookmarks or event["type"] != "BOOKMARK":
                return event["type"], event["object"]

    def rest(self):
        return [json.loads(line) for line in self.response.read().splitlines() if line]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.response.close()


def ok(condition, name, why=""):
    """One line of the result; WHY is printed when it failed."""
    print(("ok - " if condition else "not ok - ") + re.sub(r"[\r\n#]", " ", name))
    if not condition:
        for line in str(why).splitlines()[:40]:
            print("# " + line[:2000])
    sys.stdout.flush()
    return bool(condition)


def same(got, expected, name):
    return ok(got == expected, name, f"got:      {got!r}\nexpected: {expected!r}")


def skip(name, why):
    print(f"ok - {name} # SKIP {why}")


def done():
    """The last line: harness.sh misses it when a test program breaks off."""
    print("done")
