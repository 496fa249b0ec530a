#include "clusterd/server/access/jose_key.h"

#include <openssl/core_names.h>
#include <openssl/ecdsa.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <string.h>

#include "base/base64url.h"
#include "base/file.h"
#include "base/reason.h"

#define SIGNATURE_MAX 1024 /* bytes: RSA with 8192 bits */
#define NUMBER_MAX 1024    /* bytes of a modulus */

typedef struct Algorithm {
  const char *name;  /* "ES256" */
  const char *group; /* OpenSSL's name of the curve; NULL: RSA */
  const char *curve; /* JOSE's */
  gsize size;        /* bytes of a coordinate */
  const EVP_MD *(*digest)(void);
} Algorithm;

static const Algorithm algorithms[] = {
  { "RS256", NULL, NULL, 0, EVP_sha256 },
  { "ES256", "prime256v1", "P-256", 32, EVP_sha256 },
  { "ES384", "secp384r1", "P-384", 48, EVP_sha384 },
  { "ES512", "secp521r1", "P-521", 66, EVP_sha512 },
};

struct JoseKey {
  EVP_PKEY *key;
  const Algorithm *algorithm;
  char *id;
  bool can_sign;
};

/* --- reading -------------------------------------------------------------------------------------------------------
 */

static const Algorithm *algorithm_of(const EVP_PKEY *key)
{
  char group[64] = "";
  bool rsa = EVP_PKEY_get_base_id(key) == EVP_PKEY_RSA;
  if (!rsa && EVP_PKEY_get_utf8_string_param(key, OSSL_PKEY_PARAM_GROUP_NAME, group, sizeof group, NULL) != 1)
    return NULL;
  for (gsize i = 0; i < G_N_ELEMENTS(algorithms); i++)
    if (rsa ? !algorithms[i].group : g_strcmp0(algorithms[i].group, group) == 0)
      return &algorithms[i];
  return NULL;
}

static char *id_of(EVP_PKEY *key)
{
  unsigned char *der = NULL, digest[EVP_MAX_MD_SIZE];
  unsigned int size = 0;
  int length = i2d_PUBKEY(key, &der);
  bool good = length > 0 && EVP_Digest(der, (size_t)length, digest, &size, EVP_sha256(), NULL) == 1;
  OPENSSL_free(der);
  return good ? base64url_encode(digest, size) : NULL;
}

/* Takes KEY, which may be NULL. NULL when it is of no kind we know. */
static JoseKey *jose_key_of(EVP_PKEY *key, bool can_sign)
{
  const Algorithm *algorithm = key ? algorithm_of(key) : NULL;
  char *id = algorithm ? id_of(key) : NULL;
  if (!id) {
    EVP_PKEY_free(key);
    ERR_clear_error();
    return NULL;
  }
  JoseKey *result = g_new0(JoseKey, 1);
  *result = (JoseKey){ .key = key, .algorithm = algorithm, .id = id, .can_sign = can_sign };
  return result;
}

static BIO *open_file(const char *path, GBytes **bytes, GError **error)
{
  *bytes = file_read(path, JOSE_KEY_FILE_MAX, error);
  return *bytes ? BIO_new_mem_buf(g_bytes_get_data(*bytes, NULL), (int)g_bytes_get_size(*bytes)) : NULL;
}

JoseKey *jose_key_read(const char *path, GError **error)
{
  g_autoptr(GBytes) bytes = NULL;
  BIO *bio = open_file(path, &bytes, error);
  if (!bio)
    return NULL;
  JoseKey *key = jose_key_of(PEM_read_bio_PrivateKey(bio, NULL, NULL, NULL), true);
  BIO_free(bio);
  if (!key)
    reason_set(error, REASON_CONFIG, "%s: no private key, neither RSA nor on a curve P-256, P-384 or P-521", path);
  return key;
}

static EVP_PKEY *public_key(const char *name, const unsigned char *der, long length)
{
  if (g_str_equal(name, PEM_STRING_PUBLIC))
    return d2i_PUBKEY(NULL, &der, length);
  if (g_str_equal(name, PEM_STRING_RSA_PUBLIC))
    return d2i_PublicKey(EVP_PKEY_RSA, NULL, &der, length);
  if (g_str_has_suffix(name, "PRIVATE KEY"))
    return d2i_AutoPrivateKey(NULL, &der, length);
  X509 *certificate = g_str_equal(name, PEM_STRING_X509) ? d2i_X509(NULL, &der, length) : NULL;
  EVP_PKEY *key = certificate ? X509_get_pubkey(certificate) : NULL;
  X509_free(certificate);
  return key;
}

bool jose_keys_read(GPtrArray *keys, const char *path, GError **error)
{
  g_autoptr(GBytes) bytes = NULL;
  BIO *bio = open_file(path, &bytes, error);
  char *name = NULL, *header = NULL;
  unsigned char *der = NULL;
  long length;
  guint before = keys->len;
  if (!bio)
    return false;
  while (keys->len - before < JOSE_KEYS_MAX && PEM_read_bio(bio, &name, &header, &der, &length) == 1) {
    JoseKey *key = jose_key_of(public_key(name, der, length), false);
    if (key)
      g_ptr_array_add(keys, key);
    OPENSSL_free(name);
    OPENSSL_free(header);
    OPENSSL_free(der);
  }
  ERR_clear_error(); /* the end of the file is one */
  BIO_free(bio);
  return keys->len > before || reason_set(error, REASON_CONFIG, "%s: no public key", path);
}

