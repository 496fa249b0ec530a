#include "clusterd/server/aggregation/aggregator_private.h"

#include <string.h>

#include "base/json.h"
#include "base/reason.h"
#include "clusterd/server/outbound/client_config.h"
#include "clusterd/server/outbound/service_resolver.h"

#define HTTPS_PORT 443

static void remote_free(void *data)
{
  Remote *remote = data;
  json_decref(remote->resources);
  json_decref(remote->openapi);
  json_decref(remote->swagger);
  g_free(remote);
}

bool aggregator_is_remote(const Object *api_service)
{
  return json_is_object(json_at(object_json((Object *)(uintptr_t)api_service), "spec", "service", NULL));
}

static bool collect(Object *object, void *data)
{
  g_ptr_array_add(data, object_ref(object));
  return false;
}

GPtrArray *aggregator_list(Aggregator *aggregator)
{
  GPtrArray *list = g_ptr_array_new_with_free_func((GDestroyNotify)object_unref);
  registry_visit(aggregator->registry, aggregator->kind, NULL, collect, list);
  return list;
}

bool aggregator_has_remote(Aggregator *aggregator)
{
  return g_atomic_int_get(&aggregator->n_remotes) > 0;
}

Object *aggregator_find(Aggregator *aggregator, const char *group, const char *version)
{
  g_autofree char *name = g_strdup_printf("%s.%s", version, group);
  g_autoptr(Object) found = registry_lookup(aggregator->registry, aggregator->kind, NULL, name);
  return found && aggregator_is_remote(found) ? g_steal_pointer(&found) : NULL;
}

void aggregator_target_clear(AggregatorTarget *target)
{
  g_clear_pointer(&target->origin, g_free);
  g_clear_pointer(&target->connect_to, g_free);
  g_clear_pointer(&target->ca_pem, g_free);
}

bool aggregator_target(Aggregator *aggregator, const Object *api_service, AggregatorTarget *target, GError **error)
{
  const json_t *spec = json_object_get(object_json((Object *)(uintptr_t)api_service), "spec");
  const json_t *service = json_object_get(spec, "service");
  const char *namespace_ = json_str(service, "namespace", ""), *name = json_str(service, "name", "");
  const char *bundle = json_str(spec, "caBundle", "");
  int64_t port = json_int(service, "port", HTTPS_PORT);
  *target = (AggregatorTarget){ 0 };
  target->connect_to = service_resolve(aggregator->registry, namespace_, name, port, error);
  if (!target->connect_to)
    return false;
  target->origin = g_strdup_printf("https://%s.%s.svc:%" G_GINT64_FORMAT, name, namespace_, port);
  if (*bundle) {
    gsize length;
    g_autofree guchar *bytes = g_base64_decode(bundle, &length);
    target->ca_pem = g_strndup(bytes ? (const char *)bytes : "", length);
  }
  target->target = (OutboundTarget){ .connect_to = target->connect_to,
                                     .ca_pem = target->ca_pem,
                                     .insecure = json_flag(spec, "insecureSkipTLSVerify", false),
                                     .client_cert = aggregator->front->cert_pem,
                                     .client_key = aggregator->front->key_pem };
  return true;
}

/* --- the thread ----------------------------------------------------------------------------------------------------
 */

static void wake(Aggregator *aggregator)
{
  g_mutex_lock(&aggregator->lock);
  aggregator->dirty = true;
  g_cond_signal(&aggregator->woken);
  g_mutex_unlock(&aggregator->lock);
}

/* On the store's thread. Status is what this very thread writes. */
static void api_service_changed(Object *old, Object *object, void *data)
{
  if (!old || !object ||
      !json_same(json_object_get(object_json(old), "spec"), json_object_get(object_json(object), "spec")))
    wake(data);
}

static void definition_changed(Object *old, Object *object, void *data)
{
  wake(data);
}

static void backend_changed(Object *old, Object *object, void *data)
{
  if (aggregator_has_remote(data))
    wake(data);
}

/* Waits until there is something to do. False when it is time to end. */
static bool await_work(Aggregator *aggregator)
{
  gint64 until = g_get_monotonic_time() + AGGREGATOR_SECONDS * G_USEC_PER_SEC;
  bool waiting = true;
  g_autoptr(GMutexLocker) held = g_mutex_locker_new(&aggregator->lock);
  while (waiting && !aggregator->dirty && !aggregator->stopping) {
    if (aggregator_has_remote(aggregator))
      waiting = g_cond_wait_until(&aggregator->woken, &aggregator->lock, until);
    else
      g_cond_wait(&aggregator->woken, &aggregator->lock);
  }
  aggregator->dirty = false;
  return !aggregator->stopping;
}

