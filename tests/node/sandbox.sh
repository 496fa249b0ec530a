#!/bin/sh
# sandbox.sh COMMAND [ARG...]: runs COMMAND as root where it can do nothing to this machine: in fresh mount, network,
# process, IPC and UTS namespaces, with an empty /run, a scratch /var/lib/launcher, and /sys/fs/cgroup holding the v1
# controllers only (crun refuses a hybrid of v1 and v2) or, on a machine with cgroup v2, cgroup v2 as it is.
# Exits with 77 and a reason when it cannot.
set -e

if [ "$1" != --inside ]; then
  [ "$(id -u)" = 0 ] || { echo "sandbox.sh: needs root"; exit 77; }
  unshare --mount --net --pid --ipc --uts true 2>/dev/null || { echo "sandbox.sh: cannot make namespaces"; exit 77; }
  scratch=$(mktemp -d "${TMPDIR:-/tmp}/sandbox.XXXXXX")
  status=0
  unshare --mount --net --pid --fork --kill-child --ipc --uts --propagation private \
    "$0" --inside "$scratch" "$@" || status=$?
  rm -rf "$scratch"
  # control groups live in the kernel, not in a namespace: take away the empty ones this run made
  find /sys/fs/cgroup/*/"$(basename "$scratch")" -depth -type d -exec rmdir {} + 2>/dev/null || true
  exit "$status"
fi

# Everything below runs in control groups of its own, and sees them as the roots.
if [ "$1" = --inside ] && [ "$SANDBOX_GROUPS" != made ]; then
  for controller in /sys/fs/cgroup/*/cgroup.procs; do
    group=$(dirname "$controller")/$(basename "$2")
    mkdir "$group" 2>/dev/null || continue
    for file in cpuset.cpus cpuset.mems; do
      [ ! -f "$group/$file" ] || cat "$group/../$file" >"$group/$file"
    done
    echo $$ >"$group/cgroup.procs" 2>/dev/null || true
  done
  SANDBOX_GROUPS=made exec unshare --cgroup "$0" "$@"
fi

scratch=$2
shift 2
mount -t proc -o nosuid,nodev,noexec proc /proc
mount -t tmpfs -o mode=755 tmpfs /run
mkdir -p /var/lib/launcher "$scratch/lib" "$scratch/docker" "$scratch/log"
mount --bind "$scratch/lib" /var/lib/launcher
mount --bind "$scratch/log" /var/log
# sysfs shows the network namespace it was mounted in; a new one hides the cgroups below it
mount -t sysfs -o nosuid,nodev,noexec sysfs /sys
if [ -f /proc/cgroups ] && awk '$2 != 0 && !/^#/ { found = 1 } END { exit !found }' /proc/cgroups; then
  mount -t tmpfs -o mode=755 tmpfs /sys/fs/cgroup
  for controller in cpu cpuacct cpuset memory devices freezer blkio pids; do
    mkdir "/sys/fs/cgroup/$controller"
    mount -t cgroup -o "$controller" cgroup "/sys/fs/cgroup/$controller" 2>/dev/null ||
      rmdir "/sys/fs/cgroup/$controller"
  done
  mkdir /sys/fs/cgroup/systemd
  mount -t cgroup -o none,name=systemd cgroup /sys/fs/cgroup/systemd
else
  mount -t cgroup2 cgroup2 /sys/fs/cgroup
fi
ip link set lo up
status=0
"$@" || status=$?
exit "$status"
