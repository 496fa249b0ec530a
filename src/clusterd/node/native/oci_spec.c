#include "clusterd/node/native/oci_spec.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "base/json.h"
#include "base/reason.h"

#define SECCOMP_LOCAL_DIR "/var/lib/kubelet/seccomp" /* where a pod's localhostProfile is looked for, as upstream */

const char *const oci_masked_paths[] = { "/proc/asound",
                                         "/proc/acpi",
                                         "/proc/kcore",
                                         "/proc/keys",
                                         "/proc/latency_stats",
                                         "/proc/timer_list",
                                         "/proc/timer_stats",
                                         "/proc/sched_debug",
                                         "/proc/scsi",
                                         "/sys/firmware",
                                         "/sys/devices/virtual/powercap",
                                         NULL };
const char *const oci_readonly_paths[] = { "/proc/bus",           "/proc/fs", "/proc/irq", "/proc/sys",
                                           "/proc/sysrq-trigger", NULL };

const json_t *oci_security(const OciInput *input, const char *key)
{
  const json_t *value = json_object_get(input->spec->security_context, key);
  return value ? value : json_object_get(input->spec->pod_security_context, key);
}

bool oci_privileged(const OciInput *input)
{
  return json_flag(input->spec->security_context, "privileged", false);
}

static void add_namespace(json_t *list, const char *type, const char *path)
{
  json_t *entry = json_pack("{s:s}", "type", type);
  if (path)
    json_object_set_new(entry, "path", json_string(path));
  json_array_append_new(list, entry);
}

static json_t *make_namespaces(const OciInput *input)
{
  json_t *list = json_array();
  add_namespace(list, "mount", NULL);
  if (input->net)
    add_namespace(list, "network", input->net);
  if (input->ipc)
    add_namespace(list, "ipc", input->ipc);
  if (input->uts)
    add_namespace(list, "uts", input->uts);
  if (!input->host_pid)
    add_namespace(list, "pid", input->pid);
  if (!oci_privileged(input))
    add_namespace(list, "cgroup", NULL);
  return list;
}

/* A device of type TYPE that may be used; MINOR or MAJOR -1: any. */
static void allow_device(json_t *list, const char *type, int major, int minor, const char *access)
{
  json_t *rule = json_pack("{s:b, s:s, s:s}", "allow", true, "type", type, "access", access);
  if (major >= 0)
    json_object_set_new(rule, "major", json_integer(major));
  if (minor >= 0)
    json_object_set_new(rule, "minor", json_integer(minor));
  json_array_append_new(list, rule);
}

/* The type and number of a device of the node; false with an error. */
static bool look_at(const ContainerDevice *device, struct stat *info, GError **error)
{
  if (stat(device->host_path, info) != 0)
    return reason_set_errno(error, REASON_RUNTIME, errno, "device %s", device->host_path);
  return S_ISBLK(info->st_mode) || S_ISCHR(info->st_mode) ||
         reason_set(error, REASON_RUNTIME, "%s is not a device", device->host_path);
}

static json_t *device_node(const char *path, const struct stat *info)
{
  return json_pack("{s:s, s:s, s:i, s:i, s:i, s:i, s:i}", "path", path, "type", S_ISCHR(info->st_mode) ? "c" : "b",
                   "major", (int)major(info->st_rdev), "minor", (int)minor(info->st_rdev), "fileMode",
                   (int)(info->st_mode & 07777), "uid", (int)info->st_uid, "gid", (int)info->st_gid);
}

/* Adds the nodes of the container's own devices to NODES, and to RULES that they may be used. */
static bool add_devices(const OciInput *input, json_t *nodes, json_t *rules, GError **error)
{
  for (size_t i = 0; i < input->spec->n_devices; i++) {
    const ContainerDevice *device = &input->spec->devices[i];
    struct stat info;
    if (!look_at(device, &info, error))
      return false;
    json_array_append_new(nodes, device_node(device->container_path, &info));
    if (!oci_privileged(input)) /* to whom all is allowed already */
      allow_device(rules, S_ISCHR(info.st_mode) ? "c" : "b", (int)major(info.st_rdev), (int)minor(info.st_rdev),
                   device->access);
  }
  return true;
}

/* crun makes the standard nodes; the cgroup must let them be used. Source: OCI runtime specification, default devices.
 */
static json_t *make_device_rules(const OciInput *input)
{
  static const int usable[][2] = { { 1, 3 }, { 1, 5 }, { 1, 7 }, { 1, 8 }, { 1, 9 }, { 5, 0 }, { 5, 1 }, { 5, 2 } };
  if (oci_privileged(input))
    return json_pack("[{s:b, s:s}]", "allow", true, "access", "rwm");
  json_t *list = json_pack("[{s:b, s:s}]", "allow", false, "access", "rwm");
  allow_device(list, "c", -1, -1, "m");
  allow_device(list, "b", -1, -1, "m");
  for (size_t i = 0; i < G_N_ELEMENTS(usable); i++)
    allow_device(list, "c", usable[i][0], usable[i][1], "rwm");
  allow_device(list, "c", 136, -1, "rwm"); /* terminals of the container's devpts */
  return list;
}

