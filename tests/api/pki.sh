#!/bin/sh
# Makes the PKI of a test cluster in the folder $1: CA, server certificate for 127.0.0.1, client certificates admin
# (system:masters) and bob (group dev), one of a foreign CA, and the service account key.
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

for ca in ca foreign-ca; do
  key "$ca"
  openssl req -x509 -new -key "$ca.key" -subj "/CN=$ca" -days 30 -out "$ca.crt" 2>/dev/null
done
leaf apiserver ca "/CN=kube-apiserver" \
  "subjectAltName=IP:127.0.0.1,IP:10.96.0.1,DNS:kubernetes,DNS:kubernetes.default,DNS:kubernetes.default.svc,DNS:localhost"
leaf admin ca "/O=system:masters/CN=admin" "extendedKeyUsage=clientAuth"
leaf bob ca "/O=dev/CN=bob" "extendedKeyUsage=clientAuth"
leaf foreign foreign-ca "/O=system:masters/CN=mallory" "extendedKeyUsage=clientAuth"
key sa
