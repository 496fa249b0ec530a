"""Three etcd and two API servers on loopback, with TLS between them: the leader of etcd and one API server are killed under
load. No acknowledged write is lost, watches go on from where they were, the controllers' leadership moves on."""
import json
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time

import api_load

MEMBERS = 3
WRITERS = 6
LEASES = "/apis/coordination.k8s.io/v1/namespaces/kube-system/leases/"


def make_certificates(folder):
    """A CA, and one certificate that is the members' and the API servers'."""
    folder.mkdir()
    config = folder / "extensions"
    config.write_text("subjectAltName=IP:127.0.0.1\nextendedKeyUsage=serverAuth,clientAuth\n")

    def openssl(*arguments):
        subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True)

    for name in ("ca", "etcd"):
        openssl("ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", folder / f"{name}.key")
    openssl("req", "-x509", "-new", "-key", folder / "ca.key", "-subj", "/CN=etcd-ca", "-days", "2", "-out", folder / "ca.crt")
    openssl("req", "-new", "-key", folder / "etcd.key", "-subj", "/CN=etcd", "-out", folder / "etcd.csr")
    openssl("x509", "-req", "-in", folder / "etcd.csr", "-CA", folder / "ca.crt", "-CAkey", folder / "ca.key", "-CAcreateserial",
            "-days", "2", "-extfile", config, "-out", folder / "etcd.crt")


class Etcd:
    """A cluster of etcd members."""

    def __init__(self, work):
        self.work = work
        self.tls = work / "etcd-pki"
        make_certificates(self.tls)
        ports = api_load.free_ports(2 * MEMBERS)
        self.clients = [f"https://127.0.0.1:{port}" for port in ports[:MEMBERS]]
        self.peers = [f"http://127.0.0.1:{port}" for port in ports[MEMBERS:]]
        self.processes = [None] * MEMBERS
        for i in range(MEMBERS):
            self.start(i)
        api_load.wait_until(lambda: self.leader() is not None, "etcd has a leader")

    def start(self, i):
        cluster = ",".join(f"m{n}={url}" for n, url in enumerate(self.peers))
        command = ["etcd", "--name", f"m{i}", "--data-dir", str(self.work / f"etcd-{i}"), "--listen-client-urls", self.clients[i],
                   "--advertise-client-urls", self.clients[i], "--listen-peer-urls", self.peers[i],
                   "--initial-advertise-peer-urls", self.peers[i], "--initial-cluster", cluster, "--client-cert-auth",
                   "--trusted-ca-file", str(self.tls / "ca.crt"), "--cert-file", str(self.tls / "etcd.crt"), "--key-file",
                   str(self.tls / "etcd.key"), "--log-level", "error"]
        self.processes[i] = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def ctl(self, *arguments):
        command = ["etcdctl", "--cacert", str(self.tls / "ca.crt"), "--cert", str(self.tls / "etcd.crt"), "--key",
                   str(self.tls / "etcd.key"), "--command-timeout", "2s", *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=False, env={"ETCDCTL_API": "3", "PATH": "/usr/bin:/bin"})

    def leader(self):
        for i, url in enumerate(self.clients):
            if self.processes[i].poll() is not None:
                continue
            run = self.ctl("--endpoints", url, "endpoint", "status", "-w", "json")
            if run.returncode:
                continue
            status = json.loads(run.stdout)[0]["Status"]
            if status.get("leader") and status["leader"] == status["header"]["member_id"]:
                return i
        return None

    def kill(self, i):
        self.processes[i].send_signal(signal.SIGKILL)
        self.processes[i].wait()

    def end(self):
        for process in self.processes:
            if process and process.poll() is None:
                process.kill()
                process.wait()


