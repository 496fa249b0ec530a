"""Patches of all four kinds, and server-side apply."""
import json

from apitest import Api, done, ok, same, status

MAPS = "/api/v1/namespaces/p/configmaps"
DEPLOYMENTS = "/apis/apps/v1/namespaces/p/deployments"
SERVICES = "/api/v1/namespaces/p/services"
api = Api()


def deployment(name, containers, **spec):
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name}, "spec": dict(spec, selector={
        "matchLabels": {"a": "b"}}, template={"metadata": {"labels": {"a": "b"}}, "spec": {"containers": containers}})}


def containers_of(document):
    return [(c["name"], c["image"]) for c in document["spec"]["template"]["spec"]["containers"]]


def pod_patch(**spec):
    return {"spec": {"template": {"spec": spec}}}


def strategic():
    path = DEPLOYMENTS + "/d"
    api.post(DEPLOYMENTS, deployment("d", [{"name": "a", "image": "a:1", "args": ["x"], "env": [
        {"name": "E", "value": "1"}, {"name": "F", "value": "2"}]}, {"name": "b", "image": "b:1"}]))
    patched = api.strategic(path, pod_patch(containers=[{"name": "b", "image": "b:2"}])).json()
    same(containers_of(patched), [("a", "a:1"), ("b", "b:2")], "lists are merged by their key")
    patched = api.strategic(path, pod_patch(containers=[{"name": "c", "image": "c:1"}])).json()
    same(sorted(containers_of(patched)), [("a", "a:1"), ("b", "b:2"), ("c", "c:1")], "what is new is added")
    patched = api.strategic(path, pod_patch(containers=[{"name": "c", "$patch": "delete"}])).json()
    same(containers_of(patched), [("a", "a:1"), ("b", "b:2")], "$patch: delete in a list")
    patched = api.strategic(path, pod_patch(**{"$setElementOrder/containers": [{"name": "b"}, {"name": "a"}],
                                               "containers": [{"name": "a", "image": "a:2"}]})).json()
    same(containers_of(patched), [("b", "b:2"), ("a", "a:2")], "$setElementOrder")
    patched = api.strategic(path, pod_patch(containers=[{"name": "a", "env": [{"$patch": "replace"}, {"name": "G", "value": "3"}]}]))
    env = [c.get("env") for c in patched.json()["spec"]["template"]["spec"]["containers"] if c["name"] == "a"]
    same(env, [[{"name": "G", "value": "3"}]], "$patch: replace in a list")
    patched = api.strategic(path, pod_patch(nodeSelector={"x": "y", "z": "w"})).json()
    patched = api.strategic(path, pod_patch(nodeSelector={"$patch": "replace", "q": "r"})).json()
    same(patched["spec"]["template"]["spec"]["nodeSelector"], {"q": "r"}, "$patch: replace in a map")
    patched = api.strategic(path, pod_patch(nodeSelector={"$patch": "delete"})).json()
    ok("nodeSelector" not in patched["spec"]["template"]["spec"], "$patch: delete of a map", patched["spec"]["template"]["spec"])
    patched = api.strategic(path, {"spec": {"strategy": {"$retainKeys": ["type"], "type": "Recreate"}}}).json()
    same(patched["spec"]["strategy"], {"type": "Recreate"}, "$retainKeys")
    patched = api.strategic(path, {"metadata": {"labels": {"l": "1"}}}).json()
    patched = api.strategic(path, {"metadata": {"labels": {"l": None}}}).json()
    ok("labels" not in patched["metadata"] or "l" not in patched["metadata"]["labels"], "null deletes")
    finalized = api.post(MAPS, {"metadata": {"name": "fin", "finalizers": ["x.io/a", "x.io/b"]}}).json()
    finalized = api.strategic(MAPS + "/fin", {"metadata": {"$deleteFromPrimitiveList/finalizers": ["x.io/a"]}}).json()
    same(finalized["metadata"]["finalizers"], ["x.io/b"], "$deleteFromPrimitiveList")
    finalized = api.strategic(MAPS + "/fin", {"metadata": {"finalizers": ["x.io/c"]}}).json()
    same(sorted(finalized["metadata"]["finalizers"]), ["x.io/b", "x.io/c"], "lists of scalars are merged")
    api.post(SERVICES, {"metadata": {"name": "s"}, "spec": {"ports": [{"name": "a", "port": 80}, {"name": "b", "port": 81}]}})
    patched = api.strategic(SERVICES + "/s", {"spec": {"ports": [{"port": 81, "name": "c"}]}}).json()
    same([(p["port"], p["name"]) for p in patched["spec"]["ports"]], [(80, "a"), (81, "c")], "ports by their number")
    same(status(api.strategic(path, pod_patch(containers=[{"image": "z"}]))),
         (500, None, "map: map[image:z] does not contain declared merge key: name"), "an entry without its key")
    ok(status(api.strategic(path, pod_patch(containers=[{"name": "a", "$patch": "what"}])))[0] in (400, 500), "no such directive")
    same(status(api.strategic(path, "[]"))[0], 400, "a patch that is a list")


