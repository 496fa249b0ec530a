#include "clusterd/server/custom/custom_resources.h"

#include <string.h>

#include "base/json.h"
#include "base/reason.h"
#include "clusterd/api/custom/custom_definition.h"
#include "clusterd/server/custom/custom_version.h"
#include "clusterd/server/custom/definition_status.h"
#include "clusterd/server/registry/registry_private.h"

#define GROUP "apiextensions.k8s.io"
#define PLURAL "customresourcedefinitions"
#define RETRY_SECONDS 1 /* after an error nobody would tell of again */

struct CustomResources {
  Registry *registry;
  const ApiKind *kind; /* of definitions */
  GThread *thread;

  GMutex lock; /* guards everything below */
  GCond changed;
  GHashTable *pending;     /* names of definitions to look at */
  GHashTable *terminating; /* names of those whose objects are going */
  bool stopping;
};

static const Caller caller = { .field_manager = "kube-apiserver" };

static void enqueue(CustomResources *resources, const char *name)
{
  g_mutex_lock(&resources->lock);
  g_hash_table_add(resources->pending, g_strdup(name));
  g_cond_signal(&resources->changed);
  g_mutex_unlock(&resources->lock);
}

/* --- kinds ---------------------------------------------------------------------------------------------------------
 */

static bool is_served(const CustomDefinition *definition, const ApiKind *kind)
{
  const GPtrArray *kinds = definition ? custom_definition_kinds(definition) : NULL;
  for (guint i = 0; kinds && i < kinds->len; i++) {
    const ApiKind *other = kinds->pdata[i];
    if (g_str_equal(other->version, kind->version) && g_str_equal(other->kind, kind->kind))
      return other->custom->served;
  }
  return false;
}

/* Ends the watches of versions that are served no more, and all when it changes who converts. */
static void close_watches(Registry *registry, const CustomDefinition *before, const CustomDefinition *now)
{
  const GPtrArray *kinds = before ? custom_definition_kinds(before) : NULL;
  bool converts = now && before && !custom_definition_webhook(now) != !custom_definition_webhook(before);
  for (guint i = 0; kinds && i < kinds->len; i++)
    if (converts || !is_served(now, kinds->pdata[i]))
      registry_close_watches(registry, kinds->pdata[i]);
}

/* Makes the scheme serve what VALUE says, unless it does. */
static void install(CustomResources *resources, const json_t *value)
{
  Registry *registry = resources->registry;
  const char *name = json_str(json_object_get(value, "metadata"), "name", "");
  const CustomDefinition *before = api_scheme_definition(registry->scheme, name);
  g_autofree char *digest = custom_definition_digest_of(value);
  g_autoptr(GError) error = NULL;
  if (before && g_str_equal(digest, custom_definition_digest(before)))
    return;
  CustomDefinition *definition = custom_definition_new(value, &error);
  if (!definition) {
    g_warning("CustomResourceDefinition %s cannot be served: %s", name, error->message);
    return;
  }
  custom_definition_set_converter(definition, custom_version_convert, registry);
  api_scheme_install(registry->scheme, definition);
  close_watches(registry, before, definition);
}

static void uninstall(CustomResources *resources, const char *name)
{
  const CustomDefinition *before = api_scheme_definition(resources->registry->scheme, name);
  if (api_scheme_uninstall(resources->registry->scheme, name))
    close_watches(resources->registry, before, NULL);
}

/* On the store's thread. */
static void on_change(Object *old, Object *object, void *data)
{
  CustomResources *resources = data;
  const ApiKind *kind = object_kind(object ? object : old);
  if (kind == resources->kind) {
    const char *name = object_name(object ? object : old);
    /* one that is about to be established is installed already */
    if (object && definition_is_established(object_json(object)))
      install(resources, object_json(object));
    else if (!object || (old && definition_is_established(object_json(old))))
      uninstall(resources, name);
    enqueue(resources, name);
  } else if (kind->custom && !object) {
    const char *name = custom_definition_name(kind->custom->definition);
    g_mutex_lock(&resources->lock);
    bool wanted = g_hash_table_contains(resources->terminating, name);
    g_mutex_unlock(&resources->lock);
    if (wanted)
      enqueue(resources, name);
  }
}

/* --- one definition ------------------------------------------------------------------------------------------------
 */

static Target target_of(const CustomResources *resources, const char *name, const char *subresource)
{
  return (Target){ .kind = resources->kind, .name = name, .subresource = subresource };
}

typedef struct NamesVisit {
  DefinitionNames *names;
  const char *group, *except;
} NamesVisit;

static bool note_names(Object *object, void *data)
{
  NamesVisit *visit = data;
  const json_t *value = object_json(object);
  if (g_str_equal(json_str(json_object_get(value, "spec"), "group", ""), visit->group) &&
      !g_str_equal(object_name(object), visit->except))
    definition_names_add(visit->names, value);
  return false;
}

