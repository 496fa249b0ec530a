"""A clusterd that tests kill with SIGKILL and start again on the same data, and a client that outlives it."""
import http.client
import json
import pathlib
import re
import ssl
import subprocess
import threading
import time

TOKEN = "killable"
GONE = (OSError, http.client.HTTPException, ValueError)  # what a client sees of a server that is killed


class Server:
    def __init__(self, program, folder, components="controllers,scheduler"):
        self.folder = pathlib.Path(folder)
        self.kubeconfig = self.folder / "kubeconfig"
        (self.folder / "tokens").write_text(f'{TOKEN},admin,1,"system:masters"\n')
        self.program, self.components = program, components
        self.log = (self.folder / "clusterd.log").open("ab")
        self.up = threading.Event()
        self.starter = threading.get_ident()

    def start(self, after=None):
        """With AFTER: it is killed that many seconds after its start."""
        self.kubeconfig.unlink(missing_ok=True)
        command = [self.program, "--no-node", f"--components={self.components}", "--bind-address", "127.0.0.1", "--secure-port", "0",
                   "--data-dir", self.folder / "data", "--token-auth-file", self.folder / "tokens", "--write-kubeconfig",
                   self.kubeconfig]
        self.process = subprocess.Popen(command, stdout=self.log, stderr=self.log)
        if after is not None:
            time.sleep(after)
            self.kill()
            return
        while not self.kubeconfig.exists() or "server:" not in self.kubeconfig.read_text():
            if self.process.poll() is not None:
                raise RuntimeError("clusterd ended at its start: " + (self.folder / "clusterd.log").read_text()[-2000:])
            time.sleep(0.005)
        self.port = int(re.search(r"server: *\"?https://[^\"\s]+:(\d+)", self.kubeconfig.read_text()).group(1))
        self.up.set()

    def kill(self):
        self.up.clear()
        self.process.kill()
        self.process.wait()

    def open(self, method, path, body=None, kind="application/merge-patch+json"):
        if threading.get_ident() != self.starter:  # who starts it would wait for ever
            self.up.wait()
        elif not self.up.is_set():
            raise ConnectionRefusedError("clusterd does not run")
        connection = http.client.HTTPSConnection("127.0.0.1", self.port, context=ssl._create_unverified_context(), timeout=20)
        headers = {"Authorization": f"Bearer {TOKEN}", "Content-Type": kind if method == "PATCH" else "application/json"}
        connection.request(method, path, json.dumps(body) if body is not None else None, headers)
        return connection.getresponse()

    def ask(self, method, path, body=None, kind="application/merge-patch+json"):
        with self.open(method, path, body, kind) as response:
            return response.status, json.loads(response.read())

    def need(self, method, path, body=None):
        status, value = self.ask(method, path, body)
        if status >= 300:
            raise RuntimeError(f"{method} {path}: {status} {value.get('message')}")
        return value

    def items(self, path):
        return self.need("GET", path)["items"]


def now():
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())


def add_node(server, name, room):
    server.need("POST", "/api/v1/nodes", {"metadata": {"name": name, "labels": {"kubernetes.io/hostname": name}}})
    server.need("PATCH", f"/api/v1/nodes/{name}/status", {"status": {"capacity": room, "allocatable": room, "conditions": [
        {"type": "Ready", "status": "True", "lastHeartbeatTime": now(), "lastTransitionTime": now()}]}})
    server.need("PATCH", f"/api/v1/nodes/{name}", {"spec": {"taints": None}})


def wait(server, seconds, condition, *arguments):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition(server, *arguments):
            return True
        time.sleep(0.02)
    return False
