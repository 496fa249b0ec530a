#include "clusterd/proxy/proxy.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/json.h"
#include "base/reason.h"
#include "clusterd/proxy/conntrack.h"
#include "clusterd/proxy/health_check.h"
#include "clusterd/proxy/nft.h"
#include "clusterd/proxy/ruleset.h"

#define BRIDGE_FILTER "/proc/sys/net/bridge/bridge-nf-call-iptables"
#define RETRY_US (5 * G_USEC_PER_SEC) /* after the kernel refused a ruleset */

struct Proxy {
  char *node_name, *pod_ranges[IP_FAMILIES], *reserved_ip;
  Informer *services, *slices, *pods, *policies, *namespaces, *nodes;
  gint policy_count; /* atomic */
  HealthServer *health;
  GThread *thread;
  GMutex lock; /* guards changed and stopping */
  GCond wake;
  bool changed, stopping;
  /* The thread's own. */
  Ruleset *applied; /* what the kernel has; NULL: unknown */
};

static void notice(Proxy *proxy)
{
  g_mutex_lock(&proxy->lock);
  proxy->changed = true;
  g_cond_signal(&proxy->wake);
  g_mutex_unlock(&proxy->lock);
}

static void on_change(Object *old, Object *new_object, void *data)
{
  notice(data);
}

static bool has_host_port(const json_t *pod)
{
  const json_t *container, *port;
  size_t i, k;
  json_array_foreach (json_at(pod, "spec", "containers", NULL), i, container)
    json_array_foreach (json_object_get(container, "ports"), k, port)
      if (json_int(port, "hostPort", 0) != 0)
        return true;
  return false;
}

static void on_policy_change(Object *old, Object *new_object, void *data)
{
  Proxy *proxy = data;
  if (!old || !new_object)
    g_atomic_int_add(&proxy->policy_count, new_object ? 1 : -1);
  notice(proxy);
}

/* A namespace concerns the rules by its labels only. */
static void on_namespace_change(Object *old, Object *new_object, void *data)
{
  Proxy *proxy = data;
  const json_t *before = old ? json_at(object_json(old), "metadata", "labels", NULL) : NULL;
  const json_t *after = new_object ? json_at(object_json(new_object), "metadata", "labels", NULL) : NULL;
  if (g_atomic_int_get(&proxy->policy_count) > 0 && (!old || !new_object || !json_same(before, after)))
    notice(proxy);
}

/* Of nodes only this one's zone concerns the rules. */
static const char *zone_of(const json_t *node)
{
  return json_string_value(json_at(node, "metadata", "labels", "topology.kubernetes.io/zone", NULL));
}

static void on_node_change(Object *old, Object *new_object, void *data)
{
  Proxy *proxy = data;
  const Object *node = new_object ? new_object : old;
  if (g_str_equal(object_name(node), proxy->node_name) &&
      g_strcmp0(old ? zone_of(object_json(old)) : NULL, new_object ? zone_of(object_json(new_object)) : NULL) != 0)
    notice(proxy);
}

static bool differs(const json_t *before, const json_t *after, const char *key)
{
  return g_strcmp0(json_str(before, key, NULL), json_str(after, key, NULL)) != 0;
}

/* Pods concern the rules by address, phase and labels; without policies only those with host ports. */
static void on_pod_change(Object *old, Object *new_object, void *data)
{
  Proxy *proxy = data;
  json_t *was = old ? object_json(old) : NULL, *is = new_object ? object_json(new_object) : NULL;
  if (g_atomic_int_get(&proxy->policy_count) == 0 && !has_host_port(is ? is : was))
    return;
  const json_t *before = json_object_get(was, "status"), *after = json_object_get(is, "status");
  if (!old || !new_object || differs(before, after, "podIP") || differs(before, after, "phase") ||
      !json_same(json_object_get(before, "podIPs"), json_object_get(after, "podIPs")) ||
      !json_same(json_at(was, "metadata", "labels", NULL), json_at(is, "metadata", "labels", NULL)) ||
      !json_same(json_at(was, "metadata", "deletionTimestamp", NULL),
                 json_at(is, "metadata", "deletionTimestamp", NULL)))
    notice(proxy);
}

