#include "clusterd/api/scheme.h"

#include <string.h>

#include "base/json.h"

#define SCHEME_KEY_MAX 512 /* longer than any legal group, version and name together */

struct ApiScheme {
  GHashTable *by_kind; /* "group/version/Kind" → ApiKind*; both owned by nobody: constant or as long as the scheme */
  GHashTable *by_resource; /* "group/version/plural" */
};

/* Upstream's order of groups in discovery; clients take the first group that has a resource of the name asked for. */
static const char *const group_order[] = {
  "",
  "apiregistration.k8s.io",
  "apps",
  "events.k8s.io",
  "authentication.k8s.io",
  "authorization.k8s.io",
  "autoscaling",
  "batch",
  "certificates.k8s.io",
  "networking.k8s.io",
  "extensions",
  "policy",
  "rbac.authorization.k8s.io",
  "settings.k8s.io",
  "storage.k8s.io",
  "admissionregistration.k8s.io",
  "apiextensions.k8s.io",
  "scheduling.k8s.io",
  "coordination.k8s.io",
  "node.k8s.io",
  "discovery.k8s.io",
  "flowcontrol.apiserver.k8s.io",
};

static bool scheme_key(char key[static SCHEME_KEY_MAX], const char *group, const char *version, const char *name)
{
  int length = snprintf(key, SCHEME_KEY_MAX, "%s/%s/%s", group, version, name);
  return length > 0 && length < SCHEME_KEY_MAX;
}

ApiScheme *api_scheme_new(void)
{
  ApiScheme *scheme = g_new0(ApiScheme, 1);
  scheme->by_kind = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
  scheme->by_resource = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
  size_t n_kinds;
  const ApiKind *const *kinds = api_builtin_kinds(&n_kinds);
  for (size_t i = 0; i < n_kinds; i++) {
    const ApiKind *kind = kinds[i];
    g_hash_table_insert(scheme->by_kind, g_strdup_printf("%s/%s/%s", kind->group, kind->version, kind->kind),
                        (gpointer)(uintptr_t)kind);
    g_hash_table_insert(scheme->by_resource, g_strdup_printf("%s/%s/%s", kind->group, kind->version, kind->plural),
                        (gpointer)(uintptr_t)kind);
  }
  return scheme;
}

void api_scheme_free(ApiScheme *scheme)
{
  if (!scheme)
    return;
  g_hash_table_unref(scheme->by_kind);
  g_hash_table_unref(scheme->by_resource);
  g_free(scheme);
}

const ApiKind *api_scheme_kind(const ApiScheme *scheme, const char *group, const char *version, const char *kind)
{
  char key[SCHEME_KEY_MAX];
  return scheme_key(key, group, version, kind) ? g_hash_table_lookup(scheme->by_kind, key) : NULL;
}

const ApiKind *api_scheme_resource(const ApiScheme *scheme, const char *group, const char *version, const char *plural)
{
  char key[SCHEME_KEY_MAX];
  return scheme_key(key, group, version, plural) ? g_hash_table_lookup(scheme->by_resource, key) : NULL;
}

const ApiKind *api_scheme_kind_of(const ApiScheme *scheme, const json_t *object)
{
  const char *api_version = json_str(object, "apiVersion", "");
  const char *slash = strchr(api_version, '/');
  g_autofree char *group = slash ? g_strndup(api_version, (gsize)(slash - api_version)) : g_strdup("");
  return api_scheme_kind(scheme, group, slash ? slash + 1 : api_version, json_str(object, "kind", ""));
}

static unsigned group_rank(const char *group)
{
  unsigned rank = 0;
  while (rank < G_N_ELEMENTS(group_order) && strcmp(group_order[rank], group) != 0)
    rank++;
  return rank;
}

/* "v2" → 2 × 1000 + 999, "v1beta2" → 1 × 1000 + 500 + 2: a general release outranks a beta of a later one. */
static int version_rank(const char *version)
{
  unsigned major = 0, minor = 0;
  char stage[8] = "";
  int parts = sscanf(version, "v%3u%7[a-z]%3u", &major, stage, &minor);
  if (parts == 1)
    return 1000000 + (int)major;
  return (strcmp(stage, "beta") == 0 ? 500000 : 0) + (int)(major * 1000 + minor);
}

static int compare_discovery(gconstpointer a, gconstpointer b)
{
  const ApiKind *first = *(const ApiKind *const *)a, *second = *(const ApiKind *const *)b;
  unsigned rank_first = group_rank(first->group), rank_second = group_rank(second->group);
  if (rank_first != rank_second)
    return rank_first < rank_second ? -1 : 1;
  int order = strcmp(first->group, second->group);
  if (order == 0)
    order = version_rank(second->version) - version_rank(first->version);
  return order ? order : strcmp(first->plural, second->plural);
}

GPtrArray *api_scheme_list(const ApiScheme *scheme)
{
  GPtrArray *list = g_ptr_array_new();
  GHashTableIter iterator;
  gpointer kind;
  g_hash_table_iter_init(&iterator, scheme->by_kind);
  while (g_hash_table_iter_next(&iterator, NULL, &kind))
    g_ptr_array_add(list, kind);
  g_ptr_array_sort(list, compare_discovery);
  return list;
}

const ApiMessage *api_builtin_message(const char *openapi_name)
{
  size_t high, low = 0;
  const ApiMessage *const *messages = api_builtin_messages(&high);
  while (low < high) {
    size_t middle = (low + high) / 2;
    int order = strcmp(openapi_name, messages[middle]->name);
    if (order == 0)
      return messages[middle];
    if (order < 0)
      high = middle;
    else
      low = middle + 1;
  }
  return NULL;
}

const ApiMessage *api_builtin_message_of(const char *group, const char *version, const char *kind)
{
  size_t n_packages;
  const ApiPackage *packages = api_builtin_packages(&n_packages);
  char name[SCHEME_KEY_MAX];
  for (size_t i = 0; i < n_packages; i++) {
    if (strcmp(packages[i].group, group) != 0 || strcmp(packages[i].version, version) != 0)
      continue;
    int length = snprintf(name, sizeof name, "%s.%s", packages[i].name, kind);
    const ApiMessage *message = length < (int)sizeof name ? api_builtin_message(name) : NULL;
    if (message)
      return message;
  }
  /* Status, DeleteOptions and the other meta types are written with the version of any group. */
  return strcmp(group, "meta.k8s.io") != 0 ? api_builtin_message_of("meta.k8s.io", "v1", kind) : NULL;
}
