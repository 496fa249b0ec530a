#include "clusterd/node/pod/pull_secrets.h"

#include <string.h>

#include "base/json.h"
#include "clusterd/node/images/image_reference.h"

#define CREDENTIALS_MAX 64 /* for one image */

/* One entry that fits. */
typedef struct Match {
  char *key; /* "HOST/PATH", without scheme and version */
  guint order;
  json_t *credentials;
} Match;

static void match_free(void *data)
{
  Match *match = data;
  g_free(match->key);
  json_decref(match->credentials);
  g_free(match);
}

/* The more specific first; else in the order of the secrets. */
static int compare(const void *a, const void *b)
{
  const Match *first = *(const Match *const *)a, *second = *(const Match *const *)b;
  int order = strcmp(second->key, first->key);
  return order ? order : (first->order > second->order) - (first->order < second->order);
}

/* "HOST/PATH" of "https://HOST/v1/PATH" and the like; docker.io by its old names too. The caller frees. */
static char *plain_key(const char *key)
{
  static const char *const versions[] = { "/v1/", "/v2/" };
  static const char *const old_names[] = { "index.docker.io", "registry-1.docker.io" };
  const char *scheme = strstr(key, "://"), *rest = scheme ? scheme + 3 : key;
  gsize length = strcspn(rest, "/");
  const char *path = rest + length;
  g_autofree char *host = g_strndup(rest, length);
  for (size_t i = 0; i < G_N_ELEMENTS(versions); i++)
    if (g_str_has_prefix(path, versions[i]))
      path += strlen(versions[i]) - 1;
  for (size_t i = 0; i < G_N_ELEMENTS(old_names); i++)
    if (g_str_equal(host, old_names[i])) {
      g_free(host);
      host = g_strdup("docker.io");
    }
  g_autofree char *joined = g_strconcat(host, path, NULL);
  gsize end = strlen(joined);
  while (end > 0 && joined[end - 1] == '/')
    end--;
  return g_strndup(joined, end);
}

/* Whether the host GLOB is HOST, part by part: "*.example.com" is not example.com's. */
static bool host_fits(const char *glob, const char *host)
{
  g_auto(GStrv) wanted = g_strsplit_set(glob, ".:", -1), found = g_strsplit_set(host, ".:", -1);
  if (g_strv_length(wanted) != g_strv_length(found) || !strchr(glob, ':') != !strchr(host, ':'))
    return false;
  for (char **part = wanted, **is = found; *part; part++, is++)
    if (!g_pattern_match_simple(*part, *is))
      return false;
  return true;
}

/* NAME is a normalised reference's: "docker.io/library/busybox". */
static bool fits(const char *key, const char *name)
{
  gsize key_host = strcspn(key, "/"), name_host = strcspn(name, "/");
  g_autofree char *glob = g_strndup(key, key_host), *host = g_strndup(name, name_host);
  return g_str_has_prefix(name + name_host, key + key_host) && host_fits(glob, host);
}

/* {username, password} of one entry, from its "auth" where only that is given; New reference, NULL: nothing usable. */
static json_t *credentials(const json_t *entry)
{
  const char *user = json_str(entry, "username", NULL), *password = json_str(entry, "password", NULL);
  const char *auth = json_str(entry, "auth", NULL), *token = json_str(entry, "identitytoken", NULL);
  if (token && *token)
    return json_pack("{s:s}", "identitytoken", token);
  if (user && *user && password)
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

static void collect(const json_t *secret, const char *name, GPtrArray *matches)
{
  g_autoptr(json_t) auths = registries(secret);
  const char *text;
  json_t *entry;
  json_object_foreach (auths, text, entry) {
    g_autofree char *key = plain_key(text);
    json_t *found = fits(key, name) ? credentials(entry) : NULL;
    if (!found)
      continue;
    Match *match = g_new(Match, 1);
    *match = (Match){ g_steal_pointer(&key), matches->len, found };
    g_ptr_array_add(matches, match);
  }
}

json_t *pull_secrets_find(const ClusterView *view, const json_t *pod, const char *reference)
{
  g_auto(ImageReference) image = { 0 };
  if (!image_reference_parse(reference, &image, NULL))
    return NULL;
  g_autoptr(GPtrArray) matches = g_ptr_array_new_with_free_func(match_free);
  const char *namespace_ = json_str(json_object_get(pod, "metadata"), "namespace", "");
  const json_t *ref;
  size_t i;
  json_array_foreach (json_at(pod, "spec", "imagePullSecrets", NULL), i, ref) {
    g_autoptr(json_t) secret = view->object(view->data, "secrets", namespace_, json_str(ref, "name", ""));
    collect(secret, image.name, matches);
  }
  if (matches->len == 0)
    return NULL;
  g_ptr_array_sort(matches, compare);
  json_t *list = json_array();
  for (guint j = 0; j < MIN(matches->len, CREDENTIALS_MAX); j++)
    json_array_append(list, ((const Match *)g_ptr_array_index(matches, j))->credentials);
  return list;
}
