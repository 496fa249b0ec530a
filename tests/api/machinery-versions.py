"""Resource versions, pages, conflicts, updates and generated names."""
import base64
import json
import re

from apitest import Api, Watch, done, ok, same, status

MAPS = "/api/v1/namespaces/v/configmaps"
api = Api()


def version(path):
    return api.get(path).json()["metadata"]["resourceVersion"]


def invalid(kind, field, text):
    return (422, "Invalid", f'{kind}.meta.k8s.io "" is invalid: {field}: {text}')


def counter():
    a = api.post(MAPS, {"metadata": {"name": "a"}, "data": {"k": "v"}}).json()
    secret = api.post("/api/v1/namespaces/v/secrets", {"metadata": {"name": "s"}}).json()
    ok(int(secret["metadata"]["resourceVersion"]) > int(a["metadata"]["resourceVersion"]), "one counter for all kinds")
    ok(int(version(MAPS)) >= int(secret["metadata"]["resourceVersion"]), "a list is not older than what is in it")
    again = api.put(MAPS + "/a", a)
    same(again.json(), a, "an update without a change changes nothing")
    same(api.merge(MAPS + "/a", {"data": {"k": "v"}}).json(), a, "nor does such a patch")
    same(status(api.post(MAPS, {"metadata": {"name": "rv", "resourceVersion": "3"}})),
         (400, "BadRequest", "resourceVersion should not be set on objects to be created"), "a version on create")


def reads():
    now = int(version(MAPS))
    for query in ("resourceVersion=0", f"resourceVersion={now}", f"resourceVersion={now}&resourceVersionMatch=NotOlderThan"):
        ok(int(version(f"{MAPS}?{query}")) >= now, query)
    same(api.get(f"{MAPS}/a?resourceVersion={now}").status, 200, "get not older than now")
    before = version(MAPS)
    api.post(MAPS, {"metadata": {"name": "later"}})
    exact = api.get(f"{MAPS}?resourceVersionMatch=Exact&resourceVersion={before}").json()
    same((exact["metadata"]["resourceVersion"], [item["metadata"]["name"] for item in exact["items"]]), (before, ["a"]),
         "exactly the version asked for")
    limited = api.get(f"{MAPS}?limit=10&resourceVersion={before}").json()
    same([item["metadata"]["name"] for item in limited["items"]], ["a"], "a limit makes the version exact")
    newer = api.get(f"{MAPS}?limit=10&resourceVersion={before}&resourceVersionMatch=NotOlderThan").json()
    same(len(newer["items"]), 2, "unless it may be newer")
    for query, field, text in (
            ("resourceVersionMatch=Exact", "resourceVersionMatch",
             "Forbidden: resourceVersionMatch is forbidden unless resourceVersion is provided"),
            ("resourceVersionMatch=Exact&resourceVersion=0", "resourceVersionMatch",
             'Forbidden: resourceVersionMatch "exact" is forbidden for resourceVersion "0"'),
            ("resourceVersionMatch=Foo&resourceVersion=5", "resourceVersionMatch",
             'Unsupported value: "Foo": supported values: "Exact", "NotOlderThan", ""'),
            ("sendInitialEvents=true", "sendInitialEvents",
             "Forbidden: sendInitialEvents is forbidden for list")):
        same(status(api.get(f"{MAPS}?{query}")), invalid("ListOptions", field, text), query)
    for path in (MAPS, MAPS + "/a"):
        reply = api.get(f"{path}?resourceVersion=999999999")
        document = reply.json()
        ok((reply.status, reply.headers["Retry-After"], document["reason"], document["details"]["retryAfterSeconds"]) ==
           (504, "1", "Timeout", 1) and document["details"]["causes"][0]["reason"] == "ResourceVersionTooLarge" and
           re.fullmatch(r"Timeout: Too large resource version: 999999999, current: \d+", document["message"]),
           f"a version to come: {path}", reply.text)
    same(status(api.get(MAPS + "?resourceVersion=abc"))[::2],
         (500, 'resourceVersion: Invalid value: "abc": strconv.ParseUint: parsing "abc": invalid syntax'), "no version at all")


def token_of(document):
    return document["metadata"].get("continue")


def decoded(token):
    return json.loads(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)))


def pages():
    base = "/api/v1/namespaces/pages/configmaps"
    api.post("/api/v1/namespaces", {"metadata": {"name": "pages"}})
    for i in range(5):
        api.post(base, {"metadata": {"name": f"m{i}", "labels": {"odd": str(i % 2)}}})
    first = api.get(base + "?limit=2").json()
    same(first["metadata"]["remainingItemCount"], 3, "how many are left")
    same(decoded(token_of(first)), {"v": "meta.k8s.io/v1", "rv": int(first["metadata"]["resourceVersion"]),
                                    "start": "m1\u0000"}, "a token says where to go on")
    api.post(base, {"metadata": {"name": "m11"}})
    second = api.get(f"{base}?limit=2&continue={token_of(first)}").json()
    same(([item["metadata"]["name"] for item in second["items"]], second["metadata"]["resourceVersion"]),
         (["m2", "m3"], first["metadata"]["resourceVersion"]), "pages are of one snapshot")
    last = api.get(f"{base}?limit=2&continue={token_of(second)}").json()
    same(([item["metadata"]["name"] for item in last["items"]], token_of(last)), (["m4"], None), "until the end")
    selected = api.get(base + "?limit=1&labelSelector=odd%3D0").json()
    ok(token_of(selected) and "remainingItemCount" not in selected["metadata"], "with a selector nobody counts")
    same(status(api.get(f"{base}?limit=2&continue={token_of(first)}&resourceVersion=5")),
         (400, "BadRequest", "specifying resource version is not allowed when using continue"), "a token and a version")
    ok(status(api.get(base + "?continue=abc"))[2].startswith("invalid continue token: "), "no token at all")
    newest = base64.urlsafe_b64encode(b'{"v":"meta.k8s.io/v1","rv":-1,"start":"m1\\u0000"}').decode().rstrip("=")
    rest = api.get(f"{base}?limit=10&continue={newest}").json()
    same([item["metadata"]["name"] for item in rest["items"]], ["m11", "m2", "m3", "m4"], "a token may go on with what is newest")
    same(status(api.get(base + "?limit=abc"))[2], 'strconv.ParseInt: parsing "abc": invalid syntax', "no limit at all")


