#include "clusterd/node/status/node_status.h"

#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/utsname.h>

#include "base/ip_address.h"
#include "base/json.h"
#include "base/reason.h"
#include "base/timestamp.h"
#include "clusterd/client/conditions.h"
#include "clusterd/node/machine.h"
#include "clusterd/node/node_events.h"
#include "clusterd/node/status/node_resources.h"

#define LEASE_NAMESPACE "kube-node-lease"
#define LEASE_SECONDS 40
#define RENEW_US (10 * (int64_t)G_USEC_PER_SEC)
#define REPORT_US (300 * (int64_t)G_USEC_PER_SEC)
#define ENFORCE_RETRY_US (60 * (int64_t)G_USEC_PER_SEC)
#define IMAGES_MAX 50     /* as many as upstream reports */
#define IMAGE_NAMES_MAX 5 /* of each */
#define CGROUP_ROOT "/sys/fs/cgroup"
#define KUBELET_PORT 10250
#define REBOOTED "Rebooted"

struct NodeStatus {
  Client *client;
  Runtime *runtime;
  Recorder *recorder;
  char *name, *ip, *other_ip, *pod_cidr, *version, *data_dir;
  const PressureSettings *pressure;
  Eviction *eviction;
  GThread *thread;
  GMutex lock; /* guards stopping and due */
  GCond wake;
  bool stopping, due; /* a report is due */
  /* the thread's own, and node_status_start's before there is one */
  bool started;        /* there was a report since the start */
  int64_t images_time; /* when the folder of images was last changed */
  gint64 enforce_us;   /* when it is tried (again) to hold pods to what they may have; INT64_MAX: they are */
  GPtrArray *news;     /* what to tell of once a report is written: names of events, static */
};

static json_t *labels(const NodeStatus *status)
{
  return json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:s}", "beta.kubernetes.io/arch", machine_arch(),
                   "beta.kubernetes.io/os", "linux", "kubernetes.io/arch", machine_arch(), "kubernetes.io/hostname",
                   status->name, "kubernetes.io/os", "linux", "node-role.kubernetes.io/control-plane", "",
                   "node.kubernetes.io/exclude-from-external-load-balancers", "");
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

static gint compare_sizes(gconstpointer a, gconstpointer b)
{
  int64_t first = (*(ImageStatus *const *)a)->size_bytes, second = (*(ImageStatus *const *)b)->size_bytes;
  return first > second ? -1 : first < second;
}

static void add_names(json_t *names, char **list)
{
  for (; list && *list && json_array_size(names) < IMAGE_NAMES_MAX; list++)
    json_array_append_new(names, json_string(*list));
}

/* The largest ones: the scheduler wants to know where they are already. */
static json_t *images(const NodeStatus *status)
{
  json_t *list = json_array();
  g_autoptr(GPtrArray) known = status->runtime->list_images(status->runtime, NULL);
  if (known)
    g_ptr_array_sort(known, compare_sizes);
  for (guint i = 0; known && i < known->len && i < IMAGES_MAX; i++) {
    const ImageStatus *image = known->pdata[i];
    json_t *names = json_array();
    add_names(names, image->repo_digests);
    add_names(names, image->repo_tags);
    json_array_append_new(list, json_pack("{s:o, s:I}", "names", names, "sizeBytes", (json_int_t)image->size_bytes));
  }
  return list;
}

/* What a condition says when it is so, and when it is not. */
typedef struct NodeCondition {
  const char *type;
  struct {
    const char *status, *reason, *message, *event;
  } no, yes;
} NodeCondition;

