# shellcheck shell=dash
# The data disk: found by its serial, formatted when it is blank, checked, grown, mounted, and bound to the folders that last.

kept_folders='var home root mnt opt srv tmp'
label=launcher-data
marker='launcher: formatting this disk'

# disk_by_serial NAME: prints the device.
disk_by_serial() {
  local serial name
  for serial in /sys/block/*/serial; do
    [ -r "$serial" ] || continue
    read -r name <"$serial" # fails, because no line end follows, but fills name
    [ "$name" = "$1" ] || continue
    serial=${serial%/serial}
    echo "/dev/${serial##*/}"
    return 0
  done
  return 1
}

disk_size() {
  local sectors
  read -r sectors <"/sys/block/${1##*/}/size"
  echo $((sectors * 512))
}

# read_number DEVICE OFFSET BYTES: a little-endian number.
read_number() {
  od -A n -t "u$3" -j "$2" -N "$3" "$1" | tr -d ' '
}

# The superblock begins at 1024: magic at +56, label at +120.
has_our_file_system() {
  [ "$(read_number "$1" 1080 2)" = 61267 ] && [ "$(dd if="$1" bs=1 skip=1144 count=16 2>/dev/null | tr -d '\000')" = "$label" ]
}

# Bytes that the file system spans: block count at +4, block size as a shift at +24.
file_system_size() {
  echo $(($(read_number "$1" 1028 4) * (1024 << $(read_number "$1" 1048 4))))
}

# Nothing but zeros where partition tables, file systems, volume managers and RAIDs leave their marks: the first 4 MiB and the
# last one.
is_blank() {
  local mib=$(($(disk_size "$1") / 1048576))
  [ "$({ dd if="$1" bs=1M count=4; dd if="$1" bs=1M skip=$((mib - 1)); } 2>/dev/null | tr -d '\000' | head -c 1 | wc -c)" -eq 0 ]
}

# While a disk is being formatted its last block says so: a power cut in the middle must not leave a disk that looks like
# somebody else's. Nothing can have been stored on it yet.
marker_block() {
  echo $(($(disk_size "$1") / 4096 - 1))
}

is_half_formatted() {
  [ "$(dd if="$1" bs=4096 skip="$(marker_block "$1")" count=1 2>/dev/null | head -c ${#marker})" = "$marker" ]
}

# By its full path: the shell would run busybox's own mke2fs, which knows no ext4.
format_disk() {
  local block
  block=$(marker_block "$1")
  echo "$marker" | dd of="$1" bs=4096 seek="$block" count=1 conv=sync,notrunc,fsync 2>/dev/null &&
    /sbin/mke2fs -q -F -t ext4 -b 4096 -L "$label" -m 0 -E lazy_itable_init=1,lazy_journal_init=1,nodiscard "$1" &&
    sync && dd if=/dev/zero of="$1" bs=4096 seek="$block" count=1 conv=notrunc,fsync 2>/dev/null
}

# Unmounted in order: valid (state at +58), and no journal to replay (features at +96). There is nothing for e2fsck to do then.
is_clean() {
  # shellcheck disable=SC2046 # two bytes a word
  set -- $(od -A n -t u2 -j 1082 -N 40 "$1")
  [ "$1" -eq 1 ] && [ $((${20} & 4)) -eq 0 ]
}

# Checks and mounts DEVICE on /data; sets disk_message. False: disk_message says why.
mount_data_disk() {
  local device="$1" output code
  if ! is_half_formatted "$device" && has_our_file_system "$device"; then
    code=0
    output=
    is_clean "$device" || { output=$(e2fsck -p "$device" 2>&1); code=$?; }
    if [ $code -ge 4 ]; then
      echo "$output" >/run/launcher/e2fsck.log
      disk_message='the data disk is damaged: repair it with e2fsck over SSH, or delete the profile'
      return 1
    fi
    disk_message=clean
    case $code$output in
      [12]* | *recover*) disk_message=checked ;;
    esac
  elif is_half_formatted "$device" || is_blank "$device"; then
    format_disk "$device" || { disk_message='the data disk cannot be formatted'; return 1; }
    disk_message=formatted
  else
    disk_message='the data disk holds something that launcher did not put there; it is left alone'
    return 1
  fi
  mount -t ext4 -o noatime,discard "$device" /data || { disk_message='the data disk cannot be mounted'; return 1; }
  # A group too small to be of use stays outside the file system, so a few MiB say nothing.
  if [ $(($(disk_size "$device") - $(file_system_size "$device"))) -ge 16777216 ]; then
    resize2fs "$device" >/run/launcher/resize2fs.log 2>&1 || { disk_message='the file system of the data disk cannot be grown'; return 1; }
    disk_message=grown
  fi
}

bring_up_data_disk() {
  local device disk_message
  if ! device=$(disk_by_serial data); then
    failed "no disk has the serial 'data'"
  elif ! mount_data_disk "$device"; then
    failed "$disk_message"
  else
    bind_kept_folders
    event disk "$disk_message"
  fi
}

use_data_directory() {
  bind_kept_folders
  event disk clean
}

# The image's own content of a folder is copied once; after that the disk's word counts.
bind_kept_folders() {
  local folder
  for folder in $kept_folders; do
    if [ ! -d "/data/$folder" ]; then
      rm -rf "/data/.$folder.new"
      cp -a "/$folder" "/data/.$folder.new"
      mv "/data/.$folder.new" "/data/$folder"
    fi
    mount --bind "/data/$folder" "/$folder"
  done
  mkdir -p /var/lib/launcher/manifests /var/log/launcher /var/log/pods /var/log/containers /etc/kubernetes
  ln -sfn /var/lib/launcher/manifests /etc/kubernetes/manifests # static pods: where everybody looks for them, and kept
}
