#!/bin/bash
# The container driver with a tiny root file system of its own: start, ports, pause, kill, and that delete leaves no trace.
# With LAUNCHER_ISO set to a boot image it also boots that one.
# shellcheck source=tests/iso/tap.sh
source "${G_TEST_SRCDIR:-$(dirname "$0")/../..}/tests/iso/tap.sh"
drive=${G_TEST_BUILDDIR:-.}/tests/driver/drive
[[ $EUID == 0 ]] || skip_all "the container driver needs root"
[[ -e /dev/loop-control && -e /dev/net/tun ]] || skip_all "there are no loop devices or no /dev/net/tun"
need_programs crun slirp4netns busybox mksquashfs xorriso curl
[[ $(file -bL "$(type -P busybox)" 2>/dev/null) == *static* || ! $(ldd "$(type -P busybox)" 2>&1) == *"=>"* ]] ||
  skip_all "busybox is not static"
unshare -m true 2>/dev/null || skip_all "mount namespaces cannot be made here"

scratch=$(mktemp -d)
address=127.77.$((200 + RANDOM % 50)).$((1 + RANDOM % 250))
profile=ct$$
spec=$scratch/spec.json

cleanup() {
  "$drive" container "$spec" delete >/dev/null 2>&1
  rm -rf "$scratch"
}
trap cleanup EXIT

make_image() {
  local root=$scratch/root applet
  mkdir -p "$root"/{bin,sbin,proc,sys,dev,run,data,tmp,www} "$scratch"/{iso,config/pki}
  cp "$(type -P busybox)" "$root/bin/busybox"
  for applet in sh cat mount hostname httpd echo ls sleep mkdir nc id; do ln -s busybox "$root/bin/$applet"; done
  cat >"$root/sbin/init" <<'EOF'
#!/bin/sh
trap 'echo "{\"event\": \"stopping\"}" >/run/launcher/events; exit 0' TERM
echo '{"event": "init"}' >/run/launcher/events
hostname >/www/hostname
cat /run/launcher/config/pki/ca.key >/www/key
echo "$LAUNCHER_DRIVER" >/www/driver
cat /sys/fs/cgroup/memory/memory.limit_in_bytes /sys/fs/cgroup/memory.max >/www/limit 2>/dev/null
{ echo 1 >/proc/sys/net/ipv4/ip_forward && echo forwards; } >/www/forward 2>&1
{ echo 1 >/proc/sys/vm/overcommit_memory && echo writable; } >/www/sysctl 2>&1
mkdir -p /data/lower /data/upper /data/work /data/merged
{ mount -t overlay overlay -o lowerdir=/data/lower,upperdir=/data/upper,workdir=/data/work /data/merged && echo overlay; } >/www/overlay 2>&1
mkdir -p /sys/fs/cgroup/pids/pod /sys/fs/cgroup/pod 2>/dev/null && echo grouped >/www/group
[ -e /data/kept ] && echo kept >/www/kept
echo >/data/kept
httpd -p 80 -h /www
echo '{"event": "ready"}' >/run/launcher/events
while :; do sleep 1000 & wait $!; done
EOF
  chmod +x "$root/sbin/init"
  echo secret >"$scratch/config/pki/ca.key"
  mksquashfs "$root" "$scratch/iso/root.squashfs" -quiet -no-progress >/dev/null
  xorriso -as mkisofs -quiet -R -J -o "$scratch/launcher.iso" "$scratch/iso" 2>/dev/null
  xorriso -as mkisofs -quiet -R -J -V LAUNCHERCFG -o "$scratch/config.iso" "$scratch/config" 2>/dev/null
  cat >"$spec" <<EOF
{"profile": "$profile", "uuid": "0a1b2c3d-0000-4000-8000-00000000$((RANDOM % 9000 + 1000))", "directory": "$scratch/a machine, with:signs",
 "cpus": 1, "memoryMiB": 256, "image": "$scratch/launcher.iso", "config": "$scratch/config.iso", "address": "$address", "ports": [[8080, 80]]}
EOF
}

verb() {
  "$drive" container "$spec" "$@"
}

state_is() {
  local state
  state=$(verb state)
  [[ $state == "$1" ]] || { echo "state is $state"; return 1; }
}

# served FILE TEXT [PORT]
served() {
  local text
  text=$(curl -sS --max-time 5 --retry 3 --retry-delay 1 --retry-all-errors --noproxy '*' "http://$address:${3:-8080}/$1")
  [[ $text == "$2" ]] || { echo "got: $text"; return 1; }
}

