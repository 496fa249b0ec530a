/* Whether a service account's token is good: signature, times, audience, and that everything it is bound to lives. */
#include <string.h>

#include "base/base64url.h"
#include "base/json.h"
#include "base/reason.h"
#include "base/timestamp.h"
#include "clusterd/server/access/service_account_private.h"

#define LEEWAY_SECONDS 60 /* clocks differ; objects under deletion count that much longer */

#define EXTRA "authentication.kubernetes.io/"

/* A token that is nobody's we know. */
static bool unknown(GError **error)
{
  return reason_set(error, REASON_UNAUTHORIZED, "invalid bearer token");
}

static bool refuse(GError **error, const char *format, ...) G_GNUC_PRINTF(2, 3);

/* A token of ours that is not, or no longer, good. */
static bool refuse(GError **error, const char *format, ...)
{
  va_list args;
  va_start(args, format);
  g_autofree char *why = g_strdup_vprintf(format, args);
  va_end(args);
  return reason_set(error, REASON_UNAUTHORIZED, "[invalid bearer token, %s]", why);
}

/* --- the token -----------------------------------------------------------------------------------------------------
 */

static json_t *decode_part(const char *text, gsize length)
{
  g_autofree char *part = g_strndup(text, length);
  g_autoptr(GBytes) bytes = base64url_decode(part);
  gsize size = 0;
  const char *json = bytes ? g_bytes_get_data(bytes, &size) : NULL;
  return json ? json_parse(json, size, true, NULL) : NULL;
}

/* Any key of the algorithm may have signed; the one that is named is tried alone. */
static bool is_signed(const ServiceAccountTokens *tokens, const json_t *header, const char *text, gsize length,
                      GBytes *signature)
{
  const char *id = json_str(header, "kid", ""), *algorithm = json_str(header, "alg", "");
  bool named = false;
  for (guint i = 0; i < tokens->keys->len; i++)
    named = named || g_str_equal(jose_key_id(tokens->keys->pdata[i]), id);
  for (guint i = 0; i < tokens->keys->len; i++) {
    const JoseKey *key = tokens->keys->pdata[i];
    if (g_str_equal(jose_key_algorithm(key), algorithm) && (!named || g_str_equal(jose_key_id(key), id)) &&
        jose_key_verify(key, text, length, signature))
      return true;
  }
  return false;
}

static bool is_issuer(const ServiceAccountTokens *tokens, const char *issuer)
{
  return g_str_equal(issuer, LEGACY_ISSUER) || g_strv_contains((const char *const *)tokens->issuers, issuer);
}

/* The claims of a token that we signed, whatever they say. NULL with *ERROR. */
static json_t *decode(const ServiceAccountTokens *tokens, const char *token, GError **error)
{
  const char *first = strchr(token, '.');
  const char *second = first ? strchr(first + 1, '.') : NULL;
  if (!second || strlen(token) > TOKEN_LENGTH_MAX) {
    unknown(error);
    return NULL;
  }
  g_autoptr(json_t) header = decode_part(token, (gsize)(first - token));
  g_autoptr(json_t) claims = decode_part(first + 1, (gsize)(second - first - 1));
  g_autoptr(GBytes) signature = base64url_decode(second + 1);
  if (!header || !claims || !signature || !is_issuer(tokens, json_str(claims, "iss", "")) ||
      !is_signed(tokens, header, token, (gsize)(second - token), signature)) {
    unknown(error);
    return NULL;
  }
  return g_steal_pointer(&claims);
}

static bool check_times(const json_t *claims, GError **error)
{
  int64_t now = timestamp_now_us() / G_USEC_PER_SEC;
  if (now > json_int(claims, "exp", 0) + LEEWAY_SECONDS)
    return refuse(error, "service account token has expired");
  if (now + LEEWAY_SECONDS < json_int(claims, "nbf", 0))
    return refuse(error, "service account token is not valid yet");
  return true;
}

/* A list as Go prints it: ["a" "b"]. The caller frees. */
static char *quoted_list(const json_t *list)
{
  GString *text = g_string_new("[");
  size_t i;
  json_t *item;
  json_array_foreach (list, i, item)
    g_string_append_printf(text, "%s\"%s\"", i ? " " : "", json_is_string(item) ? json_string_value(item) : "");
  return g_string_free(g_string_append_c(text, ']'), FALSE);
}

static bool check_audience(const json_t *claims, const char *const *audiences, GError **error)
{
  const json_t *given = json_object_get(claims, "aud");
  g_autoptr(json_t) wanted = json_array();
  size_t i;
  json_t *audience;
  json_array_foreach (given, i, audience)
    if (json_is_string(audience) && g_strv_contains(audiences, json_string_value(audience)))
      return true;
  for (i = 0; audiences[i]; i++)
    json_array_append_new(wanted, json_string(audiences[i]));
  g_autofree char *has = quoted_list(given), *wants = quoted_list(wanted);
  return refuse(error, "token audiences %s is invalid for the target audiences %s", has, wants);
}

/* --- the objects it is bound to ------------------------------------------------------------------------------------
 */

static bool is_long_deleted(const Object *object)
{
  const char *text = json_str(json_object_get(object_json(object), "metadata"), "deletionTimestamp", NULL);
  int64_t deleted_us;
  return text && timestamp_parse(text, &deleted_us) &&
         deleted_us < timestamp_now_us() - (int64_t)LEEWAY_SECONDS * G_USEC_PER_SEC;
}

