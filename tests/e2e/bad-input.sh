#!/bin/bash
# One clear error each, the contract's exit code, and nothing half-made.
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"
image=${LAUNCHER_ISO:-$(dirname "$LAUNCHER")/../share/launcher/launcher.iso}
key=(${LAUNCHER_ISO_KEY:+--iso-key "$LAUNCHER_ISO_KEY"})
profiles=$LAUNCHER_HOME/.launcher/profiles

nothing_made() {
  [ -z "$(ls -A "$profiles/bad" 2>/dev/null)" ]
}

# refuses DESCRIPTION CODE REGEX ARGUMENT...: start with these arguments, and no profile comes of it.
refuses() {
  local description=$1 code=$2 regex=$3
  shift 3
  exits "$description" "$code" "$regex" "${START[@]}" -p bad "$@"
  ok "$description: nothing is made" nothing_made
}

exits "unknown command" 14 'unknown command "frob"' "$LAUNCHER" frob
exits "unknown flag" 14 'unknown flag: --frob' "$LAUNCHER" start --frob
exits "profile with a slash" 14 '"a/b" is not a profile name' "$LAUNCHER" start -p a/b
refuses "100 MiB of memory" 23 '100MiB is less than' --memory 100
refuses "no CPUs" 29 'cpus' --cpus 0
refuses "a tiny disk" 26 'disk-size' --disk-size 100
exits "unknown driver" 56 "The driver 'fail' is not supported" "$LAUNCHER" start -p bad --driver fail
refuses "unknown container runtime" 14 'Invalid Container Runtime: "rkt". Valid runtimes are: native, docker, containerd, cri-o' \
  --container-runtime rkt
exits "no such profile: status" 85 'Profile "none" not found' "$LAUNCHER" status -p none
exits "no such profile: ssh" 85 'not found' "$LAUNCHER" ssh -p none true
exits "no such profile: docker-env" 85 '^false exit code 85' "$LAUNCHER" docker-env -p none
exits "no such profile: delete is no error" 0 'does not exist' "$LAUNCHER" delete -p none
exits "no profile at all: list" 14 'No launcher profile' "$LAUNCHER" profile list

mkdir "$WORK/images"
cp "$image" "$image.sha256" "$image.sig" "$WORK/images/"
bad=$WORK/images/$(basename "$image")
refused() {
  "$LAUNCHER" start -p bad --driver "$DRIVER" --iso-url "$bad" "${key[@]}"
}
printf 'x' | dd of="$bad" bs=1 seek=1000000 conv=notrunc status=none
exits "a corrupt image" 48 'SHA-256' refused
truncate -s 5000000 "$bad"
exits "a short image" 48 'SHA-256' refused
sha256sum "$bad" >"$bad.sha256"
exits "an image whose signature is another's" 47 'not signed' refused
rm "$bad.sig"
exits "an unsigned image" 47 'cannot be trusted' refused
ok "no bad image stays in the cache" bash -c "! find '$LAUNCHER_HOME' -name '*.iso' | grep -q ."

# A disk of 20 MB is full before the image is copied. What is mounted goes with the mount namespace.
full_disk() {
  # shellcheck disable=SC2016 # expanded by the inner shell
  unshare -m bash -c 'mkdir -p "$1/small" && mount -t tmpfs -o size=20m none "$1/small" || exit 99
    LAUNCHER_HOME=$1/small "${@:2}"; status=$?
    find "$1/small" -name "*.iso" -o -name "partial*"; exit $status' full-disk "$WORK" \
    "$LAUNCHER" start -p full --driver "$DRIVER" --iso-url "$image" "${key[@]}"
}
if [ "$(id -u)" -eq 0 ]; then
  exits "a full disk" 26 'No space left' full_disk
fi

# The second of two starts says that the first works on the profile.
"${START[@]}" -p race >"$WORK/first.log" 2>&1 &
first=$!
eventually 10 test -e "$profiles/race/config.json"
exits "a second start racing the first" 11 'another launcher command is working on the profile "race"' "${START[@]}" -p race
wait $first
report $? "the first of them ends well" "$(cat "$WORK/first.log")"
other=$([ "$DRIVER" = container ] && echo libvirt || echo container)
exits "an existing profile keeps its driver" 51 'uses the driver' "$LAUNCHER" start -p race --driver "$other"
exits "an existing profile keeps its container runtime" 14 'uses the container runtime native' "$LAUNCHER" start -p race -c docker
exits "a disk cannot shrink" 14 'can only grow' "$LAUNCHER" start -p race --disk-size 3000
