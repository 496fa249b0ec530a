/* The level baseline: what gives a pod known ways to more privileges. */
#include <string.h>

#include "base/json.h"
#include "clusterd/server/admission/pod_security.h"

#define APPARMOR_PREFIX "container.apparmor.security.beta.kubernetes.io/"
#define SECCOMP_POD "seccomp.security.alpha.kubernetes.io/pod"
#define SECCOMP_PREFIX "container.seccomp.security.alpha.kubernetes.io/"
#define SECCOMP_FIELD_SINCE 19

/* --- AppArmor ------------------------------------------------------------------------------------------------------
 */

static bool sets_apparmor(const json_t *context)
{
  const char *type = json_str(json_object_get(context, "appArmorProfile"), "type", NULL);
  return type && !g_str_equal(type, "RuntimeDefault") && !g_str_equal(type, "Localhost");
}

static bool container_sets_apparmor(const json_t *container, const PodView *pod)
{
  return sets_apparmor(pod_check_context(container));
}

/* The annotations that name a profile that is not allowed: `key="value"`, sorted. */
static GPtrArray *apparmor_annotations(const PodView *pod)
{
  GPtrArray *found = g_ptr_array_new_with_free_func(g_free);
  const char *key;
  json_t *value;
  json_object_foreach ((json_t *)(uintptr_t)pod->annotations, key, value) {
    const char *profile = json_is_string(value) ? json_string_value(value) : "";
    if (g_str_has_prefix(key, APPARMOR_PREFIX) && *profile && !g_str_equal(profile, "runtime/default") &&
        !g_str_has_prefix(profile, "localhost/"))
      g_ptr_array_add(found, g_strdup_printf("%s=\"%s\"", key, profile));
  }
  return found;
}

static void add_type(GPtrArray *types, const json_t *context)
{
  if (sets_apparmor(context))
    g_ptr_array_add(types, (void *)(uintptr_t)json_str(json_object_get(context, "appArmorProfile"), "type", ""));
}

static bool apparmor(const PodView *pod, PodFinding *finding)
{
  g_autoptr(GPtrArray) names = pod_check_select(pod, container_sets_apparmor);
  g_autoptr(GPtrArray) annotations = apparmor_annotations(pod);
  g_autoptr(GPtrArray) types = g_ptr_array_new();
  bool by_pod = sets_apparmor(pod->context);
  add_type(types, pod->context);
  for (guint i = 0; i < pod->containers->len; i++)
    add_type(types, pod_check_context(pod->containers->pdata[i]));
  if (types->len == 0 && annotations->len == 0)
    return false;
  g_autofree char *setters = types->len ? pod_check_setters(by_pod, names) : g_strdup("");
  g_autofree char *values = pod_check_quote_set(types); /* leaves each once */
  g_autofree char *noted = pod_check_quote_set(annotations);
  const char *annotation = annotations->len == 0 ? "" : annotations->len == 1 ? "annotation" : "annotations";
  return pod_check_found(
      finding, types->len + annotations->len == 1 ? "forbidden AppArmor profile" : "forbidden AppArmor profiles",
      g_strdup_printf("%s%s%s must not set AppArmor profile type to %s%s%s", setters,
                      *setters && *annotation ? " and " : "", annotation, values, *values && *noted ? ", " : "",
                      noted));
}

/* --- capabilities --------------------------------------------------------------------------------------------------
 */

static const char *const default_capabilities[] = { "AUDIT_WRITE", "CHOWN",  "DAC_OVERRIDE",     "FOWNER",  "FSETID",
                                                    "KILL",        "MKNOD",  "NET_BIND_SERVICE", "SETFCAP", "SETGID",
                                                    "SETPCAP",     "SETUID", "SYS_CHROOT",       NULL };

static bool capabilities(const PodView *pod, PodFinding *finding)
{
  g_autoptr(GPtrArray) names = g_ptr_array_new();
  g_autoptr(GPtrArray) added = g_ptr_array_new();
  for (guint i = 0; i < pod->containers->len; i++) {
    guint before = added->len;
    size_t index;
    json_t *capability;
    json_array_foreach (json_at(pod->containers->pdata[i], "securityContext", "capabilities", "add", NULL), index,
                        capability)
      if (json_is_string(capability) && !g_strv_contains(default_capabilities, json_string_value(capability)))
        g_ptr_array_add(added, (void *)(uintptr_t)json_string_value(capability));
    if (added->len > before)
      g_ptr_array_add(names, (void *)(uintptr_t)json_str(pod->containers->pdata[i], "name", ""));
  }
  if (names->len == 0)
    return false;
  g_autofree char *who = pod_check_containers(names);
  g_autofree char *what = pod_check_quote_set(added);
  return pod_check_found(finding, "non-default capabilities",
                         g_strdup_printf("%s must not include %s in securityContext.capabilities.add", who, what));
}