def start_servers(clusterd, work, etcd):
    servers = []
    for i, port in enumerate(api_load.free_ports(2)):
        members = etcd.clients[i:] + etcd.clients[:i]
        arguments = ["--etcd-servers", ",".join(members), "--etcd-cafile", str(etcd.tls / "ca.crt"), "--etcd-certfile",
                     str(etcd.tls / "etcd.crt"), "--etcd-keyfile", str(etcd.tls / "etcd.key")]
        servers.append(api_load.Server(clusterd, work / f"server-{i}", port, work / "pki", arguments))
        servers[-1].start()
    return servers


def holder(server):
    status, lease = server.request("GET", LEASES + "kube-controller-manager")
    return lease["spec"]["holderIdentity"] if status == 200 else ""


def addresses(server):
    """Where the service kubernetes leads."""
    _, endpoints = server.request("GET", "/api/v1/namespaces/default/endpoints/kubernetes")
    return {f"{address['ip']}:{subset['ports'][0]['port']}" for subset in endpoints.get("subsets", []) for address in subset["addresses"]}


def check_reads(servers, tap):
    """What one server has acknowledged the other one reads at once."""
    stale = 0
    for i in range(100):
        name = f"fresh-{i}"
        status, made = servers[i % 2].request("POST", api_load.COLLECTION, {"metadata": {"name": name}})
        got, read = servers[1 - i % 2].request("GET", f"{api_load.COLLECTION}/{name}")
        stale += status != 201 or got != 200 or read["metadata"]["resourceVersion"] != made["metadata"]["resourceVersion"]
    tap.ok("a server reads what another one has just acknowledged", stale == 0, stale)


def check_pages(servers, tap):
    """The pages of one list, asked for on the servers in turns while objects come and go."""
    stop = threading.Event()

    def disturb():
        for i in range(10 ** 6):
            if stop.is_set():
                return
            servers[0].request("POST", api_load.COLLECTION, {"metadata": {"name": f"fresh-{i % 100}-also"}})
            servers[0].request("DELETE", f"{api_load.COLLECTION}/fresh-{i % 100}-also")

    thread = threading.Thread(target=disturb)
    thread.start()
    problems = []
    for _ in range(3):
        seen, token, turn, revisions = [], "", 0, set()
        while True:
            status, page = servers[turn % 2].request("GET", f"{api_load.COLLECTION}?limit=7&continue={token}")
            if status != 200:
                problems.append(page)
                break
            seen += [item["metadata"]["name"] for item in page["items"]]
            revisions.add(page["metadata"]["resourceVersion"])
            token, turn = page["metadata"].get("continue", ""), turn + 1
            if not token:
                break
        lasting = [name for name in seen if name.startswith("fresh-") and not name.endswith("-also")]
        if lasting != sorted(f"fresh-{i}" for i in range(100)) or len(revisions) != 1 or seen != sorted(seen):
            problems.append((len(seen), revisions))
    stop.set()
    thread.join()
    tap.ok("a list goes on from one server to the other, of one moment", not problems, *problems[:3])


