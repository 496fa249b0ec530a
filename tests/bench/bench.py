#!/usr/bin/env python3
"""The figures of one run, as ratios: prints a table and writes bench.json, a list of {name, value, unit, against, ratio}.

    bench.py --launcher PROGRAM --clusterd PROGRAM --watchers PROGRAM --scheduling PROGRAM --services PROGRAM --output bench.json [--skip-api] [--skip-pods] [--skip-dns] [--skip-images] [--skip-container] [--skip-libvirt]

Everything compared is measured in this run, on this machine, with the same kernel and accelerator.
"""
import argparse
import contextlib
import http.client
import json
import os
import pathlib
import shutil
import ssl
import statistics
import subprocess
import sys
import tempfile
import time

import api_server
import dns
import workloads

PODS = 7
RUNS = 3


class Bench:
    def __init__(self, arguments):
        self.launcher = arguments.launcher
        self.figures = []
        self.work = pathlib.Path(tempfile.mkdtemp(prefix="launcher-bench-"))
        self.environment = {**os.environ, "LAUNCHER_HOME": str(self.work / "home"), "NO_COLOR": "1",
                            "KUBECONFIG": str(self.work / "kubeconfig")}

    def add(self, name, value, unit, against=None, reference=None):
        """AGAINST names what the value is compared with, REFERENCE is its value in the same unit."""
        self.figures.append({"name": name, "value": round(value, 4), "unit": unit, "against": against,
                             "ratio": round(value / reference, 3) if reference else None})

    def run(self, *command, **options):
        done = subprocess.run(command, env=self.environment, capture_output=True, text=True, check=False, **options)
        if done.returncode:
            raise RuntimeError(f"{' '.join(map(str, command))} ended with {done.returncode}:\n{done.stdout}{done.stderr}")
        return done.stdout

    def ssh(self, profile, script):
        return self.run(self.launcher, "ssh", "-p", profile, "--", script)

    @property
    def profiles(self):
        return self.work / "home/.launcher/profiles"

    def cached_image(self):
        return next((self.work / "home/.launcher/cache/boot").glob("*/launcher.iso")).parent


def timed(function, *arguments):
    began = time.monotonic()
    function(*arguments)
    return time.monotonic() - began


class Api:
    """Requests to a profile's API server with its client certificate, on one connection."""

    def __init__(self, bench, profile):
        folder = bench.profiles / profile
        config = json.loads((folder / "config.json").read_text())
        context = ssl.create_default_context(cafile=str(folder / "pki/ca.crt"))
        context.load_cert_chain(str(folder / "pki/client.crt"), str(folder / "pki/client.key"))
        self.address = (config["Address"], config["APIServerPort"])
        self.context = context
        self.connection = self.connect()

    def connect(self):
        return http.client.HTTPSConnection(*self.address, context=self.context, timeout=60)

    def request(self, method, path, body=None):
        self.connection.request(method, path, json.dumps(body) if body else None, {"Content-Type": "application/json"})
        reply = self.connection.getresponse()
        data = reply.read()
        if reply.status >= 300:
            raise RuntimeError(f"{method} {path}: {reply.status} {data[:300]}")
        return data

    def pod_start(self, name):
        """Seconds from the create request to the watch event that says Running."""
        path = "/api/v1/namespaces/default/pods"
        watch = self.connect()
        watch.request("GET", f"{path}?watch=true&fieldSelector=metadata.name%3D{name}")
        events = watch.getresponse()
        pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name},
               "spec": {"restartPolicy": "Never", "terminationGracePeriodSeconds": 0,
                        "containers": [{"name": "c", "image": "busybox", "command": ["sleep", "600"]}]}}
        began = time.monotonic()
        self.request("POST", path, pod)
        while True:
            event = json.loads(events.readline())
            if event["object"].get("status", {}).get("phase") == "Running":
                break
        taken = time.monotonic() - began
        watch.close()
        self.request("DELETE", f"{path}/{name}")
        return taken


