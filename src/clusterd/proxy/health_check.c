#include "clusterd/proxy/health_check.h"

#include <event2/buffer.h>
#include <event2/event.h>
#include <event2/http.h>
#include <event2/thread.h>
#include <jansson.h>
#include <string.h>

#include "base/json.h"
#include "base/reason.h"

#define SERVICE_NAME_LABEL "kubernetes.io/service-name"
#define REQUEST_MAX 8192 /* bytes of a request's head */
#define TIMEOUT_SECONDS 10

struct HealthServer {
  struct event_base *base;
  struct event *wake;
  GThread *thread;
  GMutex lock; /* guards wanted and stopping */
  GPtrArray *wanted;
  bool stopping;
  GHashTable *listeners; /* port → Listener*; the thread's own */
};

typedef struct Listener {
  struct evhttp *http;
  const HealthCheck *check; /* in checks */
  GPtrArray *checks;        /* a reference */
} Listener;

static void check_free(HealthCheck *check)
{
  g_free(check->namespace_);
  g_free(check->name);
  g_free(check);
}

/* What names a service's endpoints of one family ("IPv4", as slices write it). The caller frees. */
static char *family_key(const char *namespace_, const char *service, const char *family)
{
  return g_strdup_printf("%s/%s %s", namespace_, service, family);
}

/* family_key → set of addresses of the endpoints that are ready on this node. */
static GHashTable *local_addresses(const GPtrArray *slices, const char *node_name)
{
  GHashTable *all = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, (GDestroyNotify)g_hash_table_unref);
  for (guint i = 0; i < slices->len; i++) {
    const json_t *metadata = json_object_get(slices->pdata[i], "metadata"), *endpoint;
    g_autofree char *key = family_key(json_str(metadata, "namespace", ""),
                                      json_str(json_object_get(metadata, "labels"), SERVICE_NAME_LABEL, ""),
                                      json_str(slices->pdata[i], "addressType", "IPv4"));
    GHashTable *set = g_hash_table_lookup(all, key);
    if (!set) {
      set = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
      g_hash_table_insert(all, g_steal_pointer(&key), set);
    }
    size_t k;
    json_array_foreach (json_object_get(slices->pdata[i], "endpoints"), k, endpoint) {
      const char *ip = json_string_value(json_array_get(json_object_get(endpoint, "addresses"), 0));
      if (ip && g_strcmp0(json_str(endpoint, "nodeName", NULL), node_name) == 0 &&
          json_flag(json_object_get(endpoint, "conditions"), "ready", true))
        g_hash_table_add(set, g_strdup(ip));
    }
  }
  return all;
}

/* An endpoint has an address of each family: it is counted by the first one. */
static const char *first_family(const json_t *service)
{
  const char *family = json_string_value(json_array_get(json_at(service, "spec", "ipFamilies", NULL), 0));
  return family ? family : "IPv4";
}

GPtrArray *health_checks_read(const GPtrArray *services, const GPtrArray *slices, const char *node_name)
{
  GPtrArray *checks = g_ptr_array_new_with_free_func((GDestroyNotify)check_free);
  g_autoptr(GHashTable) addresses = NULL;
  for (guint i = 0; i < services->len; i++) {
    const json_t *metadata = json_object_get(services->pdata[i], "metadata");
    int64_t port = json_int(json_object_get(services->pdata[i], "spec"), "healthCheckNodePort", 0);
    if (port <= 0 || port > UINT16_MAX)
      continue;
    if (!addresses)
      addresses = local_addresses(slices, node_name);
    HealthCheck *check = g_new0(HealthCheck, 1);
    check->namespace_ = g_strdup(json_str(metadata, "namespace", ""));
    check->name = g_strdup(json_str(metadata, "name", ""));
    check->port = (uint16_t)port;
    g_autofree char *key = family_key(check->namespace_, check->name, first_family(services->pdata[i]));
    GHashTable *local = g_hash_table_lookup(addresses, key);
    check->local_endpoints = local ? g_hash_table_size(local) : 0;
    g_ptr_array_add(checks, check);
  }
  return checks;
}

static void on_request(struct evhttp_request *request, void *data)
{
  const HealthCheck *check = ((const Listener *)data)->check;
  g_autoptr(json_t) value =
      json_pack("{s:{s:s,s:s},s:i,s:b}", "service", "namespace", check->namespace_, "name", check->name,
                "localEndpoints", (int)check->local_endpoints, "serviceProxyHealthy", true);
  g_autofree char *text = json_text(value), *weight = g_strdup_printf("%u", check->local_endpoints);
  struct evkeyvalq *headers = evhttp_request_get_output_headers(request);
  evhttp_add_header(headers, "Content-Type", "application/json");
  evhttp_add_header(headers, "X-Content-Type-Options", "nosniff");
  evhttp_add_header(headers, "X-Load-Balancing-Endpoint-Weight", weight);
  evbuffer_add(evhttp_request_get_output_buffer(request), text, strlen(text));
  if (check->local_endpoints > 0)
    evhttp_send_reply(request, HTTP_OK, "OK", NULL);
  else
    evhttp_send_reply(request, HTTP_SERVUNAVAIL, "Service Unavailable", NULL);
}

