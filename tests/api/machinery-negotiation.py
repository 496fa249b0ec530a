"""Bodies, content negotiation, paths, the shapes of lists, tables and metadata."""
import base64
import gzip
import re

import protobuf
from apitest import Api, Watch, done, ok, same

PB = "application/vnd.kubernetes.protobuf"
TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io"
PARTIAL = "as=PartialObjectMetadata;v=v1;g=meta.k8s.io"
PARTIAL_LIST = "as=PartialObjectMetadataList;v=v1;g=meta.k8s.io"
MAPS = "/api/v1/namespaces/n/configmaps"
api = Api()


def text_of(reply):
    return reply.status, reply.json().get("message")


def formats():
    reply = api.get(MAPS + "/a", Accept="text/html, application/json")
    same((reply.status, reply.headers["Content-Type"]), (200, "application/json"), "the first type that can be made wins")
    reply = api.get(MAPS + "/a", Accept="application/json;q=0.2, application/yaml")
    same(reply.headers["Content-Type"], "application/yaml", "the quality of a type counts")
    keys = re.findall(r"^(\w+):", reply.text, re.M)
    same(keys, sorted(keys), "YAML comes with sorted keys")
    ok(re.search(r'creationTimestamp: "\d{4}-', reply.text), "a time is text in YAML", reply.text)
    same(text_of(api.get(MAPS + "/a", Accept="image/png")),
         (406, "406: Not Acceptable\n\nAvailable representations: application/json, application/yaml, " + PB), "no such type")
    same(text_of(api.get(MAPS + "/a", Accept="application/json;as=Table;v=v7;g=meta.k8s.io")),
         (406, "only the following media types are accepted: application/json, application/yaml, " + PB), "no such shape")
    same(text_of(api.get(MAPS + "?watch=1", Accept="application/yaml")),
         (406, f"only the following media types are accepted: application/json;stream=watch, {PB};stream=watch"),
         "no YAML for a watch")
    reply = api.get(MAPS + "/none", Accept=TABLE)
    same((reply.status, reply.json()["kind"]), (404, "Status"), "an error is a Status when a table was asked for")
    same(text_of(api.request("PATCH", MAPS + "/a", "{}", Content_Type="text/plain")), (415, "415: Unsupported Media Type"),
         "no such patch")
    ok(api.get(MAPS + "/a", User_Agent="curl/8").text.startswith('{\n  "kind"'), "people get indented JSON")
    ok("\n" not in api.get(MAPS + "/a?pretty=0", User_Agent="curl/8").text, "unless they do not want it")


def bodies_without_type():
    connection = api.connect()
    body = b'{"metadata":{"name":"untyped"}}'
    connection.putrequest("POST", MAPS)
    connection.putheader("Content-Length", str(len(body)))
    connection.endheaders(body)
    same(connection.getresponse().status, 201, "a body without a type is JSON")
    api.delete(MAPS + "/untyped")


def compression():
    path = "/api/v1/namespaces/big/configmaps"
    api.post("/api/v1/namespaces", {"metadata": {"name": "big"}})
    for i in range(4):
        api.post(path, {"metadata": {"name": f"m{i}"}, "data": {"k": "x" * (64 << 10)}})
    plain = api.get(path)
    packed = api.get(path, Accept_Encoding="gzip")
    ok(packed.headers["Content-Encoding"] == "gzip" and len(packed.body) < len(plain.body) // 10 and
       gzip.decompress(packed.body) == plain.body, "large replies in gzip", dict(packed.headers))
    same(plain.headers["Content-Encoding"], None, "for who takes it")
    same(api.get(path + "/m0", Accept_Encoding="gzip").headers["Content-Encoding"], None, "small ones as they are")


