"""Many clients at once. Each changer goes through one subject again and again - definitions, access, webhooks, flow control,
quotas, namespaces, an aggregated API, tokens, workloads - and sees that the server follows; readers meanwhile list, watch and
read every document the server makes of what it shares. All go on until the last changer has done its rounds. No request may
fail in the server, and nobody's revisions may go back."""
import functools
import json
import os
import re
import threading
import time
import traceback

from apitest import Api, done, ok

ROUNDS = int(os.environ.get("CONCURRENCY_ROUNDS", "3"))
READERS = 4  # of each kind
WAIT_SECONDS = 60
WATCH_SECONDS = 2
CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
RBAC = "/apis/rbac.authorization.k8s.io/v1"
FLOW = "/apis/flowcontrol.apiserver.k8s.io/v1"
HOOKS = "/apis/admissionregistration.k8s.io/v1"
APISERVICES = "/apis/apiregistration.k8s.io/v1/apiservices"
NAMESPACES = "/api/v1/namespaces"
REMOTE = "wardle.example.com"
POD = {"containers": [{"name": "c", "image": "i", "resources": {"requests": {"cpu": "1m", "memory": "1Mi"}, "limits": {"cpu": "1", "memory": "1Gi"}}}]}

api, bob = Api(), Api("bob")
lock = threading.Lock()
failures = {}  # name of the client -> what was wrong
running = []  # changers that have rounds to do
finished = threading.Event()


def request(client, method, path, body=None, expected=(), **headers):
    """One that must not fail in the server; EXPECTED: the only statuses it may have, where given."""
    reply = client.request(method, path, body, **headers)
    # what lies behind the aggregated API comes and goes
    failed = reply.status >= 500 and not (reply.status == 503 and REMOTE in path)
    if failed or (expected and reply.status not in expected):
        raise AssertionError(f"{method} {path}: {reply.status} {reply.text[:1000]}")
    return reply


admin = functools.partial(request, api)


def until(what, condition):
    end = time.monotonic() + WAIT_SECONDS
    while not condition():
        if time.monotonic() > end:
            raise AssertionError(f"{what}: not within {WAIT_SECONDS} seconds")
        time.sleep(0.02)


def answers(status, client, method, path, body=None):
    last = []

    def does():
        last[:] = [request(client, method, path, body)]
        return last[0].status == status

    try:
        until(f"{status} of {method} {path}", does)
    except AssertionError as error:
        raise AssertionError(f"{error}; but {last and (last[0].status, last[0].text[:1000])}")


def patch(path, body):
    return admin("PATCH", path, body, (200,), Content_Type="application/merge-patch+json")


def make(path, name, expected=(201,), **members):
    return admin("POST", path, {"metadata": {"name": name}, **members}, expected)


# --- changers --------------------------------------------------------------------------------------------------------


def definitions(tag):
    """A custom resource: it is served, changes its schema under its objects, and is gone with them."""
    group = f"{tag}.example.com"
    objects = f"/apis/{group}/v1/namespaces/default/things"
    schema = {"type": "object", "properties": {"spec": {"type": "object", "properties": {"a": {"type": "integer", "default": 1}}}}}
    version = {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema},
               "subresources": {"status": {}}, "additionalPrinterColumns": [{"name": "A", "type": "integer", "jsonPath": ".spec.a"}]}
    spec = {"group": group, "scope": "Namespaced", "names": {"plural": "things", "kind": "Thing"}, "versions": [version]}
    make(CRDS, f"things.{group}", spec=spec)
    answers(200, api, "GET", objects)
    kind = {"apiVersion": f"{group}/v1", "kind": "Thing"}
    admin("POST", objects, {**kind, "metadata": {"name": "t"}, "spec": {}}, (201,))
    schema["properties"]["spec"]["properties"]["b"] = {"type": "string", "default": "x"}
    patch(f"{CRDS}/things.{group}", {"spec": {"versions": [version]}})
    until("the new default", lambda: admin("GET", f"{objects}/t").json()["spec"].get("b") == "x")
    admin("GET", objects, Accept="application/json;as=Table;g=meta.k8s.io;v=v1")
    admin("DELETE", f"{CRDS}/things.{group}", None, (200,))
    answers(404, api, "GET", objects)
    answers(404, api, "GET", f"{CRDS}/things.{group}")


