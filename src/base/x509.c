#include "base/x509.h"

#include <errno.h>
#include <openssl/bn.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/reason.h"
#include "base/x509_private.h"

#define CLOCK_SKEW_SECONDS 3600

void x509_pair_free(X509Pair *pair)
{
  if (!pair)
    return;
  EVP_PKEY_free(pair->key);
  X509_free(pair->certificate);
  g_free(pair);
}

bool x509_fail(GError **error, Reason reason, const char *what)
{
  char text[256];
  ERR_error_string_n(ERR_peek_last_error(), text, sizeof text);
  ERR_clear_error();
  return reason_set(error, reason, "%s: %s", what, text);
}

bool x509_add_extension(X509 *certificate, X509 *issuer, int nid, const char *value)
{
  X509V3_CTX context;
  X509V3_set_ctx_nodb(&context);
  X509V3_set_ctx(&context, issuer, certificate, NULL, NULL, 0);
  g_autoptr(X509_EXTENSION) extension = X509V3_EXT_conf_nid(NULL, &context, nid, value);
  return extension && X509_add_ext(certificate, extension, -1);
}

static bool add_name(X509_NAME *name, const char *type, const char *text)
{
  return X509_NAME_add_entry_by_txt(name, type, MBSTRING_UTF8, (const unsigned char *)text, -1, -1, 0);
}

bool x509_set_random_serial(X509 *certificate)
{
  BIGNUM *number = BN_new();
  bool good = number && BN_rand(number, 159, BN_RAND_TOP_ANY, BN_RAND_BOTTOM_ANY) &&
              BN_to_ASN1_INTEGER(number, X509_get_serialNumber(certificate));
  BN_free(number);
  return good;
}

/* Key, version, serial, subject and validity: what authorities and leaves share. */
static X509Pair *new_pair(const char *common_name, const char *const *organizations, int64_t lifetime_seconds)
{
  g_autoptr(X509Pair) pair = g_new0(X509Pair, 1);
  pair->key = EVP_EC_gen("P-256");
  pair->certificate = X509_new();
  if (!pair->key || !pair->certificate)
    return NULL;
  X509_NAME *name = X509_get_subject_name(pair->certificate);
  for (; organizations && *organizations; organizations++)
    if (!add_name(name, "O", *organizations))
      return NULL;
  if (!add_name(name, "CN", common_name) || !X509_set_version(pair->certificate, X509_VERSION_3) ||
      !x509_set_random_serial(pair->certificate) || !X509_set_pubkey(pair->certificate, pair->key) ||
      !X509_gmtime_adj(X509_getm_notBefore(pair->certificate), -CLOCK_SKEW_SECONDS) ||
      !X509_gmtime_adj(X509_getm_notAfter(pair->certificate), (long)lifetime_seconds))
    return NULL;
  return g_steal_pointer(&pair);
}

X509Pair *x509_new_authority(const char *common_name, int64_t lifetime_seconds, GError **error)
{
  g_autoptr(X509Pair) pair = new_pair(common_name, NULL, lifetime_seconds);
  if (!pair || !X509_set_issuer_name(pair->certificate, X509_get_subject_name(pair->certificate)) ||
      !x509_add_extension(pair->certificate, pair->certificate, NID_basic_constraints, "critical,CA:TRUE") ||
      !x509_add_extension(pair->certificate, pair->certificate, NID_key_usage,
                          "critical,digitalSignature,keyEncipherment,keyCertSign") ||
      !x509_add_extension(pair->certificate, pair->certificate, NID_subject_key_identifier, "hash") ||
      !X509_sign(pair->certificate, pair->key, EVP_sha256())) {
    x509_fail(error, REASON_INTERNAL, "Cannot make a certificate authority");
    return NULL;
  }
  return g_steal_pointer(&pair);
}

