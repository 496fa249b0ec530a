#include "clusterd/node/docker/docker_sandbox.h"

#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/json.h"
#include "base/reason.h"
#include "base/timestamp.h"
#include "clusterd/node/docker/docker_container.h"
#include "clusterd/node/docker/docker_http.h"
#include "clusterd/node/docker/docker_network.h"
#include "clusterd/node/docker/docker_pause.h"
#include "clusterd/node/sandbox/oom_score.h"
#include "clusterd/node/sandbox/pod_limits.h"
#include "clusterd/node/sandbox/pod_socket.h"

#define SANDBOX_NAME "POD"
#define CGROUP_ROOT "/sys/fs/cgroup"
#define OOM_SCORE (-998) /* of pause processes, as upstream's */
#define SHARES_MIN 2

char *docker_name(const char *container, const char *pod, const char *namespace_, const char *uid, unsigned attempt)
{
  return g_strdup_printf("k8s_%s_%s_%s_%s_%u", container, pod, namespace_, uid, attempt);
}

unsigned docker_name_attempt(const char *name)
{
  g_auto(GStrv) parts = g_strsplit(name, "_", 7);
  return g_strv_length(parts) >= 6 ? (unsigned)g_ascii_strtoull(parts[5], NULL, 10) : 0;
}

/* --- the table ------------------------------------------------------------------------------------------------------
 */

static void sandbox_clear(void *data)
{
  DockerSandbox *sandbox = data;
  g_free(sandbox->id);
  json_decref(sandbox->facts);
}

DockerSandbox *docker_sandbox_ref(DockerSandbox *sandbox)
{
  return g_atomic_rc_box_acquire(sandbox);
}

void docker_sandbox_unref(DockerSandbox *sandbox)
{
  g_atomic_rc_box_release_full(sandbox, sandbox_clear);
}

DockerSandbox *docker_find_sandbox(DockerRuntime *docker, const char *id, GError **error)
{
  g_autoptr(GMutexLocker) locker = g_mutex_locker_new(&docker->lock);
  DockerSandbox *sandbox = id ? g_hash_table_lookup(docker->sandboxes, id) : NULL;
  if (!sandbox)
    reason_set(error, REASON_RUNTIME_NOT_FOUND, "pod sandbox %s not found", id ? id : "");
  return sandbox ? docker_sandbox_ref(sandbox) : NULL;
}

GPtrArray *docker_sandbox_ids(DockerRuntime *docker)
{
  GPtrArray *ids = g_ptr_array_new_with_free_func(g_free);
  GHashTableIter iter;
  gpointer key;
  g_autoptr(GMutexLocker) locker = g_mutex_locker_new(&docker->lock);
  g_hash_table_iter_init(&iter, docker->sandboxes);
  while (g_hash_table_iter_next(&iter, &key, NULL))
    g_ptr_array_add(ids, g_strdup(key));
  return ids;
}

static void release(DockerRuntime *docker, DockerSandbox *sandbox)
{
  g_mutex_lock(&docker->lock);
  bool held = sandbox->held;
  sandbox->ready = sandbox->held = false;
  g_mutex_unlock(&docker->lock);
  if (held)
    address_pool_release(docker->addresses,
                         address_pool_number(docker->addresses, json_str(sandbox->facts, "ip", NULL)));
}

void docker_sandbox_ended(DockerRuntime *docker, const char *id)
{
  g_autoptr(DockerSandbox) sandbox = docker_find_sandbox(docker, id, NULL);
  if (sandbox)
    release(docker, sandbox);
}

/* FACTS is taken over. */
static DockerSandbox *publish(DockerRuntime *docker, const char *id, json_t *facts, int pid, bool ready)
{
  DockerSandbox *sandbox = g_atomic_rc_box_new0(DockerSandbox);
  *sandbox = (DockerSandbox){ .id = g_strdup(id), .facts = facts, .pid = pid, .ready = ready, .held = ready };
  g_autoptr(GMutexLocker) locker = g_mutex_locker_new(&docker->lock);
  g_hash_table_replace(docker->sandboxes, sandbox->id, sandbox);
  return sandbox;
}

/* --- making ---------------------------------------------------------------------------------------------------------
 */

static void set_string(json_t *object, const char *key, const char *value)
{
  if (value)
    json_object_set_new(object, key, json_string(value));
}