def access(tag):
    """What bob may do comes and goes."""
    path = f"{NAMESPACES}/default/secrets"
    make(RBAC + "/clusterroles", tag, rules=[{"apiGroups": [""], "resources": ["secrets"], "verbs": ["list"]}])
    make(RBAC + "/clusterrolebindings", tag, roleRef={"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": tag},
         subjects=[{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "bob"}])
    answers(200, bob, "GET", path)
    patch(f"{RBAC}/clusterroles/{tag}", {"rules": []})
    answers(403, bob, "GET", path)
    for kind in "clusterrolebindings", "clusterroles":
        admin("DELETE", f"{RBAC}/{kind}/{tag}", None, (200,))


def webhooks(tag):
    """A webhook that refuses, and one that changes, in a namespace of their own."""
    make(NAMESPACES, tag)
    maps = f"{NAMESPACES}/{tag}/configmaps"
    for kind, hook in ("validatingwebhookconfigurations", "deny"), ("mutatingwebhookconfigurations", "label"):
        make(f"{HOOKS}/{kind}", tag, webhooks=[{
            "name": f"{hook}.hooks.example", "sideEffects": "None", "admissionReviewVersions": ["v1"], "timeoutSeconds": 30,
            "clientConfig": {"url": f"{os.environ['HOOKS_URL']}/hook/{hook}", "caBundle": os.environ["HOOKS_CA"]},
            "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": tag}},
            "rules": [{"operations": ["CREATE"], "apiGroups": [""], "apiVersions": ["v1"], "resources": ["configmaps"]}]}])
    one = {"metadata": {"generateName": "a-"}}
    until("a refusal", lambda: "not today" in admin("POST", maps, one).text)
    admin("DELETE", f"{HOOKS}/validatingwebhookconfigurations/{tag}", None, (200,))
    until("a label", lambda: (admin("POST", maps, one).json()["metadata"].get("labels") or {}).get("hooked") == "yes")
    admin("DELETE", f"{HOOKS}/mutatingwebhookconfigurations/{tag}", None, (200,))
    admin("DELETE", f"{NAMESPACES}/{tag}", None, (200,))


def flow_control(tag):
    """A level of bob's own, whose limits change while he asks."""
    limited = {"nominalConcurrencyShares": 5, "limitResponse": {"type": "Queue", "queuing": {"queues": 4, "handSize": 2, "queueLengthLimit": 50}}}
    make(FLOW + "/prioritylevelconfigurations", tag, spec={"type": "Limited", "limited": limited})
    made = make(FLOW + "/flowschemas", tag, spec={
        "priorityLevelConfiguration": {"name": tag}, "matchingPrecedence": 60, "distinguisherMethod": {"type": "ByUser"},
        "rules": [{"subjects": [{"kind": "User", "user": {"name": "bob"}}],
                   "resourceRules": [{"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"], "clusterScope": True, "namespaces": ["*"]}]}]})
    uid = made.json()["metadata"]["uid"]
    until("bob's flow", lambda: request(bob, "GET", "/api/v1/pods").headers["X-Kubernetes-PF-FlowSchema-UID"] == uid)
    patch(f"{FLOW}/prioritylevelconfigurations/{tag}", {"spec": {"limited": {"nominalConcurrencyShares": 9}}})
    admin("DELETE", f"{FLOW}/flowschemas/{tag}", None, (200,))
    until("another flow", lambda: request(bob, "GET", "/api/v1/pods").headers["X-Kubernetes-PF-FlowSchema-UID"] != uid)
    admin("DELETE", f"{FLOW}/prioritylevelconfigurations/{tag}", None, (200,))