/* A definition that is established is served before anybody can read that it is. */
static bool change_status(json_t *value, void *data)
{
  CustomResources *resources = data;
  const json_t *metadata = json_object_get(value, "metadata");
  g_autoptr(DefinitionNames) names = definition_names_new();
  NamesVisit visit = { names, json_str(json_object_get(value, "spec"), "group", ""), json_str(metadata, "name", "") };
  if (definition_is_terminating(value))
    return false;
  bool was_established = definition_is_established(value);
  registry_visit(resources->registry, resources->kind, NULL, note_names, &visit);
  bool changed = definition_update_status(value, names);
  if (changed && !was_established && definition_is_established(value))
    install(resources, value);
  return changed;
}

static bool update_status(CustomResources *resources, const char *name)
{
  g_autoptr(GError) error = NULL;
  Target target = target_of(resources, name, "status");
  g_autoptr(Object) stored = registry_modify(resources->registry, &caller, &target, change_status, resources, &error);
  if (stored)
    return true;
  if (reason_is(error, REASON_NOT_FOUND)) {
    uninstall(resources, name); /* it went while it was being established */
    return true;
  }
  g_warning("CustomResourceDefinition %s: %s", name, error->message);
  return false;
}

static bool enqueue_neighbor(Object *object, void *data)
{
  void **arguments = data;
  CustomResources *resources = arguments[0];
  const char *name = arguments[1], *dot = strchr(name, '.');
  const char *group = json_str(json_object_get(object_json(object), "spec"), "group", "");
  if (dot && g_str_equal(group, dot + 1) && !g_str_equal(object_name(object), name))
    enqueue(resources, object_name(object));
  return false;
}

/* Names that NAME held may be free now. */
static void forget(CustomResources *resources, const char *name)
{
  void *arguments[] = { resources, (void *)(uintptr_t)name };
  g_mutex_lock(&resources->lock);
  g_hash_table_remove(resources->terminating, name);
  g_mutex_unlock(&resources->lock);
  registry_visit(resources->registry, resources->kind, NULL, enqueue_neighbor, arguments);
}

/* --- deletion ------------------------------------------------------------------------------------------------------
 */

static bool begin_cleanup(json_t *value, void *data)
{
  return definition_is_terminating(value) &&
         definition_set_condition(value, "Terminating", "True", "InstanceDeletionInProgress",
                                  "CustomResource deletion is in progress");
}

static bool end_cleanup(json_t *value, void *data)
{
  return definition_is_terminating(value) &&
         definition_set_condition(value, "Terminating", "False", "InstanceDeletionCompleted", "removed all instances");
}

static bool drop_finalizer(json_t *value, void *data)
{
  return definition_is_terminating(value) && definition_drop_finalizer(value);
}

static bool modify(CustomResources *resources, const char *name, const char *subresource, RegistryChange change,
                   GError **error)
{
  Target target = target_of(resources, name, subresource);
  GError *problem = NULL;
  g_autoptr(Object) stored = registry_modify(resources->registry, &caller, &target, change, NULL, &problem);
  if (stored || reason_is(problem, REASON_NOT_FOUND)) {
    g_clear_error(&problem);
    return true;
  }
  g_propagate_error(error, problem);
  return false;
}

/* Asks all objects of KIND to go. *LEFT tells how many wait for finalizers of their own. */
static bool delete_objects(Registry *registry, const ApiKind *kind, unsigned *left, GError **error)
{
  Target all = { .kind = kind };
  g_autoptr(ObjectList) list = registry_list(registry, &caller, &all, NULL, error);
  *left = 0;
  for (guint i = 0; list && i < list->objects->len; i++) {
    const Object *object = list->objects->pdata[i];
    const char *namespace_ = object_namespace(object);
    Target target = { .kind = kind, .namespace_ = *namespace_ ? namespace_ : NULL, .name = object_name(object) };
    g_autoptr(GError) problem = NULL;
    bool gone = false;
    g_autoptr(Object) last = registry_delete(registry, &caller, &target, NULL, &gone, &problem);
    if (!last && !reason_is(problem, REASON_NOT_FOUND)) {
      g_propagate_error(error, g_steal_pointer(&problem));
      return false;
    }
    *left += last && !gone;
  }
  return list != NULL;
}

/* Deletes the objects, then lets the definition go; an object that stays longer calls again when it goes. */
static bool clean_up(CustomResources *resources, const char *name, GError **error)
{
  const CustomDefinition *definition = api_scheme_definition(resources->registry->scheme, name);
  unsigned left = 0;
  g_mutex_lock(&resources->lock);
  g_hash_table_add(resources->terminating, g_strdup(name));
  g_mutex_unlock(&resources->lock);
  if (definition) {
    const ApiKind *kind = custom_definition_kinds(definition)->pdata[0];
    if (!modify(resources, name, "status", begin_cleanup, error) ||
        !delete_objects(resources->registry, kind->storage, &left, error))
      return false;
  }
  return left > 0 || (modify(resources, name, "status", end_cleanup, error) &&
                      modify(resources, name, NULL, drop_finalizer, error));
}

/* --- the thread ----------------------------------------------------------------------------------------------------
 */

