# shellcheck shell=bash disable=SC2154
# The root file system: files of packages.list, modules, iso/rootfs/, clusterd and the preloaded images, in one squashfs.

take_listed_files() {
  local tree=$1 package files
  while read -r package files; do
    [[ -n $files ]] || continue
    set -f # the patterns are for take
    # shellcheck disable=SC2086 # one word per pattern
    set -- $files
    set +f
    take "$tree" "$package" "$@"
  done < <(sed 's/#.*//' "$here/packages.list" | awk 'NF')
}

# The names under which multi-call programs are known.
link_names() {
  local tree=$1 name
  for name in iptables iptables-save iptables-restore ip6tables ip6tables-save ip6tables-restore; do
    ln -s xtables-nft-multi "$tree/usr/sbin/$name"
  done
  for name in modprobe insmod rmmod lsmod modinfo depmod; do
    ln -s ../bin/kmod "$tree/usr/sbin/$name"
  done
  for name in mkfs.ext4 mkfs.ext3 mkfs.ext2; do
    ln -s mke2fs "$tree/usr/sbin/$name"
  done
  ln -s e2fsck "$tree/usr/sbin/fsck.ext4"
  ln -s tini-static "$tree/usr/bin/docker-init"
  ln -s crun "$tree/usr/bin/runc" # dockerd asks for a runc; crun has the same command line
  ln -s openssh/sftp-server "$tree/usr/lib/sftp-server"
}

make_skeleton() {
  local tree=$1
  mkdir -p "$tree"/{dev,proc,sys,run,data,home,root,mnt,opt,srv,tmp,etc/launcher,var/{cache,empty,lib,log,spool,tmp}}
  ln -s /run "$tree/var/run"
  ln -s /run/lock "$tree/var/lock"
  ln -s /proc/self/mounts "$tree/etc/mtab"
  chmod 1777 "$tree/tmp" "$tree/var/tmp"
  chmod 700 "$tree/root"
}

write_os_release() {
  cat >"$1/etc/os-release" <<END
NAME="launcher"
ID=launcher
ID_LIKE=debian
VERSION="$version"
VERSION_ID="$version"
PRETTY_NAME="launcher $version (Debian 12 packages)"
END
}

# The store of images that clusterd reads below its own (docs/internals/guest.md), made by clusterd itself.
install_images() {
  local tree=$1 store=$1/usr/share/launcher/images
  mkdir -p "$tree/usr/share/launcher" "$work/empty"
  "$clusterd" image --store "$store" --below "$work/empty" load "$work"/images/*.tar >"$work/image-load.log" 2>&1 ||
    die "clusterd cannot load the images: $(<"$work/image-load.log")"
  [[ -s $store/index.json ]] || die "clusterd made no image store: $(<"$work/image-load.log")"
  chmod 644 "$store/lock"
}

build_rootfs() {
  local tree=$work/root
  chmod -R u+w "$tree" 2>/dev/null || true
  make_tree "$tree"
  make_skeleton "$tree"
  take_listed_files "$tree"
  strip --strip-unneeded -o "$tree/usr/bin/clusterd" "$clusterd"
  strip --strip-unneeded -o "$tree/usr/bin/clusterd-pause" "$clusterd-pause" # of which dockerd's pods are made
  chmod 755 "$tree/usr/bin/clusterd" "$tree/usr/bin/clusterd-pause"
  take_libraries "$tree"
  link_names "$tree"
  take_certificates "$tree"
  rm -rf "$tree/usr/share/ca-certificates"
  cp -r "$here/rootfs/." "$tree"
  cp "$here/images/base/usr/bin/wget" "$tree/usr/bin/wget"
  cp -r "$work/modules/lib/modules" "$tree/usr/lib/modules"
  link_busybox "$tree" /bin/busybox
  write_os_release "$tree"
  chmod -R go-w "$tree"
  chmod 1777 "$tree/tmp" "$tree/var/tmp"
  chmod 4755 "$tree/usr/bin/sudo"
  chmod 440 "$tree/etc/sudoers"
  chmod 640 "$tree/etc/shadow"
  install_images "$tree"
  cp "$tree.packages" "$work/rootfs.packages"
  rm -f "$work/root.squashfs.new"
  env -u SOURCE_DATE_EPOCH mksquashfs "$tree" "$work/root.squashfs.new" -quiet -no-progress -noappend -no-xattrs -all-root \
    -reproducible -all-time "$SOURCE_DATE_EPOCH" -mkfs-time "$SOURCE_DATE_EPOCH" \
    -comp zstd -Xcompression-level "$zstd_level" -b 128K
  mv "$work/root.squashfs.new" "$work/root.squashfs"
}