/* "DNS:a,IP:1.2.3.4", or NULL when there is neither; an address that is none sets *BAD. */
static char *alternative_names(const X509Request *request, const char **bad)
{
  g_autoptr(GString) text = g_string_new(NULL);
  *bad = NULL;
  for (const char *const *name = request->dns_names; name && *name; name++)
    g_string_append_printf(text, "%sDNS:%s", text->len ? "," : "", *name);
  for (const char *const *address = request->addresses; address && *address; address++) {
    if (!g_hostname_is_ip_address(*address))
      *bad = *address;
    g_string_append_printf(text, "%sIP:%s", text->len ? "," : "", *address);
  }
  return text->len ? g_string_free(g_steal_pointer(&text), FALSE) : NULL;
}

static const char *extended_usage(const X509Request *request)
{
  if (request->server && request->client)
    return "serverAuth,clientAuth";
  return request->server ? "serverAuth" : "clientAuth";
}

X509Pair *x509_issue(const X509Pair *authority, const X509Request *request, GError **error)
{
  const char *bad;
  g_autofree char *names = alternative_names(request, &bad);
  if (bad) {
    reason_set(error, REASON_USAGE, "\"%s\" is not an IP address", bad);
    return NULL;
  }
  g_autoptr(X509Pair) pair = new_pair(request->common_name, request->organizations, request->lifetime_seconds);
  X509 *issuer = authority->certificate;
  bool good =
      pair && X509_set_issuer_name(pair->certificate, X509_get_subject_name(issuer)) &&
      x509_add_extension(pair->certificate, issuer, NID_basic_constraints, "critical,CA:FALSE") &&
      x509_add_extension(pair->certificate, issuer, NID_key_usage, "critical,digitalSignature,keyEncipherment") &&
      x509_add_extension(pair->certificate, issuer, NID_ext_key_usage, extended_usage(request)) &&
      x509_add_extension(pair->certificate, issuer, NID_authority_key_identifier, "keyid") &&
      (!names || x509_add_extension(pair->certificate, issuer, NID_subject_alt_name, names));
  if (good && x509_expiry(pair) > x509_expiry(authority))
    good = X509_set1_notAfter(pair->certificate, X509_get0_notAfter(issuer));
  if (!good || !X509_sign(pair->certificate, authority->key, EVP_sha256())) {
    x509_fail(error, REASON_INTERNAL, "Cannot issue a certificate");
    return NULL;
  }
  return g_steal_pointer(&pair);
}

static bool write_bio(BIO *bio, const char *path, mode_t mode, GError **error)
{
  char *data;
  long length = BIO_get_mem_data(bio, &data);
  return file_write_atomic(path, data, (gsize)length, mode, error);
}

static bool write_key(EVP_PKEY *key, const char *path, GError **error)
{
  g_autoptr(BIO) bio = BIO_new(BIO_s_secmem());
  if (!bio || !PEM_write_bio_PKCS8PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL))
    return x509_fail(error, REASON_INTERNAL, path);
  return write_bio(bio, path, 0600, error);
}

bool x509_save(const X509Pair *pair, const char *directory, const char *name, GError **error)
{
  g_autofree char *key_path = g_strdup_printf("%s/%s.key", directory, name);
  g_autofree char *certificate_path = g_strdup_printf("%s/%s.crt", directory, name);
  g_autoptr(BIO) bio = BIO_new(BIO_s_mem());
  if (!bio || !PEM_write_bio_X509(bio, pair->certificate))
    return x509_fail(error, REASON_INTERNAL, certificate_path);
  return write_key(pair->key, key_path, error) && write_bio(bio, certificate_path, 0644, error);
}

static char *bio_text(BIO *bio)
{
  char *data;
  long length = BIO_get_mem_data(bio, &data);
  return g_strndup(data, (gsize)length);
}

char *x509_certificate_pem(const X509Pair *pair)
{
  g_autoptr(BIO) bio = BIO_new(BIO_s_mem());
  return bio && PEM_write_bio_X509(bio, pair->certificate) ? bio_text(bio) : NULL;
}