def protobuf_replies():
    reply = api.get(MAPS + "/a", Accept=PB + ",application/json")
    version, kind, message = protobuf.unwrap(reply.body)
    same((reply.headers["Content-Type"], version, kind, protobuf.name(message)), (PB, "v1", "ConfigMap", "a"),
         "an object in protobuf")
    put = api.put(MAPS + "/a", reply.body, Content_Type=PB)
    same((put.status, put.json().get("data")), (200, {"k": "v", "l": "w"}), "and back")
    version, kind, message = protobuf.unwrap(api.get(MAPS + "?limit=1", Accept=PB).body)
    meta = protobuf.fields(message[1][0])
    item = protobuf.fields(message[2][0])
    ok((version, kind, protobuf.name(item)) == ("v1", "ConfigMapList", "a") and protobuf.text(meta, 2) and
       base64.urlsafe_b64decode(protobuf.text(meta, 3) + "==") and meta[4] == [1], "a list in protobuf", meta)
    reply = api.get(MAPS + "/none", Accept=PB)
    version, kind, message = protobuf.unwrap(reply.body)
    same((reply.status, version, kind, protobuf.text(message, 3), message[6]),
         (404, "v1", "Status", 'configmaps "none" not found', [404]), "a Status in protobuf")
    version, kind, message = protobuf.unwrap(api.get(MAPS, Accept=f"{PB};{PARTIAL_LIST}").body)
    same((version, kind, [protobuf.name(protobuf.fields(item)) for item in message[2]]),
         ("meta.k8s.io/v1", "PartialObjectMetadataList", ["a", "b"]), "metadata in protobuf")
    reply = api.get(MAPS, Accept=f"{PB};as=Table;v=v1;g=meta.k8s.io,{TABLE}")
    same(reply.json()["kind"], "Table", "no table in protobuf")
    reply = api.get(MAPS + "?watch=1&timeoutSeconds=1&allowWatchBookmarks=true", Accept=PB)
    got = [(type_, kind, protobuf.name(message)) for type_, _, kind, message in protobuf.events(reply.body)
           if type_ == "ADDED"]
    same((reply.headers["Content-Type"], got),
         (PB + ";stream=watch", [("ADDED", "ConfigMap", "a"), ("ADDED", "ConfigMap", "b")]), "a watch in protobuf")
    same(next(protobuf.events(api.get(MAPS + "?watch=1&resourceVersion=1&timeoutSeconds=1", Accept=PB).body), [None])[0] in
         ("ERROR", "ADDED"), True, "an event of a watch from the start")


def protobuf_bodies():
    deleted = protobuf.MAGIC + bytes.fromhex("0a170a027631121144656c6574654f7074696f6e73") + b"\x12\x00\x1a\x00\x22\x00"
    api.post(MAPS, {"metadata": {"name": "gone"}})
    reply = api.delete(MAPS + "/gone", deleted, Content_Type=PB)
    ok(reply.status in (200, 400), "DeleteOptions in protobuf are read", reply.text)
    same(text_of(api.post(MAPS, b"\x01\x02", Content_Type=PB))[0], 400, "a body that is no protobuf")
    same(api.post(MAPS, '{"a":').message(), "the object provided is unrecognized (must be of type ConfigMap): couldn't get "
         'version/kind; json parse error: unexpected end of JSON input ({"a":)', "a body that is nothing")
    same(api.post(MAPS, "junk").message(), "the object provided is unrecognized (must be of type ConfigMap): couldn't get "
         "version/kind; json parse error: invalid character 'j' looking for beginning of value (6a756e6b)", "a word")
    same(api.post(MAPS, "null").status, 422, "null is an object without anything")
    ok("json: cannot unmarshal array into Go value of type struct" in api.post(MAPS, "[]").message(), "a list")
    ok("converting (v1.ConfigMapList) to (core.ConfigMap)" in api.post(MAPS, {"kind": "ConfigMapList", "apiVersion": "v1"}).message(),
       "a list of the kind")
    same(api.post("/apis/autoscaling/v2/namespaces/n/horizontalpodautoscalers",
                  {"kind": "HorizontalPodAutoscaler", "apiVersion": "autoscaling/v1", "metadata": {"name": "h"}}).message(),
         "the API version in the data (autoscaling/v1) does not match the expected API version (autoscaling/v2)",
         "a body of another version")


def paths():
    reply = api.get("/apis/none/v1/things")
    same((reply.status, reply.headers["Content-Type"], reply.text), (404, "text/plain; charset=utf-8", "404 page not found\n"),
         "an unknown group")
    reply = api.get("/apis/apps/v1/namespaces/n/things").json()
    same((reply["code"], reply["message"], reply["details"]), (404, "the server could not find the requested resource", {}),
         "an unknown resource")
    reply = api.request("PUT", MAPS, {}).json()
    same((reply["code"], reply["reason"], reply["details"]), (405, "MethodNotAllowed", {}), "a wrong verb")
    same(text_of(api.get("/api/v1/namespaces/n/nodes")), (404, "the server could not find the requested resource"),
         "what is in no namespace is not found in one")
    for method, path in (("POST", "/api/v1/configmaps"), ("DELETE", "/api/v1/configmaps"), ("PUT", MAPS), ("POST", MAPS + "/a")):
        same(api.request(method, path, {}).status, 405, f"{method} {path}")
    same(api.request("HEAD", MAPS).status, 405, "HEAD")
    for path in ("/livez", "/readyz", "/healthz", "/livez/ping"):
        same(api.get(path).text, "ok", path)
    ok(api.get("/livez?verbose").text.endswith("livez check passed\n"), "/livez?verbose")
    ok(api.get("/version").text.startswith('{\n  "major": "1"'), "/version is indented")
    listed = api.get("/").json()["paths"]
    ok(listed == sorted(listed) and {"/api/v1", "/apis/apps", "/apis/apps/v1"} <= set(listed), "/ lists the paths", listed)
    same(api.get("/openid/v1/jwks", Accept="application/jwk-set+json").headers["Content-Type"], "application/jwk-set+json",
         "the keys have a type of their own")
    same(api.get("/api/v1/namespaces/n/configmaps/").status, 200, "a slash at the end")