void jose_key_free(JoseKey *key)
{
  if (!key)
    return;
  EVP_PKEY_free(key->key);
  g_free(key->id);
  g_free(key);
}

const char *jose_key_id(const JoseKey *key)
{
  return key->id;
}

const char *jose_key_algorithm(const JoseKey *key)
{
  return key->algorithm->name;
}

/* --- signatures: of an elliptic curve, JOSE wants r and s side by side, and OpenSSL makes ASN.1 ---------------------
 */

static gsize raw_of_der(const Algorithm *algorithm, const unsigned char *der, size_t length, unsigned char *raw)
{
  int size = (int)algorithm->size;
  ECDSA_SIG *signature = d2i_ECDSA_SIG(NULL, &der, (long)length);
  bool good = signature && BN_bn2binpad(ECDSA_SIG_get0_r(signature), raw, size) == size &&
              BN_bn2binpad(ECDSA_SIG_get0_s(signature), raw + size, size) == size;
  ECDSA_SIG_free(signature);
  return good ? 2 * algorithm->size : 0;
}

/* The length of what is written to DER (of SIGNATURE_MAX bytes); 0 when RAW is no signature. */
static gsize der_of_raw(const Algorithm *algorithm, const unsigned char *raw, gsize size, unsigned char *der)
{
  if (size != 2 * algorithm->size)
    return 0;
  int half = (int)algorithm->size;
  ECDSA_SIG *signature = ECDSA_SIG_new();
  ECDSA_SIG_set0(signature, BN_bin2bn(raw, half, NULL), BN_bin2bn(raw + half, half, NULL));
  int length = i2d_ECDSA_SIG(signature, NULL);
  if (length > 0 && length <= SIGNATURE_MAX)
    length = i2d_ECDSA_SIG(signature, &der);
  ECDSA_SIG_free(signature);
  return length > 0 && length <= SIGNATURE_MAX ? (gsize)length : 0;
}

char *jose_key_sign(const JoseKey *key, const char *text)
{
  unsigned char signature[SIGNATURE_MAX], raw[SIGNATURE_MAX];
  size_t length = sizeof signature;
  EVP_MD_CTX *context = EVP_MD_CTX_new();
  bool good = key->can_sign && EVP_DigestSignInit(context, NULL, key->algorithm->digest(), NULL, key->key) == 1 &&
              EVP_DigestSign(context, signature, &length, (const unsigned char *)text, strlen(text)) == 1;
  EVP_MD_CTX_free(context);
  if (!good)
    return NULL;
  if (!key->algorithm->group)
    return base64url_encode(signature, length);
  gsize size = raw_of_der(key->algorithm, signature, length, raw);
  return size ? base64url_encode(raw, size) : NULL;
}

bool jose_key_verify(const JoseKey *key, const void *text, gsize length, GBytes *signature)
{
  gsize size;
  unsigned char der[SIGNATURE_MAX];
  const unsigned char *bytes = g_bytes_get_data(signature, &size);
  if (key->algorithm->group) {
    size = der_of_raw(key->algorithm, bytes, size, der);
    bytes = der;
  }
  EVP_MD_CTX *context = EVP_MD_CTX_new();
  bool good = size > 0 && EVP_DigestVerifyInit(context, NULL, key->algorithm->digest(), NULL, key->key) == 1 &&
              EVP_DigestVerify(context, bytes, size, text, length) == 1;
  EVP_MD_CTX_free(context);
  ERR_clear_error();
  return good;
}

/* --- JWK -----------------------------------------------------------------------------------------------------------
 */

/* The number called PARAMETER, padded to SIZE bytes (0: as many as it needs). New reference. */
static json_t *number_of(const JoseKey *key, const char *parameter, gsize size)
{
  unsigned char bytes[NUMBER_MAX];
  BIGNUM *number = NULL;
  EVP_PKEY_get_bn_param(key->key, parameter, &number);
  int length = size ? (int)size : MIN(BN_num_bytes(number), NUMBER_MAX);
  BN_bn2binpad(number, bytes, length);
  BN_free(number);
  g_autofree char *text = base64url_encode(bytes, (gsize)length);
  return json_string(text);
}

json_t *jose_key_jwk(const JoseKey *key)
{
  const Algorithm *algorithm = key->algorithm;
  json_t *jwk = json_pack("{s:s, s:s, s:s, s:s}", "use", "sig", "kty", algorithm->group ? "EC" : "RSA", "kid", key->id,
                          "alg", algorithm->name);
  if (algorithm->group) {
    json_object_set_new(jwk, "crv", json_string(algorithm->curve));
    json_object_set_new(jwk, "x", number_of(key, OSSL_PKEY_PARAM_EC_PUB_X, algorithm->size));
    json_object_set_new(jwk, "y", number_of(key, OSSL_PKEY_PARAM_EC_PUB_Y, algorithm->size));
  } else {
    json_object_set_new(jwk, "n", number_of(key, OSSL_PKEY_PARAM_RSA_N, 0));
    json_object_set_new(jwk, "e", number_of(key, OSSL_PKEY_PARAM_RSA_E, 0));
  }
  return jwk;
}
