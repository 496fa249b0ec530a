#include "clusterd/node/docker/docker_spec.h"

#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "base/capability.h"
#include "base/file.h"
#include "base/json.h"
#include "base/reason.h"
#include "clusterd/node/sandbox/oom_score.h"

#define SECCOMP_LOCAL_DIR "/var/lib/kubelet/seccomp" /* where a pod's localhostProfile is looked for, as upstream */
#define SECCOMP_MAX (1u << 20)                       /* bytes of a profile */
#define OPEN_FILES_MAX 1048576
#define KNOWN_CAPABILITIES ((UINT64_C(1) << 38) - 1) /* dockerd 20.10 refuses names from PERFMON on */

/* KEY of the container's security context, else of the pod's. Borrowed. */
static const json_t *security(const ContainerSpec *spec, const char *key)
{
  const json_t *value = json_object_get(spec->security_context, key);
  return value ? value : json_object_get(spec->pod_security_context, key);
}

static bool privileged(const ContainerSpec *spec)
{
  return json_flag(spec->security_context, "privileged", false);
}

static json_t *strings(const char *const *list)
{
  json_t *array = json_array();
  for (; list && *list; list++)
    json_array_append_new(array, json_string(*list));
  return array;
}

/* --- security -------------------------------------------------------------------------------------------------------
 */

static bool add_seccomp(const ContainerSpec *spec, json_t *options, GError **error)
{
  const json_t *profile = security(spec, "seccompProfile");
  const char *type = json_str(profile, "type", "Unconfined");
  if (g_str_equal(type, "RuntimeDefault"))
    return true;
  if (privileged(spec) || !g_str_equal(type, "Localhost")) {
    json_array_append_new(options, json_string("seccomp=unconfined"));
    return true;
  }
  const char *name = json_str(profile, "localhostProfile", "");
  if (!*name || strstr(name, "..") || *name == '/')
    return reason_set(error, REASON_RUNTIME, "seccomp profile \"%s\" is not a path below %s", name, SECCOMP_LOCAL_DIR);
  g_autofree char *path = g_build_filename(SECCOMP_LOCAL_DIR, name, NULL);
  g_autoptr(GBytes) bytes = file_read(path, SECCOMP_MAX, error);
  if (!bytes)
    return false;
  g_autofree char *text =
      g_strdup_printf("seccomp=%.*s", (int)g_bytes_get_size(bytes), (const char *)g_bytes_get_data(bytes, NULL));
  json_t *option = json_string(text);
  if (!option)
    return reason_set(error, REASON_RUNTIME, "seccomp profile %s is not text", path);
  json_array_append_new(options, option);
  return true;
}

static void add_option(json_t *options, const char *prefix, const char *value)
{
  g_autofree char *text = g_strconcat(prefix, value, NULL);
  if (value && *value)
    json_array_append_new(options, json_string(text));
}

static json_t *make_security(const ContainerSpec *spec, GError **error)
{
  g_autoptr(json_t) options = json_array();
  const json_t *escalation = security(spec, "allowPrivilegeEscalation");
  const json_t *linux_ = security(spec, "seLinuxOptions"), *armor = security(spec, "appArmorProfile");
  const char *armor_type = json_str(armor, "type", "");
  if (json_is_false(escalation))
    json_array_append_new(options, json_string("no-new-privileges"));
  add_option(options, "label=user:", json_str(linux_, "user", NULL));
  add_option(options, "label=role:", json_str(linux_, "role", NULL));
  add_option(options, "label=type:", json_str(linux_, "type", NULL));
  add_option(options, "label=level:", json_str(linux_, "level", NULL));
  if (g_str_equal(armor_type, "Unconfined"))
    json_array_append_new(options, json_string("apparmor=unconfined"));
  else if (g_str_equal(armor_type, "Localhost"))
    add_option(options, "apparmor=", json_str(armor, "localhostProfile", NULL));
  return add_seccomp(spec, options, error) ? g_steal_pointer(&options) : NULL;
}

/* "USER:GROUP" as dockerd takes it; NULL: the image's. The caller frees. */
static char *make_user(const ContainerSpec *spec, const json_t *image)
{
  const json_t *user = security(spec, "runAsUser"), *group = security(spec, "runAsGroup");
  const char *of_image = json_str(json_object_get(image, "Config"), "User", "");
  g_autofree char *name = g_strndup(of_image, strcspn(of_image, ":"));
  g_autofree char *number = g_strdup_printf("%" JSON_INTEGER_FORMAT, json_integer_value(user));
  const char *who = json_is_integer(user) ? number : *name ? name : "0";
  if (json_is_integer(group))
    return g_strdup_printf("%s:%" JSON_INTEGER_FORMAT, who, json_integer_value(group));
  return json_is_integer(user) ? g_strdup(number) : NULL;
}