def conflicts():
    stale = (409, "Conflict", 'Operation cannot be fulfilled on configmaps "a": the object has been modified; please apply '
             "your changes to the latest version and try again")
    body = {"metadata": {"name": "a", "resourceVersion": "1"}, "data": {"k": "w"}}
    same(status(api.put(MAPS + "/a", body)), stale, "a stale PUT")
    same(status(api.merge(MAPS + "/a", body)), stale, "a stale patch")
    same(status(api.json_patch(MAPS + "/a", [{"op": "replace", "path": "/metadata/resourceVersion", "value": "1"}])), stale,
         "a stale JSON patch")
    same(api.put(MAPS + "/a", body).json()["details"], {"name": "a", "kind": "configmaps"}, "its details name the resource")
    reply = api.put(MAPS + "/a", {"metadata": {"name": "a", "uid": "x"}})
    ok(reply.status == 409 and "Precondition failed: UID in precondition: x, UID in object meta: " in reply.message(),
       "another uid", reply.text)
    for precondition in ({"uid": "x"}, {"resourceVersion": "1"}):
        reply = api.delete(MAPS + "/a", {"preconditions": precondition})
        same((reply.status, reply.json()["reason"]), (409, "Conflict"), f"a precondition of a deletion: {precondition}")


def updates():
    same(api.put(MAPS + "/a", {"metadata": {"name": "a"}, "data": {"n": "o"}}).json()["data"], {"n": "o"},
         "a PUT without a version overwrites")
    lease = "/apis/coordination.k8s.io/v1/namespaces/v/leases"
    same(api.put(lease + "/l", {"metadata": {"name": "l"}}).status, 201, "PUT creates a lease")
    same(status(api.put(lease + "/l", {"metadata": {"name": "l"}, "spec": {"holderIdentity": "x"}})),
         (422, "Invalid", 'leases.coordination.k8s.io "l" is invalid: metadata.resourceVersion: Invalid value: 0x0: must be '
          "specified for an update"), "and needs its version afterwards")
    same(api.put(MAPS + "/none", {"metadata": {"name": "none"}}).status, 404, "PUT creates no ConfigMap")
    same(status(api.put(MAPS + "/a", {"metadata": {"name": "b"}})),
         (400, "BadRequest", "the name of the object (b) does not match the name on the URL (a)"), "another name")
    same(status(api.put(MAPS + "/a", {"metadata": {"name": "a", "namespace": "x"}})),
         (400, "BadRequest", "the namespace of the provided object does not match the namespace sent on the request"),
         "another namespace")
    same(api.merge(MAPS + "/none", {}).status, 404, "a patch creates nothing")
    applied = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "applied"}}
    same(api.apply(MAPS + "/applied?fieldManager=m", applied).status, 201, "an apply does")
    kept = api.get(MAPS + "/a").json()["metadata"]
    changed = api.put(MAPS + "/a", {"metadata": {"name": "a", "creationTimestamp": None, "labels": {"x": "y"}}}).json()["metadata"]
    same((changed["uid"], changed["creationTimestamp"]), (kept["uid"], kept["creationTimestamp"]), "what the server owns stays")


def names():
    names_ = [api.post(MAPS, {"metadata": {"generateName": "g-"}}).json()["metadata"]["name"] for _ in range(5)]
    ok(all(re.fullmatch("g-[bcdfghjklmnpqrstvwxz2456789]{5}", name) for name in names_) and len(set(names_)) == 5,
       "generated names", names_)
    long_ = api.post(MAPS, {"metadata": {"generateName": "x" * 70}}).json()["metadata"]["name"]
    same(len(long_), 63, "a long base is cut")
    same(status(api.post(MAPS, {"metadata": {}})),
         (422, "Invalid", 'ConfigMap "" is invalid: metadata.name: Required value: name or generateName is required'), "no name")


api.post("/api/v1/namespaces", {"metadata": {"name": "v"}})
counter()
reads()
pages()
conflicts()
updates()
names()
with Watch(api, f"{MAPS}?watch=1&resourceVersion={version(MAPS)}&timeoutSeconds=2") as quiet:
    api.put(MAPS + "/a", api.get(MAPS + "/a").json())
    api.post(MAPS, {"metadata": {"name": "after"}})
    same(quiet.next()[1]["metadata"]["name"], "after", "what changes nothing is no event")
done()