def quotas(tag):
    """A quota counts what is made and what goes."""
    make(NAMESPACES, tag)
    space = f"{NAMESPACES}/{tag}"
    make(f"{space}/limitranges", "l", spec={"limits": [{"type": "Container", "default": {"cpu": "2"}}]})
    make(f"{space}/resourcequotas", "q", spec={"hard": {"count/secrets": "2", "pods": "3"}})
    until("what is used", lambda: admin("GET", f"{space}/resourcequotas/q").json()["status"].get("used") == {"count/secrets": "0", "pods": "0"})
    for name in "a", "b":
        make(f"{space}/secrets", name)
    make(f"{space}/secrets", "c", (403,))
    admin("DELETE", f"{space}/secrets/a", None, (200,))
    answers(201, api, "POST", f"{space}/secrets", {"metadata": {"name": "d"}})
    admin("DELETE", space, None, (200,))


def namespaces(tag):
    """One goes with what is in it; its level of pod security and a priority class change before."""
    make(NAMESPACES, tag)
    space = f"{NAMESPACES}/{tag}"
    until("its account", lambda: admin("GET", f"{space}/serviceaccounts/default").status == 200)
    patch(space, {"metadata": {"labels": {"pod-security.kubernetes.io/enforce": "restricted"}}})
    until("a refused pod", lambda: admin("POST", f"{space}/pods", {"metadata": {"generateName": "p-"}, "spec": POD}).status == 403)
    make("/apis/scheduling.k8s.io/v1/priorityclasses", tag, value=7)
    patch(space, {"metadata": {"labels": None}})
    until("a pod", lambda: admin("POST", f"{space}/pods", {"metadata": {"name": "p"}, "spec": dict(POD, priorityClassName=tag)}).status == 201)
    admin("DELETE", f"/apis/scheduling.k8s.io/v1/priorityclasses/{tag}", None, (200,))
    admin("DELETE", space, None, (200,))
    answers(404, api, "GET", space)


def aggregation(_):
    """An API behind a service, that comes and goes. Its certificate is that of wardle in hooks."""
    port, name = int(os.environ["HOOKS_PORT"]), f"v1.{REMOTE}"
    make(f"{NAMESPACES}/hooks/services", "wardle", spec={"type": "ExternalName", "externalName": "localhost"})
    spec = {"group": REMOTE, "version": "v1", "groupPriorityMinimum": 1000, "versionPriority": 15, "caBundle": os.environ["HOOKS_CA"],
            "service": {"namespace": "hooks", "name": "wardle", "port": port}}
    make(APISERVICES, name, spec=spec)
    answers(200, api, "GET", f"/apis/{REMOTE}/v1/namespaces/default/flunders")
    admin("DELETE", f"{NAMESPACES}/hooks/services/wardle", None, (200,))
    admin("DELETE", f"{APISERVICES}/{name}", None, (200,))
    answers(404, api, "GET", f"/apis/{REMOTE}/v1/namespaces/default/flunders")


def tokens(tag):
    """A token lives as long as its account."""
    make(f"{NAMESPACES}/default/serviceaccounts", tag)
    made = admin("POST", f"{NAMESPACES}/default/serviceaccounts/{tag}/token", {"spec": {}}, (201,))
    bearer = {"Authorization": "Bearer " + made.json()["status"]["token"]}
    nobody = Api(None)
    request(nobody, "POST", "/apis/authentication.k8s.io/v1/selfsubjectreviews", {}, (201,), **bearer)
    admin("POST", "/apis/authentication.k8s.io/v1/tokenreviews", {"spec": {"token": bearer["Authorization"][7:]}}, (201,))
    admin("DELETE", f"{NAMESPACES}/default/serviceaccounts/{tag}", None, (200,))
    until("an end of the token", lambda: request(nobody, "GET", "/api/v1/pods", **bearer).status == 401)


def workloads(tag):
    """A deployment's pods come, and go with it."""
    deployments = "/apis/apps/v1/namespaces/default/deployments"
    pods = f"{NAMESPACES}/default/pods?labelSelector=app%3D{tag}"
    labels = {"app": tag}
    make(deployments, tag, spec={"replicas": 3, "selector": {"matchLabels": labels},
                                 "template": {"metadata": {"labels": labels}, "spec": POD}})
    until("its pods", lambda: len(admin("GET", pods).json()["items"]) == 3)
    patch(f"{deployments}/{tag}/scale", {"spec": {"replicas": 1}})
    until("fewer pods", lambda: len(admin("GET", pods).json()["items"]) == 1)
    admin("DELETE", f"{deployments}/{tag}", {"propagationPolicy": "Foreground"}, (200,))
    until("no pods", lambda: not admin("GET", pods).json()["items"])


