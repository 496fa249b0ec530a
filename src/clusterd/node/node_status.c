#include "clusterd/node/node_status.h"

#include <stdbool.h>
#include <sys/utsname.h>

#include "base/json.h"
#include "base/quantity.h"
#include "base/reason.h"
#include "base/timestamp.h"
#include "clusterd/client/conditions.h"
#include "clusterd/node/machine.h"

#define LEASE_NAMESPACE "kube-node-lease"
#define LEASE_SECONDS 40
#define RENEW_US (10 * (int64_t)G_USEC_PER_SEC)
#define REPORT_US (300 * (int64_t)G_USEC_PER_SEC)
#define PODS_MAX "110"
#define IMAGES_MAX 50 /* as many as upstream reports */
#define KUBELET_PORT 10250

struct NodeStatus {
  Client *client;
  Runtime *runtime;
  Recorder *recorder;
  char *name, *ip, *pod_cidr, *version, *data_dir;
  GThread *thread;
  GMutex lock; /* guards stopping */
  GCond wake;
  bool stopping;
};

static json_t *labels(const NodeStatus *status)
{
  return json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:s}", "beta.kubernetes.io/arch", machine_arch(),
                   "beta.kubernetes.io/os", "linux", "kubernetes.io/arch", machine_arch(), "kubernetes.io/hostname",
                   status->name, "kubernetes.io/os", "linux", "node-role.kubernetes.io/control-plane", "",
                   "node.kubernetes.io/exclude-from-external-load-balancers", "");
}

static json_t *resources(const NodeStatus *status)
{
  int64_t cpu = machine_cpu_milli();
  g_autofree char *cpu_text =
      cpu % 1000 == 0 ? g_strdup_printf("%d", (int)(cpu / 1000)) : g_strdup_printf("%dm", (int)cpu);
  g_autofree char *memory = g_strdup_printf("%" G_GINT64_FORMAT "Ki", machine_memory_bytes() / 1024);
  g_autofree char *disk = g_strdup_printf("%" G_GINT64_FORMAT "Ki", machine_disk_bytes(status->data_dir) / 1024);
  return json_pack("{s:s, s:s, s:s, s:s, s:s, s:s}", "cpu", cpu_text, "ephemeral-storage", disk, "hugepages-1Gi", "0",
                   "hugepages-2Mi", "0", "memory", memory, "pods", PODS_MAX);
}

static json_t *node_info(const NodeStatus *status)
{
  struct utsname kernel = { 0 };
  uname(&kernel);
  g_autofree char *boot = machine_read_line("/proc/sys/kernel/random/boot_id");
  g_autofree char *machine = machine_read_line("/etc/machine-id");
  g_autofree char *system = machine_read_line("/sys/class/dmi/id/product_uuid");
  g_autofree char *os_image = machine_os_image();
  g_autofree char *runtime = g_strdup_printf("%s://%s", runtime_scheme(status->runtime), status->runtime->version);
  return json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s}", "architecture", machine_arch(), "bootID", boot,
                   "containerRuntimeVersion", runtime, "kernelVersion", kernel.release, "kubeProxyVersion",
                   status->version, "kubeletVersion", status->version, "machineID", machine, "operatingSystem", "linux",
                   "osImage", os_image, "systemUUID", *system ? system : machine);
}

static json_t *images(const NodeStatus *status)
{
  json_t *list = json_array();
  g_autoptr(GPtrArray) known = status->runtime->list_images(status->runtime, NULL);
  for (guint i = 0; known && i < known->len && i < IMAGES_MAX; i++) {
    const ImageStatus *image = known->pdata[i];
    json_t *names = json_array();
    for (char **name = image->repo_digests; name && *name; name++)
      json_array_append_new(names, json_string(*name));
    for (char **name = image->repo_tags; name && *name; name++)
      json_array_append_new(names, json_string(*name));
    json_array_append_new(list, json_pack("{s:o, s:I}", "names", names, "sizeBytes", (json_int_t)image->size_bytes));
  }
  return list;
}

static const struct NodeCondition {
  const char *type, *status, *reason, *message;
} node_conditions[] = {
  { "MemoryPressure", "False", "KubeletHasSufficientMemory", "kubelet has sufficient memory available" },
  { "DiskPressure", "False", "KubeletHasNoDiskPressure", "kubelet has no disk pressure" },
  { "PIDPressure", "False", "KubeletHasSufficientPID", "kubelet has sufficient PID available" },
  { "Ready", "True", "KubeletReady", "kubelet is posting ready status" },
};

