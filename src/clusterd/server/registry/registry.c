#include <string.h>

#include "base/json.h"
#include "base/reason.h"
#include "clusterd/server/admission/admission.h"
#include "clusterd/server/api_error.h"
#include "clusterd/server/custom/custom_resources.h"
#include "clusterd/server/custom/custom_version.h"
#include "clusterd/server/registry/registry_private.h"
#include "clusterd/server/registry/scale.h"
#include "clusterd/server/registry/storage_key.h"
#include "clusterd/server/registry/stored_object.h"
#include "clusterd/server/registry/write_turn.h"

#define LOAD_PAGE 256 /* entries read at once */

const ApiKind *registry_storage(const ApiKind *kind)
{
  return kind->storage ? kind->storage : kind;
}

const ApiKind *registry_write_kind(const ApiKind *kind)
{
  return kind->custom ? api_kind_current(kind) : registry_storage(kind);
}

char *registry_prefix(const ApiKind *kind)
{
  const ApiKind *storage = registry_storage(kind);
  return storage_prefix(storage->group, storage->plural);
}

char *registry_suffix(const char *namespace_, const char *name)
{
  return namespace_ && *namespace_ ? g_strdup_printf("%s/%s", namespace_, name) : g_strdup(name);
}

/* --- resources -----------------------------------------------------------------------------------------------------
 */

static bool load_page(const Registry *registry, Resource *resource, const GPtrArray *entries, GError **error)
{
  gsize length = strlen(resource->prefix);
  for (guint i = 0; i < entries->len; i++) {
    const StoreEntry *entry = entries->pdata[i];
    Object *object = stored_object_load(registry->scheme, resource->kind, entry->value, entry->mod_revision, error);
    if (!object) {
      g_prefix_error(error, "%s: ", entry->key);
      return false;
    }
    g_tree_insert(resource->objects, g_strdup(entry->key + length), object);
  }
  return true;
}

/* By the page, all of one snapshot: the whole of it need not be in memory twice. */
static bool load(Registry *registry, Resource *resource, GError **error)
{
  g_autofree char *start = NULL;
  guint count;
  do {
    g_autoptr(GPtrArray) entries = store_list(registry->store, resource->prefix, resource->loaded, start, LOAD_PAGE,
                                              &resource->loaded, NULL, error);
    if (!entries || !load_page(registry, resource, entries, error))
      return false;
    count = entries->len;
    g_free(start);
    start = count ? g_strdup(((const StoreEntry *)entries->pdata[count - 1])->key) : NULL;
  } while (count == LOAD_PAGE);
  resource->newest = resource->forgotten = resource->loaded;
  return true;
}

/* Loads under the write lock: the store's thread waits with its next event until the snapshot is in place, and drops
 * the events the snapshot already holds. */
static Resource *load_resource(Registry *registry, const ApiKind *storage, const char *prefix, GError **error)
{
  g_rw_lock_writer_lock(&registry->state);
  Resource *resource = g_hash_table_lookup(registry->resources, prefix);
  if (!resource) {
    resource = watch_cache_resource_new(storage);
    if (load(registry, resource, error))
      g_hash_table_insert(registry->resources, resource->prefix, resource);
    else
      g_clear_pointer(&resource, watch_cache_resource_free);
  }
  g_rw_lock_writer_unlock(&registry->state);
  return resource;
}

Resource *registry_resource(Registry *registry, const ApiKind *kind, GError **error)
{
  g_autofree char *prefix = registry_prefix(kind);
  g_rw_lock_reader_lock(&registry->state);
  Resource *resource = g_hash_table_lookup(registry->resources, prefix);
  g_rw_lock_reader_unlock(&registry->state);
  return resource ? resource : load_resource(registry, registry_storage(kind), prefix, error);
}

void registry_observe(Registry *registry, const char *group, const char *plural, RegistryObserver observer, void *data)
{
  Observation *observation = g_new0(Observation, 1);
  observation->prefix = group ? storage_prefix(group, plural) : g_strdup("/registry/");
  observation->observer = observer;
  observation->data = data;
  g_mutex_lock(&registry->observations_lock);
  g_ptr_array_add(registry->observations, observation);
  g_mutex_unlock(&registry->observations_lock);
}