CRUN_SCRIPT = r"""
set -e
cd /tmp && rm -rf bench-crun && mkdir bench-crun && cd bench-crun
layer=$(sudo find /usr/share/launcher/images -maxdepth 4 -type d -path '*/bin' | head -n 1)
sudo mkdir rootfs && sudo cp -a "$(dirname "$layer")/." rootfs/
sudo crun spec
sudo sed -i 's/"terminal": true/"terminal": false/; s/"sh"/"true"/' config.json
for i in 1 2 3 4 5 6 7; do
  began=$(cut -d' ' -f1 /proc/uptime)
  for j in 1 2 3 4 5; do sudo crun run bench-$i-$j </dev/null >/dev/null; done
  ended=$(cut -d' ' -f1 /proc/uptime)
  echo "$began $ended"
done
cd /tmp && sudo rm -rf bench-crun
"""


def bare_crun(bench, profile):
    """Seconds of one `crun run` of the busybox image's files in the machine, sudo's own cost taken off."""
    empty = bench.ssh(profile, "b=$(cut -d' ' -f1 /proc/uptime); for i in 1 2 3 4 5 6 7 8 9 10; do sudo true; done; "
                               "e=$(cut -d' ' -f1 /proc/uptime); echo $b $e").split()
    sudo = (float(empty[1]) - float(empty[0])) / 10
    spans = [line.split() for line in bench.ssh(profile, CRUN_SCRIPT).splitlines()]
    return max(statistics.median((float(end) - float(begin)) / 5 for begin, end in spans) - sudo, 0.001)


def memory(bench, profile, name):
    status = bench.ssh(profile, "sudo cat /proc/$(pidof clusterd | cut -d' ' -f1)/status")
    rss = next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS"))
    bench.add(f"{name}: clusterd at idle", rss / 1024, "MiB", "budget of 32 MiB", 32)


def pods(bench, profile, name):
    api = Api(bench, profile)
    api.pod_start("warm")
    start = statistics.median(api.pod_start(f"pod-{number}") for number in range(PODS))
    bare = bare_crun(bench, profile)
    bench.add(f"{name}: bare crun run", bare * 1000, "ms")
    bench.add(f"{name}: pod create to Running", start * 1000, "ms", f"{name}: bare crun run", bare * 1000)


def requests(bench, profile, name):
    api = Api(bench, profile)
    count = 2000
    seconds = timed(lambda: [api.request("GET", "/api/v1/namespaces/default") for _ in range(count)])
    bench.add(f"{name}: GET through TLS, one connection", count / seconds, "1/s")


def container(bench):
    start = [bench.launcher, "start", "-p", "bench-c", "--driver", "container", "--memory", "2048"]
    bench.run(*start, "--download-only")
    first = timed(bench.run, *start)
    bench.add("container: first start to Ready", first, "s", "budget of 1 s", 1)
    pods(bench, "bench-c", "container")
    requests(bench, "bench-c", "container")
    memory(bench, "bench-c", "container")
    again = []
    for _ in range(RUNS):
        bench.run(bench.launcher, "stop", "-p", "bench-c")
        again.append(timed(bench.run, *start))
    bench.add("container: start again to Ready", statistics.median(again), "s", "budget of 1 s", 1)
    bench.run(bench.launcher, "delete", "-p", "bench-c")


def bare_initrd(bench):
    """An initrd whose init says that it runs and powers off."""
    root = bench.work / "bare"
    (root / "bin").mkdir(parents=True)
    shutil.copy("/bin/busybox", root / "bin/busybox")
    (root / "init").write_text("#!/bin/busybox sh\n/bin/busybox echo SHELL-REACHED\n/bin/busybox poweroff -f\n")
    (root / "init").chmod(0o755)
    names = "\n".join(sorted(str(path.relative_to(root)) for path in root.rglob("*")))
    archive = subprocess.run(["cpio", "-o", "-H", "newc", "--quiet"], input=names.encode(), cwd=root, capture_output=True, check=True)
    (bench.work / "bare.img").write_bytes(archive.stdout)
    return bench.work / "bare.img"


def bare_boot(bench, initrd):
    """Seconds from QEMU's exec to the shell: the same kernel, processor and machine as the driver's."""
    command = ["qemu-system-x86_64", "-nodefaults", "-no-user-config", "-machine", "q35", "-accel", "tcg,thread=multi,tb-size=128",
               "-cpu", "Nehalem,+rdrand", "-smp", "2", "-m", "2048", "-display", "none", "-serial", "stdio", "-no-reboot",
               "-kernel", str(bench.cached_image() / "vmlinuz"), "-initrd", str(initrd),
               "-append", "console=ttyS0 quiet mitigations=off random.trust_cpu=on tsc=reliable no_timer_check panic=-1"]
    began = time.monotonic()
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as machine:
        for line in machine.stdout:
            if b"SHELL-REACHED" in line:
                taken = time.monotonic() - began
                machine.kill()
                return taken
    raise RuntimeError("the bare kernel did not reach its shell")


