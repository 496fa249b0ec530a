#!/bin/bash
# Every script of the image, on the host's side and on the machine's, passes shellcheck.
# shellcheck source=tests/iso/tap.sh
source "$(dirname "$0")/tap.sh"
need_programs shellcheck

while read -r script; do
  check "$script" shellcheck --external-sources --source-path="$source_dir/iso/rootfs" --source-path="$source_dir" \
    --exclude=SC2015,SC2016,SC2317 "$source_dir/$script"
done < <(cd "$source_dir" && {
  grep -rlE '^#!/bin/(ba)?sh|^# shellcheck shell=' iso tests/iso
} | sort)
finish