static json_t *make_groups(const ContainerSpec *spec)
{
  json_t *groups = json_array(), *group;
  const json_t *pod = spec->pod_security_context, *fs_group = json_object_get(pod, "fsGroup");
  size_t i;
  json_array_foreach (json_object_get(pod, "supplementalGroups"), i, group) {
    g_autofree char *text = g_strdup_printf("%" JSON_INTEGER_FORMAT, json_integer_value(group));
    json_array_append_new(groups, json_string(text));
  }
  if (json_is_integer(fs_group)) {
    g_autofree char *text = g_strdup_printf("%" JSON_INTEGER_FORMAT, json_integer_value(fs_group));
    json_array_append_new(groups, json_string(text));
  }
  return groups;
}

/* The node's own devices. Terminals and what /dev mounts are left out. */
static json_t *make_node_devices(void)
{
  json_t *devices = json_array();
  g_autoptr(GDir) folder = g_dir_open("/dev", 0, NULL);
  const char *name;
  while (folder && (name = g_dir_read_name(folder))) {
    g_autofree char *path = g_build_filename("/dev", name, NULL);
    struct stat info;
    bool skipped = g_str_has_prefix(name, "tty") || g_str_equal(name, "console") || g_str_equal(name, "ptmx");
    if (!skipped && lstat(path, &info) == 0 && (S_ISCHR(info.st_mode) || S_ISBLK(info.st_mode)))
      json_array_append_new(devices, json_pack("{s:s, s:s, s:s}", "PathOnHost", path, "PathInContainer", path,
                                               "CgroupPermissions", "rwm"));
  }
  return devices;
}

/* Where we have not all capabilities (a machine that is a container), a privileged container gets those we have:
 * dockerd would ask for all, and not start it. */
static bool add_privileges(const ContainerSpec *spec, json_t *host)
{
  bool all = own_capabilities() == capability_all();
  if (privileged(spec) && !all) {
    json_object_set_new(host, "CapAdd", capability_names(own_capabilities() & KNOWN_CAPABILITIES));
    json_object_set_new(host, "DeviceCgroupRules", json_pack("[s]", "a *:* rwm"));
    json_object_set_new(host, "Devices", make_node_devices());
    json_object_set_new(host, "MaskedPaths", json_array());
    json_object_set_new(host, "ReadonlyPaths", json_array());
  } else if (privileged(spec)) {
    json_object_set_new(host, "Privileged", json_true());
  }
  return privileged(spec);
}

static void add_rights(const ContainerSpec *spec, json_t *host)
{
  const json_t *capabilities = security(spec, "capabilities");
  json_object_set_new(host, "ReadonlyRootfs", json_boolean(json_is_true(security(spec, "readOnlyRootFilesystem"))));
  json_object_set_new(host, "GroupAdd", make_groups(spec));
  if (add_privileges(spec, host))
    return;
  if (json_object_get(capabilities, "add"))
    json_object_set(host, "CapAdd", json_object_get(capabilities, "add"));
  if (json_object_get(capabilities, "drop"))
    json_object_set(host, "CapDrop", json_object_get(capabilities, "drop"));
}

/* --- the rest -------------------------------------------------------------------------------------------------------
 */

static json_t *make_mounts(const ContainerSpec *spec)
{
  json_t *mounts = json_array();
  for (size_t i = 0; i < spec->n_mounts; i++) {
    const ContainerMount *mount = &spec->mounts[i];
    const char *wanted = mount->propagation ? mount->propagation : "private";
    const char *propagation = g_str_has_prefix(wanted, "r") ? wanted : "rprivate";
    json_array_append_new(mounts, json_pack("{s:s, s:s, s:s, s:b, s:{s:s}}", "Type", "bind", "Source", mount->host_path,
                                            "Target", mount->container_path, "ReadOnly", mount->read_only,
                                            "BindOptions", "Propagation", propagation));
  }
  return mounts;
}

static json_t *make_devices(const ContainerSpec *spec)
{
  json_t *devices = json_array();
  for (size_t i = 0; i < spec->n_devices; i++)
    json_array_append_new(devices,
                          json_pack("{s:s, s:s, s:s}", "PathOnHost", spec->devices[i].host_path, "PathInContainer",
                                    spec->devices[i].container_path, "CgroupPermissions", spec->devices[i].access));
  return devices;
}

static json_t *make_ulimits(void)
{
  struct rlimit files = { OPEN_FILES_MAX, OPEN_FILES_MAX };
  getrlimit(RLIMIT_NOFILE, &files);
  json_int_t most = (json_int_t)MIN(files.rlim_max, OPEN_FILES_MAX);
  return json_pack("[{s:s, s:I, s:I}]", "Name", "nofile", "Soft", most, "Hard", most);
}

