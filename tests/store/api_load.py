"""Load for the tests of the store: clusterd processes, writers that remember what was acknowledged, a watch that resumes."""
import http.client
import json
import os
import pathlib
import random
import signal
import socket
import ssl
import subprocess
import threading
import time

TOKEN = "store-test-token"
COLLECTION = "/api/v1/namespaces/default/configmaps"
READY_SECONDS = 60


def free_ports(count):
    """Ports nobody listens on, below those that the kernel gives to whoever connects before they are taken."""
    ports = []
    for port in random.sample(range(12000, 32000), 1000):
        with socket.socket() as one:
            try:
                one.bind(("127.0.0.1", port))
            except OSError:
                continue
        ports.append(port)
        if len(ports) == count:
            break
    return ports


def wait_until(condition, what, seconds=READY_SECONDS):
    """Waits for what no event tells: another process's answer."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise TimeoutError(what)
        time.sleep(0.02)


class Server:
    """One clusterd without a node."""

    def __init__(self, clusterd, folder, port, pki, arguments):
        self.folder = pathlib.Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.port = port
        self.pki = pathlib.Path(pki)
        tokens = self.folder / "tokens.csv"
        tokens.write_text(f'{TOKEN},admin,admin,"system:masters"\n')
        self.command = [clusterd, "--no-node", "--bind-address", "127.0.0.1", "--advertise-address", "127.0.0.1", "--secure-port",
                        str(port), "--data-dir", str(self.folder / "data"), "--cert-dir", str(pki), "--token-auth-file",
                        str(tokens), *arguments]
        self.log = self.folder / "clusterd.log"
        self.process = None

    def start(self):
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(self.command, stderr=log, stdout=log)
        wait_until(self.is_ready, f"clusterd on port {self.port}: {self.log.read_text()[-2000:]}")

    def is_ready(self):
        if self.process.poll() is not None:
            raise RuntimeError(f"clusterd ended with {self.process.returncode}: {self.log.read_text()[-2000:]}")
        try:
            return self.request("GET", "/readyz")[0] == 200
        except (OSError, http.client.HTTPException):
            return False

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def stop(self):
        self.process.terminate()
        return self.process.wait(60)

    def connect(self, timeout=30):
        context = ssl.create_default_context(cafile=str(self.pki / "ca.crt"))
        return http.client.HTTPSConnection("127.0.0.1", self.port, context=context, timeout=timeout)

    def request(self, method, path, body=None, connection=None):
        own = connection or self.connect()
        try:
            own.request(method, path, json.dumps(body) if body else None,
                        {"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/json"})
            answer = own.getresponse()
            return answer.status, json.loads(answer.read() or b"{}") if not path.startswith(("/readyz", "/livez", "/healthz")) else answer.read()
        finally:
            if not connection:
                own.close()


class Writers:
    """Threads that create objects, on whichever server answers, and remember the revision of each acknowledged one."""

    def __init__(self, servers, count, tag):
        self.servers = servers
        self.tag = tag
        self.lock = threading.Lock()
        self.acknowledged = {}  # name -> revision
        self.uncertain = set()  # no answer came
        self.refused = []  # answers that are no success
        self.stopping = False
        self.threads = [threading.Thread(target=self.write, args=(i,)) for i in range(count)]
        for thread in self.threads:
            thread.start()

    def write(self, number):
        turn, connection = number, None
        for i in range(10 ** 9):
            if self.stopping:
                return
            name = f"{self.tag}-{number}-{i}"
            server = self.servers[turn % len(self.servers)]
            try:
                connection = connection or server.connect()
                body = {"metadata": {"name": name}, "data": {"who": str(number), "text": "x" * 200}}
                status, answer = server.request("POST", COLLECTION, body, connection)
            except (OSError, http.client.HTTPException, ValueError):
                connection, turn = None, turn + 1
                with self.lock:
                    self.uncertain.add(name)
                if len(self.servers) == 1 and not self.stopping:
                    time.sleep(0.01)
                continue
            with self.lock:
                if status == 201:
                    self.acknowledged[name] = int(answer["metadata"]["resourceVersion"])
                elif status in (500, 503, 504):
                    self.uncertain.add(name)
                else:
                    self.refused.append((status, answer.get("message")))

    def count(self):
        with self.lock:
            return len(self.acknowledged)

    def wait_for_more(self, more):
        goal = self.count() + more
        wait_until(lambda: self.count() >= goal, f"{more} more writes", 90)

    def stop(self):
        self.stopping = True
        for thread in self.threads:
            thread.join()


class Watcher:
    """Follows the collection from a revision on, on whichever server answers, always from where it was."""

    def __init__(self, servers, revision):
        self.servers = servers
        self.revision = revision
        self.added = {}  # name -> times
        self.problems = []
        self.resumed = 0
        self.sock = None
        self.stopping = False
        self.thread = threading.Thread(target=self.follow)
        self.thread.start()

    def follow(self):
        turn = 0
        while not self.stopping:
            try:
                self.stream(self.servers[turn % len(self.servers)])
            except (OSError, http.client.HTTPException, ValueError):
                pass
            turn += 1
            self.resumed += 1

    def stream(self, server):
        connection = server.connect(timeout=1)
        connection.request("GET", f"{COLLECTION}?watch=1&resourceVersion={self.revision}",
                           headers={"Authorization": f"Bearer {TOKEN}"})
        connection.sock.settimeout(30)
        answer = connection.getresponse()
        socket_of = answer.fp.raw._sock if hasattr(answer.fp, "raw") else None
        self.sock = socket_of
        while not self.stopping:
            line = answer.readline()
            if not line:
                return
            self.take(json.loads(line))

    def take(self, event):
        if event["type"] == "ERROR":
            self.problems.append(event["object"].get("message"))
            self.stopping = True
            return
        revision = int(event["object"]["metadata"]["resourceVersion"])
        if revision < self.revision or (revision == self.revision and event["type"] != "BOOKMARK"):
            self.problems.append(f"revision {revision} after {self.revision}")
        self.revision = max(revision, self.revision)
        if event["type"] == "ADDED":
            name = event["object"]["metadata"]["name"]
            self.added[name] = self.added.get(name, 0) + 1

    def stop(self):
        self.stopping = True
        if self.sock:
            try:
                self.sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
        self.thread.join()


class Tap:
    def __init__(self):
        self.count = self.failures = 0

    def ok(self, name, good, *details):
        self.count += 1
        self.failures += not good
        print(f"{'' if good else 'not '}ok {self.count} - {name}", flush=True)
        if not good:
            for detail in details:
                for line in str(detail)[-3000:].splitlines():
                    print(f"# {line}", flush=True)

    def done(self):
        print(f"1..{self.count}")
        return 1 if self.failures else 0


def environment():
    """Where the tree and what was built are."""
    here = pathlib.Path(__file__).resolve().parent
    source = pathlib.Path(os.environ.get("G_TEST_SRCDIR", here.parent.parent))
    build = pathlib.Path(os.environ.get("G_TEST_BUILDDIR", source))
    return source, os.environ.get("CLUSTERD", str(build / "src/clusterd/clusterd"))
