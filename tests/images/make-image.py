#!/usr/bin/env python3
"""Writes an image archive from folders, the same bytes for the same input.

    make-image.py --name REF [--name REF...] [--layer DIR...] [--busybox] [--format docker|oci] [--gzip]
                  [--entrypoint JSON] [--cmd JSON] [--env K=V...] [--user U] [--workdir D] [--stop-signal S] OUTPUT

Each --layer becomes one layer, the first the lowest. --busybox makes the lowest layer from the host's static busybox with
links for all its applets and a minimal /etc. Names ".wh.x" and ".wh..wh..opq" in a folder are whiteouts, as in a layer.
"""
import argparse
import gzip
import hashlib
import io
import json
import os
import subprocess
import tarfile

EPOCH = 1704067200  # every time stamp: archives must not depend on when they were made


def entry(name, mode, kind=tarfile.REGTYPE, data=b"", link=""):
    info = tarfile.TarInfo(name)
    info.mode, info.type, info.linkname, info.mtime = mode, kind, link, EPOCH
    info.size = len(data)
    info.uname = info.gname = ""
    return info, io.BytesIO(data)


def busybox_layer():
    with open("/bin/busybox", "rb") as file:
        program = file.read()
    applets = subprocess.run(["/bin/busybox", "--list"], check=True, capture_output=True, text=True).stdout.split()
    entries = [entry(name, mode, tarfile.DIRTYPE) for name, mode in
               [("bin", 0o755), ("dev", 0o755), ("etc", 0o755), ("home", 0o755), ("proc", 0o755), ("root", 0o700),
                ("sys", 0o755), ("tmp", 0o1777), ("usr", 0o755), ("usr/sbin", 0o755), ("var", 0o755),
                ("var/www", 0o755)]]
    entries.append(entry("bin/busybox", 0o755, data=program))
    entries += [entry("bin/" + name, 0o777, tarfile.LNKTYPE, link="bin/busybox")
                for name in sorted(applets) if name != "busybox"]
    entries.append(entry("etc/passwd", 0o644, data=b"root:x:0:0:root:/root:/bin/sh\n"
                         b"daemon:x:1:1:daemon:/usr/sbin:/bin/false\nwww-data:x:33:33::/var/www:/bin/false\n"
                         b"nobody:x:65534:65534:nobody:/home:/bin/false\n"))
    entries.append(entry("etc/group", 0o644, data=b"root:x:0:\ndaemon:x:1:\nwheel:x:10:www-data\n"
                         b"www-data:x:33:\nnobody:x:65534:\n"))
    return tar_of(entries)


def tar_of(entries):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for info, data in entries:
            tar.addfile(info, data if info.size else None)
    return out.getvalue()


def folder_layer(top):
    out = io.BytesIO()

    def plain(info):
        info.uid = info.gid = 0
        info.uname = info.gname = ""
        info.mtime = EPOCH
        return info

    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for here, folders, files in os.walk(top):
            folders.sort()
            links = [name for name in folders if os.path.islink(os.path.join(here, name))]
            for name in sorted(files + links):
                path = os.path.join(here, name)
                tar.add(path, os.path.relpath(path, top), recursive=False, filter=plain)
            for name in folders:
                path = os.path.join(here, name)
                if name not in links:
                    tar.add(path, os.path.relpath(path, top), recursive=False, filter=plain)
    return out.getvalue()


def digest(data):
    return hashlib.sha256(data).hexdigest()


def text(value):
    return json.dumps(value, separators=(",", ":"), sort_keys=True).encode()


def docker_files(args, config, layers):
    name = digest(config) + ".json"
    files = {name: config}
    paths = []
    for layer in layers:
        path = digest(layer) + "/layer.tar"
        files[path] = layer
        paths.append(path)
    files["manifest.json"] = text([{"Config": name, "RepoTags": args.name, "Layers": paths}])
    return files


def oci_files(args, config, layers):
    files = {}

    def blob(data, media_type):
        files["blobs/sha256/" + digest(data)] = data
        return {"digest": "sha256:" + digest(data), "size": len(data), "mediaType": media_type}

    base = "application/vnd.oci.image."
    suffix = "layer.v1.tar" + ("+gzip" if args.gzip else "")
    packed = [gzip.compress(layer, mtime=0) if args.gzip else layer for layer in layers]
    manifest = {"schemaVersion": 2, "mediaType": base + "manifest.v1+json",
                "config": blob(config, base + "config.v1+json"), "layers": [blob(layer, base + suffix) for layer in packed]}
    descriptor = blob(text(manifest), base + "manifest.v1+json")
    files["index.json"] = text({"schemaVersion": 2, "manifests": [
        dict(descriptor, annotations={"org.opencontainers.image.ref.name": name}) for name in args.name]})
    files["oci-layout"] = text({"imageLayoutVersion": "1.0.0"})
    return files


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--name", action="append", default=[])
    parser.add_argument("--layer", action="append", default=[])
    parser.add_argument("--busybox", action="store_true")
    parser.add_argument("--format", choices=["docker", "oci"], default="docker")
    parser.add_argument("--gzip", action="store_true")
    parser.add_argument("--entrypoint", type=json.loads)
    parser.add_argument("--cmd", type=json.loads, default=["sh"])
    parser.add_argument("--env", action="append", default=[])
    parser.add_argument("--user", default="")
    parser.add_argument("--workdir", default="")
    parser.add_argument("--stop-signal")
    parser.add_argument("output")
    args = parser.parse_args()

    layers = ([busybox_layer()] if args.busybox else []) + [folder_layer(path) for path in args.layer]
    settings = {"Env": ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"] + args.env,
                "Cmd": args.cmd, "User": args.user, "WorkingDir": args.workdir}
    if args.entrypoint:
        settings["Entrypoint"] = args.entrypoint
    if args.stop_signal:
        settings["StopSignal"] = args.stop_signal
    machine = {"x86_64": "amd64", "aarch64": "arm64"}.get(os.uname().machine, os.uname().machine)
    config = text({"architecture": machine, "os": "linux", "created": "2024-01-01T00:00:00Z", "config": settings,
                   "rootfs": {"type": "layers", "diff_ids": ["sha256:" + digest(layer) for layer in layers]}})
    files = (docker_files if args.format == "docker" else oci_files)(args, config, layers)
    with open(args.output, "wb") as out:
        out.write(tar_of([entry(name, 0o644, data=data) for name, data in files.items()]))


main()