static json_t *make_resources(const OciInput *input)
{
  const ContainerSpec *spec = input->spec;
  json_t *resources = json_pack("{s:o}", "devices", make_device_rules(input)), *cpu = json_object();
  if (spec->memory_limit_bytes > 0)
    json_object_set_new(resources, "memory", json_pack("{s:I}", "limit", (json_int_t)spec->memory_limit_bytes));
  if (spec->cpu_shares > 0)
    json_object_set_new(cpu, "shares", json_integer(spec->cpu_shares));
  if (spec->cpu_quota_us > 0)
    json_object_set_new(cpu, "quota", json_integer(spec->cpu_quota_us));
  if (spec->cpu_period_us > 0)
    json_object_set_new(cpu, "period", json_integer(spec->cpu_period_us));
  if (json_object_size(cpu) > 0)
    json_object_set(resources, "cpu", cpu);
  json_decref(cpu);
  return resources;
}

/* Adds the node's own devices, for a privileged container. Terminals and what /dev mounts are left out. */
static void add_host_devices(json_t *nodes)
{
  g_autoptr(GDir) folder = g_dir_open("/dev", 0, NULL);
  const char *name;
  while (folder && (name = g_dir_read_name(folder))) {
    g_autofree char *path = g_build_filename("/dev", name, NULL);
    struct stat info;
    bool skipped = g_str_has_prefix(name, "tty") || g_str_equal(name, "console") || g_str_equal(name, "ptmx") ||
                   json_find(nodes, "path", path);
    if (!skipped && lstat(path, &info) == 0 && (S_ISCHR(info.st_mode) || S_ISBLK(info.st_mode)))
      json_array_append_new(nodes, device_node(path, &info));
  }
}

static json_t *make_strings(const char *const *list)
{
  json_t *array = json_array();
  for (; *list; list++)
    json_array_append_new(array, json_string(*list));
  return array;
}

char *oci_seccomp_local_path(const json_t *profile, GError **error)
{
  const char *name = json_str(profile, "localhostProfile", "");
  if (*name && !strstr(name, "..") && *name != '/')
    return g_build_filename(SECCOMP_LOCAL_DIR, name, NULL);
  reason_set(error, REASON_RUNTIME, "seccomp profile \"%s\" is not a path below %s", name, SECCOMP_LOCAL_DIR);
  return NULL;
}

static bool add_seccomp(const OciInput *input, json_t *linux_, const json_t *process, GError **error)
{
  const json_t *profile = oci_security(input, "seccompProfile");
  const char *type = json_str(profile, "type", "Unconfined");
  g_autofree char *path = NULL;
  if (oci_privileged(input) || g_str_equal(type, "Unconfined"))
    return true;
  if (g_str_equal(type, "Localhost")) {
    path = oci_seccomp_local_path(profile, error);
    if (!path)
      return false;
  } else {
    path = g_strdup(input->seccomp_profile);
  }
  json_t *seccomp = oci_seccomp_read(path, json_at(process, "capabilities", "bounding", NULL), error);
  if (!seccomp)
    return false;
  json_object_set_new(linux_, "seccomp", seccomp);
  return true;
}

/* A volume can pass mounts on only when the container's root does not cut it off. */
static const char *root_propagation(const OciInput *input)
{
  const char *found = NULL;
  for (size_t i = 0; i < input->spec->n_mounts; i++) {
    const char *propagation = input->spec->mounts[i].propagation;
    if (propagation && g_str_equal(propagation, "rshared"))
      return "rshared";
    if (propagation && g_str_equal(propagation, "rslave"))
      found = "rslave";
  }
  return found;
}

static json_t *make_linux(const OciInput *input, const json_t *process, GError **error)
{
  const char *propagation = root_propagation(input);
  g_autoptr(json_t) linux_ = json_pack("{s:s, s:o, s:o}", "cgroupsPath", input->cgroup_path, "namespaces",
                                       make_namespaces(input), "resources", make_resources(input));
  /* procMount Unmasked is for who is root in a user namespace alone, which no container here has: as in 1.32, whose
   * gate for it is shut, it does nothing */
  if (!oci_privileged(input)) {
    json_object_set_new(linux_, "maskedPaths", make_strings(oci_masked_paths));
    json_object_set_new(linux_, "readonlyPaths", make_strings(oci_readonly_paths));
  }
  json_t *devices = json_array();
  json_object_set_new(linux_, "devices", devices);
  if (!add_devices(input, devices, json_at(linux_, "resources", "devices", NULL), error))
    return NULL;
  if (oci_privileged(input))
    add_host_devices(devices);
  if (propagation)
    json_object_set_new(linux_, "rootfsPropagation", json_string(propagation));
  return add_seccomp(input, linux_, process, error) ? g_steal_pointer(&linux_) : NULL;
}

json_t *oci_spec_make(const OciInput *input, GError **error)
{
  g_autoptr(json_t) process = oci_process_make(input, error);
  g_autoptr(json_t) linux_ = process ? make_linux(input, process, error) : NULL;
  const json_t *read_only = oci_security(input, "readOnlyRootFilesystem");
  if (!linux_)
    return NULL;
  return json_pack("{s:s, s:O, s:{s:s, s:b}, s:o, s:O}", "ociVersion", "1.0.2", "process", process, "root", "path",
                   input->rootfs, "readonly", json_is_true(read_only), "mounts", oci_mounts_make(input), "linux",
                   linux_);
}
