# shellcheck shell=bash disable=SC2154
# The initrd (work/boot/initrd.img): busybox, the modules of modules-initrd.list and iso/initrd/init, as a plain cpio archive:
# unpacking a compressed one costs more than reading a larger one.

build_initrd() {
  local tree=$work/initrd applet module path modules
  modules=$work/modules/lib/modules/$(<"$work/boot/release")
  rm -rf "$tree"
  mkdir -p "$tree"/{bin,dev,proc,sys,lower,upper,root,modules}
  cp -L --preserve=mode "${package_directory[busybox-static]}/bin/busybox" "$tree/bin/busybox"
  for applet in cat echo insmod mkdir mount sh switch_root; do
    ln -s busybox "$tree/bin/$applet"
  done
  words_of "$here/modules-initrd.list" | while read -r module; do
    module_with_dependencies "$modules/modules.dep" "$module"
  done | awk '!seen[$0]++' | while read -r path; do
    cp "$modules/$path" "$tree/modules"
    echo "${path##*/}"
  done >"$tree/modules/order"
  cp "$here/initrd/init" "$tree/init"
  chmod 755 "$tree/init"
  settle_times "$tree"
  (cd "$tree" && find . -mindepth 1 | sort |
    cpio --quiet --reproducible --create --format=newc --owner=0:0) >"$work/boot/initrd.img.new"
  mv "$work/boot/initrd.img.new" "$work/boot/initrd.img"
}
