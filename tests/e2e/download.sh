#!/bin/bash
# The boot image from a URL: a download that broke is continued, what is wrong is refused, and a proxy is used.
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"
image=${LAUNCHER_ISO:-$(dirname "$LAUNCHER")/../share/launcher/launcher.iso}
key=(${LAUNCHER_ISO_KEY:+--iso-key "$LAUNCHER_ISO_KEY"})
mkdir "$WORK/www"
ln -s "$(realpath "$image")" "$WORK/www/launcher.iso"
cp "$image.sha256" "$WORK/www/launcher.iso.sha256"
cp "$image.sig" "$WORK/www/launcher.iso.sig"
coproc SERVER { exec "$SOURCE/tests/e2e/http-server.py" "$WORK/www" "$WORK/requests" 20000000; }
server=$SERVER_PID
read -r port <&"${SERVER[0]}"
trap 'kill $server; finish' EXIT
unset http_proxy https_proxy HTTP_PROXY HTTPS_PROXY ALL_PROXY all_proxy

download() {
  "$LAUNCHER" start -p net --driver "$DRIVER" --download-only --iso-url "http://127.0.0.1:$port/$1" "${key[@]}"
}

exits "a download that breaks" 40 'INET_CACHE_DOWNLOAD' download launcher.iso
like "what arrived is kept" '^20000000$' bash -c "stat -c %s '$LAUNCHER_HOME'/.launcher/cache/boot/partial-*"
ok "the next start goes on" download launcher.iso
like "where it stopped" '^/launcher.iso bytes=20000000-$' cat "$WORK/requests"
ok "the image in the cache is the one served" cmp "$image" "$(echo "$LAUNCHER_HOME"/.launcher/cache/boot/*/launcher.iso)"
: >"$WORK/requests"
ok "a third start asks nobody" download launcher.iso
is "no request was made" "" cat "$WORK/requests"
exits "an address where nothing is" 45 'cannot be read' download nothing.iso
printf '%064d  launcher.iso\n' 0 >"$WORK/www/other.iso.sha256"
cp "$image.sig" "$WORK/www/other.iso.sig"
ln -s "$(realpath "$image")" "$WORK/www/other.iso"
exits "an image that is not what its sum says" 48 'SHA-256' download other.iso
like "JSON events tell the progress" 'dev.launcher.download.progress' bash -c "cp '$image.sha256' '$WORK/www/other.iso.sha256'
  '$LAUNCHER' start -p net --driver '$DRIVER' --download-only -o json --iso-url http://127.0.0.1:$port/other.iso ${key[*]}"
via_proxy() {
  http_proxy=http://127.0.0.1:$port "$LAUNCHER" start -p net --driver "$DRIVER" --download-only --iso-url "http://far.invalid/x.iso"
}
exits "the proxy is asked" 45 'cannot be read' via_proxy
like "for the whole address" '^http://far.invalid/x.iso.sha256' cat "$WORK/requests"