static bool check_account(const ServiceAccountTokens *tokens, const char *namespace_, const char *name, const char *uid,
                          GError **error)
{
  g_autoptr(Object) account = service_account_tokens_find(tokens, "serviceaccounts", namespace_, name);
  if (!account)
    return refuse(error, "serviceaccounts \"%s\" not found", name);
  if (!g_str_equal(object_uid(account), uid))
    return refuse(error, "service account UID (%s) does not match claim (%s)", object_uid(account), uid);
  if (is_long_deleted(account))
    return refuse(error, "service account %s/%s has been deleted", namespace_, name);
  return true;
}

/* The pod, secret or node the claim MEMBER names, if there is one. A pod's node may go before the pod. */
static bool check_bound(const ServiceAccountTokens *tokens, const json_t *private, const char *member,
                        const char *plural, const char *namespace_, GError **error)
{
  const json_t *claim = json_object_get(private, member);
  const char *name = json_str(claim, "name", ""), *uid = json_str(claim, "uid", "");
  if (!claim)
    return true;
  g_autoptr(Object) object = service_account_tokens_find(tokens, plural, namespace_, name);
  if (!object || is_long_deleted(object))
    return refuse(error, "service account token has been invalidated");
  if (!g_str_equal(object_uid(object), uid))
    return refuse(error, "%s UID (%s) does not match service account %s ref claim (%s)", member, object_uid(object),
                  member, uid);
  return true;
}

/* --- who ----------------------------------------------------------------------------------------------------------
 */

static Identity *identity_of(const char *namespace_, const char *name, const char *uid)
{
  g_autofree char *user = g_strdup_printf(SERVICE_ACCOUNT_PREFIX "%s:%s", namespace_, name);
  g_autofree char *group = g_strdup_printf("system:serviceaccounts:%s", namespace_);
  const char *groups[] = { "system:serviceaccounts", group, "system:authenticated", NULL };
  return identity_new(user, uid, groups);
}

static void add_reference(Identity *identity, const json_t *private, const char *member)
{
  const json_t *claim = json_object_get(private, member);
  g_autofree char *name_key = g_strdup_printf(EXTRA "%s-name", member);
  g_autofree char *uid_key = g_strdup_printf(EXTRA "%s-uid", member);
  if (!claim)
    return;
  identity_add_extra(identity, name_key, json_str(claim, "name", ""));
  if (*json_str(claim, "uid", ""))
    identity_add_extra(identity, uid_key, json_str(claim, "uid", ""));
}

static Identity *verify_bound(const ServiceAccountTokens *tokens, const json_t *claims, const char *const *audiences,
                              GError **error)
{
  const json_t *private = json_object_get(claims, "kubernetes.io");
  const json_t *account = json_object_get(private, "serviceaccount");
  const char *namespace_ = json_str(private, "namespace", ""), *name = json_str(account, "name", "");
  const char *uid = json_str(account, "uid", ""), *id = json_str(claims, "jti", "");
  bool of_pod = json_object_get(private, "pod") != NULL;
  if (!check_times(claims, error) || !check_audience(claims, audiences, error) ||
      !check_account(tokens, namespace_, name, uid, error) ||
      !check_bound(tokens, private, "secret", "secrets", namespace_, error) ||
      !check_bound(tokens, private, "pod", "pods", namespace_, error) ||
      (!of_pod && !check_bound(tokens, private, "node", "nodes", NULL, error)))
    return NULL;
  Identity *identity = identity_of(namespace_, name, uid);
  if (*id) {
    g_autofree char *credential = g_strconcat("JTI=", id, NULL);
    identity_add_extra(identity, EXTRA "credential-id", credential);
  }
  add_reference(identity, private, "node");
  add_reference(identity, private, "pod");
  return identity;
}

/* The token of a Secret: it is good as long as the Secret has it. It knows no audiences, so it is this API's. */
static Identity *verify_legacy(const ServiceAccountTokens *tokens, const char *token, const json_t *claims,
                               const char *const *audiences, GError **error)
{
  const char *namespace_ = json_str(claims, LEGACY_CLAIM "namespace", "");
  const char *name = json_str(claims, LEGACY_CLAIM "service-account.name", "");
  const char *uid = json_str(claims, LEGACY_CLAIM "service-account.uid", "");
  const char *secret_name = json_str(claims, LEGACY_CLAIM "secret.name", "");
  g_autoptr(json_t) own = json_object();
  json_t *list = json_array();
  for (int i = 0; tokens->audiences[i]; i++)
    json_array_append_new(list, json_string(tokens->audiences[i]));
  json_object_set_new(own, "aud", list);
  if (!check_audience(own, audiences, error))
    return NULL;
  g_autoptr(Object) secret = service_account_tokens_find(tokens, "secrets", namespace_, secret_name);
  if (!secret || json_at(object_json(secret), "metadata", "deletionTimestamp", NULL)) {
    refuse(error, "service account token has been invalidated");
    return NULL;
  }
  gsize length = 0;
  const char *encoded = json_str(json_object_get(object_json(secret), "data"), "token", "");
  g_autofree char *stored = (char *)g_base64_decode(encoded, &length);
  if (length != strlen(token) || memcmp(stored, token, length) != 0) {
    refuse(error, "service account token does not match server's copy");
    return NULL;
  }
  return check_account(tokens, namespace_, name, uid, error) ? identity_of(namespace_, name, uid) : NULL;
}

Identity *service_account_tokens_verify(ServiceAccountTokens *tokens, const char *token, const char *const *audiences,
                                        GError **error)
{
  g_autoptr(json_t) claims = decode(tokens, token, error);
  if (!claims)
    return NULL;
  const char *const *wanted = audiences ? audiences : (const char *const *)tokens->audiences;
  if (g_str_equal(json_str(claims, "iss", ""), LEGACY_ISSUER))
    return verify_legacy(tokens, token, claims, wanted, error);
  return verify_bound(tokens, claims, wanted, error);
}
