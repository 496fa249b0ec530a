#include "clusterd/server/access/service_account_tokens.h"

#include <string.h>

#include "base/base64url.h"
#include "base/json.h"
#include "base/reason.h"
#include "base/timestamp.h"
#include "clusterd/server/access/jose_key.h"
#include "clusterd/server/access/service_account_private.h"
#include "clusterd/server/api_error.h"
#include "clusterd/server/registry/registry_private.h"

/* --- life ----------------------------------------------------------------------------------------------------------
 */

static bool is_known(const ServiceAccountTokens *tokens, const JoseKey *key)
{
  for (guint i = 0; i < tokens->keys->len; i++)
    if (g_str_equal(jose_key_id(tokens->keys->pdata[i]), jose_key_id(key)))
      return true;
  return false;
}

static bool read_keys(ServiceAccountTokens *tokens, const ApiServerConfig *config, GError **error)
{
  tokens->keys = g_ptr_array_new_with_free_func((GDestroyNotify)jose_key_free);
  JoseKey *signer = jose_key_read(config->service_account_key_file, error);
  if (!signer)
    return false;
  g_ptr_array_add(tokens->keys, signer);
  g_autoptr(GPtrArray) others = g_ptr_array_new_with_free_func((GDestroyNotify)jose_key_free);
  for (int i = 0; config->service_account_verify_files && config->service_account_verify_files[i]; i++)
    if (!jose_keys_read(others, config->service_account_verify_files[i], error))
      return false;
  while (others->len > 0) {
    JoseKey *key = g_ptr_array_steal_index(others, 0);
    if (is_known(tokens, key))
      jose_key_free(key);
    else
      g_ptr_array_add(tokens->keys, key);
  }
  return true;
}

ServiceAccountTokens *service_account_tokens_new(Registry *registry, const ApiServerConfig *config, GError **error)
{
  g_autoptr(ServiceAccountTokens) tokens = g_new0(ServiceAccountTokens, 1);
  const char *const *audiences =
      config->api_audiences && config->api_audiences[0] ? config->api_audiences : config->service_account_issuers;
  tokens->registry = registry;
  tokens->issuers = g_strdupv((char **)(uintptr_t)config->service_account_issuers);
  tokens->audiences = g_strdupv((char **)(uintptr_t)audiences);
  return read_keys(tokens, config, error) ? g_steal_pointer(&tokens) : NULL;
}

void service_account_tokens_free(ServiceAccountTokens *tokens)
{
  if (!tokens)
    return;
  g_clear_pointer(&tokens->keys, g_ptr_array_unref);
  g_strfreev(tokens->issuers);
  g_strfreev(tokens->audiences);
  g_free(tokens);
}

const char *const *service_account_tokens_audiences(const ServiceAccountTokens *tokens)
{
  return (const char *const *)tokens->audiences;
}

json_t *service_account_tokens_jwks(const ServiceAccountTokens *tokens)
{
  json_t *keys = json_array();
  for (guint i = 0; i < tokens->keys->len; i++)
    json_array_append_new(keys, jose_key_jwk(tokens->keys->pdata[i]));
  return json_pack("{s:o}", "keys", keys);
}

json_t *service_account_tokens_configuration(const ServiceAccountTokens *tokens, const char *jwks_uri)
{
  json_t *algorithms = json_array();
  g_autoptr(GHashTable) seen = g_hash_table_new(g_str_hash, g_str_equal);
  for (guint i = 0; i < tokens->keys->len; i++)
    if (g_hash_table_add(seen, (char *)(uintptr_t)jose_key_algorithm(tokens->keys->pdata[i])))
      json_array_append_new(algorithms, json_string(jose_key_algorithm(tokens->keys->pdata[i])));
  return json_pack("{s:s, s:s, s:[s], s:[s], s:o}", "issuer", tokens->issuers[0], "jwks_uri", jwks_uri,
                   "response_types_supported", "id_token", "subject_types_supported", "public",
                   "id_token_signing_alg_values_supported", algorithms);
}

/* --- what a token is bound to --------------------------------------------------------------------------------------
 */

