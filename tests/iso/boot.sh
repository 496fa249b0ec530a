#!/bin/bash
# The image boots: events, SSH, what lasts over a stop, and what happens to data disks in every state.
# shellcheck source=tests/iso/tap.sh
source "$(dirname "$0")/tap.sh"
need_long
need_image
need_programs qemu-system-x86_64 qemu-img xorriso ssh ssh-keygen socat mke2fs debugfs
scratch=$(mktemp -d)
port=$((20000 + RANDOM % 10000))
machine=

cleanup() {
  [[ -z $machine ]] || kill "$machine" 2>/dev/null
  rm -rf "$scratch"
}
trap cleanup EXIT

make_config() {
  local tree=$scratch/config
  mkdir -p "$tree/ssh" "$tree/pki"
  ssh-keygen -q -t ed25519 -N '' -f "$scratch/id"
  ssh-keygen -q -t ed25519 -N '' -f "$scratch/host"
  cp "$scratch/id.pub" "$tree/ssh/authorized_keys"
  cp "$scratch/host" "$tree/ssh/host_ed25519"
  echo '{"profile": "seat7", "nodeName": "seat7"}' >"$tree/cluster.json"
  echo "[127.0.0.1]:$port $(cut -d' ' -f1,2 "$scratch/host.pub")" >"$scratch/known_hosts"
  xorriso -as mkisofs -quiet -V LAUNCHERCFG -J -r -o "$scratch/config.iso" "$tree" 2>/dev/null
}

# power_on DISK: returns at once.
power_on() {
  : >"$scratch/events"
  qemu-system-x86_64 -nodefaults -no-user-config -machine q35 -accel tcg,thread=multi,tb-size=128 -cpu Nehalem,+rdrand -smp 2 -m 512 \
    -display none -no-reboot -serial "file:$scratch/console" -monitor "unix:$scratch/monitor,server=on,wait=off" \
    -kernel "$scratch/iso/boot/vmlinuz" -initrd "$scratch/iso/boot/initrd.img" \
    -append "console=ttyS0 quiet mitigations=off random.trust_cpu=on tsc=reliable no_timer_check panic=-1 launcher.profile=seat7" \
    -drive "file=$iso_dir/launcher.iso,format=raw,if=none,id=boot,readonly=on" -device virtio-blk-pci,drive=boot,serial=boot \
    -drive "file=$scratch/config.iso,format=raw,if=none,id=config,readonly=on" -device virtio-blk-pci,drive=config,serial=config \
    -drive "file=$1,if=none,id=data,discard=unmap,format=${1##*.}" -device virtio-blk-pci,drive=data,serial=data \
    -device virtio-serial-pci -chardev "file,id=events,path=$scratch/events" -device virtserialport,chardev=events,name=org.launcher.events.0 \
    -netdev "user,id=net,hostfwd=tcp:127.0.0.1:$port-:22" -device virtio-net-pci,netdev=net &
  machine=$!
}

# event_comes NAME [MESSAGE]: within five minutes: a busy host emulates slowly.
event_comes() {
  local try
  for ((try = 0; try < 3000; try++)); do
    grep -q "\"event\": \"$1\".*\"message\": \"${2:-}" "$scratch/events" && return 0
    kill -0 "$machine" 2>/dev/null || break
    sleep 0.1
  done
  cat "$scratch/events" "$scratch/console"
  return 1
}

machine_ends() {
  local try
  for ((try = 0; try < 1800; try++)); do
    kill -0 "$machine" 2>/dev/null || { machine=; return 0; }
    sleep 0.1
  done
  return 1
}

cut_power() {
  kill -KILL "$machine"
  wait "$machine" 2>/dev/null
  machine=
}

# on USER COMMAND: dropbear starts a moment after the last event of init.
on() {
  local user=$1 try code
  shift
  for ((try = 0; try < 60; try++)); do
    ssh -q -p "$port" -i "$scratch/id" -o BatchMode=yes -o ConnectTimeout=5 -o UserKnownHostsFile="$scratch/known_hosts" \
      -o StrictHostKeyChecking=yes "$user@127.0.0.1" "$@"
    code=$?
    ((code == 255)) || return $code
    sleep 0.5
  done
  return 1
}

