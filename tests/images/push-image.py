#!/usr/bin/env python3
"""Pushes an OCI archive, as make-image.py writes it without --gzip, to a registry without authentication.

    push-image.py [--form oci|docker] [--pack none,gzip,zstd] [--platform OS/ARCH...] ARCHIVE http://HOST:PORT/NAME:TAG

The layers are packed in turn by the ways of --pack. --form says which media types the manifest has. With --platform an
index is pushed: its only image for the last platform is the archive's, those before are there in name only.
Writes the digest of what the tag means.
"""
import argparse
import gzip
import hashlib
import json
import subprocess
import tarfile
import urllib.request

TYPES = {
    "oci": {"manifest": "application/vnd.oci.image.manifest.v1+json", "index": "application/vnd.oci.image.index.v1+json",
            "config": "application/vnd.oci.image.config.v1+json", "none": "application/vnd.oci.image.layer.v1.tar",
            "gzip": "application/vnd.oci.image.layer.v1.tar+gzip", "zstd": "application/vnd.oci.image.layer.v1.tar+zstd"},
    "docker": {"manifest": "application/vnd.docker.distribution.manifest.v2+json",
               "index": "application/vnd.docker.distribution.manifest.list.v2+json",
               "config": "application/vnd.docker.container.image.v1+json",
               "none": "application/vnd.docker.image.rootfs.diff.tar",
               "gzip": "application/vnd.docker.image.rootfs.diff.tar.gzip",
               "zstd": "application/vnd.docker.image.rootfs.diff.tar.zstd"},
}
PACKERS = {"none": lambda data: data, "gzip": lambda data: gzip.compress(data, mtime=0),
           "zstd": lambda data: subprocess.run(["zstd", "-q", "-c"], input=data, check=True, capture_output=True).stdout}


def digest(data):
    return "sha256:" + hashlib.sha256(data).hexdigest()


def request(method, url, data=None, **headers):
    asked = urllib.request.Request(url, data, {name.replace("_", "-"): value for name, value in headers.items()}, method=method)
    return urllib.request.urlopen(asked)


def push_blob(base, data, kind):
    upload = request("POST", base + "/blobs/uploads/", b"").headers["Location"]
    joint = "&" if "?" in upload else "?"
    request("PUT", upload + joint + "digest=" + digest(data), data, Content_Type="application/octet-stream")
    return {"mediaType": kind, "digest": digest(data), "size": len(data)}


def push_manifest(base, tag, value, kind):
    data = json.dumps(value).encode()
    request("PUT", base + "/manifests/" + (tag or digest(data)), data, Content_Type=kind)
    return {"mediaType": kind, "digest": digest(data), "size": len(data)}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--form", choices=list(TYPES), default="oci")
    parser.add_argument("--pack", default="gzip")
    parser.add_argument("--platform", action="append", default=[])
    parser.add_argument("archive")
    parser.add_argument("target")
    args = parser.parse_args()
    with tarfile.open(args.archive) as tar:
        files = {member.name: tar.extractfile(member).read() for member in tar if member.isfile()}

    def blob(descriptor):
        return files["blobs/sha256/" + descriptor["digest"].removeprefix("sha256:")]

    types = TYPES[args.form]
    host, name = args.target.removeprefix("http://").split("/", 1)
    name, tag = name.rsplit(":", 1)
    base = f"http://{host}/v2/{name}"
    archived = json.loads(blob(json.loads(files["index.json"])["manifests"][0]))
    ways = args.pack.split(",")
    layers = [push_blob(base, PACKERS[ways[i % len(ways)]](blob(layer)), types[ways[i % len(ways)]])
              for i, layer in enumerate(archived["layers"])]
    manifest = {"schemaVersion": 2, "mediaType": types["manifest"],
                "config": push_blob(base, blob(archived["config"]), types["config"]), "layers": layers}
    top = push_manifest(base, None if args.platform else tag, manifest, types["manifest"])
    if args.platform:
        entries = []
        for platform in args.platform:
            system, machine = platform.split("/")
            other = top
            if platform != args.platform[-1]:
                other = push_manifest(base, None, dict(manifest, annotations={"for": platform}), types["manifest"])
            entries.append(dict(other, platform={"os": system, "architecture": machine}))
        top = push_manifest(base, tag, {"schemaVersion": 2, "mediaType": types["index"], "manifests": entries}, types["index"])
    print(top["digest"])


main()
