/* The level restricted: baseline, and what good practice asks of a pod. */
#include "base/json.h"
#include "clusterd/server/admission/pod_security.h"

#define WINDOWS_SINCE 25 /* pods that say they are for Windows need not set what only Linux has */

static bool is_exempt(const PodView *pod)
{
  return pod->minor >= WINDOWS_SINCE && g_str_equal(json_str(json_object_get(pod->spec, "os"), "name", ""), "windows");
}

/* --- privileges ----------------------------------------------------------------------------------------------------
 */

static bool may_escalate(const json_t *container, const PodView *pod)
{
  return json_flag(pod_check_context(container), "allowPrivilegeEscalation", true);
}

static bool escalation(const PodView *pod, PodFinding *finding)
{
  g_autoptr(GPtrArray) names = pod_check_select(pod, may_escalate);
  if (names->len == 0 || is_exempt(pod))
    return false;
  g_autofree char *who = pod_check_containers(names);
  return pod_check_found(finding, "allowPrivilegeEscalation != false",
                         g_strdup_printf("%s must set securityContext.allowPrivilegeEscalation=false", who));
}

static bool keeps_capabilities(const json_t *container, const PodView *pod)
{
  return !json_has_text(json_at(container, "securityContext", "capabilities", "drop", NULL), "ALL");
}

/* Adds what CONTAINER adds to its capabilities and may not. */
static bool add_capabilities(const json_t *container, GPtrArray *added)
{
  guint before = added->len;
  size_t i;
  json_t *capability;
  json_array_foreach (json_at(container, "securityContext", "capabilities", "add", NULL), i, capability)
    if (json_is_string(capability) && !g_str_equal(json_string_value(capability), "NET_BIND_SERVICE"))
      g_ptr_array_add(added, (void *)(uintptr_t)json_string_value(capability));
  return added->len > before;
}

static bool capabilities(const PodView *pod, PodFinding *finding)
{
  g_autoptr(GPtrArray) keepers = pod_check_select(pod, keeps_capabilities);
  g_autoptr(GPtrArray) adders = g_ptr_array_new();
  g_autoptr(GPtrArray) added = g_ptr_array_new();
  g_autoptr(GString) text = g_string_new(NULL);
  if (is_exempt(pod))
    return false;
  for (guint i = 0; i < pod->containers->len; i++)
    if (add_capabilities(pod->containers->pdata[i], added))
      g_ptr_array_add(adders, (void *)(uintptr_t)json_str(pod->containers->pdata[i], "name", ""));
  if (keepers->len) {
    g_autofree char *who = pod_check_containers(keepers);
    g_string_append_printf(text, "%s must set securityContext.capabilities.drop=[\"ALL\"]", who);
  }
  if (adders->len) {
    g_autofree char *who = pod_check_containers(adders);
    g_autofree char *what = pod_check_quote_set(added);
    g_string_append_printf(text, "%s%s must not include %s in securityContext.capabilities.add", text->len ? "; " : "",
                           who, what);
  }
  return text->len > 0 && pod_check_found(finding, "unrestricted capabilities", g_strdup(text->str));
}

/* --- volumes -------------------------------------------------------------------------------------------------------
 */

/* The type of VOLUME when it is not one everybody may use, else NULL. */
static const char *restricted_type(const json_t *volume)
{
  static const char *const allowed[] = { "configMap", "csi",   "downwardAPI",           "emptyDir",
                                         "ephemeral", "image", "persistentVolumeClaim", "projected",
                                         "secret" };
  static const char *const restricted[] = { "hostPath",
                                            "gcePersistentDisk",
                                            "awsElasticBlockStore",
                                            "gitRepo",
                                            "nfs",
                                            "iscsi",
                                            "glusterfs",
                                            "rbd",
                                            "flexVolume",
                                            "cinder",
                                            "cephfs",
                                            "flocker",
                                            "fc",
                                            "azureFile",
                                            "vsphereVolume",
                                            "quobyte",
                                            "azureDisk",
                                            "photonPersistentDisk",
                                            "portworxVolume",
                                            "scaleIO",
                                            "storageos" };
  for (gsize i = 0; i < G_N_ELEMENTS(allowed); i++)
    if (json_object_get(volume, allowed[i]))
      return NULL;
  for (gsize i = 0; i < G_N_ELEMENTS(restricted); i++)
    if (json_object_get(volume, restricted[i]))
      return restricted[i];
  return "unknown";
}