static const NodeCondition pressure_conditions[PRESSURE_COUNT] = {
  [PRESSURE_MEMORY] = { "MemoryPressure",
                        { "False", "KubeletHasSufficientMemory", "kubelet has sufficient memory available",
                          "NodeHasSufficientMemory" },
                        { "True", "KubeletHasInsufficientMemory", "kubelet has insufficient memory available",
                          "NodeHasInsufficientMemory" } },
  [PRESSURE_DISK] = { "DiskPressure",
                      { "False", "KubeletHasNoDiskPressure", "kubelet has no disk pressure", "NodeHasNoDiskPressure" },
                      { "True", "KubeletHasDiskPressure", "kubelet has disk pressure", "NodeHasDiskPressure" } },
  [PRESSURE_PROCESSES] = { "PIDPressure",
                           { "False", "KubeletHasSufficientPID", "kubelet has sufficient PID available",
                             "NodeHasSufficientPID" },
                           { "True", "KubeletHasInsufficientPID", "kubelet has insufficient PID available",
                             "NodeHasInsufficientPID" } },
};
static const NodeCondition ready_condition = {
  .type = "Ready", .yes = { "True", "KubeletReady", "kubelet is posting ready status", "NodeReady" }
};

/* Adds CONDITION to LIST as it is NOW; a change, and with TELL also what did not change, is to be told of. */
static void add_condition(NodeStatus *status, json_t *list, const json_t *old, const NodeCondition *condition,
                          bool holds, bool tell, const char *now)
{
  const json_t *before = condition_in(old, condition->type);
  const char *value = holds ? condition->yes.status : condition->no.status;
  bool same = before && g_str_equal(json_str(before, "status", ""), value);
  json_array_append_new(list, json_pack("{s:s, s:s, s:s, s:s, s:s, s:s}", "type", condition->type, "status", value,
                                        "lastHeartbeatTime", now, "lastTransitionTime",
                                        same ? json_str(before, "lastTransitionTime", now) : now, "reason",
                                        holds ? condition->yes.reason : condition->no.reason, "message",
                                        holds ? condition->yes.message : condition->no.message));
  if (!same || tell)
    g_ptr_array_add(status->news, (gpointer)(uintptr_t)(holds ? condition->yes.event : condition->no.event));
}

static json_t *conditions(NodeStatus *status, const json_t *old)
{
  json_t *list = json_array(), *item;
  g_autofree char *now = timestamp_now();
  size_t i;
  for (unsigned k = 0; k < PRESSURE_COUNT; k++)
    add_condition(status, list, old, &pressure_conditions[k], status->eviction && eviction_shows(status->eviction, k),
                  !status->started, now);
  add_condition(status, list, old, &ready_condition, true, false, now);
  json_array_foreach (old, i, item) /* others' conditions stay */
    if (!condition_in(list, json_str(item, "type", "")))
      json_array_append(list, item);
  return list;
}

static json_t *addresses(const NodeStatus *status)
{
  json_t *list = json_pack("[{s:s, s:s}]", "type", "InternalIP", "address", status->ip);
  if (status->other_ip)
    json_array_append_new(list, json_pack("{s:s, s:s}", "type", "InternalIP", "address", status->other_ip));
  json_array_append_new(list, json_pack("{s:s, s:s}", "type", "Hostname", "address", status->name));
  return list;
}

static bool is_extended(const char *resource)
{
  return strchr(resource, '/') != NULL;
}

/* Resources that somebody else says the node has stay. */
static void keep_extended(json_t *capacity, json_t *old)
{
  const char *name;
  json_t *value;
  json_object_foreach (old, name, value)
    if (is_extended(name) && !json_object_get(capacity, name))
      json_object_set(capacity, name, value);
}

bool node_status_lacks(const json_t *node)
{
  json_t *capacity = json_at(node, "status", "capacity", NULL), *value;
  const json_t *allocatable = json_at(node, "status", "allocatable", NULL);
  const char *name;
  json_object_foreach (capacity, name, value)
    if (is_extended(name) && !json_same(value, json_object_get(allocatable, name)))
      return true;
  return false;
}

