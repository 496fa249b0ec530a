"""clusterd ends by SIGKILL again and again while it binds 400 pods, a portion before each kill, to 50 nodes that have room for just these.
Every pod is bound once, and no node gets more than it has.

    scheduling-kill.py CLUSTERD FOLDER        SCHEDULING_SEED: repeats a run; SCHEDULING_KILLS: how often it is killed"""
import collections
import concurrent.futures
import json
import os
import random
import sys

from apitest import done, ok, same
from killable import Server, add_node, wait

KILLS = int(os.environ.get("SCHEDULING_KILLS", "8"))
SEED = int(os.environ.get("SCHEDULING_SEED", str(random.randrange(1 << 32))))
WAIT_SECONDS = 60
NODES = [f"n{i:02}" for i in range(50)]
PODS_OF_NODE = 8
COUNT = len(NODES) * PODS_OF_NODE
PORTION = COUNT // KILLS
PODS = "/api/v1/namespaces/default/pods"


def add_pod(server, number):
    request = {"requests": {"cpu": "500m"}}
    server.need("POST", PODS, {"metadata": {"name": f"p{number:03}"}, "spec": {"containers": [{"name": "c", "image": "i", "resources": request}]}})


def has_account(server):
    return server.ask("GET", "/api/v1/namespaces/default/serviceaccounts/default")[0] == 200


def add_nodes(server):
    room = {"cpu": "4", "memory": "8Gi", "pods": "110"}
    wait(server, WAIT_SECONDS, has_account)
    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        list(pool.map(lambda name: add_node(server, name, room), NODES))


def add_portion(server, first, count):
    """Pods from number FIRST on, while nobody schedules; how many of earlier ones were not bound."""
    server.components = "controllers"
    server.start()
    if first == 0:
        add_nodes(server)
    left = sum(1 for pod in server.items(PODS) if not pod["spec"].get("nodeName"))
    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        list(pool.map(lambda number: add_pod(server, number), range(first, first + count)))
    server.kill()
    server.components = "controllers,scheduler"
    return left


class Log:
    """Where each pod has been seen; a pod that was on one node and then on another or none is a mistake."""

    def __init__(self):
        self.where, self.mistakes = {}, []

    def note(self, pod):
        name, node = pod["metadata"]["name"], pod["spec"].get("nodeName")
        known = self.where.get(name)
        if known and known != node:
            self.mistakes.append(f"{name}: {known}, then {node}")
        if node:
            self.where[name] = node


def bind_more(server, log, more):
    """Follows what is bound until MORE than at first are, or all. What the server said before it was killed still holds."""
    pods = server.need("GET", PODS)
    for pod in pods["items"]:
        log.note(pod)
    count = min(len(log.where) + more, len(pods["items"]))
    if len(log.where) >= count:
        return
    with server.open("GET", f"{PODS}?watch=1&resourceVersion={pods['metadata']['resourceVersion']}") as watch:
        for line in watch:
            log.note(json.loads(line)["object"])
            if len(log.where) >= count:
                return
    raise RuntimeError("the watch ended")


def check(server, log):
    pods = server.items(PODS)
    for pod in pods:
        log.note(pod)
    same(len(pods), COUNT, "all pods are there")
    same([pod["metadata"]["name"] for pod in pods if not pod["spec"].get("nodeName")], [], "every pod is bound")
    same(log.mistakes, [], "no pod that was bound moved or came loose")
    crowded = {node: n for node, n in collections.Counter(pod["spec"].get("nodeName") for pod in pods).items() if n > PODS_OF_NODE}
    same(crowded, {}, "no node has more pods than it has room for")
    said = collections.defaultdict(list)
    for event in server.items("/api/v1/namespaces/default/events?fieldSelector=reason%3DScheduled"):
        said[event["involvedObject"]["name"]] += [event["message"]] * max(event.get("count", 1), 1)
    wrong = {name: texts for name, texts in said.items()
             if texts != [f"Successfully assigned default/{name} to {log.where.get(name)}"]}
    same(wrong, {}, "no event tells of a second binding, or of another node")


def main():
    print(f"# SCHEDULING_SEED={SEED}", flush=True)
    chance = random.Random(SEED)
    server, log = Server(sys.argv[1], sys.argv[2]), Log()
    in_the_middle = 0
    for kill in range(KILLS):
        in_the_middle += add_portion(server, kill * PORTION, PORTION) > 0
        server.start()
        bind_more(server, log, chance.randint(1, 15))
        server.kill()
        print(f"# killed when at least {len(log.where)} were bound", flush=True)
        while chance.random() < 0.2:
            server.start(after=chance.uniform(0, 0.2))
    ok(in_the_middle > 0, "it was killed in the middle")
    print(f"# went on {in_the_middle} times")
    add_portion(server, KILLS * PORTION, COUNT - KILLS * PORTION)
    server.start()
    bind_more(server, log, COUNT)
    check(server, log)
    server.process.terminate()
    same(server.process.wait(), 0, "clusterd ends cleanly at last")
    done()


main()