# --- readers ---------------------------------------------------------------------------------------------------------


def documents(_):
    """What the server makes of all it serves."""
    aggregated = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
    admin("GET", "/apis", None, (200,), Accept=aggregated)
    for path in "/api", "/apis", "/version", "/metrics", "/metrics/slis", "/readyz?verbose", "/livez?verbose", "/openapi/v2":
        admin("GET", path, None, (200,))
    for name, version in admin("GET", "/openapi/v3").json()["paths"].items():
        if "example.com" in name or name == "api/v1":
            admin("GET", version["serverRelativeURL"])
    for group in admin("GET", "/apis").json()["groups"]:
        if "example.com" in group["name"]:
            admin("GET", "/apis/" + group["preferredVersion"]["groupVersion"])


def lists(_):
    for path in "/api/v1/pods", "/api/v1/namespaces", "/api/v1/configmaps", CRDS, RBAC + "/clusterroles", "/api/v1/events":
        admin("GET", path + "?resourceVersion=0", None, (200,))
        admin("GET", path, None, (200,), Accept="application/json;as=Table;g=meta.k8s.io;v=v1")
        if path != CRDS:
            admin("GET", path, None, (200,), Accept="application/vnd.kubernetes.protobuf")
        following = admin("GET", path + "?limit=2").json()["metadata"].get("continue")
        if following:
            admin("GET", f"{path}?limit=2&continue={following}", None, (200, 410))


def watches(resource, _):
    """From now on, for a while, with what there is at first: its versions never go back."""
    response = api.open("GET", f"{resource}?watch=1&allowWatchBookmarks=true&sendInitialEvents=true&timeoutSeconds={WATCH_SECONDS}"
                               "&resourceVersionMatch=NotOlderThan")
    if response.status != 200:
        raise AssertionError(f"watch of {resource}: {response.status} {response.read()[:500]}")
    newest, initial = 0, True
    for line in response.read().splitlines():
        event = json.loads(line)
        if event["type"] == "ERROR":
            raise AssertionError(f"watch of {resource}: {event}")
        revision = int(event["object"]["metadata"]["resourceVersion"])
        if not initial and revision < newest:
            raise AssertionError(f"watch of {resource}: {revision} after {newest}")
        if event["type"] == "BOOKMARK":
            initial = False
        newest = max(newest, revision)
    if initial:
        raise AssertionError(f"watch of {resource}: no bookmark")


# --- all at once -----------------------------------------------------------------------------------------------------


def goes_on(name, run, rounds):
    """Does RUN for ROUNDS, or with none until the last changer has done its own."""
    number = 0
    try:
        while number < rounds if rounds else not finished.is_set():
            run(f"{name}-{number}")
            number += 1
    except Exception:
        with lock:
            failures[name] = traceback.format_exc()
    with lock:
        if rounds:
            running.remove(name)
            if not running:
                finished.set()


def main():
    changers = {name.__name__.replace("_", "-") + suffix: name for suffix in ("", "-2") for name in
                (definitions, access, webhooks, flow_control, quotas, namespaces, tokens, workloads)}
    changers["aggregation"] = aggregation
    readers = {f"{name.__name__}-{number}": name for name in (documents, lists) for number in range(READERS)}
    for resource in "/api/v1/configmaps", "/api/v1/pods", CRDS, NAMESPACES, RBAC + "/clusterroles":
        readers["watch-" + re.sub("[^a-z]", "", resource.rsplit("/")[-1])] = functools.partial(watches, resource)
    make(NAMESPACES, "hooks")
    running.extend(changers)
    threads = [threading.Thread(target=goes_on, args=(name, run, ROUNDS)) for name, run in changers.items()]
    threads += [threading.Thread(target=goes_on, args=(name, run, 0)) for name, run in readers.items()]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for name in [*changers, *readers]:
        ok(name not in failures, f"{name} beside all others", failures.get(name))
    done()


main()
