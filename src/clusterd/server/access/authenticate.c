#include "clusterd/server/access/authenticate.h"

#include <string.h>

#include "base/reason.h"
#include "clusterd/server/access/bootstrap_token.h"

#define AUTHENTICATED "system:authenticated"

static Identity *unauthorized(GError **error)
{
  reason_set(error, REASON_UNAUTHORIZED, "Unauthorized");
  return NULL;
}

static Identity *identity_of_subject(const char *name, char *const *organizations, const char *fingerprint)
{
  g_autoptr(GStrvBuilder) groups = g_strv_builder_new();
  g_strv_builder_addv(groups, (const char **)(uintptr_t)organizations);
  g_strv_builder_add(groups, AUTHENTICATED);
  g_auto(GStrv) all = g_strv_builder_end(groups);
  Identity *identity = identity_new(name, NULL, (const char *const *)all);
  g_autofree char *credential = g_strconcat("X509SHA256=", fingerprint, NULL);
  identity_add_extra(identity, "authentication.kubernetes.io/credential-id", credential);
  return identity;
}

/* The tokens that say nothing of an audience. */
static Identity *find_plain(const Authenticator *authenticator, const char *token)
{
  Identity *identity = token_file_find(authenticator->token_file, token);
  if (!identity && authenticator->bootstrap_registry)
    identity = bootstrap_token_find(authenticator->bootstrap_registry, token);
  return identity;
}

static bool for_this_api(const Authenticator *authenticator, const char *const *audiences)
{
  const char *const *own = service_account_tokens_audiences(authenticator->tokens);
  for (int i = 0; audiences && own[i]; i++)
    if (g_strv_contains(audiences, own[i]))
      return true;
  return !audiences;
}

Identity *authenticate_token(const Authenticator *authenticator, const char *token, const char *const *audiences,
                             GError **error)
{
  Identity *identity = for_this_api(authenticator, audiences) ? find_plain(authenticator, token) : NULL;
  return identity ? identity : service_account_tokens_verify(authenticator->tokens, token, audiences, error);
}

/* The token of `Authorization: Bearer TOKEN`; NULL when there is none, as with any other scheme. */
static const char *bearer_token(const HttpRequest *request)
{
  static const char scheme[] = "Bearer ";
  const char *authorization = http_header(request, "Authorization");
  if (!authorization || g_ascii_strncasecmp(authorization, scheme, sizeof scheme - 1) != 0)
    return NULL;
  authorization += sizeof scheme - 1;
  while (*authorization == ' ')
    authorization++;
  return *authorization ? authorization : NULL;
}

/* A certificate that is good is enough; with a bad one, a token may still say who it is. */
Identity *authenticate(const Authenticator *authenticator, const HttpRequest *request, GError **error)
{
  static const char *const nobody[] = { "system:unauthenticated", NULL };
  bool valid = false;
  g_autofree char *name = NULL, *fingerprint = NULL;
  g_auto(GStrv) organizations = NULL;
  bool certified = http_peer_subject(request, &valid, &name, &organizations, &fingerprint);
  const char *token = bearer_token(request);
  if (certified && valid && name && *name)
    return identity_of_subject(name, organizations, fingerprint);
  Identity *identity = token ? authenticate_token(authenticator, token, NULL, NULL) : NULL;
  if (identity)
    return identity;
  if (token || certified || !authenticator->allow_anonymous)
    return unauthorized(error);
  return identity_new("system:anonymous", NULL, nobody);
}

/* --- impersonation -------------------------------------------------------------------------------------------------
 */

static bool may_impersonate(Authorizer *authorizer, const Identity *identity, const char *group, const char *resource,
                            const char *subresource, const char *namespace_, const char *name, GError **error)
{
  Attributes attributes = { .verb = "impersonate",
                            .group = group,
                            .resource = resource,
                            .subresource = subresource,
                            .namespace_ = namespace_,
                            .name = name };
  return authorizer_check(authorizer, identity, &attributes, error);
}