static json_t *make_facts(const SandboxSpec *spec, const PodAddresses *addresses)
{
  static const char *const keys[] = { "ip", "otherIp" };
  json_t *facts = json_pack("{s:s, s:s, s:s, s:i, s:I, s:b, s:b, s:b, s:b}", "namespace", spec->namespace_, "name",
                            spec->name, "uid", spec->uid, "attempt", (int)spec->attempt, "createdUs",
                            (json_int_t)timestamp_now_us(), "hostNetwork", spec->host_network, "hostPid",
                            spec->host_pid, "hostIpc", spec->host_ipc, "sharePid", spec->share_process_namespace);
  set_string(facts, "cgroupParent", spec->cgroup_parent);
  set_string(facts, "handler", spec->runtime_handler);
  for (unsigned i = 0; i < addresses->count && i < G_N_ELEMENTS(keys); i++) {
    g_autofree char *text = ip_address_text(&addresses->of[i]);
    set_string(facts, keys[i], text);
  }
  return facts;
}

static json_t *make_sysctls(const SandboxSpec *spec)
{
  json_t *sysctls = json_object(), *item;
  size_t i;
  /* as other runtimes: a process without privileges may serve port 80 */
  if (!spec->host_network)
    json_object_set_new(sysctls, "net.ipv4.ip_unprivileged_port_start", json_string("0"));
  json_array_foreach (spec->sysctls, i, item)
    json_object_set_new(sysctls, json_str(item, "name", ""), json_string(json_str(item, "value", "")));
  return sysctls;
}

static json_t *make_body(const SandboxSpec *spec, const json_t *facts, const char *image)
{
  g_autofree char *text = json_text(facts);
  json_t *host =
      json_pack("{s:s, s:s, s:s, s:s, s:o, s:i, s:i, s:[s], s:{s:s}}", "NetworkMode",
                spec->host_network ? "host" : "none", "IpcMode", spec->host_ipc ? "host" : "shareable", "PidMode",
                spec->host_pid ? "host" : "", "CgroupParent", spec->cgroup_parent ? spec->cgroup_parent : "", "Sysctls",
                make_sysctls(spec), "OomScoreAdj", oom_score_allowed(OOM_SCORE), "CpuShares", SHARES_MIN, "SecurityOpt",
                "no-new-privileges", "LogConfig", "Type", "none");
  if (spec->host_network)
    json_object_set_new(host, "UTSMode", json_string("host"));
  if (spec->runtime_handler)
    json_object_set_new(host, "Runtime", json_string(spec->runtime_handler));
  json_t *body = json_pack("{s:s, s:o, s:{s:s, s:s, s:s, s:s, s:s, s:s}}", "Image", image, "HostConfig", host, "Labels",
                           LABEL_TYPE, TYPE_SANDBOX, LABEL_CONTAINER, SANDBOX_NAME, LABEL_POD, spec->name,
                           LABEL_NAMESPACE, spec->namespace_, LABEL_UID, spec->uid, LABEL_FACTS, text);
  if (spec->hostname && !spec->host_network)
    json_object_set_new(body, "Hostname", json_string(spec->hostname));
  return body;
}

/* The pause image can have been taken away by somebody who cleaned up. */
static char *create(DockerRuntime *docker, const SandboxSpec *spec, const json_t *facts, GError **error)
{
  g_autofree char *name = docker_name(SANDBOX_NAME, spec->name, spec->namespace_, spec->uid, spec->attempt);
  for (int tries = 0;; tries++) {
    g_autoptr(GError) failure = NULL;
    g_autofree char *image = docker_pause_image(docker, tries > 0, error);
    if (!image)
      return NULL;
    g_autoptr(json_t) body = make_body(spec, facts, image);
    char *id = docker_container_make(docker, name, body, &failure);
    if (id || tries > 0 || !reason_is(failure, REASON_RUNTIME_NOT_FOUND)) {
      if (failure)
        g_propagate_error(error, g_steal_pointer(&failure));
      return id;
    }
  }
}

/* The pod's own group is there once dockerd has made that of the pause container in it. */
static void limit_pod(const SandboxSpec *spec)
{
  ContainerLimits limits = { .cpu_shares = spec->cpu_shares,
                             .cpu_quota_us = spec->cpu_quota_us,
                             .cpu_period_us = spec->cpu_period_us,
                             .memory_bytes = spec->memory_limit_bytes };
  if (spec->cgroup_parent)
    pod_limits_write(CGROUP_ROOT, spec->cgroup_parent, &limits);
}

static bool begin(DockerRuntime *docker, const char *id, const SandboxSpec *spec, const PodAddresses *addresses,
                  int *pid, GError **error)
{
  g_autofree char *path = g_strdup_printf("/containers/%s/start", id);
  if (!docker_call(docker, "POST", path, NULL, NULL, error))
    return false;
  g_autoptr(json_t) inspected = docker_get(docker, error, "/containers/%s/json", id);
  if (!inspected)
    return false;
  *pid = (int)json_int(json_object_get(inspected, "State"), "Pid", 0);
  if (*pid <= 1)
    return reason_set(error, REASON_RUNTIME, "the pause process of pod %s does not run: %s", spec->name,
                      json_str(json_object_get(inspected, "State"), "Error", ""));
  limit_pod(spec);
  return spec->host_network || docker_network_attach(docker, id, *pid, addresses, error);
}