static json_t *conditions(const json_t *old)
{
  json_t *list = json_array(), *item;
  g_autofree char *now = timestamp_now();
  size_t i;
  for (gsize k = 0; k < G_N_ELEMENTS(node_conditions); k++) {
    const struct NodeCondition *one = &node_conditions[k];
    const json_t *before = condition_in(old, one->type);
    bool same = before && g_str_equal(json_str(before, "status", ""), one->status);
    json_array_append_new(list, json_pack("{s:s, s:s, s:s, s:s, s:s, s:s}", "type", one->type, "status", one->status,
                                          "lastHeartbeatTime", now, "lastTransitionTime",
                                          same ? json_str(before, "lastTransitionTime", now) : now, "reason",
                                          one->reason, "message", one->message));
  }
  json_array_foreach (old, i, item) /* others' conditions stay */
    if (!condition_in(list, json_str(item, "type", "")))
      json_array_append(list, item);
  return list;
}

static bool change_status(json_t *value, void *data)
{
  const NodeStatus *status = data;
  json_t *now = json_ensure_object(value, "status", NULL);
  json_object_set_new(now, "addresses",
                      json_pack("[{s:s, s:s}, {s:s, s:s}]", "type", "InternalIP", "address", status->ip, "type",
                                "Hostname", "address", status->name));
  json_object_set_new(now, "capacity", resources(status));
  json_object_set_new(now, "allocatable", resources(status));
  json_object_set_new(now, "conditions", conditions(json_object_get(now, "conditions")));
  json_object_set_new(now, "daemonEndpoints", json_pack("{s:{s:i}}", "kubeletEndpoint", "Port", KUBELET_PORT));
  json_object_set_new(now, "nodeInfo", node_info(status));
  json_object_set_new(now, "images", images(status));
  return true;
}

static bool report(NodeStatus *status, GError **error)
{
  g_autoptr(Object) node =
      client_modify(status->client, "v1", "nodes", NULL, status->name, "status", change_status, status, error);
  return node != NULL;
}

/* Labels people added stay; ours are brought up to date. */
static bool change_labels(json_t *value, void *data)
{
  const NodeStatus *status = data;
  json_t *there = json_ensure_object(value, "metadata", "labels", NULL);
  g_autoptr(json_t) before = json_deep_copy(there);
  g_autoptr(json_t) own = labels(status);
  json_object_update(there, own);
  return !json_equal(before, there);
}

/* The Node, made where absent. New reference. */
static Object *ensure_node(NodeStatus *status, GError **error)
{
  g_autoptr(GError) inner = NULL;
  g_autoptr(json_t) value = json_pack("{s:{s:s, s:o, s:{s:s, s:s}}, s:{s:s, s:[s]}}", "metadata", "name", status->name,
                                      "labels", labels(status), "annotations", "node.alpha.kubernetes.io/ttl", "0",
                                      "volumes.kubernetes.io/controller-managed-attach-detach", "true", "spec",
                                      "podCIDR", status->pod_cidr, "podCIDRs", status->pod_cidr);
  Object *node = client_create(status->client, "v1", "nodes", NULL, value, &inner);
  if (!node && reason_is(inner, REASON_ALREADY_EXISTS))
    return client_modify(status->client, "v1", "nodes", NULL, status->name, NULL, change_labels, status, error);
  if (!node)
    g_propagate_error(error, g_steal_pointer(&inner));
  return node;
}

static bool change_lease(json_t *value, void *data)
{
  const NodeStatus *status = data;
  json_t *spec = json_ensure_object(value, "spec", NULL);
  g_autofree char *now = timestamp_text_micro(timestamp_now_us());
  json_object_set_new(spec, "holderIdentity", json_string(status->name));
  json_object_set_new(spec, "leaseDurationSeconds", json_integer(LEASE_SECONDS));
  json_object_set_new(spec, "renewTime", json_string(now));
  return true;
}

static bool renew_lease(NodeStatus *status, GError **error)
{
  g_autoptr(Object) lease = client_modify(status->client, "coordination.k8s.io/v1", "leases", LEASE_NAMESPACE,
                                          status->name, NULL, change_lease, status, error);
  return lease != NULL;
}

