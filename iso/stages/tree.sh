# shellcheck shell=bash disable=SC2154 # work and the package tables: set by iso/build and packages.sh
# Trees of files made from packages. A tree TREE has a companion TREE.packages: the packages it took something from.

# An empty tree with the merged /usr.
make_tree() {
  local tree=$1
  rm -rf "$tree"
  mkdir -p "$tree"/usr/{bin,sbin,lib,lib64}
  ln -s usr/bin usr/sbin usr/lib usr/lib64 "$tree"
  : >"$tree.packages"
}

# take TREE PACKAGE PATTERN...: copies files and folders of a package to the same place in the tree; PLACE=FILE copies one elsewhere.
take() {
  local tree=$1 package=$2 pattern file found directory
  shift 2
  directory=${package_directory[$package]:?package $package is not in the lock}
  for pattern in "$@"; do
    if [[ $pattern == *=* ]]; then
      install -D --mode=755 "$directory${pattern#*=}" "$tree${pattern%%=*}"
      continue
    fi
    found=
    for file in "$directory"$pattern; do
      [[ -e $file ]] || continue
      found=1
      mkdir -p "$tree$(dirname "${file#"$directory"}")"
      cp -RL --preserve=mode "$file" "$tree${file#"$directory"}"
    done
    [[ -n $found ]] || die "package $package has no file $pattern"
  done
  echo "$package" >>"$tree.packages"
}

# The names of the libraries that the programs and libraries of a tree are linked with.
needed_libraries() {
  find "$1" -type f \( -perm /111 -o -name '*.so*' \) -print0 | xargs -0 readelf -d 2>/dev/null |
    sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p' | sort -u
}

# Adds the shared libraries a tree needs, and theirs, each under its soname, and the dynamic loader.
take_libraries() {
  local tree=$1 name missing=1 target=$1/usr/lib/x86_64-linux-gnu
  local -A present=()
  mkdir -p "$target"
  while read -r name; do present[$name]=1; done < <(find "$tree" -name '*.so*' -printf '%f\n')
  local wanted=(ld-linux-x86-64.so.2 libgcc_s.so.1) # libgcc_s: loaded by libc when a thread ends early
  while [[ -n $missing ]]; do
    missing=
    while read -r name; do
      [[ -z $name || -n ${present[$name]:-} ]] && continue
      [[ -n ${library_path[$name]:-} ]] || die "no package has $name, needed by: $(needed_by "$tree" "$name")"
      cp -L --preserve=mode "${library_path[$name]}" "$target/$name"
      echo "${library_package[$name]}" >>"$tree.packages"
      present[$name]=1
      missing=1
    done < <(printf '%s\n' "${wanted[@]}"; needed_libraries "$tree")
  done
  chmod 755 "$target"/ld-linux-x86-64.so.2
  ln -sf ../lib/x86_64-linux-gnu/ld-linux-x86-64.so.2 "$tree/usr/lib64/ld-linux-x86-64.so.2"
}

needed_by() {
  find "$1" -type f \( -perm /111 -o -name '*.so*' \) -exec sh -c 'readelf -d "$1" 2>/dev/null | grep -qF "[$2]"' - {} "$2" \; -printf '%P '
}

# The paths at which a busybox wants its applets. One that is linked dynamically runs with the tree's libraries, not the host's.
applets_of() {
  local tree=$1 program=$2 loader=$1/usr/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2
  if readelf --dynamic "$tree$program" | grep --quiet NEEDED; then
    "$loader" --library-path "${loader%/*}" "$tree$program" --list-full
  else
    "$tree$program" --list-full
  fi | sort
}

# link_busybox TREE PROGRAM: links the applets of that busybox where the tree has no program of that name.
link_busybox() {
  local tree=$1 program=$2 path
  applets_of "$tree" "$program" | while read -r path; do
    case ${path##*/} in
      busybox | dpkg | dpkg-deb | rpm | rpm2cpio | linuxrc | run-init) continue ;;
    esac
    [[ $path == */* ]] || path=bin/$path
    [[ -e $tree/usr/bin/${path##*/} || -e $tree/usr/sbin/${path##*/} ]] && continue
    [[ -L $tree/usr/bin/${path##*/} || -L $tree/usr/sbin/${path##*/} || -L $tree/$path ]] && continue
    mkdir -p "$(dirname "$tree/$path")"
    ln -s "$program" "$tree/$path"
  done
}

# One time stamp for everything in a tree.
settle_times() {
  find "$1" -exec touch --no-dereference --date="@$SOURCE_DATE_EPOCH" {} +
}
