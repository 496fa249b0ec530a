"""Replays the requests of a recorded session with a real kube-apiserver 1.20 and compares the answers.

The recording (probes-1.20.txt of the reference, see tests/api/probes.sh) holds method, path, status, headers and body of each
answer; REQUESTS says what was sent with it. What Kubernetes 1.32 answers differently is in CHANGED, each with the reason.
"""
import json
import os
import re

from apitest import Api, done, ok, skip

TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io"
JSON_PATCH = {"Content_Type": "application/json-patch+json"}
MERGE_PATCH = {"Content_Type": "application/merge-patch+json"}
STRATEGIC_PATCH = {"Content_Type": "application/strategic-merge-patch+json"}
APPLY_PATCH = {"Content_Type": "application/apply-patch+yaml"}
MAP = {"metadata": {"name": "a", "labels": {"l": "1"}}, "data": {"k": "v"}}
POD = {"metadata": {"name": "p"}, "spec": {"containers": [{"name": "c", "image": "nginx"}]}}
TEMPLATE = {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [{"name": "c", "image": "i"}]}}


def deployment(labels):
    template = dict(TEMPLATE, metadata={"labels": labels})
    return {"metadata": {"name": "d"}, "spec": {"selector": {"matchLabels": {"a": "b"}}, "template": template}}


# name of the probe → body and headers; one that is not here is sent with neither
REQUESTS = {
    "create pod no containers": ({"metadata": {"name": "Bad_Name"}, "spec": {}}, {}),
    "create pod bad": ({"metadata": {"name": "b"}, "spec": {"restartPolicy": "X", "containers": [
        {"name": "c", "image": "i", "ports": [{"containerPort": 99999}],
         "resources": {"requests": {"cpu": "2"}, "limits": {"cpu": "1"}}}]}}, {}),
    "bad json": ('{"a":', {}),
    "wrong type": ('{"metadata": {"name": "q"}, "data": {"a": 1}}', {}),
    "wrong kind": ({"kind": "Secret", "apiVersion": "v1", "metadata": {"name": "q"}}, {}),
    "wrong apiVersion": ({"kind": "ConfigMap", "apiVersion": "v2", "metadata": {"name": "q"}}, {}),
    "no name": ({"metadata": {}}, {}),
    "ns mismatch": ({"metadata": {"name": "q", "namespace": "other"}}, {}),
    "missing ns": ({"metadata": {"name": "q"}}, {}),
    "create ok": (MAP, {}),
    "exists": (MAP, {}),
    "gen": ({"metadata": {"generateName": "g-"}}, {}),
    "rv on create": ({"metadata": {"name": "rv", "resourceVersion": "5"}}, {}),
    "yaml create": ("metadata:\n  name: y1\n", {"Content_Type": "application/yaml"}),
    "415": ("x", {"Content_Type": "text/plain"}),
    "no CT": ('{"metadata":{"name":"noct"}}', {"Content_Type": None}),
    "406": (None, {"Accept": "text/html"}),
    "accept yaml": (None, {"Accept": "application/yaml"}),
    "405": (MAP, {}),
    "405 b": ({}, {}),
    "stale PUT": ({"metadata": {"name": "a", "resourceVersion": "1"}, "data": {"k": "w"}}, {}),
    "PUT no rv": (MAP, {}),
    "PUT name mismatch": ({"metadata": {"name": "b"}}, {}),
    "PUT uid mismatch": ({"metadata": {"name": "a", "uid": "11111111-1111-1111-1111-111111111111"}}, {}),
    "PUT create (upsert?)": ({"metadata": {"name": "newone"}}, {}),
    "PUT upsert lease": ({"metadata": {"name": "newone"}}, {}),
    "stale patch": ({"metadata": {"resourceVersion": "1"}, "data": {"k": "x"}}, MERGE_PATCH),
    "patch bad type": ({"data": {"k": "x"}}, {}),
    "jsonpatch test fail": ([{"op": "test", "path": "/data/k", "value": "no"}], JSON_PATCH),
    "jsonpatch bad path": ([{"op": "replace", "path": "/data/none/none", "value": "x"}], JSON_PATCH),
    "ssa no manager": ({"apiVersion": "v1", "kind": "ConfigMap", "data": {"k": "ssa"}}, APPLY_PATCH),
    "ssa conflict": ({"apiVersion": "v1", "kind": "ConfigMap", "data": {"k": "ssa"}}, APPLY_PATCH),
    "ssa create": ({"apiVersion": "v1", "kind": "ConfigMap", "data": {"k": "ssa"}}, APPLY_PATCH),
    "ssa with managedFields": ({"apiVersion": "v1", "kind": "ConfigMap", "data": {"k": "ssa"}, "metadata": {
        "managedFields": [{"manager": "x", "operation": "Apply", "apiVersion": "v1"}]}}, APPLY_PATCH),
    "watch table": (None, {"Accept": TABLE}),
    "delete w/ wrong precond": ({"preconditions": {"uid": "1"}}, {}),
    "create fin": ({"metadata": {"name": "fin", "finalizers": ["x.io/y"]}}, {}),
    "create bad fin": ({"metadata": {"name": "fin2", "finalizers": ["xy"]}}, {}),
    "add fin while deleting": ({"metadata": {"finalizers": ["x.io/y", "x.io/z"]}}, MERGE_PATCH),
    "remove fin": ({"metadata": {"finalizers": None}}, MERGE_PATCH),
    "dryrun bad": ({"metadata": {"name": "q"}}, {}),
    "fieldManager too long": ({"metadata": {"name": "q"}}, {}),
    "table single": (None, {"Accept": TABLE}),
    "PartialObjectMetadataList": (None, {"Accept": "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io"}),
    "bad token": (None, {"Authorization": "Bearer nope"}),
    "impersonate": (None, {"Impersonate_User": "bob", "Impersonate_Group": "system:masters"}),
    "jwks": (None, {"Accept": "application/json"}),
    "pod create": (POD, {}),
    "pod immut": ({"spec": {"nodeName": "zz"}}, MERGE_PATCH),
    "svc create": ({"metadata": {"name": "s"}, "spec": {"selector": {"a": "b"}, "ports": [{"port": 80}]}}, {}),
    "svc bad": ({"metadata": {"name": "9s"}, "spec": {}}, {}),
    "svc clusterIP change": ({"spec": {"clusterIP": "10.0.0.77", "clusterIPs": ["10.0.0.77"]}}, MERGE_PATCH),
    "deploy selector mismatch": (deployment({"a": "c"}), {}),
    "deploy ok": (deployment({"a": "b"}), {}),
    "deploy selector immut": ({"spec": {"selector": {"matchLabels": {"z": "b"}}}}, MERGE_PATCH),
    "token": ({"spec": {}}, {}),
    "evict missing": ({"metadata": {"name": "nope"}}, {}),
    "crd noncompliant": ({"metadata": {"name": "bad"}, "spec": {
        "group": "x.io", "scope": "Namespaced", "names": {"plural": "foos", "kind": "Foo"},
        "versions": [{"name": "v1", "served": True, "storage": True}]}}, {}),
}

