# shellcheck shell=bash disable=SC2154
# The preloaded container images, each described by images/NAME/image.json: {references, description, layers, config}. A layer is
# made by the function layer_NAME. Results: work/images/NAME.tar (docker-archive and OCI layout in one) and work/images.json
# (what the manifest says: [{reference, id}]).

image_names=(busybox hello-world nginx)

layer_busybox() {
  local tree=$1
  make_tree "$tree"
  take_busybox "$tree"
  take_libraries "$tree"
  cp -r "$here/images/base/." "$tree"
  link_busybox "$tree" /bin/busybox
  link_busybox "$tree" /bin/busybox-static
  mkdir -p "$tree"/{proc,sys,dev,run,var/{run,www,spool/cron/crontabs},home,root,tmp}
  chmod 1777 "$tree/tmp"
}

layer_hello-world() {
  local tree=$1
  rm -rf "$tree"
  mkdir -p "$tree"
  cp -r "$here/images/hello-world/rootfs/." "$tree"
  chmod 755 "$tree/var/www/cgi-bin/index.cgi"
  : >"$tree.packages"
}

# Laid out as the images that courses and manifests expect: pages in /usr/share/nginx/html, /etc/nginx/conf.d, logs to the
# container's output, a shell and curl to look around with.
layer_nginx() {
  local tree=$1
  make_tree "$tree"
  take "$tree" nginx /usr/sbin/nginx
  take "$tree" nginx-common /etc/nginx/mime.types /etc/nginx/fastcgi_params /usr/share/nginx/html/index.html
  take "$tree" bash /bin/bash
  take "$tree" curl /usr/bin/curl
  take_busybox "$tree"
  take_libraries "$tree"
  cp -r "$here/images/base/." "$here/images/nginx/rootfs/." "$tree"
  link_busybox "$tree" /bin/busybox
  link_busybox "$tree" /bin/busybox-static
  take_certificates "$tree"
  mkdir -p "$tree"/{proc,sys,dev,run,var/run,var/cache/nginx,var/lib/nginx,var/log/nginx,home,root,tmp}
  ln -s /dev/stdout "$tree/var/log/nginx/access.log"
  ln -s /dev/stderr "$tree/var/log/nginx/error.log"
  chmod 1777 "$tree/tmp"
}

# The dynamically linked busybox: the shell of the static one runs its applets before a program of the same name, such as the
# wget of images/base. The static one, which the machine's root has too, lends the applets that Debian leaves out of the other:
# su, passwd, crond, telnetd and the like.
take_busybox() {
  local tree=$1
  take "$tree" busybox /bin/busybox
  take "$tree" busybox-static /bin/busybox-static=/bin/busybox
}

# Debian's certificate authorities as one bundle, as update-ca-certificates would make it.
take_certificates() {
  local tree=$1
  mkdir -p "$tree/etc/ssl/certs"
  cat "${package_directory[ca-certificates]}"/usr/share/ca-certificates/mozilla/*.crt >"$tree/etc/ssl/certs/ca-certificates.crt"
  echo ca-certificates >>"$tree.packages"
}

# Moves a file into an OCI layout's blobs and prints its digest.
add_blob() {
  local layout=$1 file=$2 digest
  digest=$(sha256sum "$file" | cut -d' ' -f1)
  mv "$file" "$layout/blobs/sha256/$digest"
  echo "$digest"
}

# pack_image NAME: writes work/images/NAME.tar and prints its part of images.json.
pack_image() {
  local name=$1 layout=$work/layers/$1.layout recipe=$here/images/$1/image.json layer digest config manifest created
  local -a layers=()
  rm -rf "$layout"
  mkdir -p "$layout/blobs/sha256"
  for layer in $(jq -r '.layers[]' "$recipe"); do
    cp "$work/layers/$layer.tar" "$layout/layer"
    layers+=("$(add_blob "$layout" "$layout/layer")")
  done
  created=$(date --date="@$SOURCE_DATE_EPOCH" +%Y-%m-%dT%H:%M:%SZ)
  jq -cS --arg created "$created" '{architecture: "amd64", os: "linux", created: $created,
    config: (.config + {Labels: {"org.opencontainers.image.title": .references[0],
      "org.opencontainers.image.description": .description, "dev.launcher.image.origin": "debian"}}),
    rootfs: {type: "layers", diff_ids: [$ARGS.positional[] | "sha256:" + .]},
    history: [.layers[] | {created: $created, created_by: ("launcher: layer " + .)}]}' \
    "$recipe" --args "${layers[@]}" >"$layout/config"
  config=$(add_blob "$layout" "$layout/config")
  for digest in "$config" "${layers[@]}"; do
    jq -n --arg digest "sha256:$digest" --argjson size "$(stat -c %s "$layout/blobs/sha256/$digest")" \
      '{digest: $digest, size: $size}'
  done | jq -cS -s '{schemaVersion: 2, mediaType: "application/vnd.oci.image.manifest.v1+json",
    config: (.[0] + {mediaType: "application/vnd.oci.image.config.v1+json"}),
    layers: [.[1:][] + {mediaType: "application/vnd.oci.image.layer.v1.tar"}]}' >"$layout/manifest"
  local size
  size=$(stat -c %s "$layout/manifest")
  manifest=$(add_blob "$layout" "$layout/manifest")
  echo '{"imageLayoutVersion":"1.0.0"}' >"$layout/oci-layout"
  jq -cS --arg digest "sha256:$manifest" --argjson size "$size" '{schemaVersion: 2,
    mediaType: "application/vnd.oci.image.index.v1+json",
    manifests: [.references[] | {mediaType: "application/vnd.oci.image.manifest.v1+json", digest: $digest, size: $size,
      annotations: {"io.containerd.image.name": ., "org.opencontainers.image.ref.name": (split(":") | last)}}]}' \
    "$recipe" >"$layout/index.json"
  jq -cS --arg config "blobs/sha256/$config" '[{Config: $config, RepoTags: .references,
    Layers: [$ARGS.positional[] | "blobs/sha256/" + .]}]' "$recipe" --args "${layers[@]}" >"$layout/manifest.json"
  make_tar "$layout" "$work/images/$name.tar"
  jq -c --arg id "sha256:$config" '.references[] | {reference: ., id: $id}' "$recipe"
}

# make_tar TREE FILE: the same tree, the same bytes.
make_tar() {
  (cd "$1" && find . -mindepth 1 -printf '%P\0' | sort -z) |
    tar --create --file="$2" --directory="$1" --format=gnu --owner=0 --group=0 --numeric-owner --mtime="@$SOURCE_DATE_EPOCH" \
      --no-recursion --null --files-from=-
}

build_images() {
  local layer name
  rm -rf "$work/images" "$work/layers"
  mkdir -p "$work/images" "$work/layers"
  for layer in "${image_names[@]}"; do
    "layer_$layer" "$work/layers/$layer.tree"
    make_tar "$work/layers/$layer.tree" "$work/layers/$layer.tar"
  done
  for name in "${image_names[@]}"; do
    pack_image "$name"
  done | jq -s . >"$work/images.json.new"
  cat "$work"/layers/*.tree.packages | sort -u >"$work/images.packages"
  mv "$work/images.json.new" "$work/images.json"
}
