#pragma once
/* Keys that sign and verify JSON Web Tokens: RSA (RS256) and the NIST curves (ES256, ES384, ES512). A key never changes
 * once read: any thread may use it. Source: RFC 7515, RFC 7517, RFC 7518. */
#include <glib.h>
#include <jansson.h>
#include <stdbool.h>

typedef struct JoseKey JoseKey;

#define JOSE_KEY_FILE_MAX (64u << 10) /* bytes */
#define JOSE_KEYS_MAX 32              /* in one file */

/* The private key of a PEM file. NULL with REASON_FILE or REASON_CONFIG. */
JoseKey *jose_key_read(const char *path, GError **error);

/* Adds to KEYS (of JoseKey, which frees them) every public key of a PEM file: public and private keys, certificates.
 * REASON_FILE, or REASON_CONFIG when there is none. */
bool jose_keys_read(GPtrArray *keys, const char *path, GError **error);

void jose_key_free(JoseKey *key);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(JoseKey, jose_key_free)

/* The key's name: the SHA-256 of its public part in DER, base64url. */
const char *jose_key_id(const JoseKey *key);
const char *jose_key_algorithm(const JoseKey *key); /* "RS256" */

/* The signature of TEXT, base64url. The caller frees. NULL when the key cannot sign. */
char *jose_key_sign(const JoseKey *key, const char *text);
bool jose_key_verify(const JoseKey *key, const void *text, gsize length, GBytes *signature);

/* The public part as a JSON Web Key. New reference. */
json_t *jose_key_jwk(const JoseKey *key);
