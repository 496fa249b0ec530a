# shellcheck shell=bash disable=SC2034,SC2154 # the tables are for the other stages; work, here, lock: set by iso/build
# Packages: which, in which version (packages.lock: NAME VERSION FILE SHA256), downloaded and unpacked under $work.

# Changes whenever apt learns of other versions.
apt_lists_state() {
  find /var/lib/apt/lists -name '*_Packages*' -printf '%f %s %T@\n' | sort | sha256sum | cut -d' ' -f1
}

# The libraries clusterd may be linked with; those it is not linked with stay out of the image.
clusterd_libraries=(libarchive13 libcurl4 libevent-2.1-7 libevent-openssl-2.1-7 libevent-pthreads-2.1-7 libglib2.0-0
  libjansson4 libldns3 libnl-3-200 libnl-route-3-200 libprotobuf-c1 libseccomp2 libsqlite3-0 libssl3 libyaml-0-2 zlib1g)

listed_packages() {
  sed 's/#.*//' "$here/packages.list" | awk 'NF {print $1}'
}

# The concrete package behind linux-image-cloud-amd64.
kernel_package() {
  apt-cache depends linux-image-cloud-amd64 | awk '$1 == "Depends:" && $2 ~ /^linux-image-[0-9]/ {print $2; exit}'
}

# The library packages the given ones depend on.
library_packages() {
  apt-cache depends --recurse --no-recommends --no-suggests --no-conflicts --no-breaks --no-replaces --no-enhances "$@" |
    grep -E '^(lib|zlib)' | grep -Ev -- '-perl$|^libperl|^libelogind|^libnewt|^libdebian-installer|-common$' | sort -u
}

fetch_packages() {
  local kernel names file size hash rest=()
  kernel=$(kernel_package)
  [[ -n $kernel ]] || die "apt knows no linux-image-cloud-amd64: run apt-get update"
  mapfile -t names < <({
    listed_packages
    printf '%s\n' "$kernel" "${clusterd_libraries[@]}"
    # shellcheck disable=SC2046 # one word per package
    library_packages $(listed_packages) "${clusterd_libraries[@]}"
  } | sort -u)
  mkdir -p "$work/debs" "$work/unpacked" "$work/empty"
  # In an empty folder, because apt keeps silent about files that are there already.
  (cd "$work/empty" && apt-get download -q --print-uris "${names[@]}") >"$work/uris" || die "apt does not find every package"
  : >"$lock.new"
  while read -r _ file size hash; do
    [[ $hash == SHA256:* ]] || die "apt gives no SHA-256 for $file"
    hash=${hash#SHA256:}
    local name=${file%%_*} version=${file#*_}
    version=${version%_*}
    printf '%s %s %s %s\n' "$name" "${version//%3a/:}" "$file" "$hash" >>"$lock.new"
    [[ -f $work/debs/$file && $(stat -c %s "$work/debs/$file") == "$size" ]] || rest+=("$name")
  done < <(sed "s/^'\([^']*\)'/\1/" "$work/uris")
  if ((${#rest[@]})); then
    progress "packages: downloading ${#rest[@]}"
    (cd "$work/debs" && apt-get download -q=2 "${rest[@]}" 2>"$work/download.log") || die "$(<"$work/download.log")"
  fi
  (cd "$work/debs" && awk '{print $4 "  " $3}' "$lock.new" | sha256sum --check --quiet) ||
    die "a package does not have its digest"
  sort "$lock.new" | unpack_packages
  sort "$lock.new" >"$lock"
  rm "$lock.new"
}

# Unpacks each package of the lock on standard input, beside the others, once.
unpack_packages() {
  local file directory
  while read -r _ _ file _; do
    directory=$work/unpacked/${file%.deb}
    [[ -d $directory ]] && continue
    rm -rf "$directory.part"
    dpkg-deb -x "$work/debs/$file" "$directory.part"
    mv "$directory.part" "$directory"
  done
}

# Fills package_directory and package_version (by package) and library_path (by file name) from the lock.
declare -gA package_directory package_version library_path library_package
read_lock() {
  local name version file path
  while read -r name version file _; do
    package_directory[$name]=$work/unpacked/${file%.deb}
    package_version[$name]=$version
    for path in "$work/unpacked/${file%.deb}"/{,usr/}lib/x86_64-linux-gnu/*.so*; do
      [[ -e $path ]] || continue
      library_path[${path##*/}]=$path
      library_package[${path##*/}]=$name
    done
  done <"$lock"
}