char *docker_sandbox_run(Runtime *runtime, const SandboxSpec *spec, GError **error)
{
  DockerRuntime *docker = (DockerRuntime *)runtime;
  PodAddresses addresses = { 0 };
  int pid = 0;
  if (spec->log_directory && !file_make_dirs(spec->log_directory, 0755, error))
    return NULL;
  uint32_t number = spec->host_network ? 0 : address_pool_take(docker->addresses, error);
  if (!spec->host_network && !number)
    return NULL;
  if (number)
    address_pool_addresses(docker->addresses, number, &addresses);
  g_autoptr(json_t) facts = make_facts(spec, &addresses);
  g_autofree char *id = create(docker, spec, facts, error);
  if (id && begin(docker, id, spec, &addresses, &pid, error)) {
    publish(docker, id, json_incref(facts), pid, true);
    return g_steal_pointer(&id);
  }
  if (id)
    docker_container_destroy(docker, id, NULL);
  address_pool_release(docker->addresses, number);
  return NULL;
}

/* --- ending ---------------------------------------------------------------------------------------------------------
 */

bool docker_sandbox_stop(Runtime *runtime, const char *sandbox_id, GError **error)
{
  DockerRuntime *docker = (DockerRuntime *)runtime;
  g_autoptr(DockerSandbox) sandbox = docker_find_sandbox(docker, sandbox_id, NULL);
  if (!docker_goes_on(docker, error))
    return false;
  if (!sandbox)
    return true;
  g_autoptr(GPtrArray) ids = docker_container_ids(docker, sandbox_id, true, error);
  if (!ids)
    return false;
  for (guint i = 0; i < ids->len; i++)
    if (!docker_container_stop(runtime, ids->pdata[i], 0, error))
      return false;
  if (!docker_container_kill(docker, sandbox_id, error))
    return false;
  release(docker, sandbox);
  return true;
}

/* dockerd takes the groups of containers away, not that of their pod. One that another sandbox is in stays. */
static void remove_group(const char *path)
{
  if (!path || !*path)
    return;
  g_autofree char *unified = g_build_filename(CGROUP_ROOT, path, NULL);
  g_autoptr(GDir) hierarchies = g_dir_open(CGROUP_ROOT, 0, NULL);
  const char *name;
  rmdir(unified);
  while (hierarchies && (name = g_dir_read_name(hierarchies))) {
    g_autofree char *group = g_build_filename(CGROUP_ROOT, name, path, NULL);
    rmdir(group);
  }
}

bool docker_sandbox_remove(Runtime *runtime, const char *sandbox_id, GError **error)
{
  DockerRuntime *docker = (DockerRuntime *)runtime;
  if (!docker_sandbox_stop(runtime, sandbox_id, error))
    return false;
  g_autoptr(GPtrArray) ids = docker_container_ids(docker, sandbox_id, false, error);
  if (!ids)
    return false;
  for (guint i = 0; i < ids->len; i++)
    if (!docker_container_remove(runtime, ids->pdata[i], error))
      return false;
  if (!docker_container_destroy(docker, sandbox_id, error))
    return false;
  g_autoptr(DockerSandbox) sandbox = docker_find_sandbox(docker, sandbox_id, NULL);
  if (sandbox)
    remove_group(json_str(sandbox->facts, "cgroupParent", NULL));
  g_autoptr(GMutexLocker) locker = g_mutex_locker_new(&docker->lock);
  g_hash_table_remove(docker->sandboxes, sandbox_id);
  return true;
}

/* --- asking ---------------------------------------------------------------------------------------------------------
 */

static bool is_ready(DockerRuntime *docker, const DockerSandbox *sandbox)
{
  g_autoptr(GMutexLocker) locker = g_mutex_locker_new(&docker->lock);
  return sandbox->ready;
}

char *docker_sandbox_network(DockerRuntime *docker, DockerSandbox *sandbox)
{
  if (json_flag(sandbox->facts, "hostNetwork", false) || !is_ready(docker, sandbox))
    return NULL;
  return g_strdup_printf("/proc/%d/ns/net", sandbox->pid);
}

bool docker_sandbox_get_status(Runtime *runtime, const char *sandbox_id, SandboxStatus *status, GError **error)
{
  DockerRuntime *docker = (DockerRuntime *)runtime;
  g_autoptr(DockerSandbox) sandbox = docker_find_sandbox(docker, sandbox_id, error);
  if (!sandbox)
    return false;
  *status = (SandboxStatus){ .ready = is_ready(docker, sandbox),
                             .ip = g_strdup(json_str(sandbox->facts, "ip", NULL)),
                             .other_ip = g_strdup(json_str(sandbox->facts, "otherIp", NULL)),
                             .network_namespace = docker_sandbox_network(docker, sandbox),
                             .created_us = json_int(sandbox->facts, "createdUs", 0) };
  return true;
}