/* --- the host ------------------------------------------------------------------------------------------------------
 */

static bool host_namespaces(const PodView *pod, PodFinding *finding)
{
  static const char *const members[] = { "hostNetwork", "hostPID", "hostIPC" };
  g_autoptr(GString) text = g_string_new(NULL);
  for (gsize i = 0; i < G_N_ELEMENTS(members); i++)
    if (json_flag(pod->spec, members[i], false))
      g_string_append_printf(text, "%s%s=true", text->len ? ", " : "", members[i]);
  return text->len > 0 && pod_check_found(finding, "host namespaces", g_strdup(text->str));
}

static bool host_path_volumes(const PodView *pod, PodFinding *finding)
{
  g_autoptr(GPtrArray) names = g_ptr_array_new();
  size_t i;
  json_t *volume;
  json_array_foreach (json_object_get(pod->spec, "volumes"), i, volume)
    if (json_object_get(volume, "hostPath"))
      g_ptr_array_add(names, (void *)(uintptr_t)json_str(volume, "name", ""));
  if (names->len == 0)
    return false;
  g_autofree char *quoted = pod_check_quote(names);
  return pod_check_found(finding, "hostPath volumes",
                         g_strdup_printf("%s %s", names->len == 1 ? "volume" : "volumes", quoted));
}

/* Adds CONTAINER's host ports as texts; they are sorted as such. */
static bool add_host_ports(const json_t *container, GPtrArray *ports)
{
  guint before = ports->len;
  size_t i;
  json_t *port;
  json_array_foreach (json_object_get(container, "ports"), i, port)
    if (json_int(port, "hostPort", 0) != 0)
      g_ptr_array_add(ports, g_strdup_printf("%d", (int)json_int(port, "hostPort", 0)));
  return ports->len > before;
}

static bool host_ports(const PodView *pod, PodFinding *finding)
{
  g_autoptr(GPtrArray) names = g_ptr_array_new();
  g_autoptr(GPtrArray) ports = g_ptr_array_new_with_free_func(g_free);
  for (guint i = 0; i < pod->containers->len; i++)
    if (add_host_ports(pod->containers->pdata[i], ports))
      g_ptr_array_add(names, (void *)(uintptr_t)json_str(pod->containers->pdata[i], "name", ""));
  if (names->len == 0)
    return false;
  g_autofree char *who = pod_check_containers(names);
  g_autofree char *quoted = pod_check_quote_set(ports);
  g_auto(GStrv) bare = g_strsplit(quoted, "\"", -1);
  g_autofree char *numbers = g_strjoinv("", bare);
  return pod_check_found(finding, "hostPort",
                         g_strdup_printf("%s %s %s %s", who, names->len == 1 ? "uses" : "use",
                                         ports->len == 1 ? "hostPort" : "hostPorts", numbers));
}

static bool runs_on_host(const json_t *context)
{
  return json_flag(json_object_get(context, "windowsOptions"), "hostProcess", false);
}

static bool container_runs_on_host(const json_t *container, const PodView *pod)
{
  return runs_on_host(pod_check_context(container));
}

static bool host_process(const PodView *pod, PodFinding *finding)
{
  g_autoptr(GPtrArray) names = pod_check_select(pod, container_runs_on_host);
  bool by_pod = runs_on_host(pod->context);
  if (!by_pod && names->len == 0)
    return false;
  g_autofree char *who = pod_check_setters(by_pod, names);
  return pod_check_found(finding, "hostProcess",
                         g_strdup_printf("%s must not set securityContext.windowsOptions.hostProcess=true", who));
}

/* --- what containers may set ---------------------------------------------------------------------------------------
 */

static bool is_privileged(const json_t *container, const PodView *pod)
{
  return json_flag(pod_check_context(container), "privileged", false);
}

static bool privileged(const PodView *pod, PodFinding *finding)
{
  g_autoptr(GPtrArray) names = pod_check_select(pod, is_privileged);
  if (names->len == 0)
    return false;
  g_autofree char *who = pod_check_containers(names);
  return pod_check_found(finding, "privileged",
                         g_strdup_printf("%s must not set securityContext.privileged=true", who));
}

static bool unmasks_proc(const json_t *container, const PodView *pod)
{
  return !g_str_equal(json_str(pod_check_context(container), "procMount", "Default"), "Default");
}

