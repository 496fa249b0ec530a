#!/usr/bin/env python3
"""Starts of pods beside those of bare containers, each in turn, so that whatever else the machine does meets all alike.

    pods.py PORT PKI BUNDLE CLUSTERD: prints {name: number} with times in seconds. Called by pods.sh.
"""
import http.client
import json
import os
import pathlib
import ssl
import statistics
import subprocess
import sys
import time

ROUNDS = 15
AT_ONCE = 30
PODS = "/api/v1/namespaces/default/pods"
DOCKER = os.environ.get("DOCKER_CLIENT")


class Api:
    def __init__(self, port, pki):
        self.port = int(port)
        self.context = ssl.create_default_context(cafile=f"{pki}/ca.crt")
        self.context.load_cert_chain(f"{pki}/admin.crt", f"{pki}/admin.key")
        self.connection = self.connect()

    def connect(self):
        return http.client.HTTPSConnection("127.0.0.1", self.port, context=self.context, timeout=120)

    def ask(self, method, path, body=None):
        self.connection.request(method, path, json.dumps(body) if body else None, {"Content-Type": "application/json"})
        reply = self.connection.getresponse()
        data = reply.read()
        if reply.status >= 300:
            raise RuntimeError(f"{method} {path}: {reply.status} {data[:300]}")

    def start(self, names):
        """Seconds from the first create request to the watch event that says of the last that it runs."""
        watch = self.connect()
        watch.request("GET", f"{PODS}?watch=true")
        events = watch.getresponse()
        left = set(names)
        began = time.monotonic()
        for name in names:
            self.ask("POST", PODS, {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name},
                                    "spec": {"nodeName": "node1", "restartPolicy": "Never", "terminationGracePeriodSeconds": 0,
                                             "containers": [{"name": "c", "image": "busybox:1.36", "command": ["sleep", "600"]}]}})
        while left:
            pod = json.loads(events.readline())["object"]
            if pod.get("status", {}).get("phase") == "Running":
                left.discard(pod["metadata"]["name"])
        taken = time.monotonic() - began
        watch.close()
        return taken

    def stop(self, names):
        watch = self.connect()
        watch.request("GET", f"{PODS}?watch=true")
        events = watch.getresponse()
        left = set(names)
        for name in names:
            self.ask("DELETE", f"{PODS}/{name}")
        while left:
            event = json.loads(events.readline())
            if event["type"] == "DELETED":
                left.discard(event["object"]["metadata"]["name"])
        watch.close()


def commands(lines):
    """Runs all at once; seconds until the last has ended."""
    began = time.monotonic()
    running = [subprocess.Popen(line, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) for line in lines]
    if any(process.wait() for process in running):
        raise RuntimeError(f"{lines[0]} failed")
    return time.monotonic() - began


def crun(bundle, names):
    return commands([["crun", "run", "--bundle", bundle, f"bare-{name}"] for name in names])


def docker(names):
    return commands([[DOCKER, "run", "-d", "--name", name, "busybox:1.36", "sleep", "600"] for name in names])


def process(pid):
    """Resident KiB, and the number of threads."""
    fields = dict(line.split(":", 1) for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines())
    return int(fields["VmRSS"].split()[0]), int(fields["Threads"])


def cpu():
    """Seconds of processor time that everything in this sandbox has used."""
    usage = pathlib.Path("/sys/fs/cgroup/cpuacct/cpuacct.usage")
    if usage.exists():
        return int(usage.read_text()) / 1e9
    return int(pathlib.Path("/sys/fs/cgroup/cpu.stat").read_text().split()[1]) / 1e6


def main():
    port, pki, bundle, clusterd = sys.argv[1:]
    api = Api(port, pki)
    figures = {}
    times = {"crun": [], "docker": [], "pod": []}
    used = dict.fromkeys(times, 0.0)

    def measure(what, function, argument):
        before = cpu()
        times[what].append(function(argument))
        used[what] += cpu() - before

    for number in range(ROUNDS):
        name = f"one-{number}"
        measure("crun", lambda names: crun(bundle, names), [name])
        if DOCKER:
            measure("docker", docker, [name])
            subprocess.run([DOCKER, "rm", "-f", name], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=True)
        measure("pod", api.start, [name])
        api.stop([name])
    for what, taken in times.items():
        if taken:
            figures[f"{what}_best"], figures[f"{what}_median"] = min(taken), statistics.median(taken)
            figures[f"{what}_cpu"] = used[what] / ROUNDS
    names = [f"many-{number}" for number in range(AT_ONCE)]
    figures["crun_many"] = crun(bundle, names)
    if DOCKER:
        figures["docker_many"] = docker(names)
        subprocess.run([DOCKER, "rm", "-f", *names], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=True)
    memory, threads = process(clusterd)
    figures["pod_many"] = api.start(names)
    more_memory, more_threads = process(clusterd)
    figures["kib_each"], figures["threads_each"] = (more_memory - memory) / AT_ONCE, (more_threads - threads) / AT_ONCE
    api.stop(names)
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