json_t *docker_sandbox_list(Runtime *runtime, GError **error)
{
  static const char *const keys[] = { "namespace", "name", "uid", "attempt" };
  DockerRuntime *docker = (DockerRuntime *)runtime;
  GHashTableIter iter;
  gpointer value;
  json_t *list = json_array();
  g_autoptr(GMutexLocker) locker = g_mutex_locker_new(&docker->lock);
  g_hash_table_iter_init(&iter, docker->sandboxes);
  while (g_hash_table_iter_next(&iter, NULL, &value)) {
    const DockerSandbox *sandbox = value;
    json_t *item = json_pack("{s:s}", "id", sandbox->id);
    for (size_t i = 0; i < G_N_ELEMENTS(keys); i++)
      json_object_set(item, keys[i], json_object_get(sandbox->facts, keys[i]));
    json_array_append_new(list, item);
  }
  return list;
}

int docker_sandbox_connect(Runtime *runtime, const char *sandbox_id, uint16_t port, GError **error)
{
  DockerRuntime *docker = (DockerRuntime *)runtime;
  g_autoptr(DockerSandbox) sandbox = docker_find_sandbox(docker, sandbox_id, error);
  if (!sandbox)
    return -1;
  g_autofree char *path = docker_sandbox_network(docker, sandbox);
  if (!path && !json_flag(sandbox->facts, "hostNetwork", false)) {
    reason_set(error, REASON_RUNTIME, "pod sandbox %s is not running", sandbox_id);
    return -1;
  }
  return pod_socket_connect(path, port, error);
}

/* --- taking up ------------------------------------------------------------------------------------------------------
 */

/* A pause container without our network was left by a crash between its start and that. */
static bool take_up(DockerRuntime *docker, const char *id, json_t *facts, GError **error)
{
  g_autoptr(json_t) inspected = docker_get(docker, error, "/containers/%s/json", id);
  if (!inspected)
    return false;
  const json_t *state = json_object_get(inspected, "State");
  int pid = (int)json_int(state, "Pid", 0);
  bool ready = json_flag(state, "Running", false) && pid > 1 &&
               (json_flag(facts, "hostNetwork", false) || docker_network_attached(pid));
  g_autoptr(DockerSandbox) known = docker_find_sandbox(docker, id, NULL);
  if (known && known->pid == pid && ready)
    return true;
  if (known) {
    release(docker, known);
    return true;
  }
  if (ready)
    address_pool_mark(docker->addresses, address_pool_number(docker->addresses, json_str(facts, "ip", NULL)));
  publish(docker, id, json_incref(facts), pid, ready);
  return true;
}

/* Those that dockerd has no more. */
static void forget_others(DockerRuntime *docker, GHashTable *there)
{
  g_autoptr(GPtrArray) ids = docker_sandbox_ids(docker);
  for (guint i = 0; i < ids->len; i++) {
    if (g_hash_table_contains(there, ids->pdata[i]))
      continue;
    docker_sandbox_ended(docker, ids->pdata[i]);
    g_autoptr(GMutexLocker) locker = g_mutex_locker_new(&docker->lock);
    g_hash_table_remove(docker->sandboxes, ids->pdata[i]);
  }
}

bool docker_sandboxes_refresh(DockerRuntime *docker, GError **error)
{
  g_autoptr(GHashTable) there = g_hash_table_new(g_str_hash, g_str_equal);
  g_autofree char *filters = g_uri_escape_string("{\"label\":[\"" LABEL_TYPE "=" TYPE_SANDBOX "\"]}", NULL, false);
  g_autoptr(json_t) list = docker_get(docker, error, "/containers/json?all=1&filters=%s", filters);
  size_t i;
  json_t *item;
  if (!list)
    return false;
  json_array_foreach (list, i, item) {
    const char *id = json_str(item, "Id", ""), *text = json_str(json_object_get(item, "Labels"), LABEL_FACTS, "");
    g_autoptr(json_t) facts = json_parse(text, strlen(text), false, NULL);
    g_autoptr(GError) gone = NULL;
    if (!json_is_object(facts)) /* somebody else's kubelet */
      continue;
    g_hash_table_add(there, (gpointer)(uintptr_t)id);
    if (!take_up(docker, id, facts, &gone))
      g_info("docker: %s: %s", id, gone->message);
  }
  forget_others(docker, there);
  return true;
}
