/* What a pod asks of Windows, and what it may not ask of it. Source: k8s.io/kubernetes/pkg/apis/core/validation. */
#include <string.h>

#include "base/json.h"
#include "clusterd/api/strategies/strategies.h"
#include "clusterd/api/strategies/strategy_security.h"
#include "clusterd/api/validation.h"

#define CREDENTIAL_KIB_MAX 64
#define DOMAIN_MAX 256
#define USER_MAX 104
#define NETBIOS_MAX 15
#define USER_NAME "runAsUserName"

static void refuse_user(const json_t *value, const char *path, FieldErrors *errors, const char *why)
{
  field_errors_add_at(errors, FIELD_INVALID, path, USER_NAME, json_object_get(value, USER_NAME), "%s", why);
}

static bool is_netbios_name(const char *name)
{
  size_t length = strlen(name);
  return length >= 1 && length <= NETBIOS_MAX && *name != '.' && !strpbrk(name, "\\/:*?\"<>|");
}

static bool is_dns_name(const char *name)
{
  g_autofree char *lower = g_ascii_strdown(name, -1);
  return api_is_dns_subdomain(lower);
}

static void check_account(const json_t *value, const char *domain, const char *user, const char *path,
                          FieldErrors *errors)
{
  if (domain && strlen(domain) >= DOMAIN_MAX)
    refuse_user(value, path, errors, "runAsUserName's Domain length must be under 256 characters");
  if (domain && !is_netbios_name(domain) && !is_dns_name(domain))
    refuse_user(value, path, errors, "runAsUserName's Domain doesn't match the NetBios nor the DNS format");
  if (!*user)
    refuse_user(value, path, errors, "runAsUserName's User cannot be empty");
  else if (strlen(user) > USER_MAX)
    refuse_user(value, path, errors, "runAsUserName's User length must not be longer than 104 characters");
  if (*user && strspn(user, ". ") == strlen(user))
    refuse_user(value, path, errors, "runAsUserName's User cannot contain only periods or spaces");
  if (strpbrk(user, "\"/\\:;|=,+*?<>@[]"))
    refuse_user(value, path, errors,
                "runAsUserName's User cannot contain the following characters: \"/\\:;|=,+*?<>@[]");
}

static bool has_control_character(const char *text)
{
  for (; *text; text++)
    if (g_ascii_iscntrl(*text))
      return true;
  return false;
}

static void check_user(const json_t *value, const char *name, const char *path, FieldErrors *errors)
{
  g_auto(GStrv) parts = g_strsplit(name, "\\", -1);
  guint n_parts = g_strv_length(parts);
  if (!*name)
    refuse_user(value, path, errors, "runAsUserName cannot be an empty string");
  else if (has_control_character(name))
    refuse_user(value, path, errors, "runAsUserName cannot contain control characters");
  else if (n_parts > 2)
    refuse_user(value, path, errors, "runAsUserName cannot contain more than one backslash");
  else
    check_account(value, n_parts == 2 ? parts[0] : NULL, parts[n_parts - 1], path, errors);
}

void validate_windows_options(const json_t *value, const char *path, FieldErrors *errors)
{
  const json_t *name = json_object_get(value, "gmsaCredentialSpecName");
  const json_t *spec = json_object_get(value, "gmsaCredentialSpec");
  const char *user = json_str(value, USER_NAME, NULL);
  g_autofree char *name_path = field_path_child(path, "gmsaCredentialSpecName");
  if (name)
    api_validate_format("dns1123subdomain", name, name_path, errors);
  if (spec && json_string_length(spec) == 0)
    field_errors_add_at(errors, FIELD_INVALID, path, "gmsaCredentialSpec", spec,
                        "gmsaCredentialSpec cannot be an empty string");
  else if (json_string_length(spec) > CREDENTIAL_KIB_MAX << 10)
    field_errors_add_at(errors, FIELD_INVALID, path, "gmsaCredentialSpec", spec,
                        "gmsaCredentialSpec size must be under %d KiB", CREDENTIAL_KIB_MAX);
  if (user)
    check_user(value, user, path, errors);
}

/* --- processes of the host -----------------------------------------------------------------------------------------
 */

static const char *const container_lists[] = { "initContainers", "containers", "ephemeralContainers" };

/* Calls VISIT for every container of SPEC with its path. */
static void visit_containers(const json_t *spec, const char *path, FieldErrors *errors,
                             void (*visit)(const json_t *container, const char *path, FieldErrors *errors, void *data),
                             void *data)
{
  size_t index;
  json_t *container;
  for (size_t list = 0; list < G_N_ELEMENTS(container_lists); list++) {
    json_array_foreach (json_object_get(spec, container_lists[list]), index, container) {
      g_autofree char *item = g_strdup_printf("%s.%s[%zu]", path, container_lists[list], index);
      visit(container, item, errors, data);
    }
  }
}