Proxy *proxy_new(InformerSet *informers, const ProxyConfig *config)
{
  Proxy *proxy = g_new0(Proxy, 1);
  g_mutex_init(&proxy->lock);
  g_cond_init(&proxy->wake);
  proxy->node_name = g_strdup(config->node_name);
  for (IpFamily family = 0; family < IP_FAMILIES; family++)
    proxy->pod_ranges[family] = ip_ranges_of(config->pod_ranges, family);
  proxy->reserved_ip = g_strdup(config->reserved_ip);
  proxy->services = informer_set_get(informers, "v1", "services");
  proxy->slices = informer_set_get(informers, "discovery.k8s.io/v1", "endpointslices");
  proxy->pods = informer_set_get(informers, "v1", "pods");
  informer_add_handler(proxy->services, on_change, proxy);
  informer_add_handler(proxy->slices, on_change, proxy);
  proxy->policies = informer_set_get(informers, "networking.k8s.io/v1", "networkpolicies");
  proxy->namespaces = informer_set_get(informers, "v1", "namespaces");
  informer_add_handler(proxy->pods, on_pod_change, proxy);
  informer_add_handler(proxy->policies, on_policy_change, proxy);
  informer_add_handler(proxy->namespaces, on_namespace_change, proxy);
  proxy->nodes = informer_set_get(informers, "v1", "nodes");
  informer_add_handler(proxy->nodes, on_node_change, proxy);
  return proxy;
}

/* The values of OBJECTS, borrowed from them. */
static GPtrArray *values_of(const GPtrArray *objects)
{
  GPtrArray *values = g_ptr_array_sized_new(objects->len);
  for (guint i = 0; i < objects->len; i++)
    g_ptr_array_add(values, object_json(objects->pdata[i]));
  return values;
}

static GPtrArray *host_port_pods(const GPtrArray *objects, const char *node_name)
{
  GPtrArray *values = g_ptr_array_new();
  for (guint i = 0; i < objects->len; i++) {
    json_t *pod = object_json(objects->pdata[i]);
    if (g_strcmp0(json_str(json_object_get(pod, "spec"), "nodeName", NULL), node_name) == 0 && has_host_port(pod))
      g_ptr_array_add(values, pod);
  }
  return values;
}

/* Gives the kernel what it does not have of RULESET, which is taken. */
static bool apply_ruleset(Proxy *proxy, Ruleset *ruleset, GError **error)
{
  g_autoptr(Ruleset) taken = ruleset, before = g_steal_pointer(&proxy->applied);
  g_autofree char *text = ruleset_change(before, ruleset);
  if (*text && !nft_apply(text, error))
    return false; /* what the kernel has is unknown now: the next time it is all made anew */
  bool changed = *text != '\0';
  proxy->applied = g_steal_pointer(&taken);
  return !changed || conntrack_delete_stale(proxy->applied, error);
}

