#include "driver/container_spec.h"

#include "base/capability.h"
#include "base/json.h"
#include "base/reason.h"

enum { CPU_PERIOD_US = 100000 };

void container_spec_free(ContainerSpec *spec)
{
  if (!spec)
    return;
  g_free(spec->profile);
  g_free(spec->uuid);
  g_free(spec->image);
  g_free(spec->config);
  g_free(spec->address);
  g_free(spec->ports);
  g_free(spec);
}

json_t *container_spec_json(const MachineSpec *spec)
{
  json_t *ports = json_array();
  for (size_t i = 0; i < spec->n_ports; i++)
    json_array_append_new(ports, json_pack("{sisisb}", "host", spec->ports[i].host, "guest", spec->ports[i].guest,
                                           "udp", spec->ports[i].udp));
  return json_pack("{sssssisIssssssso}", "profile", spec->profile, "uuid", spec->uuid, "cpus", spec->cpus, "memoryMiB",
                   (json_int_t)spec->memory_mib, "image", spec->image_path, "config", spec->config_path, "address",
                   spec->address, "ports", ports);
}

static bool parse_ports(const json_t *list, ContainerSpec *spec)
{
  size_t index;
  json_t *item;
  if (!json_is_array(list) || json_array_size(list) > DRIVER_PORTS_MAX)
    return false;
  spec->ports = g_new0(DriverPort, json_array_size(list) + 1);
  json_array_foreach (list, index, item) {
    int64_t host = json_int(item, "host", 0), guest = json_int(item, "guest", 0);
    if (host < 1 || host > 65535 || guest < 1 || guest > 65535)
      return false;
    spec->ports[spec->n_ports++] =
        (DriverPort){ .host = (uint16_t)host, .guest = (uint16_t)guest, .udp = json_flag(item, "udp", false) };
  }
  return true;
}

ContainerSpec *container_spec_parse(const json_t *json, GError **error)
{
  g_autoptr(ContainerSpec) spec = g_new0(ContainerSpec, 1);
  spec->profile = g_strdup(json_str(json, "profile", NULL));
  spec->uuid = g_strdup(json_str(json, "uuid", NULL));
  spec->image = g_strdup(json_str(json, "image", NULL));
  spec->config = g_strdup(json_str(json, "config", NULL));
  spec->address = g_strdup(json_str(json, "address", NULL));
  spec->cpus = (int)json_int(json, "cpus", 0);
  spec->memory_mib = json_int(json, "memoryMiB", 0);
  if (!spec->profile || !spec->uuid || !spec->image || !spec->config || !spec->address || spec->cpus < 1 ||
      spec->memory_mib < 1 || !parse_ports(json_object_get(json, "ports"), spec)) {
    reason_set(error, REASON_CONFIG, "The machine's " CONTAINER_SPEC_FILE " is damaged");
    return NULL;
  }
  return g_steal_pointer(&spec);
}

char *container_cgroup_name(const char *profile, const char *uuid)
{
  return g_strdup_printf("launcher/%s-%.8s", profile, uuid);
}

/* The machine runs containers itself, privileged ones too, so it gets all that we have. Root inside is root. */
static json_t *process_object(uint64_t capabilities)
{
  g_autoptr(json_t) all = capability_names(capabilities);
  return json_pack("{s{sisi} s[ssss] s[s] ss s{sOsOsO} sb}", "user", "uid", 0, "gid", 0, "env",
                   "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root", "TERM=linux",
                   "LAUNCHER_DRIVER=container", "args", "/sbin/init", "cwd", "/", "capabilities", "bounding", all,
                   "effective", all, "permitted", all, "noNewPrivileges", 0);
}

typedef struct MountRow {
  const char *to, *type, *from;
  const char *options; /* space separated */
} MountRow;

static json_t *mount_object(const MountRow *row)
{
  json_t *options = json_array();
  g_auto(GStrv) words = g_strsplit(row->options, " ", -1);
  for (char **word = words; *word; word++)
    json_array_append_new(options, json_string(*word));
  return json_pack("{ssssssso}", "destination", row->to, "type", row->type, "source", row->from, "options", options);
}

static json_t *mounts_array(const char *config, const char *data, const char *events)
{
  const MountRow ROWS[] = {
    { "/proc", "proc", "proc", "nosuid noexec nodev" },
    /* The machine's own network settings are its to write; the other sysctls are the host's (readonlyPaths). */
    { "/proc/sys/net", "bind", "/proc/sys/net", "bind rw nosuid noexec nodev" },
    { "/dev", "tmpfs", "tmpfs", "nosuid strictatime mode=755 size=65536k" },
    { "/dev/pts", "devpts", "devpts", "nosuid noexec newinstance ptmxmode=0666 mode=0620 gid=5" },
    { "/dev/shm", "tmpfs", "shm", "nosuid noexec nodev mode=1777" },
    { "/dev/mqueue", "mqueue", "mqueue", "nosuid noexec nodev" },
    { "/sys", "sysfs", "sysfs", "nosuid noexec nodev ro" },
    { "/sys/fs/cgroup", "cgroup", "cgroup", "nosuid noexec nodev relatime rw" },
    { "/run", "tmpfs", "tmpfs", "nosuid nodev mode=755" },
    { "/run/launcher/config", "bind", config, "bind ro nosuid nodev noexec" },
    { "/run/launcher/events", "bind", events, "bind rw nosuid nodev noexec" },
    { "/data", "bind", data, "bind rw" },
  };
  json_t *list = json_array();
  for (size_t i = 0; i < G_N_ELEMENTS(ROWS); i++)
    json_array_append_new(list, mount_object(&ROWS[i]));
  return list;
}

static json_t *linux_object(const ContainerSpec *spec)
{
  static const char *const NAMESPACES[] = { "pid", "mount", "network", "ipc", "uts", "cgroup" };
  g_autofree char *name = container_cgroup_name(spec->profile, spec->uuid);
  g_autofree char *path = g_strconcat("/", name, NULL);
  json_t *namespaces = json_array();
  for (size_t i = 0; i < G_N_ELEMENTS(NAMESPACES); i++)
    json_array_append_new(namespaces, json_pack("{ss}", "type", NAMESPACES[i]));
  json_t *devices = json_pack("[{sssssisisisisi} {sssssisisisisi}]", "path", "/dev/fuse", "type", "c", "major", 10,
                              "minor", 229, "fileMode", 0666, "uid", 0, "gid", 0, "path", "/dev/net/tun", "type", "c",
                              "major", 10, "minor", 200, "fileMode", 0666, "uid", 0, "gid", 0);
  json_t *resources = json_pack("{s[{sbss}] s{sI} s{sIsi}}", "devices", "allow", 1, "access", "rwm", "memory", "limit",
                                (json_int_t)spec->memory_mib << 20, "cpu", "quota",
                                (json_int_t)spec->cpus * CPU_PERIOD_US, "period", CPU_PERIOD_US);
  return json_pack("{sosossso s[ss] s[s]}", "namespaces", namespaces, "devices", devices, "cgroupsPath", path,
                   "resources", resources, "maskedPaths", "/proc/kcore", "/proc/sysrq-trigger", "readonlyPaths",
                   "/proc/sys");
}

json_t *container_oci_config(const ContainerSpec *spec, const char *root, const char *config, const char *data,
                             const char *events, uint64_t capabilities)
{
  return json_pack("{sssssososo s{sssb}}", "ociVersion", "1.0.2", "hostname", spec->profile, "process",
                   process_object(capabilities), "mounts", mounts_array(config, data, events), "linux",
                   linux_object(spec), "root", "path", root, "readonly", 0);
}
