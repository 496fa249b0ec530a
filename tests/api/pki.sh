#!/bin/sh
# Adds to the PKI of a test cluster in the folder $1 a client certificate bob (group dev), and foreign, of another CA.
set -eu
dir=$1
mkdir -p "$dir"
cd "$dir"

key() {
  openssl ecparam -name prime256v1 -genkey -noout -out "$1.key" 2>/dev/null
}

# leaf NAME CA SUBJECT EXTENSIONS
leaf() {
  key "$1"
  openssl req -new -key "$1.key" -subj "$3" -out "$1.csr" 2>/dev/null
  printf '%s\n' "$4" >"$1.ext"
  openssl x509 -req -in "$1.csr" -CA "$2.crt" -CAkey "$2.key" -CAcreateserial -days 30 -extfile "$1.ext" \
    -out "$1.crt" 2>/dev/null
  rm -f "$1.csr" "$1.ext"
}

key foreign-ca
openssl req -x509 -new -key foreign-ca.key -subj "/CN=foreign-ca" -days 30 -out foreign-ca.crt 2>/dev/null
leaf bob ca "/O=dev/CN=bob" "extendedKeyUsage=clientAuth"
leaf foreign foreign-ca "/O=system:masters/CN=mallory" "extendedKeyUsage=clientAuth"
leaf hooks ca "/CN=hooks" "subjectAltName=IP:127.0.0.1,DNS:localhost,DNS:hook.hooks.svc,DNS:wardle.hooks.svc,DNS:metrics.hooks.svc"