def json_patches():
    path = MAPS + "/j"
    api.post(MAPS, {"metadata": {"name": "j", "annotations": {"a/b": "1", "c": "2"}, "finalizers": ["x.io/a"]}, "data": {"k": "v"}})
    patched = api.json_patch(path, [
        {"op": "test", "path": "/data/k", "value": "v"},
        {"op": "add", "path": "/data/l", "value": "w"},
        {"op": "copy", "from": "/data/l", "path": "/data/m"},
        {"op": "move", "from": "/data/k", "path": "/data/n"},
        {"op": "replace", "path": "/metadata/annotations/a~1b", "value": "x"},
        {"op": "remove", "path": "/metadata/annotations/c"},
        {"op": "add", "path": "/metadata/finalizers/-", "value": "x.io/z"}]).json()
    same((patched["data"], patched["metadata"]["annotations"], patched["metadata"]["finalizers"]),
         ({"l": "w", "m": "w", "n": "v"}, {"a/b": "x"}, ["x.io/a", "x.io/z"]), "all operations, an escape and the end of a list")
    generic = (422, "Invalid", "the server rejected our request due to an error in our request")
    same(status(api.json_patch(path, [{"op": "test", "path": "/data/l", "value": "?"}])), generic, "a test that fails")
    same(status(api.json_patch(path, [{"op": "replace", "path": "/data/x/y", "value": 1}])), generic, "a path that leads nowhere")
    same(status(api.json_patch(path, [{"op": "remove", "path": "/data/none"}])), generic, "nothing to remove")
    many = [{"op": "test", "path": "/data/l", "value": "w"}] * 10001
    same(status(api.json_patch(path, many)),
         (413, "RequestEntityTooLarge", "Request entity too large: The allowed maximum operations in a JSON patch is 10000, got 10001"),
         "too many operations")
    same(status(api.json_patch(path, {"op": "test"}))[0], 400, "no list of operations")
    patched = api.json_patch(path, [{"op": "replace", "path": "/metadata/managedFields", "value": [{}]}]).json()
    same(patched["metadata"].get("managedFields"), None, "managedFields can be reset")


def merge_patches():
    path = MAPS + "/m"
    api.post(MAPS, {"metadata": {"name": "m", "finalizers": ["x.io/a", "x.io/b"]}, "data": {"k": "v", "l": "w"}})
    patched = api.merge(path, {"data": {"k": None, "n": "o"}, "metadata": {"finalizers": ["x.io/b"]}}).json()
    same((patched["data"], patched["metadata"]["finalizers"]), ({"l": "w", "n": "o"}, ["x.io/b"]), "null deletes, lists are replaced")
    same(status(api.merge(path, '{"data":')), (400, "BadRequest", "error decoding patch: unexpected end of JSON input"),
         "a patch that is nothing")
    reply = status(api.merge(path, {"data": {"k": 1}}))
    ok(reply[:2] == (422, "Invalid") and reply[2].startswith(' "" is invalid: patch: Invalid value: "{') and
       reply[2].endswith("json: cannot unmarshal number into Go struct field ConfigMap.data of type string"), "a wrong type", reply)
    twice = api.merge(path, '{"metadata":{"labels":{"a":"b","a":"c"}}}')
    same((twice.json()["metadata"]["labels"], twice.headers["Warning"]),
         ({"a": "c"}, '299 - "duplicate field \\"metadata.labels.a\\""'), "a field given twice is told of")
    same(status(api.merge(path, {"metadata": {"name": "other"}})),
         (400, "BadRequest", "the name of the object (other) does not match the name on the URL (m)"), "another name")
    warned = api.merge(path, {"dat": {"a": "b"}})
    same((warned.status, warned.headers["Warning"]), (200, '299 - "unknown field \\"dat\\""'), "an unknown field is told of")
    refused = api.merge(path + "?fieldValidation=Strict", {"dat": {"a": "b"}})
    same((refused.status, "unknown field \"dat\"" in refused.message()), (422, True), "or refused")


