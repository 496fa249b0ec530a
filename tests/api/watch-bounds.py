"""What watches cost: one that never reads is ended before it takes much memory, and a thousand idle ones take little."""
import json
import re
import resource
import socket
import time

from apitest import TIMEOUT_SECONDS, Api, done, ok, same

MAPS = "/api/v1/namespaces/default/configmaps"
BACKLOG = 32 << 20  # HTTP_STREAM_BACKLOG_MAX
PIECE = 700 << 10  # bytes of one event
PIECES = BACKLOG // PIECE
IDLE = 1000
IDLE_BYTES = 200 << 10  # of one idle watch: most of it is TLS
api = Api()


def metric(name):
    return float(re.search(rf"^{name} (\S+)$", api.get("/metrics").text, re.M).group(1))


def running():
    return metric("apiserver_longrunning_requests")


def wait_until(what, condition):
    end = time.monotonic() + 20
    while not condition():
        if time.monotonic() > end:
            return ok(False, what, "not in time")
        time.sleep(0.02)
    return ok(True, what)


def watch(path, times=1):
    """A connection with TIMES the request for a watch on it, of which nothing is read."""
    raw = socket.socket()
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 64 << 10)
    raw.settimeout(TIMEOUT_SECONDS)
    raw.connect(("127.0.0.1", api.port))
    tls = api.tls.wrap_socket(raw, server_hostname="127.0.0.1")
    tls.sendall(f"GET {path}?watch=1 HTTP/1.1\r\nHost: x\r\n\r\n".encode() * times)
    return tls


def write(i):
    return api.put(MAPS + "/large", {"metadata": {"name": "large"}, "data": {"k": f"{i:09}" + "x" * PIECE}}).status


def rest(tls):
    """How many bytes come until the server's end of the connection."""
    count = 0
    while True:
        try:
            piece = tls.recv(1 << 20)
        except OSError:
            return count
        if not piece:
            return count
        count += len(piece)


def memory():
    return metric("process_resident_memory_bytes")


def deaf():
    api.post(MAPS, {"metadata": {"name": "large"}, "data": {"k": "x" * PIECE}})
    write(0)
    before = memory()
    for i in range(PIECES):
        write(i)
    alone = memory() - before  # what the server keeps of each change for watches to come
    before = memory()
    # a second request on the connection waits for the end of the first: the bound is the connection's
    watcher = watch(MAPS, times=2)
    wait_until("a watch that never reads", lambda: running() == 1)
    sent, peak = 0, 0
    while running() == 1 and sent < 3 * PIECES:
        write(sent)
        sent += 1
        peak = max(peak, memory() - before)
    ok(PIECES - 3 < sent < PIECES + 20, "ends when its bound is reached", sent)
    kept = alone * sent / PIECES
    ok(peak - kept < 3 * BACKLOG, "what waits for it is bounded", (peak, kept))
    wait_until("and is free again", lambda: memory() - before - kept < BACKLOG / 4)
    ok(rest(watcher) < BACKLOG / 4, "its connection is closed")
    ok(running() == 0, "and the request behind it on the connection is not served")
    watcher.close()
    other = api.get(MAPS + "?watch=1&timeoutSeconds=1&fieldSelector=metadata.name%3Dlarge")
    same(json.loads(other.body.splitlines()[0])["type"], "ADDED", "another watch goes well")


def idle():
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 8192) if hard != resource.RLIM_INFINITY else 8192, hard))
    api.post("/api/v1/namespaces", {"metadata": {"name": "idle"}})
    path = "/api/v1/namespaces/idle/configmaps"
    before = memory()
    watchers = [watch(path) for _ in range(IDLE)]
    wait_until("a thousand watches", lambda: running() == IDLE)
    each = (memory() - before) / IDLE
    ok(each < IDLE_BYTES, "take little memory", each)
    began = time.monotonic()
    same(api.post(path, {"metadata": {"name": "news"}}).status, 201, "a write they all hear of")
    heard = 0
    for watcher in watchers:
        text = b""
        while b"news" not in text:
            piece = watcher.recv(65536)
            if not piece:
                break
            text += piece
        heard += b"news" in text
    same(heard, IDLE, "all of them")
    ok(time.monotonic() - began < 20, "soon", time.monotonic() - began)
    for watcher in watchers:
        watcher.close()
    wait_until("they end with their connections", lambda: running() == 0)


deaf()
idle()
done()