typedef struct HostProcesses {
  const json_t *of_pod; /* NULL: not said */
  unsigned containers, on_host;
} HostProcesses;

static void count_host_process(const json_t *container, const char *path, FieldErrors *errors, void *data)
{
  HostProcesses *count = data;
  const json_t *own = json_at(container, "securityContext", "windowsOptions", "hostProcess", NULL);
  count->containers++;
  count->on_host += json_is_true(own ? own : count->of_pod);
  if (own && count->of_pod && json_is_true(own) != json_is_true(count->of_pod))
    field_errors_add_at(errors, FIELD_INVALID, path, "securityContext.windowsOptions.hostProcess", own,
                        "pod hostProcess value must be identical if both are specified, was %s",
                        json_is_true(count->of_pod) ? "true" : "false");
}

void windows_check_host_processes(const json_t *spec, const char *path, FieldErrors *errors)
{
  HostProcesses count = { .of_pod = json_at(spec, "securityContext", "windowsOptions", "hostProcess", NULL) };
  visit_containers(spec, path, errors, count_host_process, &count);
  if (count.on_host == 0)
    return;
  g_autoptr(json_t) nothing = json_string("");
  if (count.on_host != count.containers)
    field_errors_add(errors, FIELD_INVALID, path, nothing,
                     "If pod contains any hostProcess containers then all containers must be HostProcess containers");
  if (!json_flag(spec, "hostNetwork", false))
    field_errors_add_at(errors, FIELD_INVALID, path, "hostNetwork", json_false(),
                        "hostNetwork must be true if pod contains any hostProcess containers");
}

/* --- what each system does not know --------------------------------------------------------------------------------
 */

typedef struct Forbidden {
  const char *const *members; /* of a container's security context */
  const char *why;
} Forbidden;

static void forbid_members(const json_t *value, const char *path, const char *const *members, const char *why,
                           FieldErrors *errors)
{
  for (; *members; members++)
    if (json_object_get(value, *members))
      field_errors_add_at(errors, FIELD_FORBIDDEN, path, *members, NULL, "%s", why);
}

static void forbid_in_container(const json_t *container, const char *path, FieldErrors *errors, void *data)
{
  const Forbidden *forbidden = data;
  g_autofree char *context_path = field_path_child(path, "securityContext");
  forbid_members(json_object_get(container, "securityContext"), context_path, forbidden->members, forbidden->why,
                 errors);
}

static void check_for_windows(const json_t *spec, const char *path, FieldErrors *errors)
{
  static const char *const of_pod[] = { "appArmorProfile", "seLinuxOptions", NULL };
  static const char *const of_spec[] = { "hostUsers", "hostPID", "hostIPC", NULL };
  static const char *const more_of_pod[] = { "seccompProfile", "fsGroup", "fsGroupChangePolicy", "sysctls", NULL };
  static const char *const more_of_spec[] = { "shareProcessNamespace", NULL };
  static const char *const users[] = { "runAsUser", "runAsGroup", "supplementalGroups", "supplementalGroupsPolicy",
                                       NULL };
  static const char *const of_container[] = { "appArmorProfile",
                                              "seLinuxOptions",
                                              "seccompProfile",
                                              "capabilities",
                                              "readOnlyRootFilesystem",
                                              "privileged",
                                              "allowPrivilegeEscalation",
                                              "procMount",
                                              "runAsUser",
                                              "runAsGroup",
                                              NULL };
  Forbidden forbidden = { of_container, "cannot be set for a windows pod" };
  const json_t *context = json_object_get(spec, "securityContext");
  g_autofree char *context_path = field_path_child(path, "securityContext");
  forbid_members(context, context_path, of_pod, forbidden.why, errors);
  forbid_members(spec, path, of_spec, forbidden.why, errors);
  forbid_members(context, context_path, more_of_pod, forbidden.why, errors);
  forbid_members(spec, path, more_of_spec, forbidden.why, errors);
  forbid_members(context, context_path, users, forbidden.why, errors);
  visit_containers(spec, path, errors, forbid_in_container, &forbidden);
}

static void check_for_linux(const json_t *spec, const char *path, FieldErrors *errors)
{
  static const char *const members[] = { "windowsOptions", NULL };
  Forbidden forbidden = { members, "windows options cannot be set for a linux pod" };
  g_autofree char *context_path = field_path_child(path, "securityContext");
  forbid_members(json_object_get(spec, "securityContext"), context_path, members, forbidden.why, errors);
  visit_containers(spec, path, errors, forbid_in_container, &forbidden);
}

void windows_check_system(const json_t *spec, const char *path, FieldErrors *errors)
{
  const char *system = json_str(json_object_get(spec, "os"), "name", "");
  if (strcmp(system, "linux") == 0)
    check_for_linux(spec, path, errors);
  else if (strcmp(system, "windows") == 0)
    check_for_windows(spec, path, errors);
}
