"""Subresources, errors of decoding and validation, selectors, dry runs, limits, discovery and OpenAPI."""
import json

import protobuf
from apitest import Api, done, ok, same, status

MAPS = "/api/v1/namespaces/w/configmaps"
DEPLOYMENTS = "/apis/apps/v1/namespaces/w/deployments"
PODS = "/api/v1/namespaces/w/pods"
api = Api()


def deployment(name, replicas=1):
    return {"metadata": {"name": name}, "spec": {"replicas": replicas, "selector": {"matchLabels": {"a": "b"}}, "template": {
        "metadata": {"labels": {"a": "b"}}, "spec": {"containers": [{"name": "c", "image": "i"}]}}}}


def subresources():
    path = DEPLOYMENTS + "/d"
    made = api.post(DEPLOYMENTS, dict(deployment("d"), status={"replicas": 7})).json()
    same((made["metadata"]["generation"], made["status"]), (1, {}), "a new object has no status")
    changed = dict(made, spec=dict(made["spec"], replicas=9), status={"replicas": 2, "observedGeneration": 1})
    stored = api.put(path + "/status", changed).json()
    same((stored["spec"]["replicas"], stored["status"]["replicas"], stored["metadata"]["generation"]), (1, 2, 1),
         "a write of the status leaves the spec")
    stored = api.put(path, dict(stored, spec=dict(stored["spec"], replicas=4), status={})).json()
    same((stored["spec"]["replicas"], stored["status"]["replicas"], stored["metadata"]["generation"]), (4, 2, 2),
         "a write of the spec leaves the status, and counts")
    stored = api.merge(path, {"metadata": {"labels": {"x": "y"}}}).json()
    same(stored["metadata"]["generation"], 2, "metadata are not counted")
    scale = api.get(path + "/scale").json()
    same((scale["apiVersion"], scale["kind"], scale["spec"], scale["status"], scale["metadata"]["resourceVersion"]),
         ("autoscaling/v1", "Scale", {"replicas": 4}, {"replicas": 2, "selector": "a=b"}, stored["metadata"]["resourceVersion"]),
         "a scale")
    same(api.put(path + "/scale", dict(scale, spec={"replicas": 5})).json()["spec"], {"replicas": 5}, "is written")
    same(status(api.put(path + "/scale", scale))[:2], (409, "Conflict"), "unless it is stale")
    same(api.strategic(path + "/scale", {"spec": {"replicas": 6}}).json()["spec"], {"replicas": 6}, "or patched")
    same(status(api.put(path + "/scale", dict(scale, metadata=dict(scale["metadata"], resourceVersion=""), spec={"replicas": -1}))),
         (422, "Invalid", 'Scale.autoscaling "d" is invalid: spec.replicas: Invalid value: -1: must be greater than or equal to 0'),
         "but not below nothing")
    same(status(api.get(path + "/none"))[0], 404, "no such subresource")
    same(status(api.delete(path + "/status"))[0], 405, "a status is not deleted")


