# shellcheck shell=bash disable=SC2154
# The kernel (work/boot/vmlinuz, its release in work/boot/release) and the modules of modules.list with what they depend on
# (work/modules).

# The words of a list file without its comments.
words_of() {
  sed 's/#.*//' "$1" | tr -s ' \t' '\n' | sed '/^$/d'
}

# Prints the path of a module and those of what it depends on, those to be loaded first first.
module_with_dependencies() {
  local index=$1 module=$2
  awk -v want="${module//-/_}" -F': *' '{
    name = $1; sub(/.*\//, "", name); sub(/\.ko$/, "", name); gsub(/-/, "_", name)
    if (name != want) next
    n = split($2, path, " ")
    for (i = n; i >= 1; i--) print path[i]
    print $1; found = 1; exit
  } END { exit !found }' "$index" || die "the kernel has no module $module"
}

build_kernel() {
  local package kernel release module path
  package=$(awk '$1 ~ /^linux-image-/ {print $1}' "$lock")
  kernel=${package_directory[$package]}
  release=${package#linux-image-}
  mkdir -p "$work/boot"
  depmod -b "$kernel" -F "$kernel/boot/System.map-$release" "$release"
  rm -rf "$work/modules"
  mkdir -p "$work/modules/lib/modules/$release"
  cp "$kernel/lib/modules/$release"/modules.{builtin,builtin.modinfo,order} "$work/modules/lib/modules/$release"
  words_of "$here/modules.list" | while read -r module; do
    module_with_dependencies "$kernel/lib/modules/$release/modules.dep" "$module"
  done | sort -u | while read -r path; do
    install -D -m 644 "$kernel/lib/modules/$release/$path" "$work/modules/lib/modules/$release/$path"
  done
  depmod -b "$work/modules" -F "$kernel/boot/System.map-$release" "$release"
  printf '%s\n' "$package" >"$work/modules.packages"
  printf '%s\n' "$release" >"$work/boot/release"
  cp "$kernel/boot/vmlinuz-$release" "$work/boot/vmlinuz"
}
