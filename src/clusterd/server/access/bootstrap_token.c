#include "clusterd/server/access/bootstrap_token.h"

#include <openssl/crypto.h>
#include <string.h>

#include "base/json.h"
#include "base/timestamp.h"
#include "clusterd/server/registry/registry_private.h"

#define ID_LENGTH 6
#define SECRET_LENGTH 16
#define GROUP_PREFIX "system:bootstrappers"

static bool is_token(const char *token)
{
  if (strlen(token) != ID_LENGTH + 1 + SECRET_LENGTH || token[ID_LENGTH] != '.')
    return false;
  for (const char *c = token; *c; c++)
    if (c != token + ID_LENGTH && !g_ascii_isdigit(*c) && !g_ascii_islower(*c))
      return false;
  return true;
}

/* A member of the Secret's data as text; "" when it is absent. The caller frees. */
static char *text_of(const Object *secret, const char *member)
{
  gsize length;
  const char *encoded = json_str(json_object_get(object_json(secret), "data"), member, "");
  g_autofree guchar *bytes = g_base64_decode(encoded, &length);
  return g_strndup((const char *)bytes, length);
}

static bool is_member(const Object *secret, const char *member, const char *expected)
{
  g_autofree char *text = text_of(secret, member);
  return strlen(text) == strlen(expected) && CRYPTO_memcmp(text, expected, strlen(expected)) == 0;
}

static bool is_expired(const Object *secret)
{
  int64_t end;
  g_autofree char *expiration = text_of(secret, "expiration");
  return *expiration && (!timestamp_parse(expiration, &end) || end <= timestamp_now_us());
}

static bool is_good(const Object *secret, const char *id, const char *token)
{
  return g_str_equal(json_str(object_json(secret), "type", ""), "bootstrap.kubernetes.io/token") &&
         !json_at(object_json(secret), "metadata", "deletionTimestamp", NULL) && is_member(secret, "token-id", id) &&
         is_member(secret, "token-secret", token + ID_LENGTH + 1) && !is_expired(secret) &&
         is_member(secret, "usage-bootstrap-authentication", "true");
}

/* "system:bootstrappers:" and then letters, digits, ":" and "-", not ending in one of these two. */
static bool is_group(const char *group)
{
  static const char prefix[] = GROUP_PREFIX ":";
  gsize length = strlen(group);
  if (!g_str_has_prefix(group, prefix) || length == sizeof prefix - 1 || length > sizeof prefix + 255)
    return false;
  for (const char *c = group + sizeof prefix - 1; *c; c++)
    if (!g_ascii_islower(*c) && !g_ascii_isdigit(*c) && ((*c != ':' && *c != '-') || !c[1]))
      return false;
  return true;
}

Identity *bootstrap_token_find(Registry *registry, const char *token)
{
  if (!is_token(token))
    return NULL;
  g_autofree char *id = g_strndup(token, ID_LENGTH);
  g_autofree char *name = g_strconcat("bootstrap-token-", id, NULL);
  const ApiKind *kind = api_scheme_resource(registry_scheme(registry), "", "v1", "secrets");
  g_autoptr(Object) secret = registry_lookup(registry, kind, "kube-system", name);
  if (!secret || !is_good(secret, id, token))
    return NULL;
  g_autoptr(GStrvBuilder) groups = g_strv_builder_new();
  g_autofree char *extra = text_of(secret, "auth-extra-groups");
  g_auto(GStrv) given = g_strsplit(extra, ",", -1);
  g_strv_builder_add(groups, GROUP_PREFIX);
  for (int i = 0; given[i]; i++) {
    if (*given[i] && !is_group(given[i]))
      return NULL;
    if (*given[i])
      g_strv_builder_add(groups, given[i]);
  }
  g_strv_builder_add(groups, "system:authenticated");
  g_auto(GStrv) all = g_strv_builder_end(groups);
  g_autofree char *user = g_strconcat("system:bootstrap:", id, NULL);
  return identity_new(user, NULL, (const char *const *)all);
}