def applied(name, data, **metadata):
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": dict(metadata, name=name), "data": data}


def manager(document, name, operation):
    return [m for m in document["metadata"].get("managedFields", []) if (m["manager"], m["operation"]) == (name, operation)]


def apply():
    path = MAPS + "/s"
    same(status(api.apply(path, applied("s", {"k": "v"}))),
         (422, "Invalid", 'PatchOptions.meta.k8s.io "" is invalid: fieldManager: Required value: is required for apply patch'),
         "an apply needs a manager")
    made = api.apply(path + "?fieldManager=one", applied("s", {"k": "v", "l": "w"}))
    same(made.status, 201, "an apply creates")
    entry, = manager(made.json(), "one", "Apply")
    same((entry["apiVersion"], entry["fieldsType"], entry["fieldsV1"]), ("v1", "FieldsV1", {"f:data": {"f:k": {}, "f:l": {}}}),
         "and owns what it says")
    again = api.apply(path + "?fieldManager=one", applied("s", {"k": "v", "l": "w"})).json()
    same(again, made.json(), "the same again changes nothing")
    conflict = api.apply(path + "?fieldManager=two", applied("s", {"k": "x"})).json()
    same((conflict["code"], conflict["message"], conflict["details"]["causes"]),
         (409, 'Apply failed with 1 conflict: conflict with "one": .data.k',
          [{"reason": "FieldManagerConflict", "message": 'conflict with "one"', "field": ".data.k"}]), "a conflict")
    two = api.apply(path + "?fieldManager=two&force=true", applied("s", {"k": "x"})).json()
    same((two["data"], manager(two, "one", "Apply")[0]["fieldsV1"]), ({"k": "x", "l": "w"}, {"f:data": {"f:l": {}}}), "force takes it")
    one = api.apply(path + "?fieldManager=one", applied("s", {})).json()
    same((one["data"], manager(one, "one", "Apply")), ({"k": "x"}, []), "what its only owner leaves out goes")
    shared = api.apply(path + "?fieldManager=one", applied("s", {"k": "x"})).json()
    same(len([m for m in shared["metadata"]["managedFields"] if "f:k" in m["fieldsV1"]["f:data"]]), 2, "a value may have two owners")
    updated = api.merge(path + "?fieldManager=upd", {"data": {"k": "u"}}).json()
    same([m["manager"] for m in updated["metadata"]["managedFields"] if "f:k" in m["fieldsV1"].get("f:data", {})], ["upd"],
         "an update takes what it changes")
    conflict = api.apply(path + "?fieldManager=one", applied("s", {"k": "x"})).json()
    same(conflict["message"], 'Apply failed with 1 conflict: conflict with "upd" using v1: .data.k', "from an update, too")
    conflict = api.apply(path + "?fieldManager=one", applied("s", {"k": "x", "m": "1"}, labels={"a": "b"}))
    same(conflict.status, 409, "one conflict is enough")
    same(status(api.apply(path + "?fieldManager=one", applied("s", {}, managedFields=[{"manager": "x"}]))),
         (400, "BadRequest", "metadata.managedFields must be nil"), "managedFields are the server's")
    same(status(api.apply(path + "?fieldManager=one", dict(applied("s", {}), dat={"a": "b"}))),
         (500, None, "failed to create typed patch object (p/s; /v1, Kind=ConfigMap): .dat: field not declared in schema"),
         "an unknown field in an apply")
    same(status(api.apply(path + "?fieldManager=one", applied("other", {})))[0], 400, "another name")
    same(status(api.apply(path + "?fieldManager=one", dict(applied("s", {}), kind="Secret"))),
         (400, "BadRequest", "invalid object type: /v1, Kind=Secret"), "another kind")
    same(status(api.apply(path + "?fieldManager=one", {"data": {}})), (400, "BadRequest", "invalid object type: /, Kind="), "no kind")
    ok(status(api.apply(path + "?fieldManager=one", "a: [b"))[2].startswith("error decoding YAML: "), "no YAML")
    same(status(api.apply(MAPS + "/new?fieldManager=one", applied("new", {}, uid="1"))),
         (409, "Conflict", 'Operation cannot be fulfilled on configmaps "new": uid mismatch: the provided object specified uid 1, '
          "and no existing object was found"), "a uid of nothing")
    same(api.apply(path + "?fieldManager=one&force=true", "data:\n  k: yaml\nkind: ConfigMap\napiVersion: v1\n").json()["data"]["k"],
         "yaml", "an apply may be YAML")


