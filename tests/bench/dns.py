#!/usr/bin/env python3
"""Cluster DNS beside unbound and dnsmasq: answers a second, and processor time of one, each with one thread, to dnsperf, in a network of
their own. The rate is dnsperf's too, where there are few processors; the time is the server's alone.

All three know the same names of the cluster (address and no IPv6 address) and ask the same nameserver about others, which they keep.
Needs root, dnsperf, dnsmasq and unbound.

    dns.py CLUSTERD     prints {"names of the cluster": {"clusterd": [RATE, MICROSECONDS], ...}, ...}
"""
import contextlib
import json
import os
import pathlib
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time

import api_server

SERVICES = 1000
NAMES = 500
ROUNDS = 3
SECONDS = 3
NAMESERVER = "127.0.0.2"
SERVERS = {"clusterd": "10.96.0.10", "unbound": "127.0.0.11", "dnsmasq": "127.0.0.12"}
PROGRAMS = ("dnsperf", "dnsmasq", "unbound", "unshare", "ip")


def find(program):
    return shutil.which(program, path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")


def measure(bench, clusterd):
    """Adds the figures; nothing where they cannot be taken."""
    missing = [program for program in PROGRAMS if not find(program)]
    if missing or os.geteuid() != 0:
        print("DNS is not measured:", f"{', '.join(missing)} missing" if missing else "needs root", file=sys.stderr)
        return
    figures = json.loads(bench.run("unshare", "--net", "--mount", "--fork", "--kill-child", sys.executable, __file__, clusterd))
    for names, of_servers in figures.items():
        (rate, cpu) = of_servers["clusterd"]
        for other in ("unbound", "dnsmasq"):
            bench.add(f"DNS: {names}", rate, "/s", other, of_servers[other][0])
            bench.add(f"DNS: {names}, processor", cpu, "us", other, of_servers[other][1])


def service_names(addresses):
    return {f"s{i}.bench.svc.cluster.local": address for i, address in enumerate(addresses)}


def make_services(server):
    connection = server.connect()
    server.request(connection, "POST", "/api/v1/namespaces", {"metadata": {"name": "bench"}})
    addresses = []
    for i in range(SERVICES):
        address = f"10.97.{i // 250}.{i % 250 + 1}"
        server.request(connection, "POST", "/api/v1/namespaces/bench/services",
                       {"metadata": {"name": f"s{i}"}, "spec": {"clusterIP": address, "ports": [{"port": 80}]}})
        addresses.append(address)
    return service_names(addresses)


def write_unbound(path, names):
    lines = ["server:", "  num-threads: 1", "  do-daemonize: no", '  username: ""', '  chroot: ""', '  directory: "."', '  pidfile: ""',
             f"  interface: {SERVERS['unbound']}", "  access-control: 0.0.0.0/0 allow", "  do-not-query-localhost: no",
             '  module-config: "iterator"', "  use-syslog: no", "  verbosity: 0", '  local-zone: "cluster.local." static']
    lines += [f'  local-data: "{name}. 30 IN A {address}"' for name, address in names.items()]
    lines += ["forward-zone:", '  name: "."', f"  forward-addr: {NAMESERVER}", "remote-control:", "  control-enable: no", ""]
    path.write_text("\n".join(lines))


def write_dnsmasq(path, names):
    lines = ["no-resolv", "no-hosts", "bind-interfaces", f"listen-address={SERVERS['dnsmasq']}", f"server={NAMESERVER}", "cache-size=10000",
             "local=/cluster.local/", "local-ttl=30", "user=root", "pid-file=", "keep-in-foreground", "dns-forward-max=1000"]
    path.write_text("\n".join(lines + [f"host-record={name},{address}" for name, address in names.items()]) + "\n")


def write_nameserver(path):
    lines = ["no-resolv", "no-hosts", "bind-interfaces", f"listen-address={NAMESERVER}", "local-ttl=300", "user=root", "pid-file=",
             "keep-in-foreground", "local=/example.org/"]
    path.write_text("\n".join(lines + [f"host-record=w{i}.example.org,192.0.2.{i % 250 + 1}" for i in range(NAMES)]) + "\n")


def perf(address, queries, seconds):
    """Answers a second."""
    done = subprocess.run([find("dnsperf"), "-s", address, "-d", queries, "-l", str(seconds), "-c", "4", "-q", "400", "-t", "2"],
                          capture_output=True, text=True, check=True)
    lost = float(re.search(r"Queries lost:\s+\d+ \(([\d.]+)%\)", done.stdout).group(1))
    codes = re.search(r"Response codes:\s+(.*)", done.stdout).group(1)
    if lost > 10 or not codes.startswith("NOERROR") or "," in codes:
        raise RuntimeError(f"{address}: {codes}, {lost} % lost")
    return float(re.search(r"Queries per second:\s+([\d.]+)", done.stdout).group(1))


def cpu_seconds(pid):
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def rates(queries, pids):
    """Of each server, the best rate and the least processor time of an answer, of some rounds in which they take turns."""
    best = {server: [0.0, float("inf")] for server in SERVERS}
    for server in SERVERS:
        perf(SERVERS[server], queries, 1)
    for _ in range(ROUNDS):
        for server, figures in best.items():
            before = cpu_seconds(pids[server])
            rate = perf(SERVERS[server], queries, SECONDS)
            figures[0] = max(figures[0], rate)
            figures[1] = min(figures[1], (cpu_seconds(pids[server]) - before) / (rate * SECONDS) * 1e6)
    return best


@contextlib.contextmanager
def running(*command):
    process = subprocess.Popen([str(word) for word in command], stdout=subprocess.DEVNULL)
    try:
        yield process
    finally:
        process.terminate()
        process.wait()


def wait_answer(address):
    """Until the server knows a name of the cluster."""
    name = b"".join(bytes([len(label)]) + label for label in b"s0.bench.svc.cluster.local".split(b".")) + b"\0"
    until = time.monotonic() + 60
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.settimeout(0.2)
        client.connect((address, 53))
        while time.monotonic() < until:
            with contextlib.suppress(OSError):
                client.send(b"\0\1\1\0\0\1\0\0\0\0\0\0" + name + b"\0\1\0\1")
                if client.recv(512)[7] == 1:
                    return
                time.sleep(0.05)
    raise RuntimeError(f"{address} does not answer")


def inside(clusterd):
    with tempfile.TemporaryDirectory(prefix="bench-dns-") as folder:
        work = pathlib.Path(folder)
        subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
        (work / "resolv.conf").write_text(f"nameserver {NAMESERVER}\n")
        subprocess.run(["mount", "--bind", work / "resolv.conf", "/etc/resolv.conf"], check=True)
        server = api_server.Server(clusterd, "--components=controllers,dns")
        names = make_services(server)
        write_unbound(work / "unbound.conf", names)
        write_dnsmasq(work / "dnsmasq.conf", names)
        write_nameserver(work / "nameserver.conf")
        (work / "cluster").write_text("".join(f"{name} A\n{name} AAAA\n" for name in names))
        (work / "outside").write_text("".join(f"w{i}.example.org A\n" for i in range(NAMES)))
        dnsmasq = find("dnsmasq")
        with running(dnsmasq, f"--conf-file={work}/nameserver.conf"), \
             running(dnsmasq, f"--conf-file={work}/dnsmasq.conf") as of_dnsmasq, \
             running(find("unbound"), "-d", "-c", work / "unbound.conf") as of_unbound:
            for address in SERVERS.values():
                wait_answer(address)
            pids = {"clusterd": server.process.pid, "unbound": of_unbound.pid, "dnsmasq": of_dnsmasq.pid}
            figures = {"names of the cluster": rates(work / "cluster", pids), "names outside, cached": rates(work / "outside", pids)}
        server.process.terminate()
        server.process.wait()
        return figures


if __name__ == "__main__":
    print(json.dumps(inside(sys.argv[1])))