# What the recorded server answers in words that no other can find.
SKIPPED = {
    "pod immut": "the text holds Go's own diff of two structures",
}


def message(text):
    """A change of the message alone."""
    return lambda status: dict(status, message=text)


def bad_request(status):
    return dict(status, code=400, reason="BadRequest")


def long_manager(status):
    text = "Too long: may not be more than 128 bytes"
    cause = dict(status["details"]["causes"][0], message=text)
    return dict(status, message=status["message"].replace("Too long: must have at most 128 bytes", text),
                details=dict(status["details"], causes=[cause]))


def pod_of_account(pod):
    spec = dict(pod["spec"], serviceAccountName="default", serviceAccount="default", tolerations=[
        {"key": f"node.kubernetes.io/{key}", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 300}
        for key in ("not-ready", "unreachable")])
    return dict(pod, spec=spec)


def service_families(service):
    return dict(service, spec=dict(service["spec"], ipFamilies=["IPv4"], ipFamilyPolicy="SingleStack",
                                   internalTrafficPolicy="Cluster"))


def token_of_account(token):
    return dict(token, metadata={"name": "default", "namespace": "x1"},
                spec=dict(token["spec"], audiences=["https://kubernetes.default.svc.cluster.local"]))


LIST_TYPES = ("application/json, application/yaml, application/vnd.kubernetes.protobuf, application/json;stream=watch, "
              "application/vnd.kubernetes.protobuf;stream=watch")