static const ApiKind *core_kind(const ServiceAccountTokens *tokens, const char *plural)
{
  return api_scheme_resource(registry_scheme(tokens->registry), "", "v1", plural);
}

Object *service_account_tokens_find(const ServiceAccountTokens *tokens, const char *plural, const char *namespace_,
                                    const char *name)
{
  const ApiKind *kind = core_kind(tokens, plural);
  Object *object = registry_lookup(tokens->registry, kind, namespace_, name);
  /* what another server has just made may not have come here yet */
  return object || !registry_catch_up(tokens->registry, NULL)
             ? object
             : registry_lookup(tokens->registry, kind, namespace_, name);
}

static Object *find_or_fail(const ServiceAccountTokens *tokens, const char *plural, const char *namespace_,
                            const char *name, GError **error)
{
  Object *object = service_account_tokens_find(tokens, plural, namespace_, name);
  if (!object)
    api_error_not_found(error, core_kind(tokens, plural), name);
  return object;
}

static const char *plural_of(const char *kind)
{
  static const char *const plurals[][2] = { { "Pod", "pods" }, { "Node", "nodes" }, { "Secret", "secrets" } };
  for (gsize i = 0; i < G_N_ELEMENTS(plurals); i++)
    if (g_str_equal(plurals[i][0], kind))
      return plurals[i][1];
  return NULL;
}

static bool check_bound(const TokenRequest *request, const Object *bound, GError **error)
{
  const char *account = json_str(json_object_get(object_json(bound), "spec"), "serviceAccountName", "");
  if (g_str_equal(request->bound_kind, "Pod") && !g_str_equal(account, request->account))
    return reason_set(error, REASON_BAD_REQUEST,
                      "cannot bind token for serviceaccount \"%s\" to pod running with different serviceaccount name.",
                      request->account);
  if (!request->bound_uid || !*request->bound_uid || g_str_equal(request->bound_uid, object_uid(bound)))
    return true;
  return reason_set_details(error, REASON_CONFLICT,
                            json_pack("{s:s, s:s}", "name", request->bound_name, "kind", request->bound_kind),
                            "Operation cannot be fulfilled on %s \"%s\": the UID in the bound object reference (%s) "
                            "does not match the UID in "
                            "record. The object might have been deleted and then recreated",
                            request->bound_kind, request->bound_name, request->bound_uid);
}

/* The object the token ends with; NULL with *ERROR when it may not be bound to it. */
static Object *find_bound(const ServiceAccountTokens *tokens, const TokenRequest *request, GError **error)
{
  const char *version = request->bound_version ? request->bound_version : "v1";
  const char *plural = strchr(version, '/') ? NULL : plural_of(request->bound_kind);
  if (!plural) {
    reason_set(error, REASON_BAD_REQUEST, "cannot bind token to object of type %s%s, Kind=%s",
               strchr(version, '/') ? "" : "/", version, request->bound_kind);
    return NULL;
  }
  bool of_node = g_str_equal(request->bound_kind, "Node");
  g_autoptr(Object) bound =
      find_or_fail(tokens, plural, of_node ? NULL : request->namespace_, request->bound_name, error);
  return bound && check_bound(request, bound, error) ? g_steal_pointer(&bound) : NULL;
}

static json_t *reference(const Object *object)
{
  return json_pack("{s:s, s:s}", "name", object_name(object), "uid", object_uid(object));
}

/* The claim kubernetes.io. A pod's token also names the node the pod is on. */
static json_t *private_claims(const ServiceAccountTokens *tokens, const Object *account, const TokenRequest *request,
                              const Object *bound)
{
  json_t *claims =
      json_pack("{s:s, s:o}", "namespace", object_namespace(account), "serviceaccount", reference(account));
  if (!bound)
    return claims;
  g_autofree char *member = g_ascii_strdown(request->bound_kind, -1);
  json_object_set_new(claims, member, reference(bound));
  const char *name = json_str(json_object_get(object_json(bound), "spec"), "nodeName", "");
  if (g_str_equal(member, "pod") && *name) {
    g_autoptr(Object) node = service_account_tokens_find(tokens, "nodes", NULL, name);
    json_object_set_new(claims, "node", node ? reference(node) : json_pack("{s:s}", "name", name));
  }
  return claims;
}

