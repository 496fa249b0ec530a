#include "clusterd/node/native/sandbox.h"

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/file.h"
#include "base/json.h"
#include "base/reason.h"
#include "base/timestamp.h"
#include "clusterd/node/native/container.h"
#include "clusterd/node/native/sandbox_setup.h"
#include "clusterd/node/sandbox/namespace.h"
#include "clusterd/node/sandbox/pod_cgroup.h"
#include "clusterd/node/sandbox/pod_socket.h"

static char *facts_path(const NativeRuntime *native, const char *id)
{
  g_autofree char *name = g_strconcat(id, ".json", NULL);
  return g_build_filename(native->data_dir, "sandboxes", name, NULL);
}

static void set_string(json_t *object, const char *key, const char *value)
{
  if (value)
    json_object_set_new(object, key, json_string(value));
}

/* ADDRESSES: none with the network of the node. */
static json_t *make_facts(const SandboxSpec *spec, const char *id, const PodAddresses *addresses)
{
  json_t *facts = json_pack("{s:s, s:i, s:I, s:b, s:b, s:b, s:b}", "id", id, "attempt", (int)spec->attempt, "createdUs",
                            (json_int_t)timestamp_now_us(), "hostNetwork", spec->host_network, "hostPid",
                            spec->host_pid, "hostIpc", spec->host_ipc, "sharePid", spec->share_process_namespace);
  set_string(facts, "namespace", spec->namespace_);
  set_string(facts, "name", spec->name);
  set_string(facts, "uid", spec->uid);
  set_string(facts, "hostname", spec->hostname);
  set_string(facts, "logDirectory", spec->log_directory);
  set_string(facts, "cgroupParent", spec->cgroup_parent);
  for (unsigned i = 0; i < addresses->count; i++) {
    g_autofree char *text = ip_address_text(&addresses->of[i]);
    set_string(facts, i == 0 ? "ip" : "otherIp", text);
  }
  json_object_set_new(facts, "limits",
                      json_pack("{s:I, s:I, s:I, s:I}", "cpuShares", (json_int_t)spec->cpu_shares, "cpuQuotaUs",
                                (json_int_t)spec->cpu_quota_us, "cpuPeriodUs", (json_int_t)spec->cpu_period_us,
                                "memoryBytes", (json_int_t)spec->memory_limit_bytes));
  if (spec->sysctls)
    json_object_set_new(facts, "sysctls", json_deep_copy(spec->sysctls));
  if (spec->port_mappings)
    json_object_set_new(facts, "portMappings", json_deep_copy(spec->port_mappings));
  return facts;
}

static Sandbox *sandbox_new(const json_t *facts, bool ready, int pause_fd)
{
  Sandbox *sandbox = g_atomic_rc_box_new0(Sandbox);
  sandbox->id = g_strdup(json_str(facts, "id", ""));
  sandbox->facts = json_deep_copy(facts);
  sandbox->ready = ready;
  sandbox->pause_fd = pause_fd;
  return sandbox;
}

static void publish(NativeRuntime *native, Sandbox *sandbox)
{
  g_autoptr(GMutexLocker) locker = g_mutex_locker_new(&native->lock);
  g_hash_table_insert(native->sandboxes, sandbox->id, sandbox);
}

/* Makes the sandbox FACTS describe, on disk and in the kernel. The facts come first: what they do not tell of, nobody
 * would take away after a crash. */
static bool build(NativeRuntime *native, const json_t *facts, const PodAddresses *addresses, int *pause_fd,
                  GError **error)
{
  const char *id = json_str(facts, "id", ""), *log_directory = json_str(facts, "logDirectory", NULL);
  g_autofree char *folder = runtime_sandbox_dir(native, id);
  g_autofree char *path = facts_path(native, id);
  if ((log_directory && !file_make_dirs(log_directory, 0755, error)) || !runtime_write_state(path, facts, error))
    return false;
  if (file_make_dirs(folder, 0711, error) && sandbox_setup(native, facts, folder, addresses, pause_fd, error))
    return true;
  unlink(path);
  return false;
}

/* There is one, under the name that others know it by as well. The text is containerd's. */
static bool check_handler(const char *handler, GError **error)
{
  return !handler || !*handler || g_str_equal(handler, "crun") || g_str_equal(handler, "runc") ||
         reason_set(error, REASON_RUNTIME,
                    "rpc error: code = Unknown desc = failed to get sandbox runtime: no runtime for \"%s\" is "
                    "configured",
                    handler);
}