press_power_button() {
  echo system_powerdown | socat - "unix-connect:$scratch/monitor" >/dev/null
}

says() {
  local expected=$1 output
  shift
  output=$("$@")
  [[ $output == "$expected" ]] || { echo "said: $output"; return 1; }
}

make_config
xorriso -osirrox on -indev "$iso_dir/launcher.iso" -extract /boot "$scratch/iso/boot" 2>/dev/null
qemu-img create -q -f qcow2 "$scratch/data.qcow2" 2G

power_on "$scratch/data.qcow2"
check "the root is mounted" event_comes init
check "a blank disk is formatted" event_comes disk formatted
check "the network is up" event_comes network 10.0.2.15
check "docker logs in, the machine's key is the drive's" says docker on docker id -un
check "the host name is the node's" says seat7 on docker hostname
check "docker becomes root" says 0 on docker sudo id -u
check "root logs in" says 0 on root id -u
check "the keys of the drive are root's alone" says 700 on docker stat -c %a /etc/launcher/pki
check "the config drive is let go" says 0 on docker "grep -c iso9660 /proc/mounts"
check "cgroup controllers are on" says "cpuset cpu io memory hugetlb pids" on docker cat /sys/fs/cgroup/cgroup.subtree_control
check "forwarding is on" says 1 on docker cat /proc/sys/net/ipv4/ip_forward
check "a file is written" on docker "echo lasting >file; sudo sh -c 'echo mine >/etc/passing'; sync"
check "the power button is pressed" press_power_button
check "shutdown begins" event_comes stopping
check "the machine ends" machine_ends

qemu-img resize -q "$scratch/data.qcow2" 3G
power_on "$scratch/data.qcow2"
check "a larger disk is grown" event_comes disk grown
check "the file is there" says lasting on docker cat file
check "the root is as it was" says 1 on docker "test -e /etc/passing; echo \$?"
check "a file is written before the power is cut" on docker "echo synced >file2; sync"
cut_power

power_on "$scratch/data.qcow2"
check "the disk is checked after a power cut" event_comes disk checked
check "what was synced is there" says synced on docker cat file2
on root poweroff
check "poweroff ends the machine" machine_ends

truncate -s 1G "$scratch/foreign.raw"
mke2fs -q -t ext4 -L photos "$scratch/foreign.raw"
sha256sum "$scratch/foreign.raw" >"$scratch/foreign.sha256"
power_on "$scratch/foreign.raw"
check "somebody else's file system is refused" event_comes failed "the data disk holds something"
check "one can log in to look" says 0 on root id -u
cut_power
check "somebody else's file system is untouched" sha256sum --quiet --check "$scratch/foreign.sha256"

# A file system of ours that has lost its root folder is more than e2fsck dares to mend unasked.
truncate -s 1G "$scratch/damaged.raw"
mke2fs -q -t ext4 -L launcher-data "$scratch/damaged.raw"
debugfs -w -R 'clri <2>' "$scratch/damaged.raw" 2>/dev/null
debugfs -w -R 'ssv state 2' "$scratch/damaged.raw" 2>/dev/null
power_on "$scratch/damaged.raw"
check "a damaged file system is left to people" event_comes failed "the data disk is damaged"
check "clusterd is not started on it" says 1 on docker "pidof clusterd >/dev/null; echo \$?"
cut_power

truncate -s 1G "$scratch/half.raw"
head -c 2000000 /dev/urandom | dd of="$scratch/half.raw" bs=4096 seek=100 conv=notrunc status=none
echo 'launcher: formatting this disk' | dd of="$scratch/half.raw" bs=4096 seek=$((262144 - 1)) conv=notrunc,sync status=none
power_on "$scratch/half.raw"
check "a disk whose formatting was interrupted is formatted" event_comes disk formatted
cut_power
finish
