#include "clusterd/api/scheme.h"

#include <string.h>

#include "base/json.h"

#define SCHEME_KEY_MAX 512 /* longer than any legal group, version and name together */

/* Kinds by "group/version/Kind" and by "group/version/plural"; not their owner. */
typedef struct KindIndex {
  GHashTable *by_kind, *by_resource;
} KindIndex;

struct ApiScheme {
  KindIndex builtin; /* constant from the start: read without a lock */

  GRWLock lock;            /* guards everything below */
  KindIndex custom;        /* every version, served or not */
  GHashTable *definitions; /* name → CustomDefinition*: those in force */
  GPtrArray *owned;        /* CustomDefinition*, all that ever were */
  unsigned generation;
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

static void index_init(KindIndex *index)
{
  index->by_kind = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
  index->by_resource = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
}

static void index_clear(KindIndex *index)
{
  g_hash_table_unref(index->by_kind);
  g_hash_table_unref(index->by_resource);
}

static void index_add(KindIndex *index, const ApiKind *kind)
{
  g_hash_table_insert(index->by_kind, g_strdup_printf("%s/%s/%s", kind->group, kind->version, kind->kind),
                      (gpointer)(uintptr_t)kind);
  g_hash_table_insert(index->by_resource, g_strdup_printf("%s/%s/%s", kind->group, kind->version, kind->plural),
                      (gpointer)(uintptr_t)kind);
}

/* Removes what is KIND's own: another kind may have taken its name meanwhile. */
static void index_remove(KindIndex *index, const ApiKind *kind)
{
  g_autofree char *by_kind = g_strdup_printf("%s/%s/%s", kind->group, kind->version, kind->kind);
  g_autofree char *by_resource = g_strdup_printf("%s/%s/%s", kind->group, kind->version, kind->plural);
  if (g_hash_table_lookup(index->by_kind, by_kind) == kind)
    g_hash_table_remove(index->by_kind, by_kind);
  if (g_hash_table_lookup(index->by_resource, by_resource) == kind)
    g_hash_table_remove(index->by_resource, by_resource);
}

ApiScheme *api_scheme_new(void)
{
  ApiScheme *scheme = g_new0(ApiScheme, 1);
  index_init(&scheme->builtin);
  index_init(&scheme->custom);
  g_rw_lock_init(&scheme->lock);
  scheme->definitions = g_hash_table_new(g_str_hash, g_str_equal);
  scheme->owned = g_ptr_array_new_with_free_func((GDestroyNotify)custom_definition_free);
  size_t n_kinds;
  const ApiKind *const *kinds = api_builtin_kinds(&n_kinds);
  for (size_t i = 0; i < n_kinds; i++)
    if (!kinds[i]->measured)
      index_add(&scheme->builtin, kinds[i]);
  return scheme;
}

void api_scheme_enable(ApiScheme *scheme, const char *group)
{
  size_t n_kinds;
  const ApiKind *const *kinds = api_builtin_kinds(&n_kinds);
  for (size_t i = 0; i < n_kinds; i++)
    if (kinds[i]->measured && strcmp(kinds[i]->group, group) == 0)
      index_add(&scheme->builtin, kinds[i]);
}

bool api_builtin_is_measured(const char *group, const char *version)
{
  size_t n_kinds;
  const ApiKind *const *kinds = api_builtin_kinds(&n_kinds);
  for (size_t i = 0; i < n_kinds; i++)
    if (kinds[i]->measured && strcmp(kinds[i]->group, group) == 0 && strcmp(kinds[i]->version, version) == 0)
      return true;
  return false;
}

void api_scheme_free(ApiScheme *scheme)
{
  if (!scheme)
    return;
  index_clear(&scheme->builtin);
  index_clear(&scheme->custom);
  g_hash_table_unref(scheme->definitions);
  g_ptr_array_unref(scheme->owned);
  g_rw_lock_clear(&scheme->lock);
  g_free(scheme);
}

/* A reader's lock is no change anybody can see. */
static GRWLock *lock_of(const ApiScheme *scheme)
{
  return &((ApiScheme *)(uintptr_t)scheme)->lock;
}

static const ApiKind *custom_lookup(const ApiScheme *scheme, GHashTable *index, const char *key)
{
  g_rw_lock_reader_lock(lock_of(scheme));
  const ApiKind *kind = g_hash_table_lookup(index, key);
  g_rw_lock_reader_unlock(lock_of(scheme));
  return kind;
}

const ApiKind *api_scheme_kind(const ApiScheme *scheme, const char *group, const char *version, const char *kind)
{
  char key[SCHEME_KEY_MAX];
  if (!scheme_key(key, group, version, kind))
    return NULL;
  const ApiKind *found = g_hash_table_lookup(scheme->builtin.by_kind, key);
  if (!found)
    found = custom_lookup(scheme, scheme->custom.by_kind, key);
  return found && found->custom && !found->custom->served ? NULL : found;
}

const ApiKind *api_scheme_resource(const ApiScheme *scheme, const char *group, const char *version, const char *plural)
{
  char key[SCHEME_KEY_MAX];
  if (!scheme_key(key, group, version, plural))
    return NULL;
  const ApiKind *found = g_hash_table_lookup(scheme->builtin.by_resource, key);
  if (!found)
    found = custom_lookup(scheme, scheme->custom.by_resource, key);
  return found && found->custom && !found->custom->served ? NULL : found;
}

const ApiKind *api_scheme_stored_kind(const ApiScheme *scheme, const char *group, const char *version, const char *kind)
{
  char key[SCHEME_KEY_MAX];
  return scheme_key(key, group, version, kind) ? custom_lookup(scheme, scheme->custom.by_kind, key) : NULL;
}

/* Called with the lock held for writing. */
static CustomDefinition *hide(ApiScheme *scheme, const char *name)
{
  CustomDefinition *definition = g_hash_table_lookup(scheme->definitions, name);
  if (!definition)
    return NULL;
  const GPtrArray *kinds = custom_definition_kinds(definition);
  for (guint i = 0; i < kinds->len; i++)
    index_remove(&scheme->custom, kinds->pdata[i]);
  g_hash_table_remove(scheme->definitions, name);
  scheme->generation++;
  return definition;
}

void api_scheme_install(ApiScheme *scheme, CustomDefinition *definition)
{
  const char *name = custom_definition_name(definition);
  const GPtrArray *kinds = custom_definition_kinds(definition);
  g_rw_lock_writer_lock(&scheme->lock);
  CustomDefinition *before = hide(scheme, name);
  for (guint i = 0; i < kinds->len; i++)
    index_add(&scheme->custom, kinds->pdata[i]);
  g_hash_table_insert(scheme->definitions, (gpointer)(uintptr_t)name, definition);
  g_ptr_array_add(scheme->owned, definition);
  scheme->generation++;
  if (before)
    custom_definition_succeed(before, definition);
  g_rw_lock_writer_unlock(&scheme->lock);
}

bool api_scheme_uninstall(ApiScheme *scheme, const char *name)
{
  g_rw_lock_writer_lock(&scheme->lock);
  bool hidden = hide(scheme, name) != NULL;
  g_rw_lock_writer_unlock(&scheme->lock);
  return hidden;
}

const CustomDefinition *api_scheme_definition(const ApiScheme *scheme, const char *name)
{
  g_rw_lock_reader_lock(lock_of(scheme));
  const CustomDefinition *definition = g_hash_table_lookup(scheme->definitions, name);
  g_rw_lock_reader_unlock(lock_of(scheme));
  return definition;
}

unsigned api_scheme_generation(const ApiScheme *scheme)
{
  g_rw_lock_reader_lock(lock_of(scheme));
  unsigned generation = scheme->generation;
  g_rw_lock_reader_unlock(lock_of(scheme));
  return generation;
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
  if (parts < 2 || (strcmp(stage, "beta") != 0 && strcmp(stage, "alpha") != 0))
    return -1; /* no version as the API counts them: after all others, by name */
  return (strcmp(stage, "beta") == 0 ? 500000 : 0) + (int)(major * 1000 + minor);
}

/* The one place where upstream has them in another order. */
static int kind_rank(const ApiKind *kind)
{
  bool odd = g_str_equal(kind->group, "autoscaling") && g_str_equal(kind->version, "v2beta2");
  return odd ? version_rank("v2beta1") - 1 : version_rank(kind->version);
}

static int compare_discovery(gconstpointer a, gconstpointer b)
{
  const ApiKind *first = *(const ApiKind *const *)a, *second = *(const ApiKind *const *)b;
  unsigned rank_first = group_rank(first->group), rank_second = group_rank(second->group);
  if (rank_first != rank_second)
    return rank_first < rank_second ? -1 : 1;
  int order = first->measured - second->measured; /* below all custom groups */
  if (order == 0)
    order = strcmp(first->group, second->group);
  if (order == 0)
    order = kind_rank(second) - kind_rank(first);
  if (order == 0)
    order = strcmp(first->version, second->version);
  return order ? order : strcmp(first->plural, second->plural);
}

GPtrArray *api_scheme_list(const ApiScheme *scheme)
{
  GPtrArray *list = g_ptr_array_new();
  GHashTableIter iterator;
  gpointer kind;
  g_hash_table_iter_init(&iterator, scheme->builtin.by_kind);
  while (g_hash_table_iter_next(&iterator, NULL, &kind))
    g_ptr_array_add(list, kind);
  g_rw_lock_reader_lock(lock_of(scheme));
  g_hash_table_iter_init(&iterator, scheme->custom.by_kind);
  while (g_hash_table_iter_next(&iterator, NULL, &kind))
    if (((const ApiKind *)kind)->custom->served)
      g_ptr_array_add(list, kind);
  g_rw_lock_reader_unlock(lock_of(scheme));
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