def apply_lists():
    path = DEPLOYMENTS + "/l?fieldManager=one"
    api.apply(path, deployment("l", [{"name": "a", "image": "a:1", "ports": [{"containerPort": 80, "protocol": "TCP"}]}], replicas=0))
    other = api.apply(DEPLOYMENTS + "/l?fieldManager=two", deployment("l", [{"name": "b", "image": "b:1"}])).json()
    same(containers_of(other), [("a", "a:1"), ("b", "b:1")], "a list of two managers")
    keys = manager(other, "two", "Apply")[0]["fieldsV1"]["f:spec"]["f:template"]["f:spec"]["f:containers"]
    same(set(keys['k:{"name":"b"}']), {".", "f:name", "f:image"}, "its entries are owned by key")
    wrong = deployment("l", [{"name": "b", "imagez": "b:1", "ports": [{"containerPort": 80, "protocol": "TCP", "x": {"a": 1}}]}])
    same(api.apply(DEPLOYMENTS + "/l?fieldManager=two", wrong).message().split(": ", 1)[1],
         'errors:\n  .spec.template.spec.containers[name="b"].ports[containerPort=80,protocol="TCP"].x: field not declared in schema\n'
         '  .spec.template.spec.containers[name="b"].imagez: field not declared in schema\n', "unknown fields are named by key")
    gone = api.apply(DEPLOYMENTS + "/l?fieldManager=two", deployment("l", [])).json()
    same(containers_of(gone) if gone.get("spec") else gone, [("a", "a:1")], "what nobody wants any more goes")
    scaled = api.merge(DEPLOYMENTS + "/l/scale", {"spec": {"replicas": 3}})
    same(scaled.json()["spec"]["replicas"], 3, "a scale is patched")
    owners = [m for m in api.get(DEPLOYMENTS + "/l").json()["metadata"]["managedFields"] if m.get("subresource") == "scale"]
    same(owners and owners[0]["fieldsV1"], {"f:spec": {"f:replicas": {}}}, "and remembered as a subresource's")
    conflict = api.apply(path, deployment("l", [{"name": "a", "image": "a:1"}], replicas=0)).json()
    ok(conflict.get("code") == 409 and '.spec.replicas' in conflict["message"], "the next apply hears of it", conflict)


def migration():
    """kubectl 1.32's way from client-side to server-side apply: the old manager's fields are moved by a JSON patch."""
    last = json.dumps(applied("g", {"k": "v", "l": "w"}))
    made = api.post(MAPS + "?fieldManager=kubectl-client-side-apply", applied(
        "g", {"k": "v", "l": "w"}, annotations={"kubectl.kubernetes.io/last-applied-configuration": last})).json()
    other = api.apply(MAPS + "/g?fieldManager=other&force=false", applied("g", {"k": "x"}))
    same(other.status, 409, "another manager is told of the conflict")
    first = api.apply(MAPS + "/g?fieldManager=kubectl&force=false", applied("g", {"k": "x"})).json()
    same(first.get("data"), {"k": "x", "l": "w"}, "kubectl takes over what it applied before; the old manager holds the rest")
    kept = json.loads(first["metadata"]["annotations"]["kubectl.kubernetes.io/last-applied-configuration"])
    same(kept["data"], {"k": "x"}, "and its old annotation follows")
    moved = [dict(m, manager="kubectl", operation="Apply") if m["manager"] == "kubectl-client-side-apply" else m
             for m in first["metadata"]["managedFields"] if m["operation"] != "Apply"]
    patched = api.json_patch(MAPS + "/g", [
        {"op": "replace", "path": "/metadata/managedFields", "value": moved},
        {"op": "replace", "path": "/metadata/resourceVersion", "value": first["metadata"]["resourceVersion"]}])
    same((patched.status, [(m["manager"], m["operation"]) for m in patched.json()["metadata"]["managedFields"]]),
         (200, [("kubectl", "Apply")]), "managedFields are written by a JSON patch")
    final = api.apply(MAPS + "/g?fieldManager=kubectl&force=false", applied("g", {"k": "x"})).json()
    same((final["data"], made["metadata"]["uid"]), ({"k": "x"}, final["metadata"]["uid"]), "then the apply prunes")


api.post("/api/v1/namespaces", {"metadata": {"name": "p"}})
strategic()
json_patches()
merge_patches()
apply()
apply_lists()
migration()
done()