def check_addresses(servers, tap):
    """Services made on both at the same time share neither address nor port."""
    made, lock = [], threading.Lock()

    def make(server, tag):
        for i in range(20):
            body = {"metadata": {"name": f"{tag}{i}"}, "spec": {"type": "NodePort", "ports": [{"port": 80}]}}
            status, service = server.request("POST", "/api/v1/namespaces/default/services", body)
            with lock:
                made.append((status, service))

    threads = [threading.Thread(target=make, args=(servers[i % 2], f"s{i}-")) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    bad = [service for status, service in made if status != 201]
    addresses = {service["spec"]["clusterIP"] for status, service in made if status == 201}
    ports = {service["spec"]["ports"][0]["nodePort"] for status, service in made if status == 201}
    tap.ok("services made on two servers share nothing", not bad and len(addresses) == len(ports) == len(made), bad[:1])
    # a number both want by name is given once
    free = next(port for port in range(30000, 32768) if port not in ports)
    wanted = {"type": "NodePort", "ports": [{"port": 80, "nodePort": free}]}
    results = []
    threads = [threading.Thread(target=lambda s=server, n=n: results.append(s.request(
        "POST", "/api/v1/namespaces/default/services", {"metadata": {"name": f"wanted-{n}"}, "spec": wanted})[0]))
        for n, server in enumerate(servers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    tap.ok("a port that both are asked for is given once", sorted(results) == [201, 422], results)


def run_load(servers, etcd, tap):
    _, start = servers[0].request("GET", api_load.COLLECTION + "?limit=1")
    watchers = [api_load.Watcher(order, int(start["metadata"]["resourceVersion"])) for order in (servers, servers[::-1])]
    writers = api_load.Writers(servers, WRITERS, "load")
    try:
        writers.wait_for_more(200)
        leader = etcd.leader()
        etcd.kill(leader)
        writers.wait_for_more(200)
        tap.ok("writes go on without etcd's leader", True)
        worker = holder(servers[0])
        servers[0].kill()
        writers.wait_for_more(200)
        tap.ok("writes go on without one API server", True)
        etcd.start(leader)
        servers[0].start()
        writers.wait_for_more(200)
    finally:
        writers.stop()
        for watcher in watchers:
            api_load.wait_until(lambda w=watcher: w.problems or not (set(writers.acknowledged) - set(w.added)),
                                "the watches see all writes", 30)
            watcher.stop()
    return writers, watchers, worker


def check_load(servers, writers, watchers, tap):
    for i, server in enumerate(servers):
        _, listed = server.request("GET", api_load.COLLECTION)
        there = {item["metadata"]["name"]: int(item["metadata"]["resourceVersion"]) for item in listed["items"]}
        lost = [name for name, revision in writers.acknowledged.items() if there.get(name) != revision]
        tap.ok(f"server {i} has all {len(writers.acknowledged)} acknowledged writes", not lost, lost[:10])
    tap.ok("no write was refused", not writers.refused, writers.refused[:10])
    for i, watcher in enumerate(watchers):
        missed = set(writers.acknowledged) - set(watcher.added)
        twice = [name for name, times in watcher.added.items() if times > 1]
        tap.ok(f"watch {i} missed nothing, saw nothing twice and went on from where it was ({watcher.resumed} times)",
               not missed and not twice and not watcher.problems, list(missed)[:5], twice[:5], watcher.problems[:5])


def check_health(servers, etcd, tap):
    """Without etcd no server is ready, and it says so soon; with it they are again."""
    tap.ok("ready with etcd", servers[0].request("GET", "/readyz")[0] == 200)
    for i in range(MEMBERS):
        etcd.processes[i].send_signal(signal.SIGSTOP)
    # more writers than there are workers wait for etcd
    body = {"metadata": {"generateName": "stuck-"}}
    stuck = [threading.Thread(target=servers[0].request, args=("POST", "/api/v1/namespaces/default/configmaps", body), daemon=True)
             for _ in range(60)]
    for thread in stuck:
        thread.start()
    start = time.monotonic()
    status, text = servers[0].request("GET", "/readyz")
    seconds = time.monotonic() - start
    tap.ok("not ready when etcd does not answer", status == 500 and b"[-]etcd failed: reason withheld\n" in text, status, text)
    tap.ok("which is said in time", seconds < 4, seconds)
    start = time.monotonic()
    answers = [servers[0].request("GET", path)[0] for path in ("/livez", "/healthz", "/livez/ping")]
    tap.ok("and again at once", answers == [500, 500, 200] and time.monotonic() - start < 4, answers, time.monotonic() - start)
    for i in range(MEMBERS):
        etcd.processes[i].send_signal(signal.SIGCONT)
    for thread in stuck:
        thread.join(60)
    api_load.wait_until(lambda: servers[0].is_ready() and servers[1].is_ready(), "the servers are ready again", 60)
    for i in range(MEMBERS):
        etcd.kill(i)
    status, text = servers[0].request("GET", "/readyz")
    tap.ok("nor when it is gone", status == 500 and b"[-]etcd-readiness failed: reason withheld\n" in text, status, text)
    for i in range(MEMBERS):
        etcd.start(i)
    api_load.wait_until(lambda: servers[0].is_ready() and servers[1].is_ready(), "the servers are ready again", 60)
    tap.ok("ready when it is back", True)


def check_leadership(servers, before, tap):
    """The controllers' lease goes on: to the other server at once when its holder ends in order."""
    api_load.wait_until(lambda: holder(servers[0]) or None, "somebody leads the controllers")
    _, made = servers[0].request("POST", "/apis/apps/v1/namespaces/default/deployments", {
        "metadata": {"name": "web"}, "spec": {"replicas": 2, "selector": {"matchLabels": {"app": "web"}}, "template": {
            "metadata": {"labels": {"app": "web"}}, "spec": {"containers": [{"name": "c", "image": "i"}]}}}})
    pods = "/api/v1/namespaces/default/pods?labelSelector=app%3Dweb"

    def are_there(count):
        return len(servers[1].request("GET", pods)[1]["items"]) == count

    api_load.wait_until(lambda: are_there(2), "the controllers made two pods")
    tap.ok("the controllers work after the failures", made["kind"] == "Deployment", before)
    both = {f"127.0.0.1:{server.port}" for server in servers}
    api_load.wait_until(lambda: addresses(servers[1]) == both, f"kubernetes leads to {both}, not to the dead")
    tap.ok("the service kubernetes leads to all servers that live", True)
    ended = servers[0].stop()
    tap.ok("and no longer to one that ended", addresses(servers[1]) == {f"127.0.0.1:{servers[1].port}"}, addresses(servers[1]))
    api_load.wait_until(lambda: holder(servers[1]), "the lease is held")
    patch = {"metadata": {"name": "web"}, "spec": {"replicas": 3}}
    status, scale = servers[1].request("GET", "/apis/apps/v1/namespaces/default/deployments/web/scale")
    scale["spec"]["replicas"] = patch["spec"]["replicas"]
    servers[1].request("PUT", "/apis/apps/v1/namespaces/default/deployments/web/scale", scale)
    api_load.wait_until(lambda: are_there(3), "the other server's controllers made the third pod")
    tap.ok("they work on when one server ends", status == 200)
    _, lease = servers[1].request("GET", LEASES + "kube-controller-manager")
    tap.ok("servers end cleanly, the last one lets the lease go", ended == 0 and servers[1].stop() == 0,
           servers[0].log.read_text(), servers[1].log.read_text())
    return lease


def main():
    _, clusterd = api_load.environment()
    if not shutil.which("etcd") or not shutil.which("etcdctl"):
        print("1..0 # SKIP etcd is not installed")
        return 0
    tap, etcd, servers = api_load.Tap(), None, []
    with tempfile.TemporaryDirectory(prefix="store-etcd-") as folder:
        work = pathlib.Path(folder)
        try:
            etcd = Etcd(work)
            etcd.ctl("--endpoints", etcd.clients[0], "put", "/registry/masterleases/192.0.2.9:6443", '{"ip":"192.0.2.9","port":6443}')
            servers = start_servers(clusterd, work, etcd)
            tap.ok("the service kubernetes leads to every server", len(addresses(servers[0])) == 3, addresses(servers[0]))
            check_reads(servers, tap)
            check_pages(servers, tap)
            check_addresses(servers, tap)
            writers, watchers, worker = run_load(servers, etcd, tap)
            check_load(servers, writers, watchers, tap)
            check_health(servers, etcd, tap)
            check_leadership(servers, worker, tap)
        except (TimeoutError, RuntimeError) as problem:
            tap.ok("the test runs to its end", False, problem, *(server.log.read_text() for server in servers))
        finally:
            for server in servers:
                if server.process and server.process.poll() is None:
                    server.kill()
            if etcd:
                etcd.end()
    return tap.done()


if __name__ == "__main__":
    sys.exit(main())
