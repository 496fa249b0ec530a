#include "clusterd/server/service_account_tokens.h"

#include <openssl/core_names.h>
#include <openssl/ecdsa.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <string.h>

#include "base/file.h"
#include "base/json.h"
#include "base/reason.h"
#include "base/timestamp.h"
#include "clusterd/server/api_error.h"
#include "clusterd/server/base64url.h"
#include "clusterd/server/registry_private.h"

#define KEY_FILE_MAX (64 << 10)
#define SCALAR_BYTES 32 /* of P-256 */
#define SIGNATURE_BYTES (2 * SCALAR_BYTES)

struct ServiceAccountTokens {
  Registry *registry;
  char *issuer;
  char *key_id;
  EVP_PKEY *key;
  char *x, *y; /* of the public point, base64url */
};

/* --- the key -------------------------------------------------------------------------------------------------------
 */

static bool read_key(ServiceAccountTokens *tokens, const char *path, GError **error)
{
  g_autoptr(GBytes) pem = file_read(path, KEY_FILE_MAX, error);
  if (!pem)
    return false;
  gsize length;
  const void *data = g_bytes_get_data(pem, &length);
  BIO *bio = BIO_new_mem_buf(data, (int)length);
  tokens->key = PEM_read_bio_PrivateKey(bio, NULL, NULL, NULL);
  BIO_free(bio);
  char group[64] = "";
  if (!tokens->key ||
      EVP_PKEY_get_utf8_string_param(tokens->key, OSSL_PKEY_PARAM_GROUP_NAME, group, sizeof group, NULL) != 1 ||
      !g_str_equal(group, "prime256v1"))
    return reason_set(error, REASON_CONFIG, "%s: not a private key on the curve P-256", path);
  return true;
}

static char *coordinate(const ServiceAccountTokens *tokens, const char *name)
{
  unsigned char bytes[SCALAR_BYTES];
  BIGNUM *number = NULL;
  EVP_PKEY_get_bn_param(tokens->key, name, &number);
  BN_bn2binpad(number, bytes, sizeof bytes);
  BN_free(number);
  return base64url_encode(bytes, sizeof bytes);
}

/* The key's thumbprint (RFC 7638) names it. */
static char *thumbprint(const ServiceAccountTokens *tokens)
{
  unsigned char digest[32];
  unsigned int length = sizeof digest;
  g_autofree char *text =
      g_strdup_printf("{\"crv\":\"P-256\",\"kty\":\"EC\",\"x\":\"%s\",\"y\":\"%s\"}", tokens->x, tokens->y);
  EVP_Digest(text, strlen(text), digest, &length, EVP_sha256(), NULL);
  return base64url_encode(digest, sizeof digest);
}

ServiceAccountTokens *service_account_tokens_new(Registry *registry, const char *key_file, const char *issuer,
                                                 GError **error)
{
  g_autoptr(ServiceAccountTokens) tokens = g_new0(ServiceAccountTokens, 1);
  tokens->registry = registry;
  tokens->issuer = g_strdup(issuer);
  if (!read_key(tokens, key_file, error))
    return NULL;
  tokens->x = coordinate(tokens, OSSL_PKEY_PARAM_EC_PUB_X);
  tokens->y = coordinate(tokens, OSSL_PKEY_PARAM_EC_PUB_Y);
  tokens->key_id = thumbprint(tokens);
  return g_steal_pointer(&tokens);
}

void service_account_tokens_free(ServiceAccountTokens *tokens)
{
  if (!tokens)
    return;
  EVP_PKEY_free(tokens->key);
  g_free(tokens->issuer);
  g_free(tokens->key_id);
  g_free(tokens->x);
  g_free(tokens->y);
  g_free(tokens);
}

json_t *service_account_tokens_jwks(const ServiceAccountTokens *tokens)
{
  return json_pack("{s:[{s:s, s:s, s:s, s:s, s:s, s:s, s:s}]}", "keys", "use", "sig", "kty", "EC", "kid",
                   tokens->key_id, "crv", "P-256", "alg", "ES256", "x", tokens->x, "y", tokens->y);
}

json_t *service_account_tokens_configuration(const ServiceAccountTokens *tokens)
{
  return json_pack("{s:s, s:o, s:[s], s:[s], s:[s]}", "issuer", tokens->issuer, "jwks_uri",
                   json_sprintf("%s/openid/v1/jwks", tokens->issuer), "response_types_supported", "id_token",
                   "subject_types_supported", "public", "id_token_signing_alg_values_supported", "ES256");
}

/* --- signatures: JOSE wants r and s side by side, OpenSSL makes ASN.1 ----------------------------------------------
 */

