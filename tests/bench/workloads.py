"""A thousand pods through one Deployment: `clusterd --no-node` with its controllers and scheduler, and nodes that are played."""
import json
import threading
import time

from api_server import TOKEN, Server

PODS = 1000
NODES = 10
KUBELETS = 4  # connections that write pods' statuses
WAIT_SECONDS = 300
DEPLOYMENTS = "/apis/apps/v1/namespaces/default/deployments"
ALL_PODS = "/api/v1/namespaces/default/pods"


class Client:
    """One connection."""

    def __init__(self, server):
        self.server = server
        self.connection = server.connect()

    def open(self, method, path, body=None, kind="application/json"):
        self.connection.request(method, path, json.dumps(body) if body is not None else None,
                                {"Authorization": f"Bearer {TOKEN}", "Content-Type": kind})
        return self.connection.getresponse()

    def ask(self, method, path, body=None, kind="application/json"):
        reply = self.open(method, path, body, kind)
        data = reply.read()
        if reply.status >= 300 and reply.status not in (404, 409):
            raise RuntimeError(f"{method} {path}: {reply.status} {data[:300]}")
        return json.loads(data)

    def merge(self, path, body):
        return self.ask("PATCH", path, body, "application/merge-patch+json")


class Played:
    """The nodes, and what one watch of all pods has seen of them."""

    def __init__(self, server):
        self.server = server
        self.changed = threading.Condition()
        self.present, self.bound, self.running = set(), set(), set()
        self.work = []
        client = Client(server)
        for number in range(NODES):
            self.add_node(client, f"node-{number}")
        for task in [self.watch] + [self.care] * KUBELETS:
            threading.Thread(target=task, daemon=True).start()

    def add_node(self, client, name):
        client.ask("POST", "/api/v1/nodes", {"metadata": {"name": name, "labels": {"kubernetes.io/hostname": name}}})
        room = {"cpu": "64", "memory": "256Gi", "pods": str(PODS)}
        client.merge(f"/api/v1/nodes/{name}/status", {"status": {"capacity": room, "allocatable": room, "conditions": [
            {"type": "Ready", "status": "True"}]}})
        client.merge(f"/api/v1/nodes/{name}", {"spec": {"taints": None}})

    def watch(self):
        for line in Client(self.server).open("GET", f"{ALL_PODS}?watch=true"):
            event = json.loads(line)
            pod = event["object"]
            name, leaving = pod["metadata"]["name"], "deletionTimestamp" in pod["metadata"]
            with self.changed:
                if event["type"] == "DELETED":
                    for names in (self.present, self.bound, self.running):
                        names.discard(name)
                else:
                    self.present.add(name)
                    if pod["spec"].get("nodeName") and (leaving or name not in self.bound):
                        self.bound.add(name)
                        self.work.append((name, leaving))
                self.changed.notify_all()

    def care(self):
        client = Client(self.server)
        while True:
            with self.changed:
                self.changed.wait_for(lambda: self.work)
                name, leaving = self.work.pop(0)
            if leaving:
                client.ask("DELETE", f"{ALL_PODS}/{name}", {"gracePeriodSeconds": 0})
                continue
            client.merge(f"{ALL_PODS}/{name}/status", {"status": {"phase": "Running", "conditions": [
                {"type": "Ready", "status": "True", "lastTransitionTime": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())}]}})

    def wait(self, condition):
        with self.changed:
            if not self.changed.wait_for(condition, WAIT_SECONDS):
                raise RuntimeError(f"{len(self.present)} pods, {len(self.bound)} bound after {WAIT_SECONDS} s")


def wait_status(client, replicas):
    """Until the deployment's status says so: seconds."""
    end = time.monotonic() + WAIT_SECONDS
    while time.monotonic() < end:
        status = client.ask("GET", f"{DEPLOYMENTS}/web").get("status", {})
        if status.get("availableReplicas", 0) == replicas and status.get("replicas", 0) == replicas:
            return
        time.sleep(0.02)
    raise RuntimeError(f"the deployment's status is {status}")


def garbage(client):
    """What is left of a deployment of no pods that should not be."""
    return len(client.ask("GET", ALL_PODS)["items"]) + len(client.ask("GET", "/apis/apps/v1/namespaces/default/replicasets")["items"]) - 1


def measure(bench, clusterd):
    server = Server(clusterd, "--components=controllers,scheduler")
    try:
        client, played = Client(server), Played(server)
        wait_account(client)
        template = {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [
            {"name": "c", "image": "i", "resources": {"requests": {"cpu": "100m", "memory": "64Mi"}}}]}}
        client.ask("POST", DEPLOYMENTS, {"metadata": {"name": "web"}, "spec": {
            "replicas": 0, "selector": {"matchLabels": {"app": "web"}}, "template": template}})
        empty, used, began = server.memory_mib(), server.cpu_seconds(), time.monotonic()
        client.merge(f"{DEPLOYMENTS}/web", {"spec": {"replicas": PODS}})
        played.wait(lambda: len(played.present) == PODS)
        bench.add(f"workloads: {PODS} pods made", time.monotonic() - began, "s")
        played.wait(lambda: len(played.bound) == PODS)
        bench.add(f"workloads: {PODS} pods bound", time.monotonic() - began, "s")
        wait_status(client, PODS)
        bench.add(f"workloads: {PODS} pods available", time.monotonic() - began, "s")
        bench.add("workloads: CPU until then", server.cpu_seconds() - used, "s")
        bench.add(f"workloads: memory with {PODS} pods", server.memory_mib(), "MiB", "the same cluster when empty", empty)
        used, began = server.cpu_seconds(), time.monotonic()
        client.merge(f"{DEPLOYMENTS}/web", {"spec": {"replicas": 0}})
        played.wait(lambda: not played.present)
        wait_status(client, 0)
        bench.add(f"workloads: {PODS} pods gone", time.monotonic() - began, "s")
        bench.add("workloads: CPU until then, going", server.cpu_seconds() - used, "s")
        bench.add("workloads: objects left behind", garbage(client), "")
        bench.add("workloads: memory when they are gone", server.memory_mib(), "MiB", "the same cluster when empty", empty)
    finally:
        server.stop()


def wait_account(client):
    """Pods are refused until their namespace has its service account."""
    while client.ask("GET", "/api/v1/namespaces/default/serviceaccounts/default").get("kind") != "ServiceAccount":
        time.sleep(0.01)
