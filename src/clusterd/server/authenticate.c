#include "clusterd/server/authenticate.h"

#include <string.h>

#include "base/reason.h"

#define AUTHENTICATED "system:authenticated"

static Identity *unauthorized(GError **error)
{
  reason_set(error, REASON_UNAUTHORIZED, "Unauthorized");
  return NULL;
}

static Identity *identity_of_subject(const char *name, char *const *organizations)
{
  g_autoptr(GStrvBuilder) groups = g_strv_builder_new();
  g_strv_builder_addv(groups, (const char **)(uintptr_t)organizations);
  g_strv_builder_add(groups, AUTHENTICATED);
  g_auto(GStrv) all = g_strv_builder_end(groups);
  return identity_new(name, NULL, (const char *const *)all);
}

Identity *authenticate_token(const Authenticator *authenticator, const char *token, const char *const *audiences,
                             GError **error)
{
  Identity *identity = token_file_find(authenticator->token_file, token);
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
  g_autofree char *name = NULL;
  g_auto(GStrv) organizations = NULL;
  bool certified = http_peer_subject(request, &valid, &name, &organizations);
  const char *token = bearer_token(request);
  if (certified && valid && name && *name)
    return identity_of_subject(name, organizations);
  if (token)
    return authenticate_token(authenticator, token, NULL, error);
  if (certified || !authenticator->allow_anonymous)
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

static bool may_have_extras(const HttpRequest *request, Authorizer *authorizer, const Identity *identity,
                            GError **error)
{
  static const char prefix[] = "Impersonate-Extra-";
  g_auto(GStrv) names = http_header_prefixed(request, prefix);
  for (int i = 0; names[i]; i++) {
    g_autofree char *key = g_ascii_strdown(names[i] + sizeof prefix - 1, -1);
    g_autofree char *decoded = g_uri_unescape_string(key, NULL);
    if (!may_impersonate(authorizer, identity, "authentication.k8s.io", "userextras", decoded ? decoded : key, NULL,
                         http_header(request, names[i]), error))
      return false;
  }
  return true;
}

/* The groups somebody is in by being who they are. */
static void add_implied_groups(GStrvBuilder *groups, const char *user)
{
  static const char prefix[] = "system:serviceaccount:";
  if (g_str_has_prefix(user, prefix)) {
    g_auto(GStrv) parts = g_strsplit(user + sizeof prefix - 1, ":", 2);
    g_autofree char *of_namespace = g_strconcat("system:serviceaccounts:", parts[0], NULL);
    g_strv_builder_add(groups, "system:serviceaccounts");
    g_strv_builder_add(groups, of_namespace);
  }
  g_strv_builder_add(groups, g_str_equal(user, "system:anonymous") ? "system:unauthenticated" : AUTHENTICATED);
}

bool authenticate_impersonate(const HttpRequest *request, Authorizer *authorizer, Identity **identity, GError **error)
{
  const char *user = http_header(request, "Impersonate-User");
  const char *uid = http_header(request, "Impersonate-Uid");
  g_auto(GStrv) groups = http_header_all(request, "Impersonate-Group");
  if (!user || !*user) {
    if (groups[0] || uid)
      return reason_set(error, REASON_INTERNAL,
                        "requested impersonation of groups or a uid without impersonating a user");
    return true;
  }
  if (!may_be_user(authorizer, *identity, user, error) ||
      (uid && !may_impersonate(authorizer, *identity, "authentication.k8s.io", "uids", NULL, NULL, uid, error)) ||
      !may_have_extras(request, authorizer, *identity, error))
    return false;
  g_autoptr(GStrvBuilder) all = g_strv_builder_new();
  for (int i = 0; groups[i]; i++) {
    if (!may_impersonate(authorizer, *identity, "", "groups", NULL, NULL, groups[i], error))
      return false;
    g_strv_builder_add(all, groups[i]);
  }
  add_implied_groups(all, user);
  g_auto(GStrv) list = g_strv_builder_end(all);
  Identity *other = identity_new(user, uid, (const char *const *)list);
  identity_free(*identity);
  *identity = other;
  return true;
}
