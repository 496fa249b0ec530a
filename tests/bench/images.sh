#!/bin/bash
# sandbox.sh images.sh --inside: loads an image of 100 MB into our store and into a dockerd, in turn, and prints {"ours": [s…], "docker": [s…]}.
# shellcheck source-path=SCRIPTDIR source=../node/node-harness.sh
here=$(cd "$(dirname "$0")" && pwd)
. "$here/../node/node-harness.sh"
mkdir -p /var/lib/launcher/docker /var/lib/docker /etc/docker
mount --bind /var/lib/launcher/docker /var/lib/docker
mount -t tmpfs -o mode=755 tmpfs /etc/docker
start_cluster >&2
python3 - "$work/folder" <<'PY'
"""100 MB of this machine's programs and libraries: what images are made of."""
import os, pathlib, shutil, sys
left, top = 100_000_000, pathlib.Path(sys.argv[1])
for place in ("/usr/bin", "/usr/lib", "/usr/share"):
    for here, folders, files in os.walk(place):
        folders.sort()
        for name in sorted(files):
            path = os.path.join(here, name)
            if os.path.islink(path) or not 0 < os.path.getsize(path) <= min(left, 20_000_000):
                continue
            left -= os.path.getsize(path)
            (top / here[1:]).mkdir(parents=True, exist_ok=True)
            shutil.copy(path, top / path[1:])
        if left < 1000:
            sys.exit()
PY
"$G_TEST_SRCDIR/tests/images/make-image.py" --layer "$work/folder" --name big:1 "$work/big.tar"
call() {
  command curl -sf --max-time 300 --unix-socket /var/run/docker.sock "$@" >&2
}
call http://docker/_ping
python3 - "$CLUSTERD" "$work/big.tar" <<'PY'
import json, subprocess, sys, time
clusterd, archive = sys.argv[1:]
docker = ["curl", "-sf", "--unix-socket", "/var/run/docker.sock"]
load = {"ours": [clusterd, "image", "load", archive],
        "docker": docker + ["-H", "Content-Type: application/x-tar", "--data-binary", "@" + archive, "http://docker/images/load"]}
remove = {"ours": [clusterd, "image", "rm", "big:1"], "docker": docker + ["-X", "DELETE", "http://docker/images/big:1"]}
found = {"ours": [], "docker": []}
for run in range(6):
    for who in found:
        began = time.monotonic()
        subprocess.run(load[who], check=True, stdout=sys.stderr)
        if run:  # the first fills the page cache
            found[who].append(time.monotonic() - began)
        subprocess.run(remove[who], check=True, stdout=sys.stderr)
print(json.dumps(found))
PY
kill "$server_pid"
wait "$server_pid"
