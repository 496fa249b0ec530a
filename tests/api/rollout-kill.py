"""clusterd ends by SIGKILL at random points of fifty rollouts of deployments, stateful sets and daemon sets, sometimes once more while it
starts again. All finish, and nothing is left that belongs to nobody.

    rollout-kill.py CLUSTERD FOLDER        ROLLOUT_SEED: repeats a run; ROLLOUT_COUNT: how many rollouts"""
import json
import os
import random
import sys
import threading
import time

from apitest import done, ok, same
from killable import GONE, Server, add_node, now, wait

ROLLOUTS = int(os.environ.get("ROLLOUT_COUNT", "50"))
SEED = int(os.environ.get("ROLLOUT_SEED", str(random.randrange(1 << 32))))
WAIT_SECONDS = 60
KILL_SECONDS = 0.25  # a rollout of this size takes about as long
NODES = ["n1", "n2", "n3"]
APPS = "/apis/apps/v1/namespaces/default"
PODS = "/api/v1/namespaces/default/pods"


class Kubelet(threading.Thread):
    """Plays all nodes: pods that are bound run, pods that are deleted go. Goes on where it was when the server is back."""

    def __init__(self, server):
        super().__init__(daemon=True)
        self.server = server

    def run(self):
        while True:
            try:
                pods = self.server.need("GET", PODS)
                for pod in pods["items"]:
                    self.care(pod)
                self.follow(pods["metadata"]["resourceVersion"])
            except (RuntimeError, *GONE):
                time.sleep(0.01)

    def follow(self, revision):
        with self.server.open("GET", f"{PODS}?watch=1&resourceVersion={revision}") as watch:
            for line in watch:
                event = json.loads(line)
                if event["type"] in ("ADDED", "MODIFIED"):
                    self.care(event["object"])
                elif event["type"] == "ERROR":
                    return

    def care(self, pod):
        meta, path = pod["metadata"], f"{PODS}/{pod['metadata']['name']}"
        if not pod["spec"].get("nodeName"):
            return
        if "deletionTimestamp" in meta:
            self.server.ask("DELETE", path, {"gracePeriodSeconds": 0, "preconditions": {"uid": meta["uid"]}})
        elif pod.get("status", {}).get("phase", "Pending") == "Pending":
            ready = {"type": "Ready", "status": "True", "lastTransitionTime": now()}
            self.server.ask("PATCH", path + "/status", {"metadata": {"uid": meta["uid"]}, "status": {
                "phase": "Running", "conditions": [ready]}}, "application/strategic-merge-patch+json")


def template(name):
    return {"metadata": {"labels": {"app": name}}, "spec": {"terminationGracePeriodSeconds": 5, "containers": [{"name": "c", "image": "i:0"}]}}


def workload(name, **spec):
    return {"metadata": {"name": name}, "spec": dict({"selector": {"matchLabels": {"app": name}}, "template": template(name)}, **spec)}