void registry_unobserve(Registry *registry, const void *data)
{
  g_autoptr(GMutexLocker) held = g_mutex_locker_new(&registry->observations_lock);
  for (guint i = registry->observations->len; i-- > 0;)
    if (((Observation *)registry->observations->pdata[i])->data == data)
      g_ptr_array_remove_index(registry->observations, i);
}

static void observation_free(void *data)
{
  Observation *observation = data;
  g_free(observation->prefix);
  g_free(observation);
}

/* --- life ----------------------------------------------------------------------------------------------------------
 */

static bool load_all(Registry *registry, GError **error)
{
  g_autoptr(GPtrArray) kinds = api_scheme_list(registry->scheme);
  for (guint i = 0; i < kinds->len; i++)
    if (!((const ApiKind *)kinds->pdata[i])->measured && !registry_resource(registry, kinds->pdata[i], error))
      return false;
  return true;
}

Registry *registry_new(Store *store, ApiScheme *scheme, GError **error)
{
  g_autoptr(Registry) registry = g_new0(Registry, 1);
  registry->store = store;
  registry->scheme = scheme;
  g_rw_lock_init(&registry->state);
  registry->turns = write_turns_new();
  g_mutex_init(&registry->flights_lock);
  g_mutex_init(&registry->observations_lock);
  g_mutex_init(&registry->advance_lock);
  g_cond_init(&registry->advanced);
  registry->flights = g_hash_table_new(g_direct_hash, g_direct_equal);
  registry->resources = g_hash_table_new_full(g_str_hash, g_str_equal, NULL, (GDestroyNotify)watch_cache_resource_free);
  registry->observations = g_ptr_array_new_with_free_func(observation_free);
  registry->revision = store_revision(store);
  registry->dispatcher = dispatcher_new(registry);
  registry->outbound = outbound_new();
  registry->admission = admission_new(registry);
  int64_t start = registry->revision;
  if (!load_all(registry, error))
    return NULL;
  registry->custom = custom_resources_new(registry, error);
  if (!registry->custom)
    return NULL;
  registry->feed = store_watch(store, "/registry/", start, watch_cache_event, registry, error);
  if (!registry->feed)
    return NULL;
  admission_load(registry->admission);
  custom_resources_start(registry->custom);
  return g_steal_pointer(&registry);
}

void registry_free(Registry *registry)
{
  if (!registry)
    return;
  outbound_close(registry->outbound); /* nobody waits for a webhook any more */
  custom_resources_free(registry->custom);
  store_unwatch(registry->feed);
  dispatcher_free(registry->dispatcher);
  outbound_free(registry->outbound);
  admission_free(registry->admission);
  g_hash_table_unref(registry->resources);
  g_ptr_array_unref(registry->observations);
  g_hash_table_unref(registry->flights);
  g_cond_clear(&registry->advanced);
  g_mutex_clear(&registry->advance_lock);
  write_turns_free(registry->turns);
  g_mutex_clear(&registry->flights_lock);
  g_mutex_clear(&registry->observations_lock);
  g_rw_lock_clear(&registry->state);
  g_free(registry);
}

bool registry_use_service_range(Registry *registry, const char *cidr, GError **error)
{
  return admission_use_service_range(registry->admission, cidr, error);
}

bool registry_choose_admission(Registry *registry, const char *const *enable, const char *const *disable,
                               GError **error)
{
  return admission_choose(registry->admission, enable, disable, error);
}

const ApiScheme *registry_scheme(const Registry *registry)
{
  return registry->scheme;
}

int64_t registry_revision(Registry *registry)
{
  return registry->revision;
}

bool registry_catch_up(Registry *registry, GError **error)
{
  return store_sync(registry->store, error);
}

