"""The API server alone: `clusterd --no-node` under wrk and under a thousand watchers.

What it is compared with was measured on a machine of this kind with kube-apiserver 1.20, etcd and kube-controller-manager, with the same
number of connections and the same objects; those programs cannot be had here, so they are constants.
"""
import contextlib
import http.client
import json
import pathlib
import re
import ssl
import subprocess
import tempfile
import threading
import time
import urllib.parse

OBJECTS = 5000
WRITERS = 8
WATCHERS = 1000
ROUNDS = 30
SECONDS = 4
TOKEN = "bench"
COLLECTION = "/api/v1/namespaces/bench/configmaps"
CREATE_SCRIPT = """
counter = 0
function request()
  counter = counter + 1
  local body = string.format('{"metadata":{"name":"w-%%d-%%d"},"data":{"k":"v"}}', %d, counter)
  return wrk.format("POST", nil, {["Authorization"]="Bearer %s", ["Content-Type"]="application/json"}, body)
end
"""


class Server:
    """A clusterd of this run's own."""

    def __init__(self, program, *options):
        self.folder = tempfile.TemporaryDirectory(prefix="launcher-bench-api-")
        work = pathlib.Path(self.folder.name)
        (work / "tokens").write_text(f'{TOKEN},bench,1,"system:masters"\n')
        kubeconfig = work / "kubeconfig"
        self.process = subprocess.Popen(
            [program, "--no-node", "--data-dir", work / "data", "--bind-address", "127.0.0.1", "--secure-port", "0", "--token-auth-file",
             work / "tokens", "--write-kubeconfig", kubeconfig, *options], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        while not kubeconfig.exists() or "server:" not in kubeconfig.read_text():
            if self.process.poll() is not None:
                raise RuntimeError("clusterd ended at its start")
            time.sleep(0.01)
        self.url = re.search(r"server: *\"?(https://[^\"\s]+)", kubeconfig.read_text()).group(1)

    def connect(self):
        address = urllib.parse.urlsplit(self.url)
        return http.client.HTTPSConnection(address.hostname, address.port, context=ssl._create_unverified_context(), timeout=60)

    def request(self, connection, method, path, body=None):
        connection.request(method, path, json.dumps(body) if body else None,
                           {"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/json"})
        reply = connection.getresponse()
        data = reply.read()
        if reply.status >= 300:
            raise RuntimeError(f"{method} {path}: {reply.status} {data[:300]}")

    def memory_mib(self):
        status = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.search(r"VmRSS:\s+(\d+)", status).group(1)) / 1024

    def cpu_seconds(self):
        fields = pathlib.Path(f"/proc/{self.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / 100

    def stop(self):
        self.process.terminate()
        self.process.wait()
        self.folder.cleanup()


def wrk(server, path, connections, script=None):
    """Requests per second and the median latency in milliseconds."""
    command = ["wrk", "--latency", "-t1", f"-c{connections}", f"-d{SECONDS}", "-H", f"Authorization: Bearer {TOKEN}"]
    if script:
        command += ["-s", script]
    text = subprocess.run([*command, server.url + path], capture_output=True, text=True, check=True).stdout
    if "Non-2xx" in text:
        raise RuntimeError(f"{path}: {text}")
    number, unit = re.search(r"50%\s+([\d.]+)(us|ms|s)", text).groups()
    return float(re.search(r"Requests/sec:\s+([\d.]+)", text).group(1)), float(number) * {"us": 0.001, "ms": 1, "s": 1000}[unit]


def fill(server):
    def create(first):
        connection = server.connect()
        for number in range(first, OBJECTS, WRITERS):
            server.request(connection, "POST", COLLECTION,
                           {"metadata": {"name": f"cm-{number:05}", "labels": {"bucket": f"b{number % 10}"}}, "data": {"k": "x" * 1100}})
    threads = [threading.Thread(target=create, args=(first,)) for first in range(WRITERS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def creates(server, connections):
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as script:
        script.write(CREATE_SCRIPT % (connections, TOKEN))
        script.flush()
        return wrk(server, COLLECTION, connections, script.name)[0]


def idle(server):
    began, used = time.monotonic(), server.cpu_seconds()
    time.sleep(20)
    return 100 * (server.cpu_seconds() - used) / (time.monotonic() - began)


def watchers(server, program):
    address = urllib.parse.urlsplit(server.url)
    text = subprocess.run([program, address.hostname, str(address.port), TOKEN, str(WATCHERS), str(ROUNDS)], capture_output=True, text=True,
                          check=True).stdout
    return json.loads(text)["sinceRequest"]


def measure(bench, clusterd, watchers_program):
    """Adds the figures to BENCH. The constants are kube-apiserver's, with etcd and kube-controller-manager where memory is meant."""
    server = Server(clusterd)
    with contextlib.ExitStack() as stack:
        stack.callback(server.stop)
        bench.add("API: idle, no objects", server.memory_mib(), "MiB", "kube-apiserver, etcd, controller manager", 313 + 45 + 88)
        bench.add("API: idle CPU of one core", idle(server), "%", "kube-apiserver", 3.3)
        server.request(server.connect(), "POST", "/api/v1/namespaces", {"metadata": {"name": "bench"}})
        fill(server)
        bench.add(f"API: with {OBJECTS} ConfigMaps", server.memory_mib(), "MiB", "kube-apiserver alone", 427)
        bench.add("API: GET, 16 connections", wrk(server, f"{COLLECTION}/cm-00042", 16)[0], "1/s", "kube-apiserver", 5600)
        bench.add("API: GET, one connection", wrk(server, f"{COLLECTION}/cm-00042", 1)[1], "ms", "kube-apiserver", 0.86)
        bench.add(f"API: list of {OBJECTS}", wrk(server, COLLECTION, 1)[1], "ms", "kube-apiserver", 116)
        bench.add("API: the same with a label selector", wrk(server, f"{COLLECTION}?labelSelector=bucket%3Db3", 1)[1], "ms",
                  "kube-apiserver", 42)
        bench.add("API: list of 500", wrk(server, f"{COLLECTION}?limit=500", 1)[1], "ms", "kube-apiserver", 8)
        told = watchers(server, watchers_program)
        bench.add(f"API: write to the last of {WATCHERS} watchers, median", told["median"], "ms", "budget of 50 ms", 50)
        bench.add("API: durable creates, one client", creates(server, 1), "1/s", "kube-apiserver", 570)
        bench.add(f"API: durable creates, {WRITERS} clients", creates(server, WRITERS), "1/s", "kube-apiserver, one client", 570)
