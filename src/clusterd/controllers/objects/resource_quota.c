#include "clusterd/controllers/objects/resource_quota.h"

#include "base/reason.h"
#include "clusterd/client/work_queue.h"
#include "clusterd/server/resource_quota.h"

struct ResourceQuotaController {
  Client *client;
  Informer *quotas;
  WorkQueue *queue; /* "namespace/name" of quotas to recount */
};

/* On the store's thread. */
static void on_stale(const char *namespace_, const char *name, int64_t delay_us, void *data)
{
  ResourceQuotaController *controller = data;
  g_autofree char *key = g_strdup_printf("%s/%s", namespace_, name);
  if (delay_us > 0)
    work_queue_add_after(controller->queue, key, delay_us);
  else
    work_queue_add(controller->queue, key);
}

/* Objects may have gone while nobody listened: every quota is counted once at the start. */
static void on_quota(Object *old, Object *new_object, void *data)
{
  ResourceQuotaController *controller = data;
  g_autofree char *key = informer_key(new_object ? new_object : old);
  if (!old && new_object)
    work_queue_add(controller->queue, key);
}

static bool reconcile(const char *key, void *data)
{
  ResourceQuotaController *controller = data;
  g_autoptr(GError) error = NULL;
  g_autofree char *namespace_ = NULL;
  g_autofree char *name = NULL;
  informer_split_key(key, &namespace_, &name);
  if (resource_quota_recount(client_registry(controller->client), namespace_, name, &error))
    return true;
  g_info("Cannot recount quota %s: %s", key, error->message);
  return false;
}

ResourceQuotaController *resource_quota_controller_new(const ControllerContext *context)
{
  ResourceQuotaController *controller = g_new0(ResourceQuotaController, 1);
  controller->client = client_new(context->registry, "resourcequota-controller");
  controller->quotas = informer_set_get(context->informers, "v1", "resourcequotas");
  controller->queue = work_queue_new("resource-quota", 2, reconcile, controller);
  informer_add_handler(controller->quotas, on_quota, controller);
  resource_quota_listen(context->registry, on_stale, controller);
  work_queue_start(controller->queue);
  return controller;
}

void resource_quota_controller_free(ResourceQuotaController *controller)
{
  resource_quota_listen(client_registry(controller->client), NULL, NULL);
  work_queue_free(controller->queue);
  client_free(controller->client);
  g_free(controller);
}
