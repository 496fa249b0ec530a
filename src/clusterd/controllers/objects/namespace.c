#include "clusterd/controllers/objects/namespace.h"

#include <string.h>

#include "base/json.h"
#include "base/reason.h"
#include "clusterd/client/conditions.h"
#include "clusterd/client/work_queue.h"

#define FINALIZER "kubernetes"
#define LOOK_AGAIN_US ((int64_t)8 * G_USEC_PER_SEC) /* at what others' finalizers keep: no event tells of every kind   \
                                                     */

struct NamespaceController {
  Client *client;
  Informer *namespaces, *pods;
  WorkQueue *queue;
};

/* What is left in a namespace after everything was asked to go. */
typedef struct Remains {
  GString *kinds;         /* "pods. has 2 resource instances, …" */
  GHashTable *finalizers; /* name → number of objects */
  GString *failures;
} Remains;

static bool is_terminating(const Object *namespace_)
{
  return json_at(object_json(namespace_), "metadata", "deletionTimestamp", NULL) != NULL;
}

static void on_namespace(Object *old, Object *new_object, void *data)
{
  NamespaceController *controller = data;
  if (new_object && is_terminating(new_object))
    work_queue_add(controller->queue, object_name(new_object));
}

static void on_pod(Object *old, Object *new_object, void *data)
{
  NamespaceController *controller = data;
  if (new_object)
    return;
  g_autoptr(Object) namespace_ = informer_get(controller->namespaces, NULL, object_namespace(old));
  if (namespace_ && is_terminating(namespace_))
    work_queue_add(controller->queue, object_name(namespace_));
}

static void note_finalizers(Remains *remains, const Object *object)
{
  size_t i;
  json_t *name;
  json_array_foreach (json_at(object_json(object), "metadata", "finalizers", NULL), i, name) {
    const char *text = json_string_value(name);
    int known = GPOINTER_TO_INT(g_hash_table_lookup(remains->finalizers, text));
    g_hash_table_insert(remains->finalizers, g_strdup(text), GINT_TO_POINTER(known + 1));
  }
}

static ObjectList *list_kind(const NamespaceController *controller, const ApiKind *kind, const char *namespace_,
                             GError **error)
{
  Caller caller = { .field_manager = client_component(controller->client) };
  Target target = { .kind = kind, .namespace_ = namespace_ };
  ListOptions options = { 0 };
  return registry_list(client_registry(controller->client), &caller, &target, &options, error);
}

static void delete_object(const NamespaceController *controller, const ApiKind *kind, const Object *object,
                          Remains *remains)
{
  Caller caller = { .field_manager = client_component(controller->client) };
  Target target = { .kind = kind, .namespace_ = object_namespace(object), .name = object_name(object) };
  DeleteOptions options = { .grace_period_seconds = -1,
                            .propagation = "Background",
                            .precondition_uid = object_uid(object) };
  g_autoptr(GError) error = NULL;
  bool gone;
  g_autoptr(Object) last =
      registry_delete(client_registry(controller->client), &caller, &target, &options, &gone, &error);
  if (!last && !reason_is(error, REASON_NOT_FOUND))
    g_string_append_printf(remains->failures, "%s%s", remains->failures->len ? ", " : "", error->message);
}

/* Deletes all objects of KIND and notes what stays: objects with a grace period or finalizers. */
static void delete_kind(const NamespaceController *controller, const ApiKind *kind, const char *namespace_,
                        Remains *remains)
{
  g_autoptr(GError) error = NULL;
  g_autoptr(ObjectList) list = list_kind(controller, kind, namespace_, &error);
  for (unsigned i = 0; list && i < list->objects->len; i++) {
    const Object *object = g_ptr_array_index(list->objects, i);
    if (!json_at(object_json(object), "metadata", "deletionTimestamp", NULL))
      delete_object(controller, kind, object, remains);
  }
  g_autoptr(ObjectList) left = list && list->objects->len ? list_kind(controller, kind, namespace_, &error) : NULL;
  if (error)
    g_string_append_printf(remains->failures, "%s%s", remains->failures->len ? ", " : "", error->message);
  if (!left || left->objects->len == 0)
    return;
  g_string_append_printf(remains->kinds, "%s%s.%s has %u resource instances", remains->kinds->len ? ", " : "",
                         kind->plural, kind->group, left->objects->len);
  for (unsigned i = 0; i < left->objects->len; i++)
    note_finalizers(remains, g_ptr_array_index(left->objects, i));
}

static void delete_content(const NamespaceController *controller, const char *namespace_, Remains *remains)
{
  const ApiScheme *scheme = registry_scheme(client_registry(controller->client));
  g_autoptr(GPtrArray) kinds = api_scheme_list(scheme);
  for (unsigned i = 0; i < kinds->len; i++) {
    const ApiKind *kind = g_ptr_array_index(kinds, i);
    if (kind->namespaced && api_kind_is_canonical(kind) && (kind->verbs & API_VERB_LIST) &&
        (kind->verbs & API_VERB_DELETE))
      delete_kind(controller, kind, namespace_, remains);
  }
}

