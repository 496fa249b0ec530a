"""What a hundred definitions with large schemas cost, and what OpenAPI adds to that: the documents, not what they are made from."""
import re
import time

from apitest import TIMEOUT_SECONDS, Api, done, ok, same

DEFINITIONS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
COUNT = 100
EACH_BYTES = 2 << 20  # of a definition with some 420 parts: its schema, compiled, and its object
api = Api()


def memory():
    return float(re.search(r"^process_resident_memory_bytes (\S+)$", api.get("/metrics").text, re.M).group(1))


def schema(depth):
    """Some 50 kB of it, in 7 * 7 * 8 strings."""
    if depth == 0:
        return {"type": "string", "description": "some text that says what the field is about, in a line or two"}
    properties = {f"member{i}": schema(depth - 1) for i in range(7 if depth > 1 else 8)}
    return {"type": "object", "description": "x" * 60, "properties": properties}


def define(i, parts):
    versions = [{"name": "v1", "served": True, "storage": True,
                 "schema": {"openAPIV3Schema": {"type": "object", "properties": {"spec": parts}}}}]
    return api.post(DEFINITIONS, {"metadata": {"name": f"foo{i}s.x.io"}, "spec": {
        "group": "x.io", "scope": "Namespaced", "names": {"plural": f"foo{i}s", "kind": f"Foo{i}"}, "versions": versions}}).status


def served():
    reply = api.get("/apis/x.io/v1")
    return reply.status == 200 and len(reply.json()["resources"]) == COUNT


before, parts = memory(), schema(3)
same({define(i, parts) for i in range(COUNT)}, {201}, "a hundred definitions")
end = time.monotonic() + TIMEOUT_SECONDS
while not served() and time.monotonic() < end:
    time.sleep(0.02)
ok(served(), "are served")
defined = memory()
ok(defined - before < COUNT * EACH_BYTES, f"what they take ({(defined - before) / COUNT / 1024:.0f} KiB each)", (defined - before) / COUNT)
documents = sum(len(api.get(path).body) for path in ("/openapi/v2", "/openapi/v3/apis/x.io/v1"))
ok(documents > 10 << 20, "large documents", documents)
grown = memory() - defined
ok(grown < 3 * documents, "take what they are", grown / documents)
done()