/* --- issue ---------------------------------------------------------------------------------------------------------
 */

static char *encode(const ServiceAccountTokens *tokens, const json_t *claims, GError **error)
{
  const JoseKey *key = tokens->keys->pdata[0];
  g_autoptr(json_t) header = json_pack("{s:s, s:s}", "alg", jose_key_algorithm(key), "kid", jose_key_id(key));
  g_autofree char *header_text = json_text(header), *claims_text = json_text(claims);
  g_autofree char *first = base64url_encode(header_text, strlen(header_text));
  g_autofree char *second = base64url_encode(claims_text, strlen(claims_text));
  g_autofree char *signed_text = g_strdup_printf("%s.%s", first, second);
  g_autofree char *signature = jose_key_sign(key, signed_text);
  if (signature)
    return g_strdup_printf("%s.%s", signed_text, signature);
  reason_set(error, REASON_INTERNAL, "cannot sign a token");
  return NULL;
}

static json_t *audience_claim(const ServiceAccountTokens *tokens, const TokenRequest *request)
{
  json_t *audience = json_array();
  for (int i = 0; request->audiences && request->audiences[i]; i++)
    json_array_append_new(audience, json_string(request->audiences[i]));
  for (int i = 0; json_array_size(audience) == 0 && tokens->audiences[i]; i++)
    json_array_append_new(audience, json_string(tokens->audiences[i]));
  return audience;
}

static bool check_lifetime(int64_t seconds, GError **error)
{
  if (seconds >= TOKEN_LIFETIME_MIN && seconds <= TOKEN_LIFETIME_MAX)
    return true;
  return api_error_invalid(error, "TokenRequest", "authentication.k8s.io", "", "FieldValueInvalid",
                           "spec.expirationSeconds", "%" G_GINT64_FORMAT ": %s", seconds,
                           seconds < TOKEN_LIFETIME_MIN ? "may not specify a duration less than 10 minutes"
                                                        : "may not specify a duration larger than 2^32 seconds");
}

char *service_account_tokens_issue(ServiceAccountTokens *tokens, const TokenRequest *request, int64_t *expires_us,
                                   GError **error)
{
  if (!check_lifetime(request->lifetime_seconds, error))
    return NULL;
  g_autoptr(Object) account = find_or_fail(tokens, "serviceaccounts", request->namespace_, request->account, error);
  if (!account)
    return NULL;
  g_autoptr(Object) bound = request->bound_kind ? find_bound(tokens, request, error) : NULL;
  if (request->bound_kind && !bound)
    return NULL;
  int64_t now = timestamp_now_us() / G_USEC_PER_SEC, expires = now + request->lifetime_seconds;
  g_autofree char *id = g_uuid_string_random();
  g_autoptr(json_t) claims =
      json_pack("{s:o, s:I, s:I, s:s, s:s, s:o, s:I, s:o}", "aud", audience_claim(tokens, request), "exp",
                (json_int_t)expires, "iat", (json_int_t)now, "iss", tokens->issuers[0], "jti", id, "kubernetes.io",
                private_claims(tokens, account, request, bound), "nbf", (json_int_t)now, "sub",
                json_sprintf(SERVICE_ACCOUNT_PREFIX "%s:%s", request->namespace_, request->account));
  if (expires_us)
    *expires_us = expires * G_USEC_PER_SEC;
  return encode(tokens, claims, error);
}

char *service_account_tokens_issue_for_secret(ServiceAccountTokens *tokens, const Object *account, const char *secret,
                                              GError **error)
{
  const char *namespace_ = object_namespace(account), *name = object_name(account);
  g_autoptr(json_t) claims = json_pack(
      "{s:s, s:s, s:s, s:s, s:s, s:o}", "iss", LEGACY_ISSUER, LEGACY_CLAIM "namespace", namespace_,
      LEGACY_CLAIM "secret.name", secret, LEGACY_CLAIM "service-account.name", name, LEGACY_CLAIM "service-account.uid",
      object_uid(account), "sub", json_sprintf(SERVICE_ACCOUNT_PREFIX "%s:%s", namespace_, name));
  return encode(tokens, claims, error);
}
