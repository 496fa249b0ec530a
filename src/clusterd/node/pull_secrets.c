#include "clusterd/node/pull_secrets.h"

#include <string.h>

#include "base/json.h"

/* "registry:5000" of "registry:5000/a/b"; "docker.io" where none is named. The caller frees. */
static char *registry_of(const char *reference)
{
  const char *slash = strchr(reference, '/');
  g_autofree char *first = slash ? g_strndup(reference, (gsize)(slash - reference)) : g_strdup("");
  if (strchr(first, '.') || strchr(first, ':') || g_str_equal(first, "localhost"))
    return g_steal_pointer(&first);
  return g_strdup("docker.io");
}

/* KEY is a host or an address of old ("https://index.docker.io/v1/"). */
static bool names_registry(const char *key, const char *registry)
{
  const char *scheme = strstr(key, "://"), *host = scheme ? scheme + 3 : key;
  gsize length = strcspn(host, "/");
  if (strlen(registry) == length && strncmp(host, registry, length) == 0)
    return true;
  return g_str_equal(registry, "docker.io") &&
         (g_str_has_prefix(host, "index.docker.io") || g_str_has_prefix(host, "registry-1.docker.io"));
}

/* {username, password} of one entry, from its "auth" where only that is given. */
static json_t *credentials(const json_t *entry)
{
  const char *user = json_str(entry, "username", NULL), *password = json_str(entry, "password", NULL);
  const char *auth = json_str(entry, "auth", NULL);
  if (user && password)
    return json_pack("{s:s, s:s}", "username", user, "password", password);
  if (!auth)
    return NULL;
  gsize length;
  g_autofree guchar *bytes = g_base64_decode(auth, &length);
  g_autofree char *text = g_strndup((const char *)bytes, length);
  char *colon = strchr(text, ':');
  if (!colon)
    return NULL;
  *colon = '\0';
  return json_pack("{s:s, s:s}", "username", text, "password", colon + 1);
}

/* The decoded document of a secret of either type; NULL: neither. New reference. */
static json_t *registries(const json_t *secret)
{
  const char *text = json_string_value(json_at(secret, "data", ".dockerconfigjson", NULL));
  const char *legacy = json_string_value(json_at(secret, "data", ".dockercfg", NULL));
  if (!text && !legacy)
    return NULL;
  gsize length;
  g_autofree guchar *bytes = g_base64_decode(text ? text : legacy, &length);
  g_autoptr(json_t) document = json_parse((const char *)bytes, length, false, NULL);
  json_t *auths = text ? json_object_get(document, "auths") : document;
  return json_is_object(auths) ? json_incref(auths) : NULL;
}

json_t *pull_secrets_find(const ClusterView *view, const json_t *pod, const char *reference)
{
  g_autofree char *registry = registry_of(reference);
  const char *namespace_ = json_str(json_object_get(pod, "metadata"), "namespace", "");
  const json_t *ref;
  size_t i;
  json_array_foreach (json_at(pod, "spec", "imagePullSecrets", NULL), i, ref) {
    g_autoptr(json_t) secret = view->object(view->data, "secrets", namespace_, json_str(ref, "name", ""));
    g_autoptr(json_t) auths = registries(secret);
    const char *key;
    json_t *entry;
    json_object_foreach (auths, key, entry) {
      json_t *found = names_registry(key, registry) ? credentials(entry) : NULL;
      if (found)
        return found;
    }
  }
  return NULL;
}
