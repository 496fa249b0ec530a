#!/usr/bin/env python3
"""Plays a node: pods bound to it run (or, where they are not to be restarted, end well), and go when they are deleted.

    API_PORT=… API_PKI=… fake-node.py [NAME]     until it is ended by a signal; prints "ready" when the node is there

It has no containers: it writes the statuses a kubelet would write. For clients that wait for pods where none can run.
A pod's annotation fake-node/state says otherwise: "running", or the code its containers end with; it may be changed."""
import datetime
import os
import sys
import threading

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "api"))

from apitest import Api, Watch  # noqa: E402 (the path comes first)

LEASE_SECONDS = 10  # as a kubelet renews it
STATE = "fake-node/state"
KINDS = ["Initialized", "PodScheduled", "Ready", "ContainersReady"]
NAME = sys.argv[1] if len(sys.argv) > 1 else "fake"
api = Api()


def now(micro=False):
    form = "%Y-%m-%dT%H:%M:%S.%fZ" if micro else "%Y-%m-%dT%H:%M:%SZ"
    return datetime.datetime.now(datetime.timezone.utc).strftime(form)


def condition(kind, true=True):
    return {"type": kind, "status": "True" if true else "False", "lastProbeTime": None, "lastTransitionTime": now()}


def register():
    room = {"cpu": "8", "memory": "16Gi", "pods": "110", "ephemeral-storage": "100Gi"}
    api.post("/api/v1/nodes", {"metadata": {"name": NAME, "labels": {"kubernetes.io/hostname": NAME, "kubernetes.io/os": "linux"}}})
    api.strategic(f"/api/v1/nodes/{NAME}/status", {"status": {
        "capacity": room, "allocatable": room, "addresses": [{"type": "InternalIP", "address": "127.0.0.1"}],
        "conditions": [dict(condition("Ready"), reason="KubeletReady", lastHeartbeatTime=now())]}})
    api.merge(f"/api/v1/nodes/{NAME}", {"spec": {"taints": None}})


def keep_lease():
    leases = "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases"
    api.post("/api/v1/namespaces", {"metadata": {"name": "kube-node-lease"}})
    spec = {"holderIdentity": NAME, "leaseDurationSeconds": 40, "renewTime": now(micro=True)}
    api.post(leases, {"metadata": {"name": NAME}, "spec": spec})
    stop = threading.Event()
    while not stop.wait(LEASE_SECONDS):
        api.merge(f"{leases}/{NAME}", {"spec": {"renewTime": now(micro=True)}})


def container_status(container, number, state, ready):
    return {"name": container["name"], "image": container["image"], "imageID": f"sha256:{number:064x}",
            "containerID": f"fake://{number:064x}", "restartCount": 0, "ready": ready, "started": ready, "state": state}


def state_of(pod):
    """None: it runs. A number: what its containers end with."""
    state = pod["metadata"].get("annotations", {}).get(STATE)
    if state is not None:
        return None if state == "running" else int(state)
    return None if pod["spec"].get("restartPolicy", "Always") == "Always" else 0


def status_of(pod, number):
    """What a kubelet writes when all went at once."""
    spec, started, code = pod["spec"], now(), state_of(pod)
    done = {"terminated": {"exitCode": 0, "reason": "Completed", "startedAt": started, "finishedAt": started}}
    end = {"terminated": dict(done["terminated"], exitCode=code, reason="Error")} if code else done
    runs = code is None
    address = f"10.244.{number // 250}.{number % 250 + 1}"
    phase = "Running" if runs else "Failed" if code else "Succeeded"
    return {"phase": phase, "hostIP": "127.0.0.1", "podIP": address, "podIPs": [{"ip": address}], "startTime": started,
            "conditions": [condition(kind, runs or kind in ("Initialized", "PodScheduled")) for kind in KINDS],
            "initContainerStatuses": [container_status(c, number, done, True) for c in spec.get("initContainers", [])],
            "containerStatuses": [container_status(c, number, {"running": {"startedAt": started}} if runs else end, runs)
                                  for c in spec["containers"]]}


def main():
    register()
    threading.Thread(target=keep_lease, daemon=True).start()
    print("ready", flush=True)
    seen = {}
    while True:
        with Watch(api, f"/api/v1/pods?watch=1&fieldSelector=spec.nodeName%3D{NAME}") as watch:
            for kind, pod in iter(watch.next, None):
                meta = pod["metadata"]
                path = f"/api/v1/namespaces/{meta['namespace']}/pods/{meta['name']}"
                if kind == "DELETED":
                    continue
                if "deletionTimestamp" in meta:
                    api.delete(path, {"gracePeriodSeconds": 0, "preconditions": {"uid": meta["uid"]}})
                elif seen.get(meta["uid"], (0, ""))[1] != state_of(pod):
                    number = seen.get(meta["uid"], (len(seen),))[0]
                    seen[meta["uid"]] = number, state_of(pod)
                    api.strategic(path + "/status", {"metadata": {"uid": meta["uid"]}, "status": status_of(pod, number)})


main()
