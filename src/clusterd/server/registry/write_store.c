/* The end of a write: the value in the order upstream writes it, into the store, and what the store answers. */
#include "base/json.h"
#include "base/reason.h"
#include "clusterd/server/api_error.h"
#include "clusterd/server/custom/custom_version.h"
#include "clusterd/server/registry/write.h"

/* Metadata members in the order upstream writes them. */
static void order_metadata(json_t *value)
{
  static const char *const order[] = { "name",
                                       "generateName",
                                       "namespace",
                                       "uid",
                                       "resourceVersion",
                                       "generation",
                                       "creationTimestamp",
                                       "deletionTimestamp",
                                       "deletionGracePeriodSeconds",
                                       "labels",
                                       "annotations",
                                       "ownerReferences",
                                       "finalizers",
                                       "managedFields" };
  json_t *metadata = json_object_get(value, "metadata");
  g_autoptr(json_t) ordered = json_object();
  for (gsize i = 0; i < G_N_ELEMENTS(order); i++) {
    json_t *member = json_object_get(metadata, order[i]);
    if (member && !json_is_null(member))
      json_object_set(ordered, order[i], member);
  }
  json_object_set(value, "metadata", ordered);
}

void write_order(json_t *value)
{
  static const char *const order[] = { "kind", "apiVersion", "metadata" };
  g_autoptr(json_t) rest = json_copy(value);
  json_object_clear(value);
  for (gsize i = 0; i < G_N_ELEMENTS(order); i++)
    json_object_set(value, order[i], json_object_get(rest, order[i]));
  json_object_update(value, rest);
  order_metadata(value);
}

static char *store_key(const Write *write)
{
  g_autofree char *prefix = registry_prefix(write->storage);
  g_autofree char *suffix =
      registry_suffix(write->storage->namespaced ? write->target->namespace_ : NULL, write_name(write));
  return g_strconcat(prefix, suffix, NULL);
}

/* What is on its way out still has its name. */
static void explain_exists(const Write *write, const char *name, GError **error)
{
  const Target *target = write->target;
  g_autoptr(Object) there = registry_lookup(write->registry, target->kind, target->namespace_, name);
  api_error_exists(error, target->kind, name);
  if (error && there && json_at(object_json(there), "metadata", "deletionTimestamp", NULL))
    g_prefix_error(error, "object is being deleted: ");
}

static bool explain_store_error(Write *write, GError *problem, GError **error)
{
  const char *name = write_name(write);
  switch (reason_of(problem)) {
  case REASON_ALREADY_EXISTS:
    explain_exists(write, name, error);
    break;
  case REASON_CONFLICT:
    write->lost = true;
    api_error_conflict(error, write->target->kind, name, NULL);
    break;
  case REASON_NOT_FOUND:
    api_error_not_found(error, write->target->kind, name);
    break;
  default:
    g_propagate_error(error, g_error_copy(problem));
  }
  g_error_free(problem);
  return false;
}

/* A dry run ends here; what the store would say of it is said. */
static Object *pretend_store(Write *write, GError **error)
{
  const Target *target = write->target;
  g_autoptr(Object) there =
      write->old ? NULL : registry_lookup(write->registry, target->kind, target->namespace_, write_name(write));
  if (!there)
    return object_new(write->storage, g_steal_pointer(&write->value));
  explain_exists(write, write_name(write), error);
  return NULL;
}

/* What the store is given. */
static Object *draft_of(const Write *write, GError **error)
{
  const ApiKind *kind = write->storage;
  if (!kind->custom || kind->storage == kind)
    return object_new(kind, json_incref(write->value));
  json_t *stored = custom_version_to_storage(kind, write->value, error);
  return stored ? object_new(kind->storage, stored) : NULL;
}

Object *write_store(Write *write, GError **error)
{
  write_order(write->value);
  if (write->caller && write->caller->dry_run)
    return pretend_store(write, error);
  /* the revision is not known yet: it comes with the store's event */
  json_object_set_new(write_metadata(write), "resourceVersion", json_string("0"));
  g_autofree char *key = store_key(write);
  g_autoptr(Object) draft = draft_of(write, error);
  if (!draft)
    return NULL;
  GBytes *bytes = object_bytes(draft);
  Registry *registry = write->registry;
  Flight flight = { .draft = draft };
  g_mutex_lock(&registry->flights_lock);
  g_hash_table_insert(registry->flights, bytes, &flight);
  g_mutex_unlock(&registry->flights_lock);

  GError *problem = NULL;
  int64_t revision = 0;
  bool ok = store_put(registry->store, key, write->old ? object_revision(write->old) : 0, bytes, &revision, &problem);

  g_mutex_lock(&registry->flights_lock);
  g_hash_table_remove(registry->flights, bytes);
  g_mutex_unlock(&registry->flights_lock);
  g_autoptr(Object) seen = flight.object;
  if (!ok) {
    explain_store_error(write, problem, error);
    return NULL;
  }
  /* a watch that had to list again may have skipped this version for the next one */
  return seen ? g_steal_pointer(&seen) : object_with_revision(draft, revision);
}

Object *write_remove(Write *write, GError **error)
{
  if (!write->value)
    write->value = json_incref(object_json(write->old));
  if (!write->caller || !write->caller->dry_run) {
    GError *problem = NULL;
    g_autofree char *key = store_key(write);
    if (!store_delete(write->registry->store, key, object_revision(write->old), NULL, &problem)) {
      explain_store_error(write, problem, error);
      return NULL;
    }
  }
  return object_new(write->storage, g_steal_pointer(&write->value));
}
