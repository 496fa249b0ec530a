#include "clusterd/controllers/objects/namespace_content.h"

#include <string.h>

#include "base/json.h"
#include "base/reason.h"
#include "clusterd/client/work_queue.h"

struct NamespaceContentController {
  const char *plural, *name; /* of the object each namespace has */
  char *root_ca_pem;         /* NULL: service accounts */
  Client *client;
  Informer *namespaces, *content;
  WorkQueue *queue;
};

static void on_namespace(Object *old, Object *new_object, void *data)
{
  NamespaceContentController *controller = data;
  if (new_object)
    work_queue_add(controller->queue, object_name(new_object));
}

static void on_content(Object *old, Object *new_object, void *data)
{
  NamespaceContentController *controller = data;
  const Object *object = new_object ? new_object : old;
  if (strcmp(object_name(object), controller->name) == 0 && (!new_object || controller->root_ca_pem))
    work_queue_add(controller->queue, object_namespace(object));
}

static json_t *make_content(const NamespaceContentController *controller)
{
  json_t *value = json_object();
  json_object_set_new(json_ensure_object(value, "metadata", NULL), "name", json_string(controller->name));
  if (!controller->root_ca_pem)
    return value;
  json_object_set_new(json_ensure_object(value, "metadata", "annotations", NULL), "kubernetes.io/description",
                      json_string("Certificates of the authorities that sign for the API server's own names and "
                                  "addresses inside the cluster."));
  json_object_set_new(json_ensure_object(value, "data", NULL), "ca.crt", json_string(controller->root_ca_pem));
  return value;
}

static bool restore_data(json_t *value, void *data)
{
  const json_t *wanted = data;
  if (json_same(json_object_get(value, "data"), wanted))
    return false;
  json_object_set_new(value, "data", json_deep_copy(wanted));
  return true;
}

static bool reconcile(const char *key, void *data)
{
  NamespaceContentController *controller = data;
  g_autoptr(Object) namespace_ = informer_get(controller->namespaces, NULL, key);
  if (!namespace_ || json_at(object_json(namespace_), "metadata", "deletionTimestamp", NULL))
    return true;
  g_autoptr(Object) known = informer_get(controller->content, key, controller->name);
  g_autoptr(json_t) wanted = make_content(controller);
  json_t *wanted_data = json_object_get(wanted, "data");
  if (known && (!wanted_data || json_same(json_object_get(object_json(known), "data"), wanted_data)))
    return true;
  g_autoptr(GError) error = NULL;
  g_autoptr(Object) stored = known ? client_modify(controller->client, "v1", controller->plural, key, controller->name,
                                                   NULL, restore_data, wanted_data, &error)
                                   : client_create(controller->client, "v1", controller->plural, key, wanted, &error);
  /* The namespace may be on its way out, or somebody was faster: an event will tell. */
  if (stored || reason_is(error, REASON_ALREADY_EXISTS) || reason_is(error, REASON_FORBIDDEN) ||
      reason_is(error, REASON_NOT_FOUND))
    return true;
  g_warning("Cannot write %s %s/%s: %s", controller->plural, key, controller->name, error->message);
  return false;
}

static NamespaceContentController *controller_new(const ControllerContext *context, const char *component,
                                                  const char *plural, const char *name, const char *root_ca_pem)
{
  NamespaceContentController *controller = g_new0(NamespaceContentController, 1);
  controller->plural = plural;
  controller->name = name;
  controller->root_ca_pem = g_strdup(root_ca_pem);
  controller->client = client_new(context->registry, component);
  controller->namespaces = informer_set_get(context->informers, "v1", "namespaces");
  controller->content = informer_set_get(context->informers, "v1", plural);
  controller->queue = work_queue_new(plural, 1, reconcile, controller);
  informer_add_handler(controller->namespaces, on_namespace, controller);
  informer_add_handler(controller->content, on_content, controller);
  work_queue_start(controller->queue);
  return controller;
}

NamespaceContentController *service_account_controller_new(const ControllerContext *context)
{
  return controller_new(context, "service-account-controller", "serviceaccounts", "default", NULL);
}

NamespaceContentController *root_ca_controller_new(const ControllerContext *context)
{
  if (!context->config->root_ca_pem)
    return NULL;
  return controller_new(context, "root-ca-cert-publisher", "configmaps", "kube-root-ca.crt",
                        context->config->root_ca_pem);
}

void namespace_content_controller_free(NamespaceContentController *controller)
{
  if (!controller)
    return;
  work_queue_free(controller->queue);
  client_free(controller->client);
  g_free(controller->root_ca_pem);
  g_free(controller);
}