def libvirt(bench):
    start = [bench.launcher, "start", "-p", "bench-v", "--driver", "libvirt", "--memory", "2048"]
    bench.run(*start)  # the first also formats the disk and asks libvirt for its capabilities
    used = bench.ssh("bench-v", "sleep 5; awk '/MemTotal/ {t=$2} /MemAvailable/ {a=$2} END {print t-a}' /proc/meminfo")
    bench.add("libvirt: memory used in the machine at idle", int(used) / 1024, "MiB", "budget of 160 MiB", 160)
    memory(bench, "bench-v", "libvirt")
    initrd = bare_initrd(bench)
    bare, ready = [], []
    for _ in range(RUNS):
        bare.append(bare_boot(bench, initrd))
        bench.run(bench.launcher, "stop", "-p", "bench-v")
        ready.append(timed(bench.run, *start))
    bench.add("bare boot of the same kernel to a shell", statistics.median(bare), "s")
    bench.add("libvirt: start to Ready", statistics.median(ready), "s", "bare boot of the same kernel to a shell",
              statistics.median(bare))
    pods(bench, "bench-v", "libvirt")
    bench.run(bench.launcher, "delete", "-p", "bench-v")


def scheduling(bench, program):
    """Ten thousand pods on a thousand nodes. A decision late costs what it cost early: that ratio is the figure that matters."""
    seconds = {name: float(value) for name, value in (line.split() for line in bench.run(program).splitlines())}
    for sort in ("plain", "service", "spread", "affinity"):
        early, all_of_them = seconds[f"decide-{sort}-1000"] / 1000, seconds[f"decide-{sort}-10000"] / 10000
        bench.add(f"scheduler: a {sort} pod, of 10 000, 1000 nodes", all_of_them * 1e6, "us", "the same of 1000", early * 1e6)
        bench.add(f"scheduler: 10 000 {sort} pods bound and stored", seconds[f"bind-{sort}-10000"], "s", "budget of 10 s", 10)


def services(bench, program):
    """A change of one endpoint or label among many, told to the kernel, and a connection's first packet."""
    values = {name: float(value) for name, value in (line.split() for line in bench.run(program).splitlines())}
    change = {count: values[f"{count}-build"] + values[f"{count}-apply"] for count in ("services-1", "services-1000", "policies-500")}
    bench.add("service change with 1000 services", change["services-1000"] * 1000, "ms", "the same with 1 service",
              change["services-1"] * 1000)
    bench.add("service change with 1000 services, told to nft", values["services-1000-bytes"], "B", "the same with 1 service",
              values["services-1-bytes"])
    bench.add("label change with 500 policies, 200 pods", change["policies-500"] * 1000, "ms", "all rules made anew",
              values["policies-500-whole"] * 1000)
    bench.add("first packet through one of 1000 services", values["first-packet-1000"] * 1e6, "us", "through 1 service",
              values["first-packet-1"] * 1e6)


def in_sandbox(bench, clusterd, script, what):
    """What tests/bench/SCRIPT finds in namespaces of its own, with a dockerd where there is one: as root, where there is a crun. WHAT it is about."""
    tests = pathlib.Path(__file__).resolve().parent.parent
    environment = {**bench.environment, "CLUSTERD": str(pathlib.Path(clusterd).resolve()), "G_TEST_SRCDIR": str(tests.parent)}
    if os.geteuid() != 0 or not shutil.which("crun") or not shutil.which("conmon"):
        print(f"{what}: left out (needs root, crun, conmon)", file=sys.stderr)
        return None
    dockerd = shutil.which("dockerd") or subprocess.run([tests / "unpacked", "docker.io", "usr/sbin/dockerd"], capture_output=True, text=True,
                                                        check=False).stdout.strip()
    if dockerd and shutil.which("containerd"):
        client = pathlib.Path(dockerd).parent.parent / "bin/docker"
        environment["DOCKER_CLIENT"] = str(client if client.exists() else shutil.which("docker") or "")
        environment["PATH"] = f"{pathlib.Path(dockerd).parent}:{environment['PATH']}"
    done = subprocess.run([tests / "node/sandbox.sh", "bash", tests / "bench" / script, "--inside"], env=environment, capture_output=True, text=True,
                          check=False)
    if not done.stdout.strip().startswith("{"):
        print(f"{what}: left out\n{done.stdout}{done.stderr}", file=sys.stderr)
        return None
    return json.loads(done.stdout)