char *x509_key_pem(const X509Pair *pair)
{
  g_autoptr(BIO) bio = BIO_new(BIO_s_mem());
  return bio && PEM_write_bio_PKCS8PrivateKey(bio, pair->key, NULL, NULL, 0, NULL, NULL) ? bio_text(bio) : NULL;
}

X509Pair *x509_load(const char *directory, const char *name, GError **error)
{
  g_autofree char *key_path = g_strdup_printf("%s/%s.key", directory, name);
  g_autofree char *certificate_path = g_strdup_printf("%s/%s.crt", directory, name);
  return x509_load_files(certificate_path, key_path, error);
}

X509Pair *x509_load_files(const char *certificate_path, const char *key_path, GError **error)
{
  g_autoptr(BIO) key_bio = BIO_new_file(key_path, "re");
  g_autoptr(BIO) certificate_bio = BIO_new_file(certificate_path, "re");
  g_autoptr(X509Pair) pair = g_new0(X509Pair, 1);
  if (!key_bio || !certificate_bio) {
    x509_fail(error, REASON_FILE, key_bio ? certificate_path : key_path);
    return NULL;
  }
  pair->key = PEM_read_bio_PrivateKey(key_bio, NULL, NULL, NULL);
  pair->certificate = PEM_read_bio_X509(certificate_bio, NULL, NULL, NULL);
  if (!pair->key || !pair->certificate || !X509_check_private_key(pair->certificate, pair->key)) {
    x509_fail(error, REASON_CONFIG, pair->key ? certificate_path : key_path);
    return NULL;
  }
  return g_steal_pointer(&pair);
}

int64_t x509_expiry(const X509Pair *pair)
{
  struct tm ends = { 0 };
  return ASN1_TIME_to_tm(X509_get0_notAfter(pair->certificate), &ends) ? (int64_t)timegm(&ends) : 0;
}

bool x509_is_signed_by(const X509Pair *pair, const X509Pair *authority)
{
  bool good = X509_check_issued(authority->certificate, pair->certificate) == X509_V_OK &&
              X509_verify(pair->certificate, authority->key) == 1;
  ERR_clear_error();
  return good;
}

bool x509_covers(const X509Pair *pair, const X509Request *request)
{
  for (const char *const *name = request->dns_names; name && *name; name++)
    if (X509_check_host(pair->certificate, *name, 0, X509_CHECK_FLAG_NEVER_CHECK_SUBJECT, NULL) != 1)
      return false;
  for (const char *const *address = request->addresses; address && *address; address++)
    if (X509_check_ip_asc(pair->certificate, *address, 0) != 1)
      return false;
  return true;
}

bool x509_new_key_file(const char *path, GError **error)
{
  g_autoptr(EVP_PKEY) key = EVP_EC_gen("P-256");
  if (!key)
    return x509_fail(error, REASON_INTERNAL, path);
  return write_key(key, path, error);
}

bool x509_verify_ed25519(const char *key_path, const void *message, gsize length, const uint8_t signature[64],
                         GError **error)
{
  g_autoptr(BIO) bio = BIO_new_file(key_path, "re");
  g_autoptr(EVP_PKEY) key = bio ? PEM_read_bio_PUBKEY(bio, NULL, NULL, NULL) : NULL;
  if (!key)
    return x509_fail(error, REASON_FILE, key_path);
  g_autoptr(EVP_MD_CTX) context = EVP_MD_CTX_new();
  bool good = EVP_PKEY_get_id(key) == EVP_PKEY_ED25519 && EVP_DigestVerifyInit(context, NULL, NULL, NULL, key) == 1 &&
              EVP_DigestVerify(context, signature, 64, message, length) == 1;
  ERR_clear_error();
  return good || reason_set(error, REASON_IMAGE_UNSIGNED, "the signature does not match the key %s", key_path);
}