static bool apply(Proxy *proxy, GError **error)
{
  g_autoptr(GPtrArray) service_objects = informer_list(proxy->services);
  g_autoptr(GPtrArray) slice_objects = informer_list(proxy->slices);
  g_autoptr(GPtrArray) pod_objects = informer_list(proxy->pods);
  g_autoptr(GPtrArray) policy_objects = informer_list(proxy->policies);
  g_autoptr(GPtrArray) namespace_objects = informer_list(proxy->namespaces);
  g_autoptr(GPtrArray) services = values_of(service_objects);
  g_autoptr(GPtrArray) slices = values_of(slice_objects);
  g_autoptr(GPtrArray) pods = host_port_pods(pod_objects, proxy->node_name);
  g_autoptr(GPtrArray) all_pods = values_of(pod_objects);
  g_autoptr(GPtrArray) policies = values_of(policy_objects);
  g_autoptr(GPtrArray) namespaces = values_of(namespace_objects);
  g_autoptr(Object) node = informer_get(proxy->nodes, NULL, proxy->node_name);
  RulesetInput input = { .services = services,
                         .slices = slices,
                         .pods = pods,
                         .policies = policies,
                         .namespaces = namespaces,
                         .all_pods = all_pods,
                         .node_name = proxy->node_name,
                         .zone = node ? zone_of(object_json(node)) : NULL,
                         .pod_ranges = { proxy->pod_ranges[IP_V4], proxy->pod_ranges[IP_V6] },
                         .reserved_ip = proxy->reserved_ip };
  health_server_set(proxy->health, health_checks_read(services, slices, proxy->node_name));
  return apply_ruleset(proxy, ruleset_build(&input), error);
}

static void *run(void *data)
{
  Proxy *proxy = data;
  gint64 retry_at = 0;
  for (;;) {
    g_mutex_lock(&proxy->lock);
    while (!proxy->changed && !proxy->stopping) {
      if (retry_at == 0)
        g_cond_wait(&proxy->wake, &proxy->lock);
      else if (!g_cond_wait_until(&proxy->wake, &proxy->lock, retry_at))
        proxy->changed = true;
    }
    bool stopping = proxy->stopping;
    proxy->changed = false;
    g_mutex_unlock(&proxy->lock);
    if (stopping)
      return NULL;
    g_autoptr(GError) error = NULL;
    bool ok = apply(proxy, &error);
    if (!ok)
      g_warning("Service rules: %s", error->message);
    retry_at = ok ? 0 : g_get_monotonic_time() + RETRY_US;
  }
}

static void set_sysctl(const char *path, const char *value)
{
  file_autofd int fd = open(path, O_WRONLY | O_CLOEXEC);
  if (fd < 0) {
    g_warning("%s: %s", path, g_strerror(errno));
    return;
  }
  if (write(fd, value, strlen(value)) < 0)
    g_warning("%s: %s", path, g_strerror(errno));
}

bool proxy_start(Proxy *proxy, GError **error)
{
  if (proxy->pod_ranges[IP_V4])
    set_sysctl("/proc/sys/net/ipv4/ip_forward", "1");
  if (proxy->pod_ranges[IP_V6])
    set_sysctl("/proc/sys/net/ipv6/conf/all/forwarding", "1");
  /* Between pods everything is routed. Where br_netfilter is loaded it would translate addresses inside the bridge, and
   * a pod that reaches itself through a service would be sent back out of the port it came in by, which bridges refuse.
   */
  if (access(BRIDGE_FILTER, F_OK) == 0)
    set_sysctl(BRIDGE_FILTER, "0");
  proxy->health = health_server_start(error);
  if (!proxy->health || !apply(proxy, error))
    return false;
  /* what asks a node port on 127.0.0.1 leaves for a pod; filter-senders keeps others from coming in that way */
  if (proxy->pod_ranges[IP_V4])
    set_sysctl("/proc/sys/net/ipv4/conf/all/route_localnet", "1");
  proxy->thread = g_thread_new("proxy", run, proxy);
  return true;
}

void proxy_free(Proxy *proxy)
{
  if (!proxy)
    return;
  if (proxy->thread) {
    g_mutex_lock(&proxy->lock);
    proxy->stopping = true;
    g_cond_signal(&proxy->wake);
    g_mutex_unlock(&proxy->lock);
    g_thread_join(proxy->thread);
  }
  health_server_free(proxy->health);
  ruleset_free(proxy->applied);
  g_free(proxy->node_name);
  for (IpFamily family = 0; family < IP_FAMILIES; family++)
    g_free(proxy->pod_ranges[family]);
  g_free(proxy->reserved_ip);
  g_cond_clear(&proxy->wake);
  g_mutex_clear(&proxy->lock);
  g_free(proxy);
}