static char *sign(const ServiceAccountTokens *tokens, const char *text)
{
  unsigned char der[128], raw[SIGNATURE_BYTES];
  size_t length = sizeof der;
  EVP_MD_CTX *context = EVP_MD_CTX_new();
  bool ok = EVP_DigestSignInit(context, NULL, EVP_sha256(), NULL, tokens->key) == 1 &&
            EVP_DigestSign(context, der, &length, (const unsigned char *)text, strlen(text)) == 1;
  EVP_MD_CTX_free(context);
  const unsigned char *cursor = der;
  ECDSA_SIG *signature = ok ? d2i_ECDSA_SIG(NULL, &cursor, (long)length) : NULL;
  ok = signature && BN_bn2binpad(ECDSA_SIG_get0_r(signature), raw, SCALAR_BYTES) == SCALAR_BYTES &&
       BN_bn2binpad(ECDSA_SIG_get0_s(signature), raw + SCALAR_BYTES, SCALAR_BYTES) == SCALAR_BYTES;
  ECDSA_SIG_free(signature);
  return ok ? base64url_encode(raw, sizeof raw) : NULL;
}

static bool signature_is_good(const ServiceAccountTokens *tokens, const char *text, gsize length, GBytes *raw)
{
  gsize size;
  const unsigned char *bytes = g_bytes_get_data(raw, &size);
  if (size != SIGNATURE_BYTES)
    return false;
  ECDSA_SIG *signature = ECDSA_SIG_new();
  ECDSA_SIG_set0(signature, BN_bin2bn(bytes, SCALAR_BYTES, NULL), BN_bin2bn(bytes + SCALAR_BYTES, SCALAR_BYTES, NULL));
  unsigned char *der = NULL;
  int der_length = i2d_ECDSA_SIG(signature, &der);
  EVP_MD_CTX *context = EVP_MD_CTX_new();
  bool good = der_length > 0 && EVP_DigestVerifyInit(context, NULL, EVP_sha256(), NULL, tokens->key) == 1 &&
              EVP_DigestVerify(context, der, (size_t)der_length, (const unsigned char *)text, length) == 1;
  EVP_MD_CTX_free(context);
  ECDSA_SIG_free(signature);
  OPENSSL_free(der);
  return good;
}

/* --- issue ---------------------------------------------------------------------------------------------------------
 */

static Object *find(const ServiceAccountTokens *tokens, const char *plural, const char *namespace_, const char *name)
{
  const ApiKind *kind = api_scheme_resource(registry_scheme(tokens->registry), "", "v1", plural);
  return registry_lookup(tokens->registry, kind, namespace_, name);
}

static bool not_found(const ServiceAccountTokens *tokens, const char *plural, const char *name, GError **error)
{
  return api_error_not_found(error, api_scheme_resource(registry_scheme(tokens->registry), "", "v1", plural), name);
}

static json_t *binding_claim(const char *name, const char *uid)
{
  return json_pack("{s:s, s:s}", "name", name, "uid", uid);
}

static json_t *claims_of(const ServiceAccountTokens *tokens, const Object *account, const Object *pod,
                         const char *const *audiences, int64_t now, int64_t expires)
{
  const char *namespace_ = object_namespace(account), *name = object_name(account);
  json_t *bound =
      json_pack("{s:s, s:o}", "namespace", namespace_, "serviceaccount", binding_claim(name, object_uid(account)));
  if (pod) {
    json_object_set_new(bound, "pod", binding_claim(object_name(pod), object_uid(pod)));
    const char *node = json_str(json_object_get(object_json(pod), "spec"), "nodeName", "");
    if (*node)
      json_object_set_new(bound, "node", json_pack("{s:s}", "name", node));
  }
  json_t *audience = json_array();
  for (int i = 0; audiences && audiences[i]; i++)
    json_array_append_new(audience, json_string(audiences[i]));
  if (json_array_size(audience) == 0)
    json_array_append_new(audience, json_string(tokens->issuer));
  g_autofree char *id = g_uuid_string_random();
  return json_pack("{s:o, s:I, s:I, s:s, s:s, s:o, s:I, s:o}", "aud", audience, "exp", (json_int_t)expires, "iat",
                   (json_int_t)now, "iss", tokens->issuer, "jti", id, "kubernetes.io", bound, "nbf", (json_int_t)now,
                   "sub", json_sprintf("system:serviceaccount:%s:%s", namespace_, name));
}

static char *encode(const ServiceAccountTokens *tokens, const json_t *claims)
{
  g_autoptr(json_t) header = json_pack("{s:s, s:s}", "alg", "ES256", "kid", tokens->key_id);
  g_autofree char *header_text = json_text(header), *claims_text = json_text(claims);
  g_autofree char *first = base64url_encode(header_text, strlen(header_text));
  g_autofree char *second = base64url_encode(claims_text, strlen(claims_text));
  g_autofree char *signed_text = g_strdup_printf("%s.%s", first, second);
  g_autofree char *signature = sign(tokens, signed_text);
  return signature ? g_strdup_printf("%s.%s", signed_text, signature) : NULL;
}

