"""Requests that no client sends: ten thousand mutated ones (the same every time), peers that dawdle, bodies, JSON, YAML, selectors
and queries without measure. The server must answer every one, with a Status where it refuses, and stay as it was."""
import http.client
import json
import os
import random
import re
import socket
import ssl
import sys
import threading
import time

from apitest import Api, done, ok, same

REQUESTS = int(os.environ.get("ROBUSTNESS_REQUESTS", "10000"))
THREADS = 6
SEED = 32
ANSWER_SECONDS = 30  # a read of a version to come waits three
PATHS = """/api/v1/namespaces/r/configmaps /api/v1/namespaces/r/configmaps/a /api/v1/namespaces/r/pods /api/v1/namespaces/r/pods/p
/api/v1/namespaces/r/pods/p/status /api/v1/namespaces/r/pods/p/binding /api/v1/namespaces/r/pods/p/eviction
/api/v1/namespaces/r/pods/p/ephemeralcontainers /api/v1/namespaces/r/pods/p/log /api/v1/namespaces/r/services
/api/v1/namespaces/r/services/s /api/v1/namespaces/r/secrets /api/v1/namespaces/r/serviceaccounts/default/token /api/v1/nodes
/api/v1/namespaces /api/v1/namespaces/r /api/v1/namespaces/r/finalize /api/v1/namespaces/r/events /api/v1/persistentvolumes
/apis/apps/v1/namespaces/r/deployments /apis/apps/v1/namespaces/r/deployments/d /apis/apps/v1/namespaces/r/deployments/d/scale
/apis/apps/v1/namespaces/r/statefulsets /apis/batch/v1/namespaces/r/jobs /apis/batch/v1/namespaces/r/cronjobs
/apis/autoscaling/v2/namespaces/r/horizontalpodautoscalers /apis/networking.k8s.io/v1/namespaces/r/ingresses
/apis/networking.k8s.io/v1/namespaces/r/networkpolicies /apis/rbac.authorization.k8s.io/v1/clusterroles
/apis/coordination.k8s.io/v1/namespaces/r/leases /apis/coordination.k8s.io/v1/namespaces/r/leases/l
/apis/policy/v1/namespaces/r/poddisruptionbudgets /apis/apiextensions.k8s.io/v1/customresourcedefinitions
/apis/authorization.k8s.io/v1/selfsubjectaccessreviews /apis/authentication.k8s.io/v1/tokenreviews /apis/apps/v1 /apis /api
/openapi/v2 /openapi/v3/apis/apps/v1 /version /livez /metrics /""".split()
POD_SPEC = {"containers": [{"name": "c", "image": "i:1", "ports": [{"containerPort": 80}], "env": [{"name": "A", "value": "b"}],
                            "resources": {"requests": {"cpu": "100m", "memory": "1Gi"}},
                            "livenessProbe": {"httpGet": {"path": "/", "port": "http"}}}],
            "volumes": [{"name": "v", "configMap": {"name": "a"}}], "tolerations": [{"key": "k", "operator": "Exists"}]}