/* Remotes that are no more are forgotten, new ones are known as such. */
static void note_remotes(Aggregator *aggregator, GPtrArray *api_services)
{
  g_autoptr(GHashTable) names = g_hash_table_new(g_str_hash, g_str_equal);
  GHashTableIter iterator;
  void *name;
  for (guint i = 0; i < api_services->len; i++)
    if (aggregator_is_remote(api_services->pdata[i]))
      g_hash_table_add(names, (char *)(uintptr_t)object_name(api_services->pdata[i]));
  g_mutex_lock(&aggregator->lock);
  g_hash_table_iter_init(&iterator, aggregator->remotes);
  while (g_hash_table_iter_next(&iterator, &name, NULL))
    if (!g_hash_table_contains(names, name)) {
      g_hash_table_iter_remove(&iterator);
      aggregator->generation++;
    }
  g_hash_table_iter_init(&iterator, names);
  while (g_hash_table_iter_next(&iterator, &name, NULL))
    if (!g_hash_table_contains(aggregator->remotes, name))
      g_hash_table_insert(aggregator->remotes, g_strdup(name), g_new0(Remote, 1));
  g_atomic_int_set(&aggregator->n_remotes, (int)g_hash_table_size(aggregator->remotes));
  g_mutex_unlock(&aggregator->lock);
}

static void *run(void *data)
{
  Aggregator *aggregator = data;
  g_autoptr(GError) error = NULL;
  if (!front_proxy_publish(aggregator->front, aggregator->registry, aggregator->config->ca_file, &error))
    g_warning("extension API servers cannot learn whom to trust: %s", error->message);
  while (await_work(aggregator)) {
    aggregator_keep_local(aggregator);
    g_autoptr(GPtrArray) api_services = aggregator_list(aggregator);
    note_remotes(aggregator, api_services);
    aggregator_check(aggregator, api_services);
  }
  return NULL;
}

/* --- life ----------------------------------------------------------------------------------------------------------
 */

static FrontProxy *make_front(const ApiServerConfig *config, GError **error)
{
  const char *cert = config->proxy_client_cert_file, *key = config->proxy_client_key_file;
  const char *ca = config->front_proxy_ca_file;
  if (!cert && !key && !ca)
    return front_proxy_new(error);
  if (cert && key && ca)
    return front_proxy_read(cert, key, ca, error);
  reason_set(error, REASON_CONFIG,
             "--proxy-client-cert-file, --proxy-client-key-file and --requestheader-client-ca-file belong together");
  return NULL;
}

Aggregator *aggregator_start(Registry *registry, const ApiServerConfig *config, GError **error)
{
  FrontProxy *front = make_front(config, error);
  if (!front)
    return NULL;
  Aggregator *aggregator = g_new0(Aggregator, 1);
  aggregator->registry = registry;
  aggregator->kind = api_scheme_resource(registry_scheme(registry), APIREGISTRATION, "v1", "apiservices");
  aggregator->front = front;
  aggregator->config = config;
  g_mutex_init(&aggregator->lock);
  g_cond_init(&aggregator->woken);
  aggregator->remotes = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, remote_free);
  aggregator->dirty = true;
  registry_observe(registry, APIREGISTRATION, "apiservices", api_service_changed, aggregator);
  registry_observe(registry, "apiextensions.k8s.io", "customresourcedefinitions", definition_changed, aggregator);
  registry_observe(registry, "", "services", backend_changed, aggregator);
  registry_observe(registry, "", "endpoints", backend_changed, aggregator);
  registry_observe(registry, "discovery.k8s.io", "endpointslices", backend_changed, aggregator);
  /* from before the last stop: they are asked about before the thread has looked */
  g_autoptr(GPtrArray) known = aggregator_list(aggregator);
  note_remotes(aggregator, known);
  aggregator->thread = g_thread_new("aggregator", run, aggregator);
  return aggregator;
}

void aggregator_stop(Aggregator *aggregator)
{
  if (!aggregator)
    return;
  registry_unobserve(aggregator->registry, aggregator);
  g_mutex_lock(&aggregator->lock);
  aggregator->stopping = true;
  g_cond_signal(&aggregator->woken);
  g_mutex_unlock(&aggregator->lock);
  g_thread_join(aggregator->thread);
  g_hash_table_unref(aggregator->remotes);
  front_proxy_free(aggregator->front);
  g_cond_clear(&aggregator->woken);
  g_mutex_clear(&aggregator->lock);
  g_free(aggregator);
}