char *service_account_tokens_issue(ServiceAccountTokens *tokens, const char *namespace_, const char *name,
                                   const char *const *audiences, int64_t lifetime_seconds, const char *pod_name,
                                   const char *pod_uid, int64_t *expires_us, GError **error)
{
  if (lifetime_seconds < TOKEN_LIFETIME_MIN || lifetime_seconds > TOKEN_LIFETIME_MAX) {
    api_error_invalid(error, "TokenRequest", "authentication.k8s.io", "", "FieldValueInvalid", "spec.expirationSeconds",
                      "%" G_GINT64_FORMAT ": %s", lifetime_seconds,
                      lifetime_seconds < TOKEN_LIFETIME_MIN ? "may not specify a duration less than 10 minutes"
                                                            : "may not specify a duration larger than 2^32 seconds");
    return NULL;
  }
  g_autoptr(Object) account = find(tokens, "serviceaccounts", namespace_, name);
  g_autoptr(Object) pod = pod_name ? find(tokens, "pods", namespace_, pod_name) : NULL;
  if (!account || (pod_name && !pod)) {
    not_found(tokens, account ? "pods" : "serviceaccounts", account ? pod_name : name, error);
    return NULL;
  }
  if (pod && pod_uid && *pod_uid && !g_str_equal(pod_uid, object_uid(pod))) {
    reason_set(
        error, REASON_CONFLICT,
        "Operation cannot be fulfilled on pods \"%s\": the UID in the bound object reference (%s) does not match "
        "the UID in record. The object might have been deleted and then recreated",
        pod_name, pod_uid);
    return NULL;
  }
  int64_t now = timestamp_now_us() / G_USEC_PER_SEC, expires = now + lifetime_seconds;
  g_autoptr(json_t) claims = claims_of(tokens, account, pod, audiences, now, expires);
  char *token = encode(tokens, claims);
  if (!token)
    reason_set(error, REASON_INTERNAL, "cannot sign a token");
  else if (expires_us)
    *expires_us = expires * G_USEC_PER_SEC;
  return token;
}

/* --- verify --------------------------------------------------------------------------------------------------------
 */

static json_t *decode_part(const char *text, gsize length)
{
  g_autofree char *part = g_strndup(text, length);
  g_autoptr(GBytes) bytes = base64url_decode(part);
  gsize size = 0;
  const char *json = bytes ? g_bytes_get_data(bytes, &size) : NULL;
  return json ? json_parse(json, size, true, NULL) : NULL;
}

/* The claims of a token that we signed, whatever they say. */
static json_t *decode(const ServiceAccountTokens *tokens, const char *token)
{
  const char *first = strchr(token, '.');
  const char *second = first ? strchr(first + 1, '.') : NULL;
  if (!second || strlen(token) > TOKEN_LENGTH_MAX)
    return NULL;
  g_autoptr(json_t) header = decode_part(token, (gsize)(first - token));
  g_autoptr(GBytes) signature = base64url_decode(second + 1);
  if (!signature || g_strcmp0(json_str(header, "alg", ""), "ES256") != 0 ||
      g_strcmp0(json_str(header, "kid", ""), tokens->key_id) != 0 ||
      !signature_is_good(tokens, token, (gsize)(second - token), signature))
    return NULL;
  return decode_part(first + 1, (gsize)(second - first - 1));
}

static bool shares_audience(const ServiceAccountTokens *tokens, const json_t *claims, const char *const *audiences)
{
  const char *const own[] = { tokens->issuer, NULL };
  const json_t *given = json_object_get(claims, "aud");
  size_t i;
  json_t *audience;
  json_array_foreach (given, i, audience)
    if (json_is_string(audience) && g_strv_contains(audiences ? audiences : own, json_string_value(audience)))
      return true;
  return false;
}

/* The account, and the pod when the token is bound to one, must still be the ones it was made for. */
static bool is_alive(const ServiceAccountTokens *tokens, const char *plural, const char *namespace_,
                     const json_t *claim)
{
  g_autoptr(Object) object = find(tokens, plural, namespace_, json_str(claim, "name", ""));
  return object && g_str_equal(object_uid(object), json_str(claim, "uid", ""));
}

static Identity *identity_of(const char *namespace_, const json_t *account)
{
  g_autofree char *name = g_strdup_printf("system:serviceaccount:%s:%s", namespace_, json_str(account, "name", ""));
  g_autofree char *group = g_strdup_printf("system:serviceaccounts:%s", namespace_);
  const char *groups[] = { "system:serviceaccounts", group, "system:authenticated", NULL };
  return identity_new(name, json_str(account, "uid", ""), groups);
}

Identity *service_account_tokens_verify(ServiceAccountTokens *tokens, const char *token, const char *const *audiences,
                                        GError **error)
{
  int64_t now = timestamp_now_us() / G_USEC_PER_SEC;
  g_autoptr(json_t) claims = decode(tokens, token);
  const json_t *bound = json_object_get(claims, "kubernetes.io");
  const json_t *account = json_object_get(bound, "serviceaccount"), *pod = json_object_get(bound, "pod");
  const char *namespace_ = json_str(bound, "namespace", "");
  if (claims && g_strcmp0(json_str(claims, "iss", ""), tokens->issuer) == 0 && json_int(claims, "exp", 0) > now &&
      json_int(claims, "nbf", 0) <= now + 60 && shares_audience(tokens, claims, audiences) &&
      is_alive(tokens, "serviceaccounts", namespace_, account) && (!pod || is_alive(tokens, "pods", namespace_, pod)))
    return identity_of(namespace_, account);
  reason_set(error, REASON_UNAUTHORIZED, "Unauthorized");
  return NULL;
}