TEMPLATE = {"metadata": {"labels": {"a": "b"}}, "spec": POD_SPEC}
BODIES = [
    {"metadata": {"name": "a", "labels": {"l": "1"}, "annotations": {"x/y": "z"}}, "data": {"k": "v"}},
    {"metadata": {"generateName": "g-", "finalizers": ["x.io/y"]}, "stringData": {"p": "q"}},
    {"metadata": {"name": "p"}, "spec": POD_SPEC, "status": {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}},
    {"metadata": {"name": "d"}, "spec": {"replicas": 2, "selector": {"matchLabels": {"a": "b"}}, "template": TEMPLATE,
                                         "strategy": {"rollingUpdate": {"maxSurge": "25%"}}}},
    {"metadata": {"name": "s"}, "spec": {"type": "NodePort", "selector": {"a": "b"}, "ports": [{"port": 80, "targetPort": "http"}]}},
    {"metadata": {"name": "i"}, "spec": {"rules": [{"host": "h", "http": {"paths": [
        {"path": "/", "pathType": "Prefix", "backend": {"service": {"name": "s", "port": {"number": 80}}}}]}}]}},
    {"metadata": {"name": "j"}, "spec": {"schedule": "*/5 * * * *", "jobTemplate": {"spec": {"template": TEMPLATE}}}},
    {"metadata": {"name": "h"}, "spec": {"maxReplicas": 3, "scaleTargetRef": {"kind": "Deployment", "name": "d"}}},
    {"metadata": {"name": "l"}, "spec": {"holderIdentity": "x", "renewTime": "2026-01-02T03:04:05.000006Z"}},
    {"metadata": {"name": "r"}, "rules": [{"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}]},
    {"spec": {"resourceAttributes": {"verb": "get", "resource": "pods"}}},
    {"metadata": {"name": "foos.x.io"}, "spec": {"group": "x.io", "scope": "Namespaced", "names": {"plural": "foos", "kind": "Foo"},
     "versions": [{"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": {"type": "object"}}}]}},
    {"propagationPolicy": "Background", "preconditions": {"uid": "x"}, "gracePeriodSeconds": 0},
    [{"op": "add", "path": "/data/x", "value": "y"}, {"op": "test", "path": "/data/k", "value": "v"}],
    {"spec": {"template": {"spec": {"$setElementOrder/containers": [{"name": "c"}], "containers": [
        {"name": "c", "$patch": "delete"}, {"$patch": "replace"}]}}}},
    {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a", "managedFields": [{}]}},
]
TYPES = ["application/json", "application/yaml", "application/vnd.kubernetes.protobuf", "application/merge-patch+json",
         "application/strategic-merge-patch+json", "application/json-patch+json", "application/apply-patch+yaml", "", "text/plain"]
ACCEPTS = ["application/json", "*/*", "application/yaml", "application/vnd.kubernetes.protobuf", "text/html", "",
           "application/json;as=Table;v=v1;g=meta.k8s.io,application/json",
           "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io"]
QUERIES = ["fieldManager=m", "dryRun=All", "fieldValidation=Strict", "force=true", "limit=1", "limit=-1", "continue=abc",
           "resourceVersion=0", "resourceVersion=1", "resourceVersionMatch=Exact", "labelSelector=a%3Db", "fieldSelector=metadata.name%3Da",
           "labelSelector=a%20in%20(b", "pretty=true", "propagationPolicy=Orphan", "gracePeriodSeconds=5", "timeoutSeconds=1",
           "includeObject=Object", "container=c", "%00=%ff", "=", "&&&", "x=%zz"]
METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"]
TOKENS = [b"null", b"true", b"-1", b"1e999", b"99999999999999999999", b'"\\ud800"', b'"\xff\xfe"', b"{}", b"[]", b'""', b"0.5",
          b'"' + b"x" * 3000 + b'"', b"{" * 50, b"[" * 200, b"\x00", b"\r\n", b"---\n", b"&a *a", b"!!binary x", b"k8s\x00"]


def mutate_value(random_, value):
    """One member somewhere in VALUE replaced, dropped or doubled."""
    if isinstance(value, dict) and value:
        key = random_.choice(sorted(value))
        chance = random_.random()
        if chance < 0.15:
            return {other: member for other, member in value.items() if other != key}
        if chance < 0.25:
            return dict(value, **{random_.choice(["x", "$patch", "name", "metadata", "spec", key.upper()]): value[key]})
        return dict(value, **{key: mutate_value(random_, value[key])})
    if isinstance(value, list) and value:
        place = random_.randrange(len(value))
        if random_.random() < 0.2:
            return value + [value[place]]
        return value[:place] + [mutate_value(random_, value[place])] + value[place + 1:]
    return random_.choice([None, True, -1, 2 ** 31, 2 ** 63, 0.5, "", "x" * 300, "A_b", "\u0000", "\U0001f600", "1.5Gi", "-5%", [], {},
                           [[]], {"a": None}])


def mutate_bytes(random_, data):
    data = bytearray(data)
    for _ in range(random_.randrange(1, 4)):
        place = random_.randrange(len(data) + 1)
        chance = random_.random()
        if chance < 0.3 and data:
            data[place % len(data)] = random_.randrange(256)
        elif chance < 0.5:
            del data[place:place + random_.randrange(1, 20)]
        elif chance < 0.6:
            del data[place:]
        else:
            data[place:place] = random_.choice(TOKENS)
    return bytes(data)


def make_body(random_):
    body = random_.choice(BODIES)
    for _ in range(random_.randrange(3)):
        body = mutate_value(random_, body)
    data = json.dumps(body).encode()
    return mutate_bytes(random_, data) if random_.random() < 0.4 else data


def make_request(random_):
    """(method, target, headers, body) of one mutated request."""
    path = random_.choice(PATHS)
    if random_.random() < 0.15:
        path = mutate_bytes(random_, path.encode()).decode("latin-1")
        path = "/" + "".join(c if 0x21 <= ord(c) < 0x7F and c not in "?#" else f"%{ord(c) & 0xFF:02X}" for c in path.lstrip("/"))
    query = "&".join(random_.sample(QUERIES, random_.choice([0, 0, 1, 1, 2, 4])))
    method = random_.choice(METHODS)
    headers = {"Accept": random_.choice(ACCEPTS), "Content-Type": random_.choice(TYPES), "User-Agent": "robustness"}
    body = make_body(random_) if method in ("POST", "PUT", "PATCH") or random_.random() < 0.1 else b""
    return method, path[:2000] + ("?" + query if query else ""), headers, body


def check_answer(request, response, body):
    """What is wrong with an answer; None when nothing is."""
    kind = response.headers.get("Content-Type") or ""
    if not 200 <= response.status < 600:
        return "no status"
    if response.status >= 400 and request[0] != "HEAD" and kind.startswith("application/json"):
        document = json.loads(body)
        if document.get("kind") != "Status" or document.get("code") != response.status:
            return "no Status"
        if document.get("reason") == "InternalError":
            return "an internal error"
    if response.status >= 400 and not kind.startswith(("application/", "text/plain")) and body:
        return f"an error in {kind}"
    return None


class Sender(threading.Thread):
    """Sends its share of the requests over one connection, or as many as it takes."""

    def __init__(self, api, number):
        super().__init__()
        self.api, self.number, self.problems, self.sent = api, number, [], 0

    def run(self):
        connection = self.api.connect(ANSWER_SECONDS)
        for index in range(self.number, REQUESTS, THREADS):
            request = make_request(random.Random(SEED * 1000003 + index))
            for attempt in range(2):
                try:
                    method, target, headers, body = request
                    connection.request(method, target, body or None, headers)
                    response = connection.getresponse()
                    why = check_answer(request, response, response.read())
                    break
                except (http.client.HTTPException, ssl.SSLError, OSError) as error:
                    # a connection may have been closed between two requests: only a fresh one must answer
                    why = f"no answer: {error!r}" if attempt else None
                    connection.close()
                    connection = self.api.connect(ANSWER_SECONDS)
            self.sent += 1
            if why:
                self.problems.append(f"{index}: {why}: {request!r}"[:600])


def mutated(api):
    senders = [Sender(api, number) for number in range(THREADS)]
    for sender in senders:
        sender.start()
    for sender in senders:
        sender.join()
    problems = [problem for sender in senders for problem in sender.problems]
    same(sum(sender.sent for sender in senders), REQUESTS, "all mutated requests were sent")
    ok(not problems, "every one was answered as it should be", f"{len(problems)} were not:\n" + "\n".join(problems[:20]))


def raw(api, data, seconds=10):
    """What the server sends back to DATA on a connection of its own."""
    with socket.create_connection(("127.0.0.1", api.port), timeout=seconds) as plain, \
            api.tls.wrap_socket(plain, server_hostname="127.0.0.1") as secure:
        answer = b""
        try:
            secure.sendall(data)
            while chunk := secure.recv(65536):
                answer += chunk
                if len(answer) > 65536 or b"\r\n\r\n" in answer:
                    break
        except (ssl.SSLError, OSError) as error:
            answer += repr(error).encode()
        return answer


def crooked(api):
    """Not quite HTTP: an answer or the end of the connection, at once."""
    for name, data in (
            ("a line that is none", b"\x16\x03\x01 nonsense\r\n\r\n"), ("a method that is none", b"FETCH / HTTP/1.1\r\nHost: x\r\n\r\n"),
            ("no path", b"GET  HTTP/1.1\r\n\r\n"), ("another protocol", b"GET / HTTP/9.9\r\nHost: x\r\n\r\n"),
            ("a length that is none", b"POST /api HTTP/1.1\r\nHost: x\r\nContent-Length: -5\r\n\r\n"),
            ("chunks that are none", b"POST /api HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nabc\r\n0\r\n\r\n"),
            ("headers without end", b"GET / HTTP/1.1\r\n" + b"X: " + b"y" * (100 << 10) + b"\r\n\r\n"),
            ("too many headers", b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 20000 + b"\r\n"),
            ("a path without end", b"GET /" + b"a" * (100 << 10) + b" HTTP/1.1\r\n\r\n")):
        began = time.monotonic()
        answer = raw(api, data)
        ok(not answer.startswith(b"HTTP/1.1 2") and b"timed out" not in answer and time.monotonic() - began < 8, name, answer[:200])


def measures(api):
    maps = "/api/v1/namespaces/r/configmaps"

    def answer(name, status, reply):
        ok(reply.status in status and (reply.status < 400 or reply.json()["kind"] == "Status"), name, f"{reply.status} {reply.text[:300]}")

    limit = json.dumps({"metadata": {"name": "big"}, "data": {"k": ""}})
    answer("a body of the greatest length", (422, 413, 201), api.post(maps, limit[:-3] + "x" * ((3 << 20) - len(limit)) + limit[-3:]))
    answer("one byte more", (413,), api.post(maps, limit[:-3] + "x" * ((3 << 20) - len(limit) + 1) + limit[-3:]))
    for megabytes in (9, 40):
        answer(f"{megabytes} MiB", (413,), api.post(maps, "x" * (megabytes << 20)))
    for text in ("[" * 100000, '{"a":' * 100000, '{"metadata":{"annotations":' + "{" * 5000):
        answer("deep JSON", (400,), api.post(maps, text))
    bomb = "a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(f"{chr(98 + i)}: &{chr(98 + i)} [{','.join(['*' + chr(97 + i)] * 9)}]\n" for i in range(9))
    answer("YAML that explodes", (400, 413), api.post(maps, bomb, Content_Type="application/yaml"))
    answer("deep YAML", (400,), api.post(maps, "- " * 50000, Content_Type="application/yaml"))
    answer("protobuf that nests", (400,), api.post(maps, b"k8s\x00" + b"\x12\x80\x01" * 20000, Content_Type="application/vnd.kubernetes.protobuf"))
    answer("a huge selector", (200, 400), api.get(maps + "?labelSelector=" + ",".join(f"k{i}!%3Dv" for i in range(4000))))
    answer("a selector with a huge set", (200, 400), api.get(maps + "?labelSelector=k+in+(" + ",".join(f"v{i}" for i in range(6000)) + ")"))
    answer("too many parameters", (200, 400, 414), api.get(maps + "?" + "&".join(f"a{i}=b" for i in range(6000))))
    answer("too many impersonated groups", (200, 400, 403), api.get(maps, Impersonate_User="x", Impersonate_Group="y," * 5000))
    patch = [{"op": "copy", "from": "/metadata", "path": f"/metadata/annotations/a{i}"} for i in range(300)]
    answer("a patch that grows", (413, 422), api.json_patch(maps + "/a", patch))
    many = {"metadata": {"labels": {f"l{i}": "v" for i in range(20000)}}}
    answer("many labels", (200, 413, 422), api.merge(maps + "/a", many))


def bodies(api):
    """Bodies as HTTP lets them be sent: in chunks, one after the other, with leave."""
    maps = "POST /api/v1/namespaces/r/configmaps HTTP/1.1\r\nHost: x\r\n"
    typed = "Content-Type: application/json\r\n"
    last = "GET /livez HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"

    def chunked(text, size):
        return "".join(f"{len(text[i:i + size]):x};x=y\r\n{text[i:i + size]}\r\n" for i in range(0, len(text), size)) + "0\r\nX: y\r\n\r\n"

    def talk(*pieces):
        with socket.create_connection(("127.0.0.1", api.port), timeout=20) as plain, \
                api.tls.wrap_socket(plain, server_hostname="127.0.0.1") as secure:
            for piece in pieces:
                secure.sendall(piece.encode())
                time.sleep(0.02)
            answer = b""
            while chunk := secure.recv(65536):
                answer += chunk
        return answer.decode()

    def codes(answer):
        return [int(code) for code in re.findall(r"HTTP/1\.1 (\d+)", answer)]

    one = json.dumps({"metadata": {"generateName": "chunked-"}, "data": {"k": "v" * 3000}})
    head = maps + typed + "Transfer-Encoding: chunked\r\n\r\n"
    same(codes(talk(head + chunked(one, 700) + last)), [201, 200], "chunks, and the next request behind them")
    same(codes(talk(*[(head + chunked(one, 7) + last)[i:i + 997] for i in range(0, 40000, 997)])), [201, 200], "piece by piece")
    whole = maps + typed + f"Content-Length: {len(one)}\r\n\r\n" + one
    same(codes(talk(whole * 3 + head + chunked(one, 100) + whole + last)), [201, 201, 201, 201, 201, 200], "many one after the other")
    answer = talk(head + chunked("x" * (4 << 20), 65536) + last)
    same((codes(answer), "limit is 3145728" in answer, "RequestEntityTooLarge" in answer, "connection: close" in answer.lower()),
         ([413], True, True, True), "too many chunks")
    answer = talk(maps + typed + "Expect: 100-continue\r\nContent-Length: 100000000\r\n\r\n")
    same((codes(answer), "limit is 3145728" in answer), ([413], True), "who asks for leave to send too much need not send it")
    answer = talk(maps + typed + f"Expect: 100-continue\r\nContent-Length: {len(one)}\r\nConnection: close\r\n\r\n", one)
    same(codes(answer), [100, 201], "who asks for leave to send what fits gets it")
    def with_leave(head, body):
        with socket.create_connection(("127.0.0.1", api.port), timeout=20) as plain, \
                api.tls.wrap_socket(plain, server_hostname="127.0.0.1") as secure:
            secure.sendall(head.encode())
            answer = b""
            while b"\r\n\r\n" not in answer and (more := secure.recv(65536)):
                answer += more
            secure.sendall(body.encode())
            while chunk := secure.recv(65536):
                answer += chunk
        return answer.decode()

    asking = maps + typed + "Expect: 100-continue\r\nTransfer-Encoding: chunked\r\n\r\n"
    same(codes(with_leave(asking, chunked(one, 700) + last)), [100, 201, 200], "so does who sends it in chunks")
    same(codes(with_leave(asking, chunked(one, 700) + asking + chunked(one, 700) + last)) in ([100, 201, 201, 200], [100, 201, 100, 201, 200]),
         True, "but who does not wait may do without")
    upgrade = "GET /api/v1/namespaces/r/configmaps/none HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
    answer = talk(upgrade + maps + typed + "Content-Length: 9000000\r\n\r\n")
    same((codes(answer), "connection: close" in answer.lower(), "<html" in answer.lower()), ([404], True, False),
         "what is refused another protocol is the last of its connection")
    for name, framing in (("two lengths", "Content-Length: 3\r\nContent-Length: 4\r\n"), ("a folded length", "Content-Length:\r\n 3\r\n"),
                          ("an encoding nobody knows", "Transfer-Encoding: gzip, chunked\r\n"), ("the server's own mark", "Gate-Body: streamed\r\n"),
                          ("a length too long", f"Content-Length: {'9' * 30}\r\n"), ("white space", "Content-Length : 3\r\n")):
        same(codes(talk(maps + typed + framing + "\r\n" + "{}\n")), [400], name)
    for name, chunks in (("a chunk without size", "\r\n"), ("a size that is none", "0x3\r\n{}\n\r\n"), ("a chunk that goes on", "2\r\n{}}\r\n"),
                         ("a negative size", "-1\r\n"), ("a size too long", "f" * 17 + "\r\n"), ("a size without end", "0" * 5000)):
        same(codes(talk(head + chunks)), [400], name)


def dawdlers(api):
    """Peers that never end what they began take nothing from the others."""
    held = []
    for i in range(150):
        plain = socket.create_connection(("127.0.0.1", api.port), timeout=10)
        held.append(plain)
        if i % 3:
            secure = api.tls.wrap_socket(plain, server_hostname="127.0.0.1")
            length = random.Random(i).choice([b"1000000", b"99999999999999999999"])  # the second one is read and thrown away
            secure.sendall(b"GET /livez HTTP/1.1\r\nX-Slow: " if i % 3 == 1 else
                           b"POST /api/v1/namespaces/r/configmaps HTTP/1.1\r\nContent-Length: " + length + b"\r\n\r\n{")
            held[-1] = secure
    began = time.monotonic()
    replies = [api.get("/livez").text for _ in range(20)]
    ok(replies == ["ok"] * 20 and time.monotonic() - began < 10, "others are served while 150 dawdle", replies)
    for connection in held:
        connection.close()


def main():
    api = Api()
    api.post("/api/v1/namespaces", {"metadata": {"name": "r"}})
    api.post("/api/v1/namespaces/r/serviceaccounts", {"metadata": {"name": "default"}})
    for path, body in ((PATHS[0], BODIES[0]), (PATHS[2], BODIES[2]), (PATHS[19], BODIES[3]), (PATHS[9], BODIES[4])):
        api.post(path, body)
    crooked(api)
    measures(api)
    bodies(api)
    dawdlers(api)
    mutated(api)
    with open(f"/proc/{os.environ['API_SERVER_PID']}/status", encoding="ascii") as file:
        resident = [int(line.split()[1]) >> 10 for line in file if line.startswith("VmRSS")][0]
    ok(resident < 1024, f"memory stays bounded ({resident} MiB)")
    same(api.get("/livez").text, "ok", "the server lives")
    done()


sys.setswitchinterval(0.001)
main()
