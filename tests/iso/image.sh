#!/bin/bash
# The image as it is published: digest, signature, manifest, size, and the partition that the machine mounts.
# shellcheck source=tests/iso/tap.sh
source "$(dirname "$0")/tap.sh"
need_image
need_programs jq openssl xorriso
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

digest_matches() {
  (cd "$iso_dir" && sha256sum --check --strict --quiet launcher.iso.sha256)
}

# Over the 32 bytes of the digest, not over its hexadecimal text.
signature_verifies() {
  local key
  tr -d '\n' <"$iso_dir/launcher.iso.sha256" | cut -c1-64 | tr a-f A-F | tr -d '\n' | basenc --base16 --decode >"$scratch/digest"
  [[ $(stat -c %s "$scratch/digest") == 32 && $(stat -c %s "$iso_dir/launcher.iso.sig") == 64 ]] || return 1
  for key in "$iso_dir"/keys/*.pub; do
    openssl pkeyutl -verify -rawin -pubin -inkey "$key" -sigfile "$iso_dir/launcher.iso.sig" -in "$scratch/digest" && return 0
  done
  return 1
}

another_digest_does_not_verify() {
  printf x | dd of="$scratch/digest" bs=1 seek=7 conv=notrunc status=none
  ! openssl pkeyutl -verify -rawin -pubin -inkey "$(printf '%s\n' "$iso_dir"/keys/*.pub | head -n 1)" \
    -sigfile "$iso_dir/launcher.iso.sig" -in "$scratch/digest"
}

manifest() {
  jq -r "$@" "$scratch/iso/manifest.json"
}

file_matches() {
  local path=$1
  [[ $(manifest --arg path "$path" '.files[$path].sha256') == "$(sha256sum "$scratch/iso/$path" | cut -d' ' -f1)" ]] &&
    [[ $(manifest --arg path "$path" '.files[$path].size') == "$(stat -c %s "$scratch/iso/$path")" ]]
}

every_file_is_in_the_manifest() {
  diff <(cd "$scratch/iso" && find . -type f ! -name manifest.json -printf '%P\n' | sort) <(manifest '.files | keys[]')
}

kernel_is_the_manifests() {
  grep -qaF "$(manifest .kernel) " "$scratch/iso/boot/vmlinuz"
}

partition_is_the_root() {
  local sector length
  sector=$(od -A n -t u4 -j 454 -N 4 "$iso_dir/launcher.iso" | tr -d ' ')
  length=$(stat -c %s "$scratch/iso/root.squashfs")
  cmp --ignore-initial=$((sector * 512)):0 --bytes="$length" "$iso_dir/launcher.iso" "$scratch/iso/root.squashfs"
}

archive_has_its_image() {
  local archive=$1 config id
  config=$(tar -xOf "$archive" manifest.json | jq -r '.[0].Config')
  id=$(tar -xOf "$archive" "$config" | sha256sum | cut -d' ' -f1)
  [[ $config == "blobs/sha256/$id" ]] && manifest --arg id "sha256:$id" -e 'any(.images[]; .id == $id)' >/dev/null
}

check "the digest matches" digest_matches
check "the signature verifies" signature_verifies
check "the signature does not verify another digest" another_digest_does_not_verify
check "the ISO can be unpacked" xorriso -osirrox on -indev "$iso_dir/launcher.iso" -extract / "$scratch/iso"
check "every file is in the manifest" every_file_is_in_the_manifest
for path in boot/vmlinuz boot/initrd.img root.squashfs; do
  check "$path is what the manifest says" file_matches "$path"
done
check "the kernel is what the manifest says" kernel_is_the_manifests
check "the first partition is root.squashfs" partition_is_the_root
for archive in "$iso_dir"/images/*.tar; do
  check "$(basename "$archive") is an image of the manifest" archive_has_its_image "$archive"
done
check "it is at most 100 MB" test "$(stat -c %s "$iso_dir/launcher.iso")" -le 100000000
finish