bool registry_wait_for(Registry *registry, int64_t revision, GError **error)
{
  int64_t until = g_get_monotonic_time() + FUTURE_WAIT_SECONDS * G_USEC_PER_SEC;
  bool waiting = true;
  g_mutex_lock(&registry->advance_lock);
  while (waiting && registry->revision < revision)
    waiting = g_cond_wait_until(&registry->advanced, &registry->advance_lock, until);
  g_mutex_unlock(&registry->advance_lock);
  int64_t current = registry->revision;
  if (current >= revision)
    return true;
  json_t *details = json_pack("{s:[{s:s, s:s}], s:i}", "causes", "reason", "ResourceVersionTooLarge", "message",
                              "Too large resource version", "retryAfterSeconds", 1);
  return reason_set_details(error, REASON_TIMEOUT, details,
                            "Timeout: Too large resource version: %" G_GINT64_FORMAT ", current: %" G_GINT64_FORMAT,
                            revision, current);
}

/* --- reads ---------------------------------------------------------------------------------------------------------
 */

static bool same_version(const ApiKind *a, const ApiKind *b)
{
  return a == b || (g_str_equal(a->group, b->group) && g_str_equal(a->version, b->version));
}

Object *registry_view(const ApiKind *kind, Object *stored, GError **error)
{
  if (kind->custom)
    return custom_version_view(kind, stored, error);
  if (same_version(kind, object_kind(stored)))
    return object_ref(stored);
  json_t *value = object_json(stored);
  json_t *converted = kind->convert_from_storage ? kind->convert_from_storage(value) : json_copy(value);
  if (!converted) {
    reason_set(error, REASON_INTERNAL, "%s \"%s\" cannot be shown as %s", kind->plural, object_name(stored),
               kind->version);
    return NULL;
  }
  g_autofree char *version = api_group_version(kind);
  json_object_set_new(converted, "apiVersion", json_string(version));
  json_object_set_new(converted, "kind", json_string(kind->kind));
  return object_new(kind, converted);
}

Object *registry_show(const Target *target, Object *stored, GError **error)
{
  if (target->subresource && g_str_equal(target->subresource, "scale")) {
    g_autoptr(Object) shown = target->kind->custom ? registry_view(target->kind, stored, error) : object_ref(stored);
    return shown ? scale_of(target->kind, shown) : NULL;
  }
  return registry_view(target->kind, stored, error);
}

Object *registry_lookup(Registry *registry, const ApiKind *kind, const char *namespace_, const char *name)
{
  Resource *resource = registry_resource(registry, kind, NULL);
  if (!resource)
    return NULL;
  g_autofree char *key = registry_suffix(kind->namespaced ? namespace_ : NULL, name);
  g_rw_lock_reader_lock(&registry->state);
  Object *object = g_tree_lookup(resource->objects, key);
  if (object && kind->compact)
    object = object_twin(object); /* what the caller looks into must not stay in memory */
  else if (object)
    object_ref(object);
  g_rw_lock_reader_unlock(&registry->state);
  return object;
}

void registry_visit(Registry *registry, const ApiKind *kind, const char *namespace_, RegistryVisit function, void *data)
{
  Resource *resource = registry_resource(registry, kind, NULL);
  if (!resource)
    return;
  g_autofree char *prefix = namespace_ && *namespace_ ? g_strconcat(namespace_, "/", NULL) : g_strdup("");
  g_rw_lock_reader_lock(&registry->state);
  for (GTreeNode *node = g_tree_lower_bound(resource->objects, prefix); node; node = g_tree_node_next(node))
    if (!g_str_has_prefix(g_tree_node_key(node), prefix) || function(g_tree_node_value(node), data))
      break;
  g_rw_lock_reader_unlock(&registry->state);
}

Object *registry_get(Registry *registry, const Caller *caller, const Target *target, GError **error)
{
  const ApiKind *kind = target->kind;
  if (!registry_catch_up(registry, error))
    return NULL;
  g_autoptr(Object) stored = registry_lookup(registry, kind, target->namespace_, target->name);
  if (!stored) {
    api_error_not_found(error, kind, target->name);
    return NULL;
  }
  return registry_show(target, stored, error);
}