/* The user: a service account is a resource of its own, with a namespace. */
static bool may_be_user(Authorizer *authorizer, const Identity *identity, const char *user, GError **error)
{
  static const char prefix[] = "system:serviceaccount:";
  g_auto(GStrv) parts = g_str_has_prefix(user, prefix) ? g_strsplit(user + sizeof prefix - 1, ":", 2) : NULL;
  if (parts && parts[0] && parts[1])
    return may_impersonate(authorizer, identity, "", "serviceaccounts", NULL, parts[0], parts[1], error);
  return may_impersonate(authorizer, identity, "", "users", NULL, NULL, user, error);
}

/* What the Impersonate-Extra-KEY headers say goes into OTHER. */
static bool take_extras(const HttpRequest *request, Authorizer *authorizer, const Identity *identity, Identity *other,
                        GError **error)
{
  static const char prefix[] = "Impersonate-Extra-";
  g_auto(GStrv) names = http_header_prefixed(request, prefix);
  for (int i = 0; names[i]; i++) {
    g_autofree char *key = g_ascii_strdown(names[i] + sizeof prefix - 1, -1);
    g_autofree char *decoded = g_uri_unescape_string(key, NULL);
    const char *name = decoded ? decoded : key;
    if (other->extra && json_object_get(other->extra, name))
      continue; /* the values of a repeated header were all taken with its first */
    g_auto(GStrv) values = http_header_all(request, names[i]);
    for (int j = 0; values[j]; j++) {
      if (!may_impersonate(authorizer, identity, "authentication.k8s.io", "userextras", name, NULL, values[j], error))
        return false;
      identity_add_extra(other, name, values[j]);
    }
  }
  return true;
}

static void add_once(GPtrArray *groups, const char *group)
{
  for (guint i = 0; i < groups->len; i++)
    if (g_str_equal(groups->pdata[i], group))
      return;
  g_ptr_array_add(groups, g_strdup(group));
}

/* The groups somebody is in by being who they are: of a service account, when none were asked for. */
static void add_implied_groups(GPtrArray *groups, const char *user)
{
  static const char prefix[] = "system:serviceaccount:";
  if (groups->len == 0 && g_str_has_prefix(user, prefix)) {
    g_auto(GStrv) parts = g_strsplit(user + sizeof prefix - 1, ":", 2);
    add_once(groups, "system:serviceaccounts");
    g_ptr_array_add(groups, g_strconcat("system:serviceaccounts:", parts[0], NULL));
  }
  add_once(groups, g_str_equal(user, "system:anonymous") ? "system:unauthenticated" : AUTHENTICATED);
}

bool authenticate_impersonate(const HttpRequest *request, Authorizer *authorizer, const Identity *identity,
                              Identity **other, GError **error)
{
  const char *user = http_header(request, "Impersonate-User");
  const char *uid = http_header(request, "Impersonate-Uid");
  g_auto(GStrv) groups = http_header_all(request, "Impersonate-Group");
  if (!user || !*user) {
    g_auto(GStrv) extras = http_header_prefixed(request, "Impersonate-Extra-");
    if (groups[0] || uid || extras[0])
      return reason_set(error, REASON_INTERNAL,
                        "requested impersonation of groups, extras or a uid without "
                        "impersonating a user");
    return true;
  }
  if (!may_be_user(authorizer, identity, user, error))
    return false;
  g_autoptr(GPtrArray) all = g_ptr_array_new_with_free_func(g_free);
  for (int i = 0; groups[i]; i++) {
    if (!may_impersonate(authorizer, identity, "", "groups", NULL, NULL, groups[i], error))
      return false;
    add_once(all, groups[i]);
  }
  add_implied_groups(all, user);
  g_ptr_array_add(all, NULL);
  g_autoptr(Identity) result = identity_new(user, uid, (const char *const *)all->pdata);
  if (!take_extras(request, authorizer, identity, result, error) ||
      (uid && !may_impersonate(authorizer, identity, "authentication.k8s.io", "uids", NULL, NULL, uid, error)))
    return false;
  *other = g_steal_pointer(&result);
  return true;
}