/* False: try again later. */
static bool reconcile(CustomResources *resources, const char *name)
{
  g_autoptr(GError) error = NULL;
  g_autoptr(Object) object = registry_lookup(resources->registry, resources->kind, NULL, name);
  if (!object) {
    forget(resources, name);
    return true;
  }
  const json_t *metadata = json_object_get(object_json(object), "metadata");
  if (!definition_is_terminating(object_json(object)))
    return update_status(resources, name);
  bool waits = json_array_size(json_object_get(metadata, "finalizers")) > 0;
  if (!waits || clean_up(resources, name, &error))
    return true;
  g_warning("CustomResourceDefinition %s: %s", name, error->message);
  return false;
}

/* The next name, which the caller frees; NULL when it is time to end. Called with the lock held. */
static char *next_name(CustomResources *resources)
{
  GHashTableIter iterator;
  void *name;
  while (!resources->stopping && g_hash_table_size(resources->pending) == 0)
    g_cond_wait(&resources->changed, &resources->lock);
  if (resources->stopping)
    return NULL;
  g_hash_table_iter_init(&iterator, resources->pending);
  g_hash_table_iter_next(&iterator, &name, NULL);
  g_hash_table_iter_steal(&iterator);
  return name;
}

/* After an error: whatever comes first, the end or the time. Called with the lock held. */
static void pause_and_retry(CustomResources *resources, const char *name)
{
  int64_t until = g_get_monotonic_time() + RETRY_SECONDS * G_USEC_PER_SEC;
  while (!resources->stopping && g_cond_wait_until(&resources->changed, &resources->lock, until))
    ;
  g_hash_table_add(resources->pending, g_strdup(name));
}

static void *run(void *data)
{
  CustomResources *resources = data;
  g_mutex_lock(&resources->lock);
  for (;;) {
    g_autofree char *name = next_name(resources);
    if (!name)
      break;
    g_mutex_unlock(&resources->lock);
    bool done = reconcile(resources, name);
    g_mutex_lock(&resources->lock);
    if (!done)
      pause_and_retry(resources, name);
  }
  g_mutex_unlock(&resources->lock);
  return NULL;
}

/* --- life ----------------------------------------------------------------------------------------------------------
 */

static bool load_definition(Object *object, void *data)
{
  CustomResources *resources = data;
  if (definition_is_established(object_json(object)))
    install(resources, object_json(object));
  g_hash_table_add(resources->pending, g_strdup(object_name(object)));
  return false;
}

static bool load(CustomResources *resources, GError **error)
{
  Registry *registry = resources->registry;
  registry_visit(registry, resources->kind, NULL, load_definition, resources);
  g_autoptr(GPtrArray) kinds = api_scheme_list(registry->scheme);
  for (guint i = 0; i < kinds->len; i++) {
    const ApiKind *kind = kinds->pdata[i];
    if (kind->custom && !registry_resource(registry, kind, error))
      return false;
  }
  return true;
}

CustomResources *custom_resources_new(Registry *registry, GError **error)
{
  CustomResources *resources = g_new0(CustomResources, 1);
  resources->registry = registry;
  resources->kind = api_scheme_resource(registry->scheme, GROUP, "v1", PLURAL);
  resources->pending = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
  resources->terminating = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
  g_mutex_init(&resources->lock);
  g_cond_init(&resources->changed);
  bool ok = load(resources, error);
  if (ok)
    registry_observe(registry, NULL, NULL, on_change, resources);
  else
    g_clear_pointer(&resources, custom_resources_free);
  return resources;
}

void custom_resources_start(CustomResources *resources)
{
  resources->thread = g_thread_new("definitions", run, resources);
}

static bool uninstall_one(Object *object, void *data)
{
  api_scheme_uninstall(data, object_name(object));
  return false;
}

void custom_resources_free(CustomResources *resources)
{
  if (!resources)
    return;
  registry_unobserve(resources->registry, resources);
  g_mutex_lock(&resources->lock);
  resources->stopping = true;
  g_cond_signal(&resources->changed);
  g_mutex_unlock(&resources->lock);
  if (resources->thread)
    g_thread_join(resources->thread);
  /* the scheme may live longer: with the next registry it begins anew */
  registry_visit(resources->registry, resources->kind, NULL, uninstall_one, resources->registry->scheme);
  g_hash_table_unref(resources->pending);
  g_hash_table_unref(resources->terminating);
  g_cond_clear(&resources->changed);
  g_mutex_clear(&resources->lock);
  g_free(resources);
}

bool custom_resources_check_create(Registry *registry, const ApiKind *kind, GError **error)
{
  const ApiKind *definitions = api_scheme_resource(registry->scheme, GROUP, "v1", PLURAL);
  const char *name = custom_definition_name(kind->custom->definition);
  g_autoptr(Object) definition = registry_lookup(registry, definitions, NULL, name);
  if (definition && !definition_is_terminating(object_json(definition)))
    return registry_resource(registry, kind, error) != NULL; /* from the first object on it is in memory */
  return reason_set(error, REASON_METHOD_NOT_ALLOWED,
                    "create not allowed while custom resource definition is terminating");
}