refused() {
  ! curl -s --max-time 2 --noproxy '*' "http://$address:$1/" >/dev/null
}

exits() {
  local wanted=$1 status
  shift
  "$@"
  status=$?
  [[ $status == "$wanted" ]] || { echo "exit code $status"; return 1; }
}

# What a machine could leave on the host. Pids and counters are not part of it.
traces() {
  cut -d' ' -f5- /proc/self/mountinfo | sort
  ls -d /sys/fs/cgroup/{,*/}launcher/*"$profile"* 2>/dev/null
  ls /sys/class/net
  losetup -ln -O BACK-FILE | grep -F "$scratch"
  pgrep -fa "slirp4netns|machine-holder" | grep -v defunct | grep -F "$scratch"
  cat /proc/sys/net/ipv4/ip_forward
  nft list ruleset 2>/dev/null
}

# A mount namespace's end frees the loop device a moment later.
no_trace() {
  local try
  for ((try = 0; try < 50; try++)); do
    traces >"$scratch/after"
    cmp -s "$scratch/before" "$scratch/after" && return 0
    sleep 0.1
  done
  diff "$scratch/before" "$scratch/after"
}

events_come() {
  timeout 5 "$drive" container "$spec" events >"$scratch/events"
  grep -q '"init"' "$scratch/events" && grep -q '"ready"' "$scratch/events"
}

kill_holder() {
  kill -9 "$(pgrep -f "machine-holder $scratch/")"
  sleep 0.3
}

make_image
traces >"$scratch/before"
check "nothing is there" state_is Nonexistent
check "start needs create" exits 85 verb start
check "create" verb create
check "create again" verb create
check "stopped" state_is Stopped
check "a port needs a running machine" exits 83 verb forward 81 80
check "start" verb start
check "running" state_is Running
check "events from before the reader came" events_come
check "the port is served" served hostname "$profile"
check "the config drive is there" served key secret
check "init knows the driver" served driver container
check "the memory limit holds" served limit 268435456
check "network settings are the machine's own" served forward forwards
check "overlay mounts inside" served overlay overlay
check "control groups inside" served group grouped
check "the host's sysctls are out of reach" bash -c "! curl -s --noproxy '*' http://$address:8080/sysctl | grep -q writable"
check "start again" verb start
check "one more port" verb forward 8081 80
check "one more port, again" verb forward 8081 80
check "it is served" served hostname "$profile" 8081
check "not for another port of the machine" exits 51 verb forward 8081 81
check "closed" verb unforward 8081 80
check "closed again" verb unforward 8081 80
check "nobody serves it" refused 8081
check "pause" verb pause
check "paused" state_is Paused
check "pause again" verb pause
check "resume" verb resume
check "runs on" served hostname "$profile"
check "pause before a stop" verb pause
check "stop" verb stop
check "stopped" state_is Stopped
check "stop again" verb stop
check "a stop leaves no trace" no_trace
busybox httpd -f -p "$address:8080" -h "$scratch" &
blocker=$!
sleep 0.2
check "a taken port is a conflict" exits 51 verb start
kill $blocker
wait $blocker 2>/dev/null
check "a conflict leaves no trace" no_trace
check "start" verb start
check "data outlived the stop" served kept kept
check "the holder is killed" kill_holder
check "that is seen" state_is Error
check "start mends it" verb start
check "it serves again" served hostname "$profile"
check "the holder is killed" kill_holder
check "delete" verb delete
check "delete again" verb delete
check "nothing is there" state_is Nonexistent
check "a delete leaves no trace" no_trace
check "the folder is gone" test ! -e "$scratch/a machine, with:signs"
if [[ -n ${LAUNCHER_ISO:-} ]]; then
  sed -i "s|\"image\": \"[^\"]*\"|\"image\": \"$LAUNCHER_ISO\"|" "$spec"
  echo '{"profile": "demo", "nodeName": "demo"}' >"$scratch/config/cluster.json"
  xorriso -as mkisofs -quiet -R -J -V LAUNCHERCFG -o "$scratch/config.iso" "$scratch/config" 2>/dev/null
  check "the boot image is created" verb create
  check "the boot image starts" verb start
  timeout 5 "$drive" container "$spec" events >"$scratch/events"
  check "its network is up" grep -q '"network"' "$scratch/events"
  check "it stops in order" verb stop
  check "delete" verb delete
  check "a delete leaves no trace" no_trace
fi
finish