def lists():
    document = api.get(MAPS).json()
    ok(document["kind"] == "ConfigMapList" and document["metadata"]["resourceVersion"] and
       all("kind" not in item and "apiVersion" not in item for item in document["items"]), "items have no kind", document)
    same(api.get("/api/v1/namespaces/n/secrets").json()["items"], [], "an empty list")
    deployment = api.post("/apis/apps/v1/namespaces/n/deployments", {
        "metadata": {"name": "d"}, "spec": {"replicas": 0, "selector": {"matchLabels": {"a": "b"}}, "template": {
            "metadata": {"labels": {"a": "b"}}, "spec": {"containers": [{"name": "c", "image": "i"}]}}}}).json()
    ok("creationTimestamp" in deployment["spec"]["template"]["metadata"] and
       deployment["spec"]["template"]["metadata"]["creationTimestamp"] is None, "a template's null time stays")


def tables():
    document = api.get(MAPS, Accept=TABLE).json()
    columns = [column["name"] for column in document["columnDefinitions"]]
    ok(columns == ["Name", "Data", "Age"] and document["metadata"]["resourceVersion"] and
       [row["cells"][:2] for row in document["rows"]] == [["a", 2], ["b", 0]], "a table with typed cells", document)
    same({row["object"]["kind"] for row in document["rows"]}, {"PartialObjectMetadata"}, "rows hold metadata")
    rows = api.get(MAPS + "?includeObject=Object", Accept=TABLE).json()["rows"]
    same((rows[0]["object"]["kind"], rows[0]["object"]["data"]), ("ConfigMap", {"k": "v", "l": "w"}), "or the object")
    same(api.get(MAPS + "?includeObject=None", Accept=TABLE).json()["rows"][0]["object"], None, "or nothing")
    reply = api.get(MAPS + "?includeObject=All", Accept=TABLE)
    same((reply.status, reply.message()), (400, 'unrecognized includeObject value: "All"'), "or else")
    single = api.get(MAPS + "/a", Accept=TABLE).json()
    same(single["metadata"]["resourceVersion"], api.get(MAPS + "/a").json()["metadata"]["resourceVersion"],
         "one object as a table")
    with Watch(api, MAPS + "?watch=1", Accept=TABLE) as watch:
        first, second = watch.next()[1], watch.next()[1]
    ok(len(first["columnDefinitions"]) == 3 and not second["columnDefinitions"] and second["kind"] == "Table",
       "a watch as tables tells the columns once", second)
    same(api.get("/apis/apps/v1/namespaces/n/deployments/d/scale", Accept=TABLE).status in (200, 406), True,
         "a scale as a table is answered")


def metadata():
    reply = api.get(MAPS + "/a", Accept="application/json;" + PARTIAL).json()
    same((reply["kind"], reply["apiVersion"], reply["metadata"]["name"], "data" in reply),
         ("PartialObjectMetadata", "meta.k8s.io/v1", "a", False), "an object's metadata")
    reply = api.get(MAPS, Accept="application/json;" + PARTIAL_LIST).json()
    same((reply["kind"], {item["kind"] for item in reply["items"]}), ("PartialObjectMetadataList", {"PartialObjectMetadata"}),
         "a list's metadata")
    with Watch(api, MAPS + "?watch=1", Accept="application/json;" + PARTIAL) as watch:
        same(watch.next()[1]["kind"], "PartialObjectMetadata", "a watch's metadata")


api.post("/api/v1/namespaces", {"metadata": {"name": "n"}})
api.post(MAPS, {"metadata": {"name": "a"}, "data": {"k": "v", "l": "w"}})
api.post(MAPS, {"metadata": {"name": "b"}})
formats()
bodies_without_type()
compression()
protobuf_replies()
paths()
lists()
tables()
metadata()
protobuf_bodies()
done()
