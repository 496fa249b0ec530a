#!/bin/bash
# What we save dockerd loads and runs, and what dockerd saves we load and run.
# shellcheck source-path=SCRIPTDIR source=node-harness.sh
if [ "${1:-}" != --inside ]; then
  command -v containerd >/dev/null || { echo "1..0 # SKIP containerd is missing"; exit 0; }
  dockerd=$(command -v dockerd || "$(dirname "$0")/../unpacked" docker.io usr/sbin/dockerd) || { echo "1..0 # SKIP dockerd is missing"; exit 0; }
  PATH=$(dirname "$dockerd"):$PATH
fi
. "$(dirname "$0")/node-harness.sh"
mkdir -p /var/lib/launcher/docker /var/lib/docker /etc/docker
mount --bind /var/lib/launcher/docker /var/lib/docker
mount -t tmpfs -o mode=755 tmpfs /etc/docker

# docker METHOD PATH [CURL-OPTION...]
docker() {
  command curl -sf --max-time 120 --unix-socket /var/run/docker.sock -X "$1" "http://docker$2" "${@:3}"
}
# member EXPRESSION: of the JSON that comes in
member() {
  python3 -c "import json, sys; print(json.load(sys.stdin)$1)"
}
image() {
  "$CLUSTERD" image "$@" 2>&1 | sed 's/^clusterd image: //'
}
# id NAME: of an image of ours
id() {
  "$CLUSTERD" image ls -o json | python3 -c 'import json, sys; print(*(i["id"] for i in json.load(sys.stdin) if sys.argv[1] in i["repoTags"]))' "$1"
}
# run_docker NAME IMAGE SCRIPT: what it says, its container stays
run_docker() {
  docker POST "/containers/create?name=$1" -H 'Content-Type: application/json' \
    -d "$(python3 -c 'import json, sys; print(json.dumps({"Image": sys.argv[1], "Cmd": ["sh", "-c", sys.argv[2]], "Tty": True, "NetworkDisabled": True}))' "$2" "$3")" \
    >/dev/null &&
    docker POST "/containers/$1/start" && docker POST "/containers/$1/wait" >/dev/null && docker GET "/containers/$1/logs?stdout=1" | tr -d '\r'
}

mkdir -p "$work/first/data" "$work/second/data"
echo below >"$work/first/data/kept"
echo below >"$work/first/data/changed"
echo below >"$work/first/data/.hidden"
ln "$work/first/data/kept" "$work/first/data/linked"
ln -s /data/kept "$work/first/data/link"
chmod 4751 "$work/first/data/changed"
echo above >"$work/second/data/changed"
: >"$work/second/data/.wh..hidden"
"$G_TEST_SRCDIR/tests/images/make-image.py" --busybox --layer "$work/first" --layer "$work/second" --format oci --gzip --name ours:1 \
  --env GREETING=hello --workdir /data "$work/ours.tar"
start_cluster
until_is "default service account" "default" k get serviceaccount default -o 'jsonpath={.metadata.name}'
looks='cd /data; ls -A1; cat kept linked link changed; stat -c %a changed; stat -c %h kept; echo $GREETING'

# ours, to dockerd
is "an image is loaded" "$(image load "$work/ours.tar" | head -1)" "Loaded image: docker.io/library/ours:1"
"$CLUSTERD" image save ours:1 >"$work/saved.tar"
is "dockerd loads what was saved" \
  "$(docker POST /images/load -H 'Content-Type: application/x-tar' --data-binary "@$work/saved.tar" | member '["stream"].strip()')" "Loaded image: ours:1"
is "it is the same image" "$(docker GET /images/ours:1/json | member '["Id"]')" "$(id docker.io/library/ours:1)"
is "with the layers it came with" "$(docker GET /images/ours:1/json | member '["RootFS"]["Layers"]')" \
  "$(python3 - "$work/ours.tar" <<'PY'
import json, sys, tarfile
tar = tarfile.open(sys.argv[1])
read = lambda digest: json.load(tar.extractfile("blobs/sha256/" + digest.removeprefix("sha256:")))
manifest = read(json.load(tar.extractfile("index.json"))["manifests"][0]["digest"])
print(read(manifest["config"]["digest"])["rootfs"]["diff_ids"])
PY
)"
expected="changed
kept
link
linked
below
below
below
above
644
2
hello"
is "and runs there" "$(run_docker looks ours:1 "$looks")" "$expected"

# dockerd's, to us
run_docker changes ours:1 'rm kept; rm -r /home; mkdir /home; echo new >/home/file; ln /home/file /data/linked-too; mknod /data/null c 1 3' >/dev/null
docker POST '/commit?container=changes&repo=theirs&tag=1' -H 'Content-Type: application/json' -d '{}' >/dev/null
theirs=$(docker GET /images/theirs:1/json | member '["Id"]')
docker GET '/images/get?names=theirs:1' >"$work/theirs.tar"
docker DELETE /images/theirs:1 >/dev/null
is "what dockerd saved is loaded" "$(image load "$work/theirs.tar")" "Loaded image: docker.io/library/theirs:1"
is "it is the same image" "$(id docker.io/library/theirs:1)" "$theirs"
k run theirs --image=theirs:1 --image-pull-policy=Never --restart=Never --command -- sh -c \
  'cd /data; ls -A1; cat link 2>/dev/null || echo gone; cat changed linked /home/file linked-too; stat -c "%F %t %T" null; ls /home; echo $GREETING' >/dev/null
ended() {
  [ "$(pod_phase theirs)" = Succeeded ]
}
wait_until "it runs here" ended
is "with what was changed there" "$(k logs theirs 2>&1)" "changed
link
linked
linked-too
null
gone
above
below
new
new
character special file 1 3
file
hello"
k delete pods --all --wait --force >/dev/null 2>&1
done_testing