char *sandbox_run(Runtime *runtime, const SandboxSpec *spec, GError **error)
{
  NativeRuntime *native = (NativeRuntime *)runtime;
  g_autofree char *id = runtime_make_id();
  if (!check_handler(spec->runtime_handler, error))
    return NULL;
  uint32_t number = spec->host_network ? 0 : address_pool_take(native->addresses, error);
  PodAddresses addresses = { 0 };
  if (!spec->host_network && !number)
    return NULL;
  if (number)
    address_pool_addresses(native->addresses, number, &addresses);
  g_autoptr(json_t) facts = make_facts(spec, id, &addresses);
  int pause_fd = -1;
  if (!build(native, facts, &addresses, &pause_fd, error)) {
    address_pool_release(native->addresses, number);
    return NULL;
  }
  publish(native, sandbox_new(facts, true, pause_fd));
  return g_steal_pointer(&id);
}

/* The ids of SANDBOX_ID's containers. */
static GPtrArray *containers_of(NativeRuntime *native, const char *sandbox_id)
{
  GPtrArray *ids = g_ptr_array_new_with_free_func(g_free);
  GHashTableIter iter;
  gpointer value;
  g_autoptr(GMutexLocker) locker = g_mutex_locker_new(&native->lock);
  g_hash_table_iter_init(&iter, native->containers);
  while (g_hash_table_iter_next(&iter, NULL, &value)) {
    const Container *container = value;
    if (g_str_equal(container->sandbox_id, sandbox_id))
      g_ptr_array_add(ids, g_strdup(container->id));
  }
  return ids;
}

bool sandbox_stop(Runtime *runtime, const char *sandbox_id, GError **error)
{
  NativeRuntime *native = (NativeRuntime *)runtime;
  g_autoptr(Sandbox) sandbox = runtime_find_sandbox(native, sandbox_id, NULL);
  if (!sandbox)
    return true;
  g_autoptr(GPtrArray) ids = containers_of(native, sandbox_id);
  for (guint i = 0; i < ids->len; i++)
    if (!container_stop(runtime, g_ptr_array_index(ids, i), 0, error))
      return false;
  g_mutex_lock(&native->lock);
  bool was_ready = sandbox->ready;
  sandbox->ready = false;
  g_mutex_unlock(&native->lock);
  if (was_ready) {
    g_autofree char *folder = runtime_sandbox_dir(native, sandbox_id);
    sandbox_teardown(folder, sandbox->pause_fd);
    address_pool_release(native->addresses,
                         address_pool_number(native->addresses, json_str(sandbox->facts, "ip", NULL)));
  }
  return true;
}

bool sandbox_remove(Runtime *runtime, const char *sandbox_id, GError **error)
{
  NativeRuntime *native = (NativeRuntime *)runtime;
  if (!sandbox_stop(runtime, sandbox_id, error))
    return false;
  g_autoptr(GPtrArray) ids = containers_of(native, sandbox_id);
  for (guint i = 0; i < ids->len; i++)
    if (!container_remove(runtime, g_ptr_array_index(ids, i), error))
      return false;
  g_autoptr(Sandbox) sandbox = runtime_find_sandbox(native, sandbox_id, NULL);
  g_autofree char *path = facts_path(native, sandbox_id);
  if (sandbox)
    pod_cgroup_remove(json_str(sandbox->facts, "cgroupParent", NULL));
  unlink(path);
  g_autoptr(GMutexLocker) locker = g_mutex_locker_new(&native->lock);
  g_hash_table_remove(native->sandboxes, sandbox_id);
  return true;
}

char *sandbox_namespace(const NativeRuntime *native, const Sandbox *sandbox, const char *kind)
{
  bool pid = g_str_equal(kind, "pid");
  const char *shared = g_str_equal(kind, "ipc") ? "hostIpc" : "hostNetwork";
  if (pid ? !json_flag(sandbox->facts, "sharePid", false) : json_flag(sandbox->facts, shared, false))
    return NULL;
  g_autofree char *folder = runtime_sandbox_dir(native, sandbox->id);
  return g_build_filename(folder, kind, NULL);
}

char *sandbox_shm(const NativeRuntime *native, const Sandbox *sandbox)
{
  g_autofree char *folder = runtime_sandbox_dir(native, sandbox->id);
  return json_flag(sandbox->facts, "hostIpc", false) ? g_strdup("/dev/shm") : g_build_filename(folder, "shm", NULL);
}

/* The first process of a namespace that was killed waits for all others of it, which end before it therefore: only its
 * flags tell so early. Source: proc(5), PF_EXITING of include/linux/sched.h. */
static bool is_exiting(const NativeRuntime *native, const Sandbox *sandbox)
{
  enum { EXITING = 4 };
  g_autofree char *folder = runtime_sandbox_dir(native, sandbox->id);
  g_autofree char *pid_path = g_build_filename(folder, "pause.pid", NULL);
  g_autofree char *pid = NULL, *text = NULL;
  unsigned flags = 0;
  if (!g_file_get_contents(pid_path, &pid, NULL, NULL))
    return true;
  g_autofree char *path = g_strdup_printf("/proc/%s/stat", pid);
  const char *name_end = g_file_get_contents(path, &text, NULL, NULL) ? strrchr(text, ')') : NULL;
  return !name_end || sscanf(name_end + 1, " %*c %*d %*d %*d %*d %*d %u", &flags) != 1 || (flags & EXITING) != 0;
}

