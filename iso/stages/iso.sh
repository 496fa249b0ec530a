# shellcheck shell=bash disable=SC2154
# The image itself: manifest, ISO 9660, partition entry, digest and signature.

# {path: {sha256, size}} of the files named, relative to DIRECTORY.
describe_files() {
  local directory=$1 path
  shift
  for path in "$@"; do
    jq -n --arg path "$path" --arg sha256 "$(sha256sum "$directory/$path" | cut -d' ' -f1)" \
      --argjson size "$(stat -c %s "$directory/$path")" '{($path): {sha256: $sha256, size: $size}}'
  done | jq -s add
}

write_manifest() {
  local tree=$1 name
  sort -u "$work"/*.packages | while read -r name; do
    jq -n --arg name "$name" --arg version "${package_version[$name]}" '{($name): $version}'
  done | jq -s add >"$work/packages.json"
  jq -n --sort-keys --arg version "$version" --arg kernel "$(<"$work/boot/release")" \
    --argjson files "$(describe_files "$tree" boot/vmlinuz boot/initrd.img root.squashfs)" \
    --slurpfile images "$work/images.json" --slurpfile packages "$work/packages.json" \
    '{format: 1, version: $version, kubernetesVersion: "v1.32.0", kernel: $kernel, files: $files,
      images: $images[0], packages: $packages[0]}' >"$tree/manifest.json"
}

# Little-endian 32 bits, as printf escapes.
le32() {
  printf '\\x%02x\\x%02x\\x%02x\\x%02x' $(($1 & 255)) $(($1 >> 8 & 255)) $(($1 >> 16 & 255)) $(($1 >> 24 & 255))
}

# Describes root.squashfs, where it lies in the ISO, as the disk's first partition, in the boot record the ISO leaves empty: the
# machine mounts the partition instead of looping a file.
write_partition() {
  local iso=$1 start size
  start=$(xorriso -indev "$iso" -find /root.squashfs -exec report_lba -- 2>/dev/null |
    sed -n 's/^File data lba: *[0-9]* *, *\([0-9]*\) *,.*/\1/p')
  [[ $start =~ ^[0-9]+$ ]] || die "cannot tell where root.squashfs lies in $iso"
  size=$((($(stat -c %s "$work/iso/root.squashfs") + 2047) / 2048))
  printf "%b" "\\x00\\xfe\\xff\\xff\\x83\\xfe\\xff\\xff$(le32 $((start * 4)))$(le32 $((size * 4)))" |
    dd of="$iso" bs=1 seek=446 conv=notrunc status=none
  printf '\x55\xaa' | dd of="$iso" bs=1 seek=510 conv=notrunc status=none
}

build_iso() {
  local tree=$work/iso
  rm -rf "$tree" "$output/launcher.iso" "$output/launcher.iso.sha256" "$output/launcher.iso.sig"
  mkdir -p "$tree/boot"
  cp "$work/boot/vmlinuz" "$work/boot/initrd.img" "$tree/boot"
  ln "$work/root.squashfs" "$tree/root.squashfs"
  write_manifest "$tree"
  chmod 644 "$tree/manifest.json" "$tree"/boot/*
  settle_times "$tree"
  # xorriso takes all its dates and the volume's identifier from SOURCE_DATE_EPOCH.
  xorriso -as mkisofs -quiet -V LAUNCHER -r -o "$output/launcher.iso.new" "$tree" 2>"$work/xorriso.log" ||
    die "$(<"$work/xorriso.log")"
  write_partition "$output/launcher.iso.new"
  (cd "$output" && sha256sum launcher.iso.new | sed 's/\.new$//' >launcher.iso.sha256)
  mkdir -p "$output/images"
  cp "$work"/images/*.tar "$output/images"
  mv "$output/launcher.iso.new" "$output/launcher.iso"
}

# Without a key of one's own, a development key is made once; only its public half ever leaves the output folder.
prepare_sign_key() {
  mkdir -p "$output/keys"
  if [[ -z $sign_key ]]; then
    sign_key=$output/keys/dev.key
    [[ -f $sign_key ]] || (umask 077 && openssl genpkey -algorithm ed25519 -out "$sign_key")
  fi
  [[ -f $sign_key ]] || die "there is no signing key '$sign_key'"
}

sign_iso() {
  local name
  name=$(basename "$sign_key")
  cut -d" " -f1 "$output/launcher.iso.sha256" | tr a-f A-F | tr -d "\n" | basenc --base16 --decode >"$work/digest"
  openssl pkey -in "$sign_key" -pubout -out "$output/keys/${name%.*}.pub"
  openssl pkeyutl -sign -rawin -inkey "$sign_key" -in "$work/digest" -out "$output/launcher.iso.sig.new"
  mv "$output/launcher.iso.sig.new" "$output/launcher.iso.sig"
}