static bool ensure_lease(NodeStatus *status, const Object *node, GError **error)
{
  g_autoptr(GError) inner = NULL;
  g_autoptr(json_t) value = json_pack("{s:{s:s, s:s, s:[{s:s, s:s, s:s, s:s}]}}", "metadata", "name", status->name,
                                      "namespace", LEASE_NAMESPACE, "ownerReferences", "apiVersion", "v1", "kind",
                                      "Node", "name", status->name, "uid", object_uid(node));
  change_lease(value, status);
  g_autoptr(Object) lease =
      client_create(status->client, "coordination.k8s.io/v1", "leases", LEASE_NAMESPACE, value, &inner);
  if (lease)
    return true;
  if (reason_is(inner, REASON_ALREADY_EXISTS))
    return renew_lease(status, error);
  g_propagate_error(error, g_steal_pointer(&inner));
  return false;
}

static void *run(void *data)
{
  NodeStatus *status = data;
  gint64 next_report = g_get_monotonic_time() + REPORT_US;
  g_mutex_lock(&status->lock);
  while (!status->stopping) {
    gint64 until = g_get_monotonic_time() + RENEW_US;
    while (!status->stopping && g_cond_wait_until(&status->wake, &status->lock, until))
      ;
    if (status->stopping)
      break;
    g_mutex_unlock(&status->lock);
    g_autoptr(GError) error = NULL;
    bool ok = renew_lease(status, &error);
    if (!ok && reason_is(error, REASON_NOT_FOUND)) { /* somebody deleted the node: come back */
      g_clear_error(&error);
      g_autoptr(Object) node = ensure_node(status, &error);
      ok = node && ensure_lease(status, node, &error) && report(status, &error);
    }
    if (ok && g_get_monotonic_time() >= next_report) {
      ok = report(status, &error);
      next_report = g_get_monotonic_time() + REPORT_US;
    }
    if (!ok)
      g_warning("Node %s: %s", status->name, error->message);
    g_mutex_lock(&status->lock);
  }
  g_mutex_unlock(&status->lock);
  return NULL;
}

/* Upstream's events name the node itself as the uid of what they are about. */
static void tell(NodeStatus *status, const char *reason, const char *message)
{
  g_autoptr(json_t) about = json_pack("{s:s, s:s, s:{s:s, s:s}}", "apiVersion", "v1", "kind", "Node", "metadata",
                                      "name", status->name, "uid", status->name);
  recorder_event(status->recorder, about, NULL, "Normal", reason, "%s", message);
}

NodeStatus *node_status_start(Client *client, Runtime *runtime, Recorder *recorder, const NodeStatusConfig *config,
                              GError **error)
{
  NodeStatus *status = g_new0(NodeStatus, 1);
  *status = (NodeStatus){ .client = client,
                          .runtime = runtime,
                          .recorder = recorder,
                          .name = g_strdup(config->name),
                          .ip = g_strdup(config->ip),
                          .pod_cidr = g_strdup(config->pod_cidr),
                          .version = g_strdup(config->version),
                          .data_dir = g_strdup(config->data_dir) };
  g_mutex_init(&status->lock);
  g_cond_init(&status->wake);
  tell(status, "Starting", "Starting kubelet.");
  g_autoptr(Object) node = ensure_node(status, error);
  if (!node || !ensure_lease(status, node, error) || !report(status, error)) {
    node_status_stop(status);
    return NULL;
  }
  g_autofree char *message = g_strdup_printf("Node %s status is now: NodeReady", status->name);
  tell(status, "NodeReady", message);
  status->thread = g_thread_new("node-status", run, status);
  return status;
}

void node_status_stop(NodeStatus *status)
{
  if (!status)
    return;
  if (status->thread) {
    g_mutex_lock(&status->lock);
    status->stopping = true;
    g_cond_signal(&status->wake);
    g_mutex_unlock(&status->lock);
    g_thread_join(status->thread);
  }
  g_free(status->name);
  g_free(status->ip);
  g_free(status->pod_cidr);
  g_free(status->version);
  g_free(status->data_dir);
  g_cond_clear(&status->wake);
  g_mutex_clear(&status->lock);
  g_free(status);
}