static bool drop_finalizer(json_t *value, void *data)
{
  const char *uid = data;
  if (strcmp(json_str(json_object_get(value, "metadata"), "uid", ""), uid) != 0)
    return false;
  json_t *finalizers = json_at(value, "spec", "finalizers", NULL);
  size_t i;
  json_t *name;
  json_array_foreach (finalizers, i, name) {
    if (strcmp(json_string_value(name), FINALIZER) != 0)
      continue;
    json_array_remove(finalizers, i);
    return true;
  }
  return false;
}

static bool finalize(const NamespaceController *controller, const Object *namespace_)
{
  g_autoptr(GError) error = NULL;
  g_autoptr(Object) stored =
      client_modify(controller->client, "v1", "namespaces", NULL, object_name(namespace_), "finalize", drop_finalizer,
                    (void *)(uintptr_t)object_uid(namespace_), &error);
  if (stored || reason_is(error, REASON_NOT_FOUND))
    return true;
  g_warning("Cannot finalize namespace %s: %s", object_name(namespace_), error->message);
  return false;
}

static char *finalizers_text(GHashTable *finalizers)
{
  g_autoptr(GString) text = g_string_new(NULL);
  g_autoptr(GList) names = g_list_sort(g_hash_table_get_keys(finalizers), (GCompareFunc)strcmp);
  for (const GList *at = names; at; at = at->next)
    g_string_append_printf(text, "%s%s in %d resource instances", text->len ? ", " : "", (const char *)at->data,
                           GPOINTER_TO_INT(g_hash_table_lookup(finalizers, at->data)));
  return g_string_free(g_steal_pointer(&text), FALSE);
}

static void write_conditions(const NamespaceController *controller, const Object *namespace_, const Remains *remains)
{
  const json_t *old = json_object_get(object_json(namespace_), "status");
  g_autoptr(json_t) status = old ? json_deep_copy(old) : json_object();
  condition_set(status, "NamespaceDeletionDiscoveryFailure", "False", "ResourcesDiscovered",
                "All resources successfully discovered");
  condition_set(status, "NamespaceDeletionGroupVersionParsingFailure", "False", "ParsedGroupVersions",
                "All legacy kube types successfully parsed");
  if (remains->failures->len)
    condition_set(status, "NamespaceDeletionContentFailure", "True", "ContentDeletionFailed", remains->failures->str);
  else
    condition_set(status, "NamespaceDeletionContentFailure", "False", "ContentDeleted",
                  "All content successfully deleted, may be waiting on finalization");
  if (remains->kinds->len) {
    g_autofree char *text = g_strconcat("Some resources are remaining: ", remains->kinds->str, NULL);
    condition_set(status, "NamespaceContentRemaining", "True", "SomeResourcesRemain", text);
  } else {
    condition_set(status, "NamespaceContentRemaining", "False", "ContentRemoved", "All content successfully removed");
  }
  if (g_hash_table_size(remains->finalizers)) {
    g_autofree char *names = finalizers_text(remains->finalizers);
    g_autofree char *text = g_strconcat("Some content in the namespace has finalizers remaining: ", names, NULL);
    condition_set(status, "NamespaceFinalizersRemaining", "True", "SomeFinalizersRemain", text);
  } else {
    condition_set(status, "NamespaceFinalizersRemaining", "False", "ContentHasNoFinalizers",
                  "All content-preserving finalizers finished");
  }
  g_autoptr(GError) error = NULL;
  if (!json_same(status, old) &&
      !status_write(controller->client, "v1", "namespaces", namespace_, status, NULL, &error))
    g_info("Namespace %s: %s", object_name(namespace_), error->message);
}

static bool reconcile(const char *key, void *data)
{
  NamespaceController *controller = data;
  g_autoptr(Object) namespace_ = client_get(controller->client, "v1", "namespaces", NULL, key, NULL);
  if (!namespace_ || !is_terminating(namespace_))
    return true;
  /* Nothing left to do for us: somebody else's finalizer keeps it. */
  if (json_array_size(json_at(object_json(namespace_), "spec", "finalizers", NULL)) == 0)
    return true;
  Remains remains = { .kinds = g_string_new(NULL),
                      .finalizers = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL),
                      .failures = g_string_new(NULL) };
  delete_content(controller, key, &remains);
  bool empty = remains.kinds->len == 0 && remains.failures->len == 0;
  write_conditions(controller, namespace_, &remains);
  g_string_free(remains.kinds, TRUE);
  g_hash_table_destroy(remains.finalizers);
  g_string_free(remains.failures, TRUE);
  if (!empty)
    work_queue_add_after(controller->queue, key, LOOK_AGAIN_US);
  return empty && finalize(controller, namespace_);
}

NamespaceController *namespace_controller_new(const ControllerContext *context)
{
  NamespaceController *controller = g_new0(NamespaceController, 1);
  controller->client = client_new(context->registry, "namespace-controller");
  controller->namespaces = informer_set_get(context->informers, "v1", "namespaces");
  controller->pods = informer_set_get(context->informers, "v1", "pods");
  controller->queue = work_queue_new("namespaces", 1, reconcile, controller);
  informer_add_handler(controller->namespaces, on_namespace, controller);
  informer_add_handler(controller->pods, on_pod, controller);
  work_queue_start(controller->queue);
  return controller;
}

void namespace_controller_free(NamespaceController *controller)
{
  work_queue_free(controller->queue);
  client_free(controller->client);
  g_free(controller);
}
