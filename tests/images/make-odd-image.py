#!/usr/bin/env python3
"""Writes image archives as few builders make them, or as somebody who means harm does.

    make-odd-image.py KIND NAME OUTPUT

  links-a, links-b  one layer of hard links to files of the layer below, which is another for a and b
  links-none        the same, with nothing below
  links-gone        the same, with a layer between that removes the file
  old-docker        as docker save wrote it until version 24: a folder a layer, a layer that comes twice as a symbolic link
  many              two images that share a layer
  env               a configuration with 100000 variables
  entrypoint        a command of 3 MB
  workdir           a working directory that leads out, and one ("workdir-long") whose name is too long
  workdir-link      a working directory that is a link to the machine's own
  user              a user nobody knows; "user-number": one that is no number
  volumes           10000 volumes, some of which lead out
  types             strings where there should be lists, and the other way round
"""
import hashlib
import io
import json
import os
import sys
import tarfile

KIND, NAME, OUTPUT = sys.argv[1:4]
MACHINE = {"x86_64": "amd64", "aarch64": "arm64"}.get(os.uname().machine, os.uname().machine)


def tar_of(entries):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for name, kind, text, link in entries:
            info = tarfile.TarInfo(name)
            info.type, info.linkname, info.size, info.mtime = kind, link, len(text), 1000000
            info.mode, info.uid, info.gid = (0o755 if kind == tarfile.DIRTYPE else 0o4751), 12, 34
            tar.addfile(info, io.BytesIO(text))
    return out.getvalue()


def file(name, text):
    return name, tarfile.REGTYPE, text.encode(), ""


def link(name, target):
    return name, tarfile.LNKTYPE, b"", target


def symlink(name, target):
    return name, tarfile.SYMTYPE, b"", target


def digest(data):
    return hashlib.sha256(data).hexdigest()


def config_of(layers, **settings):
    return json.dumps({"architecture": MACHINE, "os": "linux", "config": settings, "rootfs": {
        "type": "layers", "diff_ids": ["sha256:" + digest(layer) for layer in layers]}}).encode()


def busybox():
    with open("/bin/busybox", "rb") as program:
        return tar_of([("bin", tarfile.DIRTYPE, b"", ""), ("bin/sh", tarfile.REGTYPE, program.read(), ""),
                       link("bin/sleep", "bin/sh"), file("etc/passwd", "root:x:0:0:root:/:/bin/sh\n")])


def image(name, layers, **settings):
    """(files, manifest entry)"""
    config = config_of(layers, **settings)
    files = {digest(layer) + "/layer.tar": layer for layer in layers}
    files[digest(config) + ".json"] = config
    return files, {"Config": digest(config) + ".json", "RepoTags": [name], "Layers": [digest(x) + "/layer.tar" for x in layers]}


def write(images, links=()):
    files, manifest = {}, []
    for some, entry in images:
        files.update(some)
        manifest.append(entry)
    files["manifest.json"] = json.dumps(manifest).encode()
    linked = dict(links)
    with tarfile.open(OUTPUT, "w") as tar:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            if name in linked:
                info.type, info.linkname = tarfile.SYMTYPE, linked[name]
                data = b""
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))


SLEEP = ["/bin/sleep", "1000"]
WITH_LINKS = tar_of([("bin", tarfile.DIRTYPE, b"", ""), link("bin/copy", "data/file"), link("other", "data/file")])
BELOW = {"a": tar_of([file("data/file", "from a")]), "b": tar_of([file("data/file", "from b")])}
SETTINGS = {
    "env": {"Env": [f"NAME{i}=" + "v" * 20 for i in range(100000)], "Cmd": SLEEP},
    "entrypoint": {"Entrypoint": ["/bin/sh", "-c", ": " + "x" * 3000000]},
    "workdir": {"WorkingDir": "/../../../../../../out/of/here", "Cmd": SLEEP},
    "workdir-long": {"WorkingDir": "/" + "d" * 300 + "/" + "e" * 5000, "Cmd": SLEEP},
    "workdir-link": {"WorkingDir": "/escape/made-by-an-image", "Cmd": SLEEP},
    "user": {"User": "nobody-knows-me:nor-us", "Cmd": SLEEP},
    "user-number": {"User": "99999999999999999999:-1", "Cmd": SLEEP},
    "volumes": {"Volumes": {f"/v{i}/../../../../../../made-by-an-image": {} for i in range(10000)}, "Cmd": SLEEP},
    "types": {"Env": "A=B", "Cmd": {"a": 1}, "Entrypoint": 7, "WorkingDir": ["/"], "User": {}, "Volumes": [], "StopSignal": []},
}

if KIND in ("links-a", "links-b"):
    write([image(NAME, [BELOW[KIND[-1]], WITH_LINKS])])
elif KIND == "links-none":
    write([image(NAME, [WITH_LINKS])])
elif KIND == "links-gone":
    write([image(NAME, [BELOW["a"], tar_of([file("data/.wh.file", "")]), WITH_LINKS])])
elif KIND == "old-docker":
    first, again = tar_of([file("one", "1")]), tar_of([file("two", "2")])
    files, entry = image(NAME, [first, again, first])
    files["twice/layer.tar"] = first
    entry["Layers"][2] = "twice/layer.tar"
    write([(files, entry)], {"twice/layer.tar": "../" + digest(first) + "/layer.tar"})
elif KIND == "many":
    shared = tar_of([file("shared", "s")])
    write([image(NAME, [shared]), image(NAME + "-more", [shared, tar_of([file("more", "m")])])])
else:
    write([image(NAME, [busybox(), tar_of([symlink("escape", "/")])], **SETTINGS[KIND])])
