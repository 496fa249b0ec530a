"""Deletion: grace, finalizers, propagation, collections, namespaces."""
import time

from apitest import Api, done, ok, same, status

MAPS = "/api/v1/namespaces/del/configmaps"
PODS = "/api/v1/namespaces/del/pods"
api = Api()


def make(name, **metadata):
    return api.post(MAPS, {"metadata": dict(metadata, name=name)}).json()


def plain():
    made = make("a")
    same(api.delete(MAPS + "/a").json(),
         {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success",
          "details": {"name": "a", "kind": "configmaps", "uid": made["metadata"]["uid"]}}, "a deletion at once")
    same(status(api.delete(MAPS + "/a")), (404, "NotFound", 'configmaps "a" not found'), "a second one")
    make("p")
    same(status(api.delete(MAPS + "/p", {"propagationPolicy": "Never"})),
         (422, "Invalid", 'DeleteOptions.meta.k8s.io "" is invalid: propagationPolicy: Unsupported value: "Never": supported '
          'values: "Foreground", "Background", "Orphan", "nil"'), "no such policy")
    same(status(api.delete(MAPS + "/p", {"propagationPolicy": "Orphan", "orphanDependents": True}))[:2], (422, "Invalid"),
         "two policies")
    same(api.delete(MAPS + "/p?dryRun=All").json()["status"], "Success", "a deletion that is none")
    same(api.get(MAPS + "/p").status, 200, "keeps the object")
    same(api.delete(MAPS + "/p", {"dryRun": ["All"]}).status, 200, "also when the body says so")
    same(api.get(MAPS + "/p").status, 200, "keeps it too")
    same(status(api.delete(MAPS + "/p?dryRun=Some"))[0], 422, "no such dry run")


def finalizers():
    made = make("f", finalizers=["x.io/y"])
    gone = api.delete(MAPS + "/f").json()
    ok(gone["kind"] == "ConfigMap" and gone["metadata"]["deletionTimestamp"] and
       gone["metadata"]["deletionGracePeriodSeconds"] == 0 and gone["metadata"]["uid"] == made["metadata"]["uid"],
       "a finalizer holds the object", gone)
    same(api.delete(MAPS + "/f").json(), gone, "however often it is deleted")
    same(status(api.post(MAPS, {"metadata": {"name": "f"}})),
         (409, "AlreadyExists", 'object is being deleted: configmaps "f" already exists'), "its name is not free yet")
    changed = api.merge(MAPS + "/f", {"metadata": {"labels": {"a": "b"}}})
    same(changed.status, 200, "its metadata may change")
    reply = api.merge(MAPS + "/f", {"metadata": {"finalizers": ["x.io/y", "x.io/z"]}})
    ok(reply.status == 422 and "no new finalizers can be added if the object is being deleted" in reply.message(),
       "but not gain finalizers", reply.text)
    last = api.merge(MAPS + "/f", {"metadata": {"finalizers": None}})
    same((last.status, last.json()["kind"]), (200, "ConfigMap"), "without the last one")
    same(api.get(MAPS + "/f").status, 404, "it is gone")


def graceful():
    pod = {"metadata": {"name": "p"}, "spec": {"containers": [{"name": "c", "image": "i"}]}}
    api.post(PODS, pod)
    reply = api.delete(PODS + "/p")
    same((reply.json()["kind"], api.get(PODS + "/p").status), ("Pod", 404), "a pod without a node goes at once")
    pod["spec"]["nodeName"] = "n1"
    before = time.time()
    api.post(PODS, pod)
    first = api.delete(PODS + "/p").json()["metadata"]
    when = time.mktime(time.strptime(first["deletionTimestamp"], "%Y-%m-%dT%H:%M:%SZ")) - time.timezone
    ok(first["deletionGracePeriodSeconds"] == 30 and 29 <= when - before <= 35, "one with a node gets its time", first)
    same(api.delete(PODS + "/p", {"gracePeriodSeconds": 60}).json()["metadata"]["deletionGracePeriodSeconds"], 30,
         "a second deletion does not lengthen it")
    shorter = api.delete(PODS + "/p", {"gracePeriodSeconds": 5}).json()["metadata"]
    ok(shorter["deletionGracePeriodSeconds"] == 5 and shorter["deletionTimestamp"] < first["deletionTimestamp"],
       "it may shorten it", shorter)
    same(api.delete(PODS + "/p", {"gracePeriodSeconds": 0, "preconditions": {"uid": "other"}}).status, 409,
         "the wrong pod's end")
    same(api.delete(PODS + "/p?gracePeriodSeconds=0").status, 200, "the end")
    same(api.get(PODS + "/p").status, 404, "of the pod")
    same(status(api.delete(PODS + "/p", {"gracePeriodSeconds": "x"}))[0], 400, "no such time")


