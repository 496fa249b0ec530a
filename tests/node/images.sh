#!/bin/bash
# Images in files: what `clusterd image` loads, saves, names and removes; and images whose makers meant harm.
# shellcheck source-path=SCRIPTDIR source=node-harness.sh
. "$(dirname "$0")/node-harness.sh" "$@"
store=/var/lib/launcher/images
odd() {
  "$G_TEST_SRCDIR/tests/images/make-odd-image.py" "$1" "$2" "$work/odd.tar"
}
# image VERB...: what it says, in one line
image() {
  "$CLUSTERD" image "$@" 2>&1 | sed 's/^clusterd image: //'
}
load_odd() {
  odd "$@" && image load "$work/odd.tar"
}
# checked FILE: "good" when each layer of the archive is what its name says
checked() {
  python3 - "$1" <<'PY'
import hashlib, json, sys, tarfile
tar = tarfile.open(sys.argv[1])
read = lambda name: tar.extractfile(name).read()
for image in json.loads(read("manifest.json")):
    config = json.loads(read(image["Config"]))
    assert hashlib.sha256(read(image["Config"])).hexdigest() == image["Config"].rsplit("/", 1)[1]
    found = ["sha256:" + hashlib.sha256(read(name)).hexdigest() for name in image["Layers"]]
    assert found == config["rootfs"]["diff_ids"], found
    print("good", *image["RepoTags"])
PY
}

start_cluster
load_busybox
until_is "default service account" "default" k get serviceaccount default -o 'jsonpath={.metadata.name}'

# archives
is "as docker saved it until lately" "$(load_odd old-docker old:1)" "Loaded image: docker.io/library/old:1"
is "several images in one" "$(load_odd many many:1)" "Loaded image: docker.io/library/many:1
Loaded image: docker.io/library/many:1-more"
is "links to files of the layer below" "$(load_odd links-a links-a:1)" "Loaded image: docker.io/library/links-a:1"
is "are those files" "$(cat $store/layers/*/other)" "from a"
is "with all their attributes" "$(stat -c '%a %u %g %Y' $store/layers/*/bin/copy)" "4751 12 34 1000000"
is "the same layer elsewhere" "$(load_odd links-b links-b:1)" "Loaded image: docker.io/library/links-b:1"
is "has what is below it there" "$(for file in "$store"/layers/*/other; do cat "$file"; echo; done | sort | tr '\n' ' ')" "from a from b "
like "with nothing below" "$(load_odd links-none links-none:1)" "Malformed image: link bin/copy to data/file, which is not there"
like "with what was removed" "$(load_odd links-gone links-gone:1)" "Malformed image: link bin/copy to data/file, which is not there"

# saved
"$CLUSTERD" image save busybox:1.36 old:1 many:1 many:1-more links-a:1 >"$work/saved.tar"
is "saved layers are the bytes that were loaded" "$(checked "$work/saved.tar" 2>&1 | tr '\n' ' ')" \
  "good busybox:1.36 good old:1 good many:1 good many:1-more good links-a:1 "
ids() {
  "$CLUSTERD" image "$@" ls -o json | python3 -c 'import json, sys; print(*sorted(i["id"] + " " + " ".join(i["repoTags"]) for i in json.load(sys.stdin)), sep="\n")'
}
"$CLUSTERD" image --store "$work/second/images" --below "$work/none" load "$work/saved.tar" >/dev/null
is "loaded elsewhere they are the same images" "$(ids --store "$work/second/images" --below "$work/none")" "$(ids | grep -v links-b)"
"$CLUSTERD" image save "$(ids | sed -n 's/ .*busybox.*//p')" >"$work/by-id.tar"
is "by its id an image has no name" "$(checked "$work/by-id.tar")" "good"
like "what is not there" "$(image save none:1)" 'image "docker.io/library/none:1" not found'

# names
is "a second name" "$(image tag old:1 registry.test/new:2)" ""
is "is listed" "$(image ls | grep -c -e /old:1 -e test/new:2)" "2"
is "the first goes" "$(image rm old:1)" ""
is "the image stays" "$(image ls | grep new)" "registry.test/new:2"
like "an id is no name" "$(image tag busybox:1.36 "$(printf '%064d' 1)")" '*is not a name with a tag'
like "what is not there has none" "$(image tag none:1 some:1)" 'image "docker.io/library/none:1" not found'
k run user --image=busybox:1.36 --restart=Never --command -- sleep 1000 >/dev/null
wait_until "a pod uses an image" runs user
is "which is told by its id, as it comes from no registry" "$(k get pod user -o 'jsonpath={.status.containerStatuses[0].imageID}')" \
  "$(ids | sed -n 's/ .*busybox.*//p')"
is "which is not removed then" "$(image rm busybox:1.36)" \
  "conflict: unable to delete docker.io/library/busybox:1.36 (cannot be forced) - image is being used by a container"
is "a second name of it is" "$(image tag busybox:1.36 busy:2 && image rm busy:2)" ""
is "several are removed, whatever is wrong with one" "$(image rm none:1 many:1 many:1-more; image ls | grep -c many)" \
  'image "docker.io/library/none:1" not found among those that were loaded
0'

# harm
started() {
  local state
  state=$(k get pod "$1" -o 'jsonpath={.status.phase} {.status.containerStatuses[0].state}') &&
    case $state in *Running* | *Error* | *Succeeded* | *Failed*) ;; *) false ;; esac
}
for kind in env entrypoint workdir workdir-long workdir-link user user-number volumes types; do
  load_odd "$kind" "odd-$kind:1" >/dev/null
  k run "odd-$kind" --image="odd-$kind:1" --image-pull-policy=Never --restart=Never >/dev/null
done
for kind in env entrypoint workdir workdir-long workdir-link user user-number volumes types; do
  wait_until "an image with odd $kind runs or says why not" started "odd-$kind"
  case $kind in
  env | user* | workdir-long | types) is "odd $kind does not run" "$(k get pod "odd-$kind" -o 'jsonpath={.status.containerStatuses[0].state.running}')" "" ;;
  esac
done
is "nothing of it is on the machine" "$(ls -d /made-by-an-image /out 2>/dev/null)" ""
k run after --image=busybox:1.36 --restart=Never --command -- sleep 1000 >/dev/null
wait_until "the node runs pods as before" runs after
k delete pods --all --wait --force >/dev/null 2>&1
done_testing