static bool proc_mount(const PodView *pod, PodFinding *finding)
{
  g_autoptr(GPtrArray) names = pod_check_select(pod, unmasks_proc);
  g_autoptr(GPtrArray) types = g_ptr_array_new();
  for (guint i = 0; i < pod->containers->len; i++)
    if (unmasks_proc(pod->containers->pdata[i], pod))
      g_ptr_array_add(types,
                      (void *)(uintptr_t)json_str(pod_check_context(pod->containers->pdata[i]), "procMount", ""));
  if (names->len == 0)
    return false;
  g_autofree char *who = pod_check_containers(names);
  g_autofree char *what = pod_check_quote_set(types);
  return pod_check_found(finding, "procMount",
                         g_strdup_printf("%s must not set securityContext.procMount to %s", who, what));
}

/* --- SELinux -------------------------------------------------------------------------------------------------------
 */

typedef struct SelinuxFaults {
  GPtrArray *types;
  bool user, role;
} SelinuxFaults;

static bool selinux_type_allowed(const char *type, int minor)
{
  static const char *const types[] = { "", "container_t", "container_init_t", "container_kvm_t", NULL };
  return g_strv_contains(types, type) || (minor >= 31 && g_str_equal(type, "container_engine_t"));
}

/* Notes what is wrong with the options of CONTEXT; true when anything is. */
static bool selinux_faults(const json_t *context, int minor, SelinuxFaults *faults)
{
  const json_t *options = json_object_get(context, "seLinuxOptions");
  const char *type = json_str(options, "type", "");
  bool bad_type = !selinux_type_allowed(type, minor);
  bool user = *json_str(options, "user", "") != '\0', role = *json_str(options, "role", "") != '\0';
  if (bad_type)
    g_ptr_array_add(faults->types, (void *)(uintptr_t)type);
  faults->user = faults->user || user;
  faults->role = faults->role || role;
  return bad_type || user || role;
}

static bool selinux(const PodView *pod, PodFinding *finding)
{
  g_autoptr(GPtrArray) names = g_ptr_array_new();
  g_autoptr(GPtrArray) types = g_ptr_array_new();
  g_autoptr(GString) what = g_string_new(NULL);
  SelinuxFaults faults = { .types = types };
  bool by_pod = selinux_faults(pod->context, pod->minor, &faults);
  for (guint i = 0; i < pod->containers->len; i++)
    if (selinux_faults(pod_check_context(pod->containers->pdata[i]), pod->minor, &faults))
      g_ptr_array_add(names, (void *)(uintptr_t)json_str(pod->containers->pdata[i], "name", ""));
  if (!by_pod && names->len == 0)
    return false;
  g_autofree char *who = pod_check_setters(by_pod, names);
  g_autofree char *quoted = pod_check_quote_set(types);
  if (types->len)
    g_string_append_printf(what, "%s %s", types->len == 1 ? "type" : "types", quoted);
  if (faults.user)
    g_string_append_printf(what, "%suser may not be set", what->len ? "; " : "");
  if (faults.role)
    g_string_append_printf(what, "%srole may not be set", what->len ? "; " : "");
  return pod_check_found(finding, "seLinuxOptions",
                         g_strdup_printf("%s set forbidden securityContext.seLinuxOptions: %s", who, what->str));
}

/* --- seccomp -------------------------------------------------------------------------------------------------------
 */

/* Whether a seccomp profile may be this TYPE. */
static bool is_seccomp_type(const char *type)
{
  return g_str_equal(type, "RuntimeDefault") || g_str_equal(type, "Localhost");
}

static const char *seccomp_type(const json_t *context)
{
  const json_t *profile = json_object_get(context, "seccompProfile");
  return profile ? json_str(profile, "type", "") : NULL;
}

bool pod_check_bad_seccomp(const PodView *pod, PodFinding *finding, bool *inherited)
{
  g_autoptr(GPtrArray) names = g_ptr_array_new();
  g_autoptr(GPtrArray) types = g_ptr_array_new();
  const char *own = seccomp_type(pod->context);
  bool by_pod = own && !is_seccomp_type(own);
  *inherited = own && !by_pod;
  if (by_pod)
    g_ptr_array_add(types, (void *)(uintptr_t)own);
  for (guint i = 0; i < pod->containers->len; i++) {
    const char *type = seccomp_type(pod_check_context(pod->containers->pdata[i]));
    if (!type || is_seccomp_type(type))
      continue;
    g_ptr_array_add(types, (void *)(uintptr_t)type);
    g_ptr_array_add(names, (void *)(uintptr_t)json_str(pod->containers->pdata[i], "name", ""));
  }
  if (types->len == 0)
    return false;
  g_autofree char *who = pod_check_setters(by_pod, names);
  g_autofree char *what = pod_check_quote_set(types);
  return pod_check_found(finding, "seccompProfile",
                         g_strdup_printf("%s must not set securityContext.seccompProfile.type to %s", who, what));
}