static bool change_status(json_t *value, void *data)
{
  NodeStatus *status = data;
  json_t *now = json_ensure_object(value, "status", NULL), *capacity = node_resources_capacity(status->data_dir);
  g_ptr_array_set_size(status->news, 0); /* of a try that met with a conflict */
  json_object_set_new(now, "addresses", addresses(status));
  keep_extended(capacity, json_object_get(now, "capacity"));
  json_object_set_new(now, "capacity", capacity);
  json_object_set_new(now, "allocatable", node_resources_allocatable(capacity, status->pressure));
  json_object_set_new(now, "conditions", conditions(status, json_object_get(now, "conditions")));
  json_object_set_new(now, "daemonEndpoints", json_pack("{s:{s:i}}", "kubeletEndpoint", "Port", KUBELET_PORT));
  json_t *info = node_info(status);
  const char *boot = json_str(json_object_get(now, "nodeInfo"), "bootID", "");
  if (*boot && !g_str_equal(boot, json_str(info, "bootID", "")))
    g_ptr_array_add(status->news, (gpointer)(uintptr_t)REBOOTED);
  json_object_set_new(now, "nodeInfo", info);
  json_object_set_new(now, "images", images(status));
  return true;
}

/* Pods that have grown beyond a new limit may have to go first: what fails is tried again. */
static void enforce(NodeStatus *status)
{
  g_autoptr(json_t) capacity = node_resources_capacity(status->data_dir);
  g_autoptr(GError) error = NULL;
  if (!status->pressure || g_get_monotonic_time() < status->enforce_us)
    return;
  bool enforced = node_resources_enforce(CGROUP_ROOT, capacity, status->pressure, &error);
  status->enforce_us = enforced ? INT64_MAX : g_get_monotonic_time() + ENFORCE_RETRY_US;
  if (enforced)
    node_event(status->recorder, status->name, "Normal", "NodeAllocatableEnforced",
               "Updated Node Allocatable limit across pods");
  else
    node_event(status->recorder, status->name, "Warning", "FailedNodeAllocatableEnforcement",
               "Failed to update Node Allocatable Limits [\"kubepods\"]: %s", error->message);
}