/* Memory alone: what is not allowed in memory is not allowed in swap either. */
static void add_resources(const ContainerSpec *spec, json_t *host)
{
  const struct {
    const char *key;
    int64_t value;
  } rows[] = { { "Memory", spec->memory_limit_bytes },
               { "MemorySwap", spec->memory_limit_bytes },
               { "CpuShares", spec->cpu_shares },
               { "CpuQuota", spec->cpu_quota_us },
               { "CpuPeriod", spec->cpu_period_us } };
  for (size_t i = 0; i < G_N_ELEMENTS(rows); i++)
    if (rows[i].value > 0)
      json_object_set_new(host, rows[i].key, json_integer(rows[i].value));
  json_object_set_new(host, "OomScoreAdj", json_integer(oom_score_allowed(spec->oom_score_adj)));
  json_object_set_new(host, "Ulimits", make_ulimits());
}

static void add_namespaces(const DockerSandbox *sandbox, const ContainerSpec *spec, json_t *host)
{
  const json_t *facts = sandbox->facts;
  g_autofree char *shared = g_strconcat("container:", sandbox->id, NULL);
  g_autofree char *target = spec->target_id ? g_strconcat("container:", spec->target_id, NULL) : NULL;
  json_object_set_new(host, "NetworkMode", json_string(shared));
  json_object_set_new(host, "IpcMode", json_string(json_flag(facts, "hostIpc", false) ? "host" : shared));
  if (json_flag(facts, "hostPid", false))
    json_object_set_new(host, "PidMode", json_string("host"));
  else if (json_flag(facts, "sharePid", false))
    json_object_set_new(host, "PidMode", json_string(shared));
  else if (target)
    json_object_set_new(host, "PidMode", json_string(target));
  if (json_flag(facts, "hostNetwork", false))
    json_object_set_new(host, "UTSMode", json_string("host"));
  json_object_set_new(host, "CgroupParent", json_string(json_str(facts, "cgroupParent", "")));
  json_object_set_new(host, "Runtime", json_string(json_str(facts, "handler", "")));
}

static json_t *make_host(const DockerRuntime *docker, const DockerSandbox *sandbox, const ContainerSpec *spec,
                         GError **error)
{
  json_t *options = make_security(spec, error);
  if (!options)
    return NULL;
  json_t *host =
      json_pack("{s:o, s:o, s:{s:s, s:{s:s, s:s}}}", "SecurityOpt", options, "Mounts", make_mounts(spec), "LogConfig",
                "Type", "json-file", "Config", "max-size", docker->log_size, "max-file", docker->log_files);
  add_namespaces(sandbox, spec, host);
  add_resources(spec, host);
  json_object_set_new(host, "Devices", make_devices(spec));
  add_rights(spec, host);
  return host;
}

static json_t *make_labels(const DockerSandbox *sandbox, const ContainerSpec *spec)
{
  const json_t *facts = sandbox->facts;
  return json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s*}", LABEL_TYPE, TYPE_CONTAINER, LABEL_SANDBOX, sandbox->id,
                   LABEL_CONTAINER, spec->name, LABEL_POD, json_str(facts, "name", ""), LABEL_NAMESPACE,
                   json_str(facts, "namespace", ""), LABEL_UID, json_str(facts, "uid", ""), LABEL_LOG_PATH,
                   spec->log_path ? spec->log_path : "", LABEL_IMAGE, spec->image_ref);
}

/* Kubernetes' rule: command replaces the entrypoint and with it the image's cmd; args replace the cmd. dockerd's is the
 * same as long as nothing is said that was not given. */
static void add_command(const ContainerSpec *spec, json_t *body)
{
  if (spec->command)
    json_object_set_new(body, "Entrypoint", strings(spec->command));
  if (spec->args || spec->command)
    json_object_set_new(body, "Cmd", strings(spec->args));
}

json_t *docker_spec_make(const DockerRuntime *docker, const DockerSandbox *sandbox, const ContainerSpec *spec,
                         const json_t *image, GError **error)
{
  g_autofree char *user = make_user(spec, image);
  const char *stop_signal = json_str(json_at(image, "Config", "Labels", NULL), LABEL_STOP_SIGNAL, NULL);
  json_t *host = make_host(docker, sandbox, spec, error);
  if (!host)
    return NULL;
  json_t *body = json_pack("{s:s, s:o, s:o, s:o, s:b, s:b, s:b, s:{s:[s]}}", "Image", spec->image_id, "HostConfig",
                           host, "Labels", make_labels(sandbox, spec), "Env", strings(spec->env), "Tty", spec->tty,
                           "OpenStdin", spec->stdin_, "StdinOnce", spec->stdin_once, "Healthcheck", "Test", "NONE");
  add_command(spec, body);
  if (spec->working_dir && *spec->working_dir)
    json_object_set_new(body, "WorkingDir", json_string(spec->working_dir));
  if (user)
    json_object_set_new(body, "User", json_string(user));
  if (stop_signal)
    json_object_set_new(body, "StopSignal", json_string(stop_signal));
  return body;
}