# name → (why 1.32 answers differently, what it makes of the recorded document)
CHANGED = {
    "wrong type": ("the JSON decoder is Go's own again", message(
        'ConfigMap in version "v1" cannot be handled as a ConfigMap: json: cannot unmarshal number into Go struct field '
        'ConfigMap.data of type string')),
    "wrong apiVersion": ("built with trimmed paths", message(
        'ConfigMap in version "v2" cannot be handled as a ConfigMap: no kind "ConfigMap" is registered for version "v2" in '
        'scheme "pkg/api/legacyscheme/scheme.go:30"')),
    "rv on create": ("it is the client's fault", bad_request),
    "406": ("the router says what it has", message("406: Not Acceptable\n\nAvailable representations: " + LIST_TYPES)),
    "jwks": ("the router says what it has", message("406: Not Acceptable\n\nAvailable representations: "
                                                    "application/jwk-set+json")),
    "fieldManager too long": ("another text", long_manager),
    "pod create": ("ServiceAccount and DefaultTolerationSeconds are on by default", pod_of_account),
    "svc create": ("services have families and an internal policy", service_families),
    "openapi json": ("JSON is called JSON", dict),
    "token": ("a TokenRequest is answered with the account's name", token_of_account),
}

ANONYMOUS = {"anon", "bad token"}

# Members whose values no two servers share.
VOLATILE = {"uid", "resourceVersion", "creationTimestamp", "deletionTimestamp", "time", "continue", "clusterIP", "clusterIPs",
            "managedFields", "remainingItemCount", "serverAddress", "token", "expirationTimestamp"}
VOLATILE_TEXT = [
    (r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", "UID"),
    (r"current: \d+", "current: N"),
    (r"too old resource version: (\d+) \(\d+\)", r"too old resource version: \1 (N)"),
]


def parse_recording(path):
    """(name, method, path, status, headers, body) of every probe."""
    with open(path, encoding="utf-8") as file:
        text = file.read()
    for part in re.split(r"^## ", text, flags=re.M)[1:]:
        head, answer, body = part.split("\n", 2)
        name, request = head.split(" | ")
        method, target = request.split(" ", 1)
        status, headers = answer.strip().split(" ", 1)
        yield name, method, target, int(status), json.loads(headers.replace("'", '"').replace('\\"', "").replace('""', '"')), \
            body.strip()


def steady(value):
    """VALUE without what differs from one server to the next."""
    if isinstance(value, dict):
        return {key: steady(member) for key, member in value.items() if key not in VOLATILE}
    if isinstance(value, list):
        return [steady(member) for member in value]
    if isinstance(value, str):
        for pattern, text in VOLATILE_TEXT:
            value = re.sub(pattern, text, value)
    return value


def compare(name, reply, status, headers, body):
    """Status and content type always; the whole document where the recording has it to the end."""
    why, change = CHANGED.get(name, ("", None))
    try:
        expected = json.loads(body)
    except ValueError:
        expected = None
    if change and isinstance(expected, dict):
        expected = change(expected)
        status = expected.get("code", status)
    got_type = (reply.headers.get("Content-Type") or "").replace(" ", "")
    same_type = got_type == headers.get("Content-Type", "").replace(" ", "")
    detail = f"{name}{' (1.32: ' + why + ')' if why else ''}"
    if expected is not None and expected.get("kind"):
        got = steady(reply.json()) if "json" in got_type else reply.text
        ok(reply.status == status and same_type and got == steady(expected), detail,
           f"got:      {reply.status} {got_type} {json.dumps(got)}\nexpected: {status} {json.dumps(steady(expected))}")
    else:
        first = re.sub(r"\s+", " ", body)[:8]
        alike = re.sub(r"\s+", " ", reply.text)[:8] == first or not body
        ok(reply.status == status and (same_type or bool(change)) and alike, detail,
           f"got:      {reply.status} {got_type} {reply.text[:400]}\nexpected: {status} {headers} {body[:400]}")


def main():
    admin, nobody = Api(), Api(user=None)
    admin.post("/api/v1/namespaces", {"metadata": {"name": "x1"}})
    # the recorded server had no ServiceAccount admission: an account without a token comes closest
    admin.post("/api/v1/namespaces/x1/serviceaccounts", {"metadata": {"name": "default"}, "automountServiceAccountToken": False})
    for name, method, path, status, headers, body in parse_recording(os.environ["PROBES"]):
        if name in SKIPPED:
            skip(name, SKIPPED[name])
            continue
        sent, extra = REQUESTS.get(name, (None, {}))
        api = nobody if name in ANONYMOUS else admin
        compare(name, api.request(method, path, sent, **extra), status, headers, body)
    done()


main()
