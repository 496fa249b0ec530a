#!/bin/bash
# Two builds from the same inputs, in different places, give the same bytes; a third run over the first does nothing.
# shellcheck source=tests/iso/tap.sh
source "$(dirname "$0")/tap.sh"
need_long
need_programs apt-get jq mksquashfs xorriso depmod
clusterd=${G_TEST_BUILDDIR:-$source_dir}/src/clusterd/clusterd
[[ -x $clusterd ]] || clusterd=$(type -P busybox)
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

build() {
  # The fastest compression: what is compared is the recipe.
  "$source_dir/iso/build" --clusterd "$clusterd" --output "$scratch/$1" --work "$scratch/work-$1" --sign-key "$scratch/key.pem" \
    --version 1 --zstd-level 1
}

# Packages come from the mirror once.
share_downloads() {
  mkdir -p "$scratch/work-second/debs" && ln "$scratch"/work-first/debs/* "$scratch/work-second/debs"
}

nothing_is_built() {
  local output
  output=$(build first) && [[ $(grep -c ': unchanged$' <<<"$output") == 7 ]] || { echo "$output"; return 1; }
}

openssl genpkey -algorithm ed25519 -out "$scratch/key.pem"
check "it builds" build first
check "it builds elsewhere" eval 'share_downloads && build second'
for file in launcher.iso launcher.iso.sha256 launcher.iso.sig keys/key.pub images/busybox.tar images/nginx.tar; do
  check "$file is the same" cmp "$scratch/first/$file" "$scratch/second/$file"
done
check "a run with the same inputs builds nothing" nothing_is_built
finish