def images(bench, clusterd):
    """An image of 100 MB from a file, here and in dockerd."""
    found = in_sandbox(bench, clusterd, "images.sh", "loading images")
    if found:
        bench.add("image load of 100 MB, best of 5", min(found["ours"]), "s", "docker load", min(found["docker"]))


def beside(bench, clusterd):
    """Starts of pods beside those of bare containers and of dockerd's."""
    found = in_sandbox(bench, clusterd, "pods.sh", "pods beside containers")
    if not found:
        return
    for what, name in (("crun", "bare crun run"), ("docker", "docker run"), ("pod", "pod create to Running")):
        if f"{what}_best" not in found:
            continue
        against = None if what == "crun" else "bare crun run"
        for key, unit, label, factor in (("best", "ms", "best of 15", 1000), ("cpu", "ms", "processor time", 1000), ("many", "s", "30 at once", 1)):
            bench.add(f"beside: {name}, {label}", found[f"{what}_{key}"] * factor, unit, against,
                      against and found[f"crun_{key}"] * factor)
    bench.add("beside: clusterd's memory for each of 30 pods", found["kib_each"], "KiB")
    bench.add("beside: clusterd's threads for each pod", found["threads_each"], "")


def image(bench):
    size = (bench.cached_image() / "launcher.iso").stat().st_size
    bench.add("boot image", size / 1e6, "MB", "budget of 100 MB", 100)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--launcher", required=True)
    parser.add_argument("--clusterd", required=True)
    parser.add_argument("--watchers", required=True, help="the program made from watchers.c")
    parser.add_argument("--scheduling", required=True, help="the program made from scheduling.c")
    parser.add_argument("--services", required=True, help="the program made from services.c")
    parser.add_argument("--output", required=True)
    parser.add_argument("--skip-api", action="store_true")
    parser.add_argument("--skip-scheduling", action="store_true")
    parser.add_argument("--skip-dns", action="store_true")
    parser.add_argument("--skip-services", action="store_true")
    parser.add_argument("--skip-pods", action="store_true")
    parser.add_argument("--skip-images", action="store_true")
    parser.add_argument("--skip-container", action="store_true")
    parser.add_argument("--skip-libvirt", action="store_true")
    arguments = parser.parse_args()
    bench = Bench(arguments)
    machines = not (arguments.skip_container and arguments.skip_libvirt)
    try:
        if not arguments.skip_api:
            api_server.measure(bench, arguments.clusterd, arguments.watchers)
            workloads.measure(bench, arguments.clusterd)
        if not arguments.skip_scheduling:
            scheduling(bench, arguments.scheduling)
        if not arguments.skip_dns:
            dns.measure(bench, arguments.clusterd)
        if not arguments.skip_services:
            services(bench, arguments.services)
        if not arguments.skip_pods:
            beside(bench, arguments.clusterd)
        if not arguments.skip_images:
            images(bench, arguments.clusterd)
        if not arguments.skip_container:
            container(bench)
        if not arguments.skip_libvirt:
            libvirt(bench)
        if machines:
            image(bench)
    finally:
        if machines:
            with contextlib.suppress(RuntimeError):
                bench.run(bench.launcher, "delete", "--all")
        shutil.rmtree(bench.work, ignore_errors=True)
        pathlib.Path(arguments.output).write_text(json.dumps(bench.figures, indent=2) + "\n")
        for figure in bench.figures:
            ratio = f"{figure['ratio']:8.2f} x {figure['against']}" if figure["ratio"] is not None else ""
            print(f"{figure['name']:<48} {figure['value']:>12.3f} {figure['unit']:<4} {ratio}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