static void add_seccomp_annotation(const PodView *pod, const char *key, GPtrArray *found)
{
  const char *value = json_str(pod->annotations, key, NULL);
  if (value && !g_str_equal(value, "runtime/default") && !g_str_equal(value, "docker/default") &&
      !g_str_has_prefix(value, "localhost/"))
    g_ptr_array_add(found, g_strdup_printf("%s=\"%s\"", key, value));
}

/* Before there was a field for it. */
static bool seccomp_annotations(const PodView *pod, PodFinding *finding)
{
  g_autoptr(GPtrArray) found = g_ptr_array_new_with_free_func(g_free);
  add_seccomp_annotation(pod, SECCOMP_POD, found);
  for (guint i = 0; i < pod->containers->len; i++) {
    g_autofree char *key = g_strconcat(SECCOMP_PREFIX, json_str(pod->containers->pdata[i], "name", ""), NULL);
    add_seccomp_annotation(pod, key, found);
  }
  if (found->len == 0)
    return false;
  g_autofree char *sorted = pod_check_quote_set(found); /* sorts */
  guint count = found->len;
  g_ptr_array_add(found, NULL);
  g_autofree char *all = g_strjoinv(", ", (char **)found->pdata);
  return pod_check_found(finding, "seccompProfile",
                         g_strdup_printf("forbidden %s %s", count == 1 ? "annotation" : "annotations", all));
}

static bool seccomp(const PodView *pod, PodFinding *finding)
{
  bool inherited;
  return pod->minor < SECCOMP_FIELD_SINCE ? seccomp_annotations(pod, finding)
                                          : pod_check_bad_seccomp(pod, finding, &inherited);
}

/* --- sysctls -------------------------------------------------------------------------------------------------------
 */

/* Safe ones: of the pod's own namespaces, without effect on others; SINCE a version of the standards. */
static bool sysctl_allowed(const char *name, int minor)
{
  static const struct {
    const char *name;
    int since;
  } safe[] = { { "kernel.shm_rmid_forced", 0 },
               { "net.ipv4.ip_local_port_range", 0 },
               { "net.ipv4.tcp_syncookies", 0 },
               { "net.ipv4.ping_group_range", 0 },
               { "net.ipv4.ip_unprivileged_port_start", 0 },
               { "net.ipv4.ip_local_reserved_ports", 27 },
               { "net.ipv4.tcp_keepalive_time", 29 },
               { "net.ipv4.tcp_fin_timeout", 29 },
               { "net.ipv4.tcp_keepalive_intvl", 29 },
               { "net.ipv4.tcp_keepalive_probes", 29 },
               { "net.ipv4.tcp_rmem", 32 },
               { "net.ipv4.tcp_wmem", 32 } };
  for (gsize i = 0; i < G_N_ELEMENTS(safe); i++)
    if (g_str_equal(safe[i].name, name))
      return minor >= safe[i].since;
  return false;
}

static bool sysctls(const PodView *pod, PodFinding *finding)
{
  g_autoptr(GString) text = g_string_new(NULL);
  size_t i;
  json_t *sysctl;
  json_array_foreach (json_object_get(pod->context, "sysctls"), i, sysctl)
    if (!sysctl_allowed(json_str(sysctl, "name", ""), pod->minor))
      g_string_append_printf(text, "%s%s", text->len ? ", " : "", json_str(sysctl, "name", ""));
  return text->len > 0 && pod_check_found(finding, "forbidden sysctls", g_strdup(text->str));
}

const PodCheck pod_security_baseline[] = {
  { .id = "appArmorProfile", .violates = apparmor },
  { .id = "capabilities_baseline", .violates = capabilities },
  { .id = "hostNamespaces", .violates = host_namespaces },
  { .id = "hostPathVolumes", .violates = host_path_volumes },
  { .id = "hostPorts", .violates = host_ports },
  { .id = "privileged", .violates = privileged },
  { .id = "procMount", .violates = proc_mount },
  { .id = "seLinuxOptions", .violates = selinux },
  { .id = "seccompProfile_baseline", .violates = seccomp },
  { .id = "sysctls", .violates = sysctls },
  { .id = "windowsHostProcess", .violates = host_process },
};
const gsize pod_security_n_baseline = G_N_ELEMENTS(pod_security_baseline);
