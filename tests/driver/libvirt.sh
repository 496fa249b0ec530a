#!/bin/bash
# The libvirt driver boots the image LAUNCHER_ISO under a libvirtd of its own, in a mount namespace where nothing is the
# host's: start, events, ports, pause, an orderly stop, a cut, delete.
# shellcheck source=tests/iso/tap.sh
source "${G_TEST_SRCDIR:-$(dirname "$0")/../..}/tests/iso/tap.sh"
drive=${G_TEST_BUILDDIR:-.}/tests/driver/drive
[[ -n ${LAUNCHER_ISO:-} ]] || skip_all "boots a machine: set LAUNCHER_ISO to a boot image"
[[ $EUID == 0 ]] || skip_all "needs root, to keep the host's libvirt out of it"
need_programs libvirtd virtlogd virsh qemu-system-x86_64 qemu-img xorriso curl

if [[ ${DRIVER_TEST_INSIDE:-} != 1 ]]; then
  DRIVER_TEST_INSIDE=1 exec unshare --mount --propagation private "$0"
fi
for folder in /run /var/lib/libvirt /var/cache/libvirt /var/log/libvirt /etc/libvirt/qemu; do
  mount -t tmpfs tmpfs "$folder" || skip_all "cannot mount over $folder"
done

scratch=$(mktemp -d)
address=127.77.$((200 + RANDOM % 50)).$((1 + RANDOM % 250))
profile=vm$$
spec=$scratch/spec.json
unset LIBVIRT_DEFAULT_URI

cleanup() {
  local daemon
  "$drive" libvirt "$spec" delete >/dev/null 2>&1
  for daemon in libvirtd virtlogd; do
    [[ ! -f /run/$daemon.pid ]] || kill "$(cat "/run/$daemon.pid")"
  done
  rm -rf "$scratch"
}
trap cleanup EXIT

write_spec() {
  cat >"$spec" <<EOF
{"profile": "$profile", "uuid": "0a1b2c3d-0000-4000-8000-000000001234", "directory": "$scratch/a machine", "cpus": 2, "memoryMiB": $1,
 "diskMiB": $2, "image": "$LAUNCHER_ISO", "kernel": "$scratch/boot/vmlinuz", "initrd": "$scratch/boot/initrd.img",
 "config": "$scratch/config.iso", "address": "$address", "ports": [[2222, 22]]}
EOF
}

verb() {
  "$drive" libvirt "$spec" "$@"
}

state_is() {
  local state
  state=$(verb state)
  [[ $state == "$1" ]] || { echo "state is $state"; return 1; }
}

exits() {
  local wanted=$1 status
  shift
  "$@"
  status=$?
  [[ $status == "$wanted" ]] || { echo "exit code $status"; return 1; }
}

# event_comes NAME: within two minutes.
event_comes() {
  local try
  for ((try = 0; try < 1200; try++)); do
    grep -q "\"event\": \"$1\"" "$scratch/events" && return 0
    sleep 0.1
  done
  cat "$scratch/events"
  return 1
}

# ssh_answers PORT: the guest's SSH server says who it is.
ssh_answers() {
  local try line
  for ((try = 0; try < 100; try++)); do
    if exec {connection}<>"/dev/tcp/$address/$1"; then
      read -r -t 5 line <&"$connection"
      exec {connection}>&-
      [[ $line == SSH-2.0-* ]] && return 0
    fi 2>/dev/null
    sleep 0.1
  done
  return 1
}

read_events() {
  : >"$scratch/events"
  "$drive" libvirt "$spec" events >"$scratch/events" &
}

mkdir -p "$scratch/config/ssh" "$scratch/config/pki" "$scratch/boot"
echo "{\"profile\": \"$profile\", \"nodeName\": \"$profile\"}" >"$scratch/config/cluster.json"
xorriso -as mkisofs -quiet -R -J -V LAUNCHERCFG -o "$scratch/config.iso" "$scratch/config" 2>/dev/null
xorriso -osirrox on -indev "$LAUNCHER_ISO" -extract /boot "$scratch/boot" >/dev/null 2>&1
write_spec 512 2000
check "probe" verb probe
check "nothing is there" state_is Nonexistent
check "start needs create" exits 85 verb start
check "create" verb create
check "create again" verb create
check "stopped" state_is Stopped
check "a port needs a running machine" exits 83 verb forward 81 80
check "start" verb start
read_events
check "running" state_is Running
check "the root is mounted" event_comes init
check "the disk is mounted" event_comes disk
check "the network is up" event_comes network
check "SSH answers" ssh_answers 2222
check "start again" verb start
check "one more port" verb forward 2223 22
check "one more port, again" verb forward 2223 22
check "it is served" ssh_answers 2223
check "not for another port of the machine" exits 51 verb forward 2223 23
check "closed" verb unforward 2223 22
check "closed again" verb unforward 2223 22
check "pause" verb pause
check "paused" state_is Paused
check "resume" verb resume
check "running" state_is Running
check "stop in order" verb stop
check "the guest knew" event_comes stopping
check "its events ended" wait %1
check "stopped" state_is Stopped
check "no smaller disk" bash -c "$(declare -f write_spec); $(declare -p scratch address profile spec LAUNCHER_ISO); write_spec 512 1000; ! '$drive' libvirt '$spec' create"
write_spec 640 3000
check "more memory and a larger disk" verb create
check "they are defined" bash -c "virsh -c qemu:///system dominfo launcher-$profile | grep -q 'Max memory: *655360 KiB' &&
  qemu-img info '$scratch/a machine/data.qcow2' | grep -q '3145728000'"
busybox httpd -f -p "$address:2222" -h "$scratch/boot" &
blocker=$!
sleep 0.2
check "a taken port is a conflict" exits 51 verb start
check "and nothing runs" state_is Stopped
kill "$blocker"
wait "$blocker" 2>/dev/null
check "start" verb start
check "the power is cut" verb kill
check "stopped" state_is Stopped
virsh -c qemu:///system metadata "launcher-$profile" urn:launcher:machine:1 --remove --config >/dev/null
check "a domain without our mark is not driven" exits 51 verb start
check "nor deleted" bash -c "'$drive' libvirt '$spec' delete; virsh -c qemu:///system dominfo launcher-$profile >/dev/null"
virsh -c qemu:///system undefine "launcher-$profile" >/dev/null
check "create" verb create
check "start" verb start
check "delete a running machine" verb delete
check "delete again" verb delete
check "nothing is there" state_is Nonexistent
check "no domain is left" bash -c "[[ -z \$(virsh -c qemu:///system list --all --name) ]]"
check "no QEMU is left" bash -c "! pgrep -f 'guest=launcher-${profile}[,]'"
check "the folder is gone" test ! -e "$scratch/a machine"
finish
