# shellcheck shell=dash
# The config drive: what the host decided for this machine.

drive=/run/launcher/config

# Copies the drive to /etc/launcher, which is in memory, and lets go of it.
fetch_config() {
  local device
  if ! device=$(disk_by_serial config); then
    failed "no disk has the serial 'config'"
  elif ! modprobe isofs || ! mount -t iso9660 -o ro "$device" "$drive"; then
    failed 'the config drive cannot be mounted'
  else
    copy_config
    umount "$drive"
  fi
}

use_config_directory() {
  copy_config
}

copy_config() {
  (
    umask 077
    cp -R "$drive"/. /etc/launcher/
    chmod -R u+rwX,go= /etc/launcher
  )
  chmod 755 /etc/launcher
  if [ -r /etc/launcher/cluster.json ]; then
    chmod 644 /etc/launcher/cluster.json
  else
    failed 'the config drive has no cluster.json'
  fi
}

node_name() {
  sed -n 's/.*"nodeName"[[:space:]]*:[[:space:]]*"\([A-Za-z0-9.-]*\)".*/\1/p' /etc/launcher/cluster.json 2>/dev/null | head -n 1
}

# Host name, keys, machine identity: everything that needs both the drive and the data disk.
apply_config() {
  local name
  name=$(node_name)
  name=${name:-launcher}
  hostname "$name" 2>/dev/null
  echo "$name" >/etc/hostname
  printf '127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost\n%s\t%s\n10.0.2.2\thost.launcher.internal host.minikube.internal\n' \
    "$(own_address)" "$name" >/etc/hosts

  mkdir -p /home/docker
  authorize_keys /root root
  authorize_keys /home/docker docker

  # As systemd has it: one identity for the life of the data disk.
  [ -s /var/lib/launcher/machine-id ] || tr -d - </proc/sys/kernel/random/uuid >/var/lib/launcher/machine-id
  cp /var/lib/launcher/machine-id /etc/machine-id
}

# The drive's key is the only one: it replaces whatever an earlier start left.
authorize_keys() {
  [ -r /etc/launcher/ssh/authorized_keys ] || return 0
  mkdir -p "$1/.ssh"
  cp /etc/launcher/ssh/authorized_keys "$1/.ssh/authorized_keys"
  chown "$2:$2" "$1" "$1/.ssh" "$1/.ssh/authorized_keys"
  chmod 700 "$1" "$1/.ssh"
  chmod 600 "$1/.ssh/authorized_keys"
}