def propagation():
    make("fg")
    kept = api.delete(MAPS + "/fg", {"propagationPolicy": "Foreground"}).json()
    same(kept["metadata"].get("finalizers"), ["foregroundDeletion"], "foreground waits for the dependents")
    make("or")
    kept = api.delete(MAPS + "/or?propagationPolicy=Orphan").json()
    same(kept["metadata"].get("finalizers"), ["orphan"], "orphans are let go first")
    make("od")
    same(api.delete(MAPS + "/od", {"orphanDependents": False}).json()["status"], "Success", "the old name of Background")
    job = {"metadata": {"name": "j"}, "spec": {"template": {"spec": {
        "restartPolicy": "Never", "containers": [{"name": "c", "image": "i"}]}}}}
    jobs = "/apis/batch/v1/namespaces/del/jobs"
    api.post(jobs, job)
    reply = api.delete(jobs + "/j")
    same(reply.json()["metadata"].get("finalizers"), ["orphan"], "a Job's pods are orphaned unless told otherwise")
    ok("child pods are preserved by default when jobs are deleted" in (reply.headers["Warning"] or ""), "with a warning",
       reply.headers)


def collections():
    base = "/api/v1/namespaces/del/secrets"
    for i in range(4):
        api.post(base, {"metadata": {"name": f"s{i}", "labels": {"odd": str(i % 2)}}})
    reply = api.delete(base + "?labelSelector=odd%3D1").json()
    same((reply["kind"], [item["metadata"]["name"] for item in reply["items"]]), ("SecretList", ["s1", "s3"]), "a selection goes")
    same([item["metadata"]["name"] for item in api.get(base).json()["items"]], ["s0", "s2"], "the rest stays")
    api.delete(base + "?limit=1")
    same(len(api.get(base).json()["items"]), 1, "a page goes")
    same(api.delete(base + "?dryRun=All").status, 200, "a dry run of it")
    same(len(api.get(base).json()["items"]), 1, "deletes nothing")
    api.delete(base + "?fieldSelector=metadata.name%3Ds2", {"propagationPolicy": "Background"})
    same(api.get(base).json()["items"], [], "one by its name")


def namespaces():
    same(status(api.delete("/api/v1/namespaces/default")),
         (403, "Forbidden", 'namespaces "default" is forbidden: this namespace may not be deleted'), "a namespace that must stay")
    api.post("/api/v1/namespaces", {"metadata": {"name": "end"}})
    same(api.get("/api/v1/namespaces/end").json()["spec"]["finalizers"], ["kubernetes"], "a namespace has a finalizer of its own")
    gone = api.delete("/api/v1/namespaces/end").json()
    same((gone["kind"], gone["status"]["phase"]), ("Namespace", "Terminating"), "it ends slowly")
    reply = api.post("/api/v1/namespaces/end/configmaps", {"metadata": {"name": "late"}}).json()
    ok((reply["code"], reply["reason"]) == (403, "Forbidden") and
       reply["message"] == 'configmaps "late" is forbidden: unable to create new content in namespace end because it is being '
       "terminated" and {"reason": "NamespaceTerminating", "message": "namespace end is being terminated",
                         "field": "metadata.namespace"} in reply["details"]["causes"], "nothing new comes into it", reply)
    done_ = api.put("/api/v1/namespaces/end/finalize", dict(gone, spec={"finalizers": []}))
    same(done_.status, 200, "its finalizer goes through /finalize")
    same(api.get("/api/v1/namespaces/end").status, 404, "then it is gone")
    same(status(api.post("/api/v1/namespaces/none/configmaps", {"metadata": {"name": "a"}})),
         (404, "NotFound", 'namespaces "none" not found'), "nothing comes into one that is not there")


api.post("/api/v1/namespaces", {"metadata": {"name": "del"}})
api.post("/api/v1/namespaces/del/serviceaccounts", {"metadata": {"name": "default"}})
plain()
finalizers()
graceful()
propagation()
collections()
namespaces()
done()