static void listener_free(Listener *listener)
{
  evhttp_free(listener->http);
  g_ptr_array_unref(listener->checks);
  g_free(listener);
}

static Listener *listener_new(HealthServer *server, const HealthCheck *check)
{
  struct evhttp *http = evhttp_new(server->base);
  /* "::" is both families; a kernel without IPv6 has the other one */
  if (!http ||
      (evhttp_bind_socket(http, "::", check->port) != 0 && evhttp_bind_socket(http, "0.0.0.0", check->port) != 0)) {
    g_warning("The health check of service %s/%s cannot listen on port %u", check->namespace_, check->name,
              check->port);
    if (http)
      evhttp_free(http);
    return NULL;
  }
  Listener *listener = g_new0(Listener, 1);
  listener->http = http;
  evhttp_set_max_headers_size(http, REQUEST_MAX);
  evhttp_set_max_body_size(http, REQUEST_MAX);
  evhttp_set_timeout(http, TIMEOUT_SECONDS);
  evhttp_set_gencb(http, on_request, listener);
  return listener;
}

/* Sockets that stay wanted stay open. */
static void update(HealthServer *server, GPtrArray *checks)
{
  g_autoptr(GHashTable) before = server->listeners;
  server->listeners = g_hash_table_new_full(NULL, NULL, NULL, (GDestroyNotify)listener_free);
  g_autoptr(GPtrArray) added = g_ptr_array_new();
  for (guint i = 0; i < checks->len; i++) {
    HealthCheck *check = checks->pdata[i];
    Listener *listener = NULL;
    if (!g_hash_table_steal_extended(before, GUINT_TO_POINTER(check->port), NULL, (gpointer *)&listener)) {
      g_ptr_array_add(added, check);
      continue;
    }
    g_ptr_array_unref(listener->checks);
    listener->checks = g_ptr_array_ref(checks);
    listener->check = check;
    g_hash_table_insert(server->listeners, GUINT_TO_POINTER(check->port), listener);
  }
  g_hash_table_remove_all(before);
  for (guint i = 0; i < added->len; i++) {
    HealthCheck *check = added->pdata[i];
    Listener *listener = listener_new(server, check);
    if (!listener)
      continue;
    listener->checks = g_ptr_array_ref(checks);
    listener->check = check;
    g_hash_table_insert(server->listeners, GUINT_TO_POINTER(check->port), listener);
  }
}

static void on_wake(evutil_socket_t fd, short what, void *data)
{
  HealthServer *server = data;
  g_mutex_lock(&server->lock);
  g_autoptr(GPtrArray) wanted = g_steal_pointer(&server->wanted);
  bool stopping = server->stopping;
  g_mutex_unlock(&server->lock);
  if (stopping)
    event_base_loopbreak(server->base);
  else if (wanted)
    update(server, wanted);
}

static void *run(void *data)
{
  HealthServer *server = data;
  event_base_loop(server->base, EVLOOP_NO_EXIT_ON_EMPTY);
  return NULL;
}

HealthServer *health_server_start(GError **error)
{
  evthread_use_pthreads();
  HealthServer *server = g_new0(HealthServer, 1);
  g_mutex_init(&server->lock);
  server->listeners = g_hash_table_new_full(NULL, NULL, NULL, (GDestroyNotify)listener_free);
  server->base = event_base_new();
  server->wake = server->base ? event_new(server->base, -1, EV_PERSIST, on_wake, server) : NULL;
  if (!server->wake) {
    health_server_free(server);
    reason_set(error, REASON_LOCAL_NETWORK, "health checks: no event loop");
    return NULL;
  }
  server->thread = g_thread_new("health-checks", run, server);
  return server;
}

void health_server_set(HealthServer *server, GPtrArray *checks)
{
  g_mutex_lock(&server->lock);
  g_clear_pointer(&server->wanted, g_ptr_array_unref);
  server->wanted = checks;
  g_mutex_unlock(&server->lock);
  event_active(server->wake, EV_READ, 0);
}

void health_server_free(HealthServer *server)
{
  if (!server)
    return;
  if (server->thread) {
    g_mutex_lock(&server->lock);
    server->stopping = true;
    g_mutex_unlock(&server->lock);
    event_active(server->wake, EV_READ, 0);
    g_thread_join(server->thread);
  }
  g_hash_table_unref(server->listeners);
  g_clear_pointer(&server->wanted, g_ptr_array_unref);
  g_clear_pointer(&server->wake, event_free);
  g_clear_pointer(&server->base, event_base_free);
  g_mutex_clear(&server->lock);
  g_free(server);
}
