# shellcheck shell=dash
# The kernel's file systems and /run.

mount_run() {
  [ "$LAUNCHER_DRIVER" = vm ] && mount -t tmpfs -o nosuid,nodev,mode=0755 tmpfs /run
  mkdir -p /run/launcher/config /run/lock /run/netns
}

mount_kernel_file_systems() {
  if [ "$LAUNCHER_DRIVER" = vm ]; then
    mkdir -p /dev/pts /dev/shm /dev/mqueue
    mount -t devpts -o nosuid,noexec,gid=5,mode=0620,ptmxmode=0666 devpts /dev/pts
    mount -t tmpfs -o nosuid,nodev,mode=1777 tmpfs /dev/shm
    mount -t mqueue -o nosuid,nodev,noexec mqueue /dev/mqueue
    mount -t cgroup2 -o nosuid,nodev,noexec,nsdelegate cgroup2 /sys/fs/cgroup
    echo '+cpuset +cpu +io +memory +hugetlb +pids' >/sys/fs/cgroup/cgroup.subtree_control
    mount -t bpf -o nosuid,nodev,noexec,mode=0700 bpf /sys/fs/bpf
    ln -s /proc/self/fd /dev/fd
    ln -s fd/0 /dev/stdin
    ln -s fd/1 /dev/stdout
    ln -s fd/2 /dev/stderr
  fi
  # Pods may ask for their mounts to be seen by others (mountPropagation).
  mount --make-rshared /
}

# Names the virtio ports as udev would, and the one for events as guest.md says.
find_events_port() {
  local name port try
  [ "$LAUNCHER_DRIVER" = vm ] || return 0
  mkdir -p /dev/virtio-ports
  try=0
  while [ $((try += 1)) -le 25 ]; do
    for name in /sys/class/virtio-ports/*/name; do
      [ -r "$name" ] || continue
      read -r port <"$name"
      name=${name%/name}
      ln -sf "/dev/${name##*/}" "/dev/virtio-ports/$port"
    done
    [ -e /dev/virtio-ports/org.launcher.events.0 ] && break
    # The ports are announced one by one after the device; without the device there is nothing to wait for.
    set -- /sys/bus/virtio/drivers/virtio_console/virtio*
    [ -e "$1" ] || break
    usleep 20000
  done
  [ -e /dev/virtio-ports/org.launcher.events.0 ] && ln -s /dev/virtio-ports/org.launcher.events.0 /run/launcher/events
}
