#pragma once
/*
 * Keys and certificates of a cluster: ECDSA P-256 (FIPS 186-4) in PKCS#8, X.509 v3 (RFC 5280), and Ed25519 signatures
 * of files (RFC 8032). OpenSSL's EVP underneath.
 */
#include <glib.h>
#include <openssl/types.h>
#include <stdbool.h>
#include <stdint.h>

typedef struct X509Pair {
  EVP_PKEY *key;
  X509 *certificate;
} X509Pair;

void x509_pair_free(X509Pair *pair);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(X509Pair, x509_pair_free)

typedef struct X509Request {
  const char *common_name;
  const char *const *organizations; /* NULL-terminated or NULL */
  const char *const *dns_names;     /* NULL-terminated or NULL */
  const char *const *addresses;     /* IP addresses as text; NULL-terminated or NULL */
  bool server, client;              /* extended key usages */
  int64_t lifetime_seconds;
} X509Request;

/* A new self-signed certificate authority. NULL with REASON_INTERNAL. */
X509Pair *x509_new_authority(const char *common_name, int64_t lifetime_seconds, GError **error);

/* A new key and a certificate for it signed by AUTHORITY, valid from an hour ago (clocks differ) and never longer than
 * the authority. REASON_USAGE when an address is not one. */
X509Pair *x509_issue(const X509Pair *authority, const X509Request *request, GError **error);

/* Writes DIRECTORY/NAME.crt (0644) and NAME.key (0600), each atomically, the key first. */
bool x509_save(const X509Pair *pair, const char *directory, const char *name, GError **error);

/* The certificate, and the key without encryption, as PEM. NULL when OpenSSL fails. The caller frees. */
char *x509_certificate_pem(const X509Pair *pair);
char *x509_key_pem(const X509Pair *pair);

/* Reads them back and checks that key and certificate belong together. NULL with REASON_FILE or REASON_CONFIG. */
X509Pair *x509_load(const char *directory, const char *name, GError **error);

/* The same with the paths of both. */
X509Pair *x509_load_files(const char *certificate_path, const char *key_path, GError **error);

/* When the certificate ends, seconds since 1970. */
int64_t x509_expiry(const X509Pair *pair);

/* True when PAIR was signed by AUTHORITY. */
bool x509_is_signed_by(const X509Pair *pair, const X509Pair *authority);

/* True when the certificate's subject alternative names hold every DNS name and address of REQUEST. */
bool x509_covers(const X509Pair *pair, const X509Request *request);

/* A new bare P-256 key written to PATH (0600). */
bool x509_new_key_file(const char *path, GError **error);

/* Checks a raw 64-byte Ed25519 SIGNATURE over MESSAGE with the PEM public key in the file KEY_PATH. False when it does
 * not match (REASON_IMAGE_UNSIGNED) or the key cannot be read (REASON_FILE). */
bool x509_verify_ed25519(const char *key_path, const void *message, gsize length, const uint8_t signature[64],
                         GError **error);