def binding():
    api.post(PODS, {"metadata": {"name": "p"}, "spec": {"containers": [{"name": "c", "image": "i"}]}})
    bind = {"metadata": {"name": "p"}, "target": {"kind": "Node", "name": "n1"}}
    other = {"metadata": {"name": "p", "uid": "another"}, "target": {"kind": "Node", "name": "n1"}}
    reply = status(api.post(PODS + "/p/binding", other))
    same((reply[:2], "UID in precondition: another" in reply[2]), ((409, "Conflict"), True), "a pod that has taken another's name is not bound")
    reply = api.post(PODS + "/p/binding", bind)
    same((reply.status, reply.json()["status"]), (201, "Success"), "a pod is bound")
    pod = api.get(PODS + "/p").json()
    same((pod["spec"]["nodeName"], [(c["type"], c["status"]) for c in pod["status"]["conditions"]]),
         ("n1", [("PodScheduled", "True")]), "to its node")
    same(status(api.post(PODS + "/p/binding", bind)),
         (409, "Conflict", 'Operation cannot be fulfilled on pods/binding "p": pod p is already assigned to node "n1"'), "only once")
    same(api.post(PODS + "/p/eviction", {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": "p"}}).status, 201,
         "and evicted")
    same(api.get(PODS + "/p").json()["metadata"].get("deletionGracePeriodSeconds"), 30, "gracefully")
    same(status(api.post(PODS + "/none/eviction", {"metadata": {"name": "none"}})), (404, "NotFound", 'pods "none" not found'),
         "a pod that is not there")
    api.post(PODS, {"metadata": {"name": "e"}, "spec": {"nodeName": "n1", "containers": [{"name": "c", "image": "i"}]}})
    debug = {"spec": {"ephemeralContainers": [{"name": "x", "image": "i"}]}}
    reply = api.strategic(PODS + "/e/ephemeralcontainers", debug)
    same((reply.status, [c["name"] for c in reply.json()["spec"].get("ephemeralContainers", [])]), (200, ["x"]),
         "an ephemeral container comes")
    reply = api.json_patch(PODS + "/e/ephemeralcontainers", [{"op": "remove", "path": "/spec/ephemeralContainers/0"}])
    same(reply.status, 422, "and does not go")


def validation():
    bad = deployment("Bad_Name", -1)
    reply = api.post(DEPLOYMENTS, bad).json()
    ok(reply["code"] == 422 and reply["reason"] == "Invalid" and reply["message"].startswith('Deployment.apps "Bad_Name" is invalid: [') and
       {cause["field"] for cause in reply["details"]["causes"]} == {"metadata.name", "spec.replicas"} and
       (reply["details"]["group"], reply["details"]["kind"]) == ("apps", "Deployment"), "all errors at once", reply)
    one = api.post(MAPS, {"metadata": {"name": "Bad"}}).json()
    ok(one["message"].startswith('ConfigMap "Bad" is invalid: metadata.name: Invalid value: "Bad": '), "one without brackets", one)
    api.post(MAPS, {"metadata": {"name": "fixed"}, "immutable": True, "data": {"k": "v"}})
    same(status(api.merge(MAPS + "/fixed", {"data": {"k": "w"}}))[:2], (422, "Invalid"), "what is immutable")


def decoding():
    same(status(api.post(MAPS, {"metadata": {"name": "t"}, "data": {"k": 1}})),
         (400, "BadRequest", 'ConfigMap in version "v1" cannot be handled as a ConfigMap: json: cannot unmarshal number into Go '
          "struct field ConfigMap.data of type string"), "a wrong type")
    same(status(api.post(MAPS, {"kind": "Nope", "apiVersion": "v1", "metadata": {"name": "t"}}))[2],
         'Nope in version "v1" cannot be handled as a ConfigMap: no kind "Nope" is registered for version "v1" in scheme '
         '"pkg/api/legacyscheme/scheme.go:30"', "no such kind")
    body = '{"metadata":{"name":"t%s"},"dataz":{},"data":{"k":"v","k":"w"}}'
    warned = api.post(MAPS, body % 1)
    same((warned.status, sorted(warned.headers.get_all("Warning") or [])),
         (201, ['299 - "duplicate field \\"data.k\\""', '299 - "unknown field \\"dataz\\""']), "unknown and twice: told of")
    same(warned.json()["data"], {"k": "w"}, "the last one counts")
    strict = api.post(MAPS + "?fieldValidation=Strict", body % 2)
    same(status(strict),
         (400, "BadRequest", 'ConfigMap in version "v1" cannot be handled as a ConfigMap: strict decoding error: duplicate field '
          '"data.k", unknown field "dataz"'), "refused where that is asked for")
    silent = api.post(MAPS + "?fieldValidation=Ignore", body % 3)
    same((silent.status, silent.headers["Warning"]), (201, None), "or passed over")
    same(status(api.post(MAPS + "?fieldValidation=Maybe", {}))[2],
         'CreateOptions.meta.k8s.io "" is invalid: fieldValidation: Unsupported value: "Maybe": supported values: "", "Ignore", '
         '"Strict", "Warn"', "no such way")
    yaml = api.post(MAPS + "?fieldValidation=Strict", "metadata:\n  name: y\ndata:\n  a: x\n  a: y\n", Content_Type="application/yaml")
    ok(yaml.status == 400 and "already set in map" in yaml.message(), "twice in YAML", yaml.text)
    names = api.post(MAPS, {"metadata": {"name": "case"}, "Data": {"k": "v"}})
    ok("data" not in names.json() and "Data" in (names.headers["Warning"] or ""), "names have their case", names.text)


def selectors():
    for name, labels in (("s1", {"app": "x", "n": "5"}), ("s2", {"app": "y"}), ("s3", {})):
        api.post("/api/v1/namespaces/w/secrets", {"metadata": {"name": name, "labels": labels}})

    def chosen(query):
        reply = api.get("/api/v1/namespaces/w/secrets?" + query).json()
        return [item["metadata"]["name"] for item in reply["items"]] if "items" in reply else reply["message"]

    for query, expected in (
            ("labelSelector=app%3Dx", ["s1"]), ("labelSelector=app%3D%3Dx", ["s1"]), ("labelSelector=app!%3Dx", ["s2", "s3"]),
            ("labelSelector=app+in+(x,y)", ["s1", "s2"]), ("labelSelector=app+notin+(x)", ["s2", "s3"]),
            ("labelSelector=app", ["s1", "s2"]), ("labelSelector=!app", ["s3"]), ("labelSelector=n%3E4", ["s1"]),
            ("labelSelector=n%3C5", []), ("labelSelector=app%3Dx,n%3D5", ["s1"]), ("fieldSelector=metadata.name%3Ds2", ["s2"]),
            ("fieldSelector=metadata.name!%3Ds2", ["s1", "s3"]), ("fieldSelector=type%3DOpaque,metadata.namespace%3Dw", ["s1", "s2", "s3"]),
            ("labelSelector=a%3D%3D%3Db", "unable to parse requirement: found '=', expected: identifier"),
            ("fieldSelector=data.k%3Dv", "field label not supported: data.k")):
        same(chosen(query), expected, query)
    same(api.get(MAPS + "?fieldSelector=data.k%3Dv").message(),
         '"data.k" is not a known field selector: only "metadata.name", "metadata.namespace"', "fields of other kinds")


def dry_runs():
    made = api.post(MAPS + "?dryRun=All", {"metadata": {"name": "dry"}}).json()
    ok(made["metadata"]["uid"] and "resourceVersion" not in made["metadata"] and api.get(MAPS + "/dry").status == 404,
       "a create that is none", made)
    service = api.post("/api/v1/namespaces/w/services?dryRun=All", {"metadata": {"name": "s"}, "spec": {"ports": [{"port": 80}]}})
    ok(service.status == 201 and service.json()["spec"].get("clusterIP") is not None, "a service that is none", service.text)
    api.post(MAPS, {"metadata": {"name": "real"}, "data": {"k": "v"}})
    same(api.put(MAPS + "/real?dryRun=All", {"metadata": {"name": "real"}, "data": {}}).status, 200, "an update")
    same(api.merge(MAPS + "/real?dryRun=All", {"data": {"k": "w"}}).json()["data"], {"k": "w"}, "a patch")
    same(api.apply(MAPS + "/real?dryRun=All&fieldManager=m&force=true",
                   {"apiVersion": "v1", "kind": "ConfigMap", "data": {"k": "a"}}).json()["data"], {"k": "a"}, "an apply")
    same(api.get(MAPS + "/real").json()["data"], {"k": "v"}, "leave everything as it was")
    same(status(api.post(MAPS + "?dryRun=All", {"metadata": {"name": "real"}}))[:2], (409, "AlreadyExists"), "it is checked as ever")
    same(status(api.post(MAPS + "?dryRun=Yes", {}))[2], 'CreateOptions.meta.k8s.io "" is invalid: dryRun: Unsupported value: '
         '[]string{"Yes"}: supported values: "All"', "no such dry run")


def limits():
    huge = api.post(MAPS, json.dumps({"metadata": {"name": "huge"}, "data": {"k": "x" * (3 << 20)}}))
    same((huge.status, huge.json()["reason"], huge.json()["message"]),
         (413, "RequestEntityTooLarge", "Request entity too large: limit is 3145728"), "a body that is too large")
    notes = api.post(MAPS, {"metadata": {"name": "notes", "annotations": {"a": "x" * (257 << 10)}}})
    ok(notes.status == 422 and "metadata.annotations: Too long" in notes.message(), "annotations that are too large",
       notes.text[:300])
    deep = api.post(MAPS, "[" * 100000)
    same(deep.status, 400, "JSON that is too deep")
    same(api.post(MAPS + "?fieldManager=" + "a" * 129, {}).status, 422, "a manager's name that is too long")


def discovery():
    same(api.get("/api").json()["versions"], ["v1"], "/api")
    groups = api.get("/apis").json()
    ok(groups["kind"] == "APIGroupList" and groups["groups"][0]["name"] in ("apiregistration.k8s.io", "apps") and
       all(group["preferredVersion"] in group["versions"] for group in groups["groups"]), "/apis",
       [group["name"] for group in groups["groups"]])
    same(api.get("/apis/apps").json()["preferredVersion"], {"groupVersion": "apps/v1", "version": "v1"}, "/apis/apps")
    core = {entry["name"]: entry for entry in api.get("/api/v1").json()["resources"]}
    pods = core["pods"]
    same((pods["kind"], pods["namespaced"], pods["shortNames"], pods["categories"], pods["singularName"], sorted(pods["verbs"])),
         ("Pod", True, ["po"], ["all"], "pod",
          ["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"]), "pods")
    same([(core[name].get("group"), core[name].get("version"), core[name]["kind"]) for name in ("pods/eviction", "serviceaccounts/token")],
         [("policy", "v1", "Eviction"), ("authentication.k8s.io", "v1", "TokenRequest")], "subresources speak other kinds")
    accept = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
    reply = api.get("/apis", Accept=accept + ",application/json")
    document = reply.json()
    same((reply.headers["Content-Type"], document["kind"], document["apiVersion"]),
         (accept, "APIGroupDiscoveryList", "apidiscovery.k8s.io/v2"), "all at once")
    same(api.get("/apis", Accept=accept, If_None_Match=reply.headers["ETag"]).status, 304, "and unchanged")


def openapi():
    reply = api.get("/openapi/v2", Accept="application/com.github.proto-openapi.spec.v2@v1.0+protobuf")
    ok(protobuf.text(protobuf.fields(reply.body), 1) == "2.0", "OpenAPI v2 in protobuf")
    same(api.get("/openapi/v2", Accept="application/com.github.proto-openapi.spec.v2@v1.0+protobuf",
                 If_None_Match=reply.headers["ETag"]).status, 304, "unchanged")
    swagger = api.get("/openapi/v2").json()
    patch = swagger["paths"]["/apis/apps/v1/namespaces/{namespace}/deployments/{name}"]["patch"]
    names = {parameter.get("name") for parameter in patch["parameters"]}
    ok({"dryRun", "fieldValidation"} <= names and patch["x-kubernetes-group-version-kind"] ==
       {"group": "apps", "version": "v1", "kind": "Deployment"}, "OpenAPI v2 has what kubectl looks for", names)
    containers = swagger["definitions"]["io.k8s.api.core.v1.PodSpec"]["properties"]["containers"]
    same(containers["x-kubernetes-patch-merge-key"], "name", "and merge keys")
    index = api.get("/openapi/v3").json()["paths"]
    address = index["apis/apps/v1"]["serverRelativeURL"]
    reply = api.get(address)
    ok(reply.status == 200 and "immutable" in reply.headers["Cache-Control"], "OpenAPI v3 by its hash", reply.headers)
    reply = api.get("/openapi/v3/apis/apps/v1?hash=0")
    same((reply.status, reply.headers["Location"]), (301, address), "by another")


api.post("/api/v1/namespaces", {"metadata": {"name": "w"}})
api.post("/api/v1/namespaces/w/serviceaccounts", {"metadata": {"name": "default"}})
subresources()
binding()
validation()
decoding()
selectors()
dry_runs()
limits()
discovery()
openapi()
done()