static bool report(NodeStatus *status, GError **error)
{
  g_autoptr(Object) node =
      client_modify(status->client, "v1", "nodes", NULL, status->name, "status", change_status, status, error);
  if (!node)
    return false;
  status->started = true;
  for (guint i = 0; i < status->news->len; i++) {
    const char *reason = status->news->pdata[i];
    const json_t *info = json_at(object_json(node), "status", "nodeInfo", NULL);
    if (g_str_equal(reason, REBOOTED))
      node_event(status->recorder, status->name, "Warning", REBOOTED, "Node %s has been rebooted, boot id: %s",
                 status->name, json_str(info, "bootID", ""));
    else
      node_event_status(status->recorder, status->name, reason);
  }
  g_ptr_array_set_size(status->news, 0);
  return true;
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
  g_auto(GStrv) ranges = g_strsplit(status->pod_cidr, ",", IP_FAMILIES);
  g_autoptr(json_t) value = json_pack(
      "{s:{s:s, s:o, s:{s:s, s:s}}, s:{s:s, s:[s, s*]}}", "metadata", "name", status->name, "labels", labels(status),
      "annotations", "node.alpha.kubernetes.io/ttl", "0", "volumes.kubernetes.io/controller-managed-attach-detach",
      "true", "spec", "podCIDR", ranges[0], "podCIDRs", ranges[0], ranges[1]);
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

/* Whether images came or went since this was last asked, as far as their folder's time shows it. */
static bool images_changed(NodeStatus *status)
{
  Runtime *runtime = status->runtime;
  g_autofree char *place = runtime->image_place ? runtime->image_place(runtime) : NULL;
  struct stat info;
  if (!place || stat(place, &info) < 0)
    return false;
  int64_t time = info.st_mtim.tv_sec * (int64_t)1000000000 + info.st_mtim.tv_nsec;
  bool changed = time != status->images_time;
  status->images_time = time;
  return changed;
}

/* One round. LEASE: the lease is to be renewed; STATUS_DUE: the status is to be written whatever it says. */
static bool turn(NodeStatus *status, bool lease, bool status_due, GError **error)
{
  g_autoptr(GError) inner = NULL;
  bool ok = !lease || renew_lease(status, &inner);
  if (!ok && reason_is(inner, REASON_NOT_FOUND)) { /* somebody deleted the node: come back */
    g_clear_error(&inner);
    g_autoptr(Object) node = ensure_node(status, &inner);
    ok = node && ensure_lease(status, node, &inner);
    status_due = true;
  }
  if (ok && status_due)
    ok = report(status, &inner);
  if (!ok)
    g_propagate_error(error, g_steal_pointer(&inner));
  return ok;
}

/* Sleeps until UNTIL (monotonic) or until a report is due. *DUE: one is. False: this is the end. */
static bool wait_for_turn(NodeStatus *status, gint64 until, bool *due)
{
  g_mutex_lock(&status->lock);
  while (!status->stopping && !status->due && g_cond_wait_until(&status->wake, &status->lock, until))
    ;
  *due = status->due;
  status->due = false;
  bool go_on = !status->stopping;
  g_mutex_unlock(&status->lock);
  return go_on;
}

static void *run(void *data)
{
  NodeStatus *status = data;
  gint64 next_report = g_get_monotonic_time() + REPORT_US, next_lease = g_get_monotonic_time() + RENEW_US;
  bool due;
  while (wait_for_turn(status, next_lease, &due)) {
    g_autoptr(GError) error = NULL;
    bool lease = g_get_monotonic_time() >= next_lease;
    if (lease)
      next_lease = g_get_monotonic_time() + RENEW_US;
    due = due || g_get_monotonic_time() >= next_report || (lease && images_changed(status));
    if (turn(status, lease, due, &error)) {
      if (due)
        next_report = g_get_monotonic_time() + REPORT_US;
    } else {
      g_warning("Node %s: %s", status->name, error->message);
      if (due)
        next_report = 0; /* with the next lease */
    }
    if (lease)
      enforce(status);
  }
  return NULL;
}

void node_status_wake(NodeStatus *status)
{
  g_mutex_lock(&status->lock);
  status->due = true;
  g_cond_signal(&status->wake);
  g_mutex_unlock(&status->lock);
}

/* On a full disk the node goes on with what is known of it: somebody has to take away what fills the disk. */
static bool tell_all(NodeStatus *status, const Object *node, GError **error)
{
  g_autoptr(GError) inner = NULL;
  if (ensure_lease(status, node, &inner) && report(status, &inner))
    return true;
  if (reason_is(inner, REASON_INSUFFICIENT_STORAGE)) {
    g_warning("Node %s: %s", status->name, inner->message);
    return true;
  }
  g_propagate_error(error, g_steal_pointer(&inner));
  return false;
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
                          .other_ip = g_strdup(config->other_ip),
                          .pod_cidr = g_strdup(config->pod_cidr),
                          .version = g_strdup(config->version),
                          .data_dir = g_strdup(config->data_dir),
                          .pressure = config->pressure,
                          .eviction = config->eviction,
                          .news = g_ptr_array_new() };
  g_mutex_init(&status->lock);
  g_cond_init(&status->wake);
  node_event(recorder, status->name, "Normal", "Starting", "Starting kubelet.");
  images_changed(status);
  g_autoptr(Object) node = ensure_node(status, error);
  if (!node || !tell_all(status, node, error)) {
    node_status_stop(status);
    return NULL;
  }
  enforce(status);
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
  g_ptr_array_unref(status->news);
  g_free(status->name);
  g_free(status->ip);
  g_free(status->other_ip);
  g_free(status->pod_cidr);
  g_free(status->version);
  g_free(status->data_dir);
  g_cond_clear(&status->wake);
  g_mutex_clear(&status->lock);
  g_free(status);
}