def rolling(surge, unavailable):
    return {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": surge, "maxUnavailable": unavailable}}


def make_all(server):
    for node in NODES:
        add_node(server, node, {"cpu": "8", "memory": "8Gi", "pods": "110"})
    deployments = {"web": rolling("25%", "25%"), "careful": rolling(1, 0), "hasty": rolling(0, "50%"), "anew": {"type": "Recreate"}}
    for name, strategy in deployments.items():
        server.need("POST", f"{APPS}/deployments", workload(name, replicas=6, strategy=strategy))
    server.need("POST", f"{APPS}/statefulsets", workload("db", replicas=3, serviceName="db"))
    server.need("POST", f"{APPS}/daemonsets", workload("agent"))
    return [("deployments", name) for name in deployments] + [("statefulsets", "db"), ("daemonsets", "agent")]


def beat(server):
    """Whatever a kubelet says from time to time, so that the nodes stay ready."""
    for node in NODES:
        server.ask("PATCH", f"/api/v1/nodes/{node}/status", {"status": {"conditions": [
            {"type": "Ready", "status": "True", "lastHeartbeatTime": now(), "lastTransitionTime": now()}]}})


def is_done(server, plural, name, image):
    """What `kubectl rollout status` waits for, and that no pod of another template is left."""
    value = server.need("GET", f"{APPS}/{plural}/{name}")
    status, wanted = value.get("status", {}), value["spec"].get("replicas", len(NODES))
    if status.get("observedGeneration") != value["metadata"]["generation"]:
        return False
    members = {"deployments": ["replicas", "updatedReplicas", "availableReplicas"],
               "statefulsets": ["replicas", "updatedReplicas", "availableReplicas", "currentReplicas"],
               "daemonsets": ["desiredNumberScheduled", "updatedNumberScheduled", "numberAvailable"]}[plural]
    if any(status.get(member) != wanted for member in members):
        return False
    pods = server.items(f"{PODS}?labelSelector=app%3D{name}")
    return len(pods) == wanted and all(pod["spec"]["containers"][0]["image"] == image for pod in pods)


def roll(server, chance, plural, name, number):
    """Changes the template, and the size in a third of the cases; false when the server was killed before it said that it took it."""
    change = {"template": {"spec": {"containers": [{"name": "c", "image": f"i:{number}"}]}}}
    if plural != "daemonsets" and chance.random() < 1 / 3:
        change["replicas"] = chance.randint(1, 10) if plural == "deployments" else chance.randint(1, 4)
    killer = threading.Timer(chance.uniform(0, KILL_SECONDS), server.kill)
    killer.start()
    try:
        server.need("PATCH", f"{APPS}/{plural}/{name}", {"spec": change})
        taken = True
    except GONE:
        taken = False
    killer.join()
    while chance.random() < 0.2:
        server.start(after=chance.uniform(0, 0.2))
    server.start()
    if not taken:
        server.need("PATCH", f"{APPS}/{plural}/{name}", {"spec": change})


def strays(server):
    """What belongs to an owner that is not there, or to none."""
    owners = {value["metadata"]["uid"] for plural in ("deployments", "replicasets", "statefulsets", "daemonsets")
              for value in server.items(f"{APPS}/{plural}")}
    found = []
    for path in (PODS, f"{APPS}/replicasets", f"{APPS}/controllerrevisions"):
        for value in server.items(path):
            uids = [owner["uid"] for owner in value["metadata"].get("ownerReferences", []) if owner.get("controller")]
            if len(uids) != 1 or uids[0] not in owners:
                found.append(f"{path}/{value['metadata']['name']}")
    return found


def is_empty(server):
    return not any(server.items(path) for path in (PODS, f"{APPS}/replicasets", f"{APPS}/controllerrevisions", f"{APPS}/deployments",
                                                   f"{APPS}/statefulsets", f"{APPS}/daemonsets"))


def main():
    print(f"# ROLLOUT_SEED={SEED}", flush=True)
    chance = random.Random(SEED)
    server = Server(sys.argv[1], sys.argv[2])
    server.start()
    workloads = make_all(server)
    Kubelet(server).start()
    images = {name: "i:0" for _, name in workloads}
    finished = 0
    for number in range(1, ROLLOUTS + 1):
        plural, name = chance.choice(workloads)
        roll(server, chance, plural, name, number)
        images[name] = f"i:{number}"
        beat(server)
        if chance.random() < 0.3:
            finished += 1  # the next rollout begins in the middle of this one
        elif wait(server, WAIT_SECONDS, is_done, plural, name, images[name]):
            finished += 1
        else:
            print(f"# rollout {number} of {plural}/{name}: {server.need('GET', f'{APPS}/{plural}/{name}')['status']}")
    same(finished, ROLLOUTS, "every rollout goes on after the server was killed")
    for plural, name in workloads:
        ok(wait(server, WAIT_SECONDS, is_done, plural, name, images[name]), f"{plural} {name} runs its last template and nothing else")
    same(strays(server), [], "everything belongs to an owner that is there")
    for plural, name in workloads:
        killer = threading.Timer(chance.uniform(0, KILL_SECONDS), server.kill)
        server.need("DELETE", f"{APPS}/{plural}/{name}", {"propagationPolicy": chance.choice(["Background", "Foreground"])})
        killer.start()
        killer.join()
        server.start()
    ok(wait(server, WAIT_SECONDS, is_empty), "what is deleted takes everything along, whenever the server was killed")
    server.process.terminate()
    same(server.process.wait(), 0, "clusterd ends cleanly at last")
    done()


main()
