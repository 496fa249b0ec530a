"""Watches: where they start, what they tell, how they end."""
from apitest import Api, Watch, done, ok, same, status

MAPS = "/api/v1/namespaces/wa/configmaps"
INITIAL = "watch=1&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true"
api = Api()


def version():
    return api.get(MAPS).json()["metadata"]["resourceVersion"]


def invalid(field, text):
    return 422, "Invalid", f'ListOptions.meta.k8s.io "" is invalid: {field}: {text}'


def names(events):
    return [(event["type"], event["object"]["metadata"]["name"]) for event in events if event["type"] != "BOOKMARK"]


def start():
    for query in ("watch=1", "watch=true&resourceVersion=0", "watch=1&resourceVersion="):
        with Watch(api, f"{MAPS}?{query}") as watch:
            same([watch.next()[1]["metadata"]["name"] for _ in range(2)], ["a", "b"], f"everything first: {query}")
    now = version()
    with Watch(api, f"{MAPS}?watch=1&resourceVersion={now}") as watch:
        made = api.post(MAPS, {"metadata": {"name": "c"}}).json()
        kind, thing = watch.next()
        same((kind, thing), ("ADDED", dict(made, kind="ConfigMap", apiVersion="v1")), "what is made afterwards")
        changed = api.merge(MAPS + "/c", {"data": {"k": "v"}}).json()
        same(watch.next(), ("MODIFIED", changed), "what is changed")
        api.delete(MAPS + "/c")
        kind, thing = watch.next()
        ok(kind == "DELETED" and int(thing["metadata"]["resourceVersion"]) > int(changed["metadata"]["resourceVersion"]),
           "what is deleted, with the version of the deletion", thing)
    with Watch(api, f"{MAPS}?watch=1&resourceVersion={now}") as watch:
        same([watch.next()[0] for _ in range(3)], ["ADDED", "MODIFIED", "DELETED"], "history is told again")


def end():
    reply = api.get(MAPS + "?watch=1&timeoutSeconds=1")
    same((reply.status, reply.headers["Content-Type"], names(reply.lines())),
         (200, "application/json", [("ADDED", "a"), ("ADDED", "b")]), "a watch ends when its time is over")
    same(api.get(f"{MAPS}?watch=1&timeoutSeconds=1&resourceVersion=999999999").status, 200, "a version to come is waited for")
    same(status(api.get(MAPS + "?watch=1&timeoutSeconds=x"))[0], 400, "no such time")
    same(status(api.get(MAPS + "?watch=1&resourceVersion=abc")),
         (422, "Invalid", 'configmaps "" is invalid: resourceVersion: Invalid value: "abc": strconv.ParseUint: parsing "abc": '
          "invalid syntax"), "no such version")


def selectors():
    with Watch(api, f"{MAPS}?watch=1&labelSelector=in%3Dyes&resourceVersion={version()}") as watch:
        api.merge(MAPS + "/a", {"metadata": {"labels": {"in": "yes"}}})
        same((lambda event: (event[0], event[1]["metadata"]["name"]))(watch.next()), ("ADDED", "a"), "what enters a selection")
        api.merge(MAPS + "/a", {"data": {"k": "w"}})
        same(watch.next()[0], "MODIFIED", "what stays in it")
        api.merge(MAPS + "/a", {"metadata": {"labels": {"in": None}}})
        same(watch.next()[0], "DELETED", "what leaves it")
    with Watch(api, f"{MAPS}?watch=1&fieldSelector=metadata.name%3Db") as watch:
        same(watch.next()[1]["metadata"]["name"], "b", "one object by its name")
    same(status(api.get(MAPS + "?watch=1&fieldSelector=data.k%3Dv"))[0], 400, "no such field")


def old_paths():
    for path in ("/api/v1/watch/namespaces/wa/configmaps", "/api/v1/watch/configmaps", "/api/v1/watch/namespaces/wa/configmaps/a"):
        with Watch(api, path) as watch:
            ok(watch.next()[0] == "ADDED", path)
    with Watch(api, "/api/v1/watch/namespaces/wa") as watch:
        same(watch.next()[1]["kind"], "Namespace", "a namespace's own watch")
    with Watch(api, MAPS + "/a?watch=1") as watch:
        same(watch.next()[1]["metadata"]["name"], "a", "a watch of one object's path")


def bookmarks():
    with Watch(api, f"{MAPS}?{INITIAL}") as watch:
        events = [watch.next(bookmarks=True) for _ in range(3)]
        same([event[0] for event in events], ["ADDED", "ADDED", "BOOKMARK"], "a watch list ends with a bookmark")
        mark = events[2][1]
        ok(mark["kind"] == "ConfigMap" and mark["apiVersion"] == "v1" and set(mark) == {"kind", "apiVersion", "metadata"} and
           mark["metadata"]["annotations"] == {"k8s.io/initial-events-end": "true"} and
           int(mark["metadata"]["resourceVersion"]) > 0, "which says so", mark)
        api.post(MAPS, {"metadata": {"name": "after"}})
        same(watch.next()[1]["metadata"]["name"], "after", "and then goes on")
        api.delete(MAPS + "/after")
    with Watch(api, f"{MAPS}?{INITIAL}&resourceVersion={version()}") as watch:
        same([watch.next(bookmarks=True)[0] for _ in range(3)], ["ADDED", "ADDED", "BOOKMARK"], "not older than a version")
    lines = api.get(MAPS + "?watch=1&timeoutSeconds=1").lines()
    ok(all(event["type"] != "BOOKMARK" for event in lines), "no bookmark where none was asked for")


def refused():
    same(status(api.get(MAPS + "?watch=1&resourceVersionMatch=NotOlderThan&resourceVersion=5")),
         invalid("resourceVersionMatch",
                 "Forbidden: resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided"), "a match alone")
    same(status(api.get(MAPS + "?watch=1&sendInitialEvents=true")),
         invalid("resourceVersionMatch",
                 "Forbidden: sendInitialEvents requires setting resourceVersionMatch to NotOlderThan"), "initial events alone")
    ok(status(api.get(MAPS + "?watch=1&sendInitialEvents=true&resourceVersionMatch=Exact"))[0] == 422, "an exact match")


api.post("/api/v1/namespaces", {"metadata": {"name": "wa"}})
for name in "ab":
    api.post(MAPS, {"metadata": {"name": name}})
start()
end()
selectors()
old_paths()
bookmarks()
refused()
done()