/* Without its first process a shared process namespace takes no other. */
static bool lacks_pause(const NativeRuntime *native, const Sandbox *sandbox)
{
  struct pollfd ended = { .fd = sandbox->pause_fd, .events = POLLIN };
  return json_flag(sandbox->facts, "sharePid", false) &&
         (sandbox->pause_fd < 0 || is_exiting(native, sandbox) || poll(&ended, 1, 0) != 0);
}

bool sandbox_get_status(Runtime *runtime, const char *sandbox_id, SandboxStatus *status, GError **error)
{
  NativeRuntime *native = (NativeRuntime *)runtime;
  g_autoptr(Sandbox) sandbox = runtime_find_sandbox(native, sandbox_id, error);
  if (!sandbox)
    return false;
  g_mutex_lock(&native->lock);
  bool ready = sandbox->ready;
  g_mutex_unlock(&native->lock);
  *status = (SandboxStatus){ .ready = ready && !lacks_pause(native, sandbox),
                             .ip = g_strdup(json_str(sandbox->facts, "ip", NULL)),
                             .other_ip = g_strdup(json_str(sandbox->facts, "otherIp", NULL)),
                             .network_namespace = sandbox_namespace(native, sandbox, "net"),
                             .created_us = json_int(sandbox->facts, "createdUs", 0) };
  return true;
}

json_t *sandbox_list(Runtime *runtime, GError **error)
{
  static const char *const keys[] = { "id", "namespace", "name", "uid", "attempt" };
  NativeRuntime *native = (NativeRuntime *)runtime;
  GHashTableIter iter;
  gpointer value;
  json_t *list = json_array();
  g_autoptr(GMutexLocker) locker = g_mutex_locker_new(&native->lock);
  g_hash_table_iter_init(&iter, native->sandboxes);
  while (g_hash_table_iter_next(&iter, NULL, &value)) {
    const Sandbox *sandbox = value;
    json_t *item = json_object();
    for (size_t i = 0; i < G_N_ELEMENTS(keys); i++)
      json_object_set(item, keys[i], json_object_get(sandbox->facts, keys[i]));
    json_array_append_new(list, item);
  }
  return list;
}

/* A sandbox lives as long as its pins, which a reboot takes away. */
static bool still_ready(const NativeRuntime *native, const Sandbox *sandbox)
{
  static const char *const kinds[] = { "net", "uts", "ipc", "pid" };
  g_autofree char *folder = runtime_sandbox_dir(native, sandbox->id);
  for (size_t i = 0; i < G_N_ELEMENTS(kinds); i++) {
    g_autofree char *path = sandbox_namespace(native, sandbox, kinds[i]);
    if (path && !namespace_pinned(path))
      return false;
  }
  return access(folder, F_OK) == 0;
}

static void recover_one(NativeRuntime *native, const char *path)
{
  g_autoptr(json_t) facts = json_read_file(path, NULL);
  if (strlen(json_str(facts, "id", "")) != RUNTIME_ID_LENGTH) { /* a power cut left it half written */
    unlink(path);
    return;
  }
  g_autofree char *folder = runtime_sandbox_dir(native, json_str(facts, "id", ""));
  int pause_fd = json_flag(facts, "sharePid", false) ? sandbox_open_pause(folder) : -1;
  Sandbox *sandbox = sandbox_new(facts, false, pause_fd);
  sandbox->ready = still_ready(native, sandbox);
  if (sandbox->ready) {
    address_pool_mark(native->addresses, address_pool_number(native->addresses, json_str(facts, "ip", NULL)));
  } else {
    sandbox_teardown(folder, pause_fd);
  }
  publish(native, sandbox);
}

void sandbox_recover(NativeRuntime *native)
{
  g_autofree char *folder = g_build_filename(native->data_dir, "sandboxes", NULL);
  g_autoptr(GDir) listing = g_dir_open(folder, 0, NULL);
  const char *name;
  while (listing && (name = g_dir_read_name(listing))) {
    g_autofree char *path = g_build_filename(folder, name, NULL);
    recover_one(native, path);
  }
}

int sandbox_connect(Runtime *runtime, const char *sandbox_id, uint16_t port, GError **error)
{
  NativeRuntime *native = (NativeRuntime *)runtime;
  g_autoptr(Sandbox) sandbox = runtime_find_sandbox(native, sandbox_id, error);
  if (!sandbox)
    return -1;
  g_autofree char *path = sandbox_namespace(native, sandbox, "net");
  return pod_socket_connect(path, port, error);
}