static bool volumes(const PodView *pod, PodFinding *finding)
{
  g_autoptr(GPtrArray) names = g_ptr_array_new();
  g_autoptr(GPtrArray) types = g_ptr_array_new();
  size_t i;
  json_t *volume;
  json_array_foreach (json_object_get(pod->spec, "volumes"), i, volume) {
    const char *type = restricted_type(volume);
    if (!type)
      continue;
    g_ptr_array_add(names, (void *)(uintptr_t)json_str(volume, "name", ""));
    g_ptr_array_add(types, (void *)(uintptr_t)type);
  }
  if (names->len == 0)
    return false;
  g_autofree char *who = pod_check_quote(names);
  g_autofree char *what = pod_check_quote_set(types);
  return pod_check_found(finding, "restricted volume types",
                         g_strdup_printf("%s %s %s %s %s", names->len == 1 ? "volume" : "volumes", who,
                                         names->len == 1 ? "uses" : "use",
                                         types->len == 1 ? "restricted volume type" : "restricted volume types", what));
}

/* --- users ---------------------------------------------------------------------------------------------------------
 */

static bool denies_non_root(const json_t *container, const PodView *pod)
{
  return !json_flag(pod_check_context(container), "runAsNonRoot", true);
}

static bool is_silent_about_root(const json_t *container, const PodView *pod)
{
  return !json_is_boolean(json_object_get(pod_check_context(container), "runAsNonRoot"));
}

static bool non_root(const PodView *pod, PodFinding *finding)
{
  g_autoptr(GPtrArray) deniers = pod_check_select(pod, denies_non_root);
  g_autoptr(GPtrArray) silent = pod_check_select(pod, is_silent_about_root);
  bool by_pod = !json_flag(pod->context, "runAsNonRoot", true);
  if (by_pod || deniers->len) {
    g_autofree char *who = pod_check_setters(by_pod, deniers);
    return pod_check_found(finding, "runAsNonRoot != true",
                           g_strdup_printf("%s must not set securityContext.runAsNonRoot=false", who));
  }
  if (silent->len == 0 || json_flag(pod->context, "runAsNonRoot", false))
    return false;
  g_autofree char *who = pod_check_containers(silent);
  return pod_check_found(finding, "runAsNonRoot != true",
                         g_strdup_printf("pod or %s must set securityContext.runAsNonRoot=true", who));
}

static bool is_root(const json_t *context)
{
  const json_t *user = json_object_get(context, "runAsUser");
  return json_is_integer(user) && json_integer_value(user) == 0;
}

static bool container_is_root(const json_t *container, const PodView *pod)
{
  return is_root(pod_check_context(container));
}

static bool user(const PodView *pod, PodFinding *finding)
{
  g_autoptr(GPtrArray) names = pod_check_select(pod, container_is_root);
  bool by_pod = is_root(pod->context);
  if (!by_pod && names->len == 0)
    return false;
  g_autofree char *who = pod_check_setters(by_pod, names);
  return pod_check_found(finding, "runAsUser=0", g_strdup_printf("%s must not set runAsUser=0", who));
}

/* --- seccomp -------------------------------------------------------------------------------------------------------
 */

static bool sets_no_seccomp(const json_t *container, const PodView *pod)
{
  return !json_object_get(pod_check_context(container), "seccompProfile");
}

static bool seccomp(const PodView *pod, PodFinding *finding)
{
  bool inherited;
  if (is_exempt(pod))
    return false;
  if (pod_check_bad_seccomp(pod, finding, &inherited))
    return true;
  g_autoptr(GPtrArray) names = pod_check_select(pod, sets_no_seccomp);
  if (inherited || names->len == 0)
    return false;
  g_autofree char *who = pod_check_containers(names);
  return pod_check_found(
      finding, "seccompProfile",
      g_strdup_printf("pod or %s must set securityContext.seccompProfile.type to \"RuntimeDefault\" or \"Localhost\"",
                      who));
}

const PodCheck pod_security_restricted[] = {
  { .id = "allowPrivilegeEscalation", .since = 8, .violates = escalation },
  { .id = "capabilities_restricted", .since = 22, .violates = capabilities, .replaces = "capabilities_baseline" },
  { .id = "restrictedVolumes", .violates = volumes, .replaces = "hostPathVolumes" },
  { .id = "runAsNonRoot", .violates = non_root },
  { .id = "runAsUser", .since = 23, .violates = user },
  { .id = "seccompProfile_restricted", .since = 19, .violates = seccomp, .replaces = "seccompProfile_baseline" },
};
const gsize pod_security_n_restricted = G_N_ELEMENTS(pod_security_restricted);
