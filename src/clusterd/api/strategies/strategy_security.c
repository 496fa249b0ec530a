/* Security contexts of pods and containers. */
#include "clusterd/api/strategies/strategy_security.h"

#include <string.h>

#include "base/json.h"
#include "clusterd/api/strategies/strategies.h"
#include "clusterd/api/validation.h"

#define SYSCTL_NAME_MAX 253
#define APP_ARMOR_PROFILE_MAX 4095 /* a path */

void validate_seccomp(const json_t *value, const char *path, FieldErrors *errors)
{
  static const char *const types[] = { "Localhost", "RuntimeDefault", "Unconfined", NULL };
  const json_t *type = json_object_get(value, "type"), *profile = json_object_get(value, "localhostProfile");
  const char *text = json_str(value, "type", "");
  bool local = strcmp(text, "Localhost") == 0;
  g_autofree char *type_path = field_path_child(path, "type"),
                  *profile_path = field_path_child(path, "localhostProfile");
  if (!*text)
    field_errors_add(errors, FIELD_REQUIRED, type_path, NULL, "type is required when seccompProfile is set");
  else if (!g_strv_contains(types, text))
    field_errors_add_unsupported(errors, type_path, type, types);
  if (local && !profile)
    field_errors_add(errors, FIELD_REQUIRED, profile_path, NULL, "must be set when seccomp type is Localhost");
  else if (local)
    api_validate_format("descendingPath", profile, profile_path, errors);
  else if (profile)
    field_errors_add(errors, FIELD_INVALID, profile_path, profile, "can only be set when seccomp type is Localhost");
}

void validate_app_armor(const json_t *value, const char *path, FieldErrors *errors)
{
  static const char *const types[] = { "Localhost", "RuntimeDefault", "Unconfined", NULL };
  const json_t *type = json_object_get(value, "type"), *profile = json_object_get(value, "localhostProfile");
  const char *text = json_str(value, "type", ""), *name = json_str(value, "localhostProfile", "");
  bool local = strcmp(text, "Localhost") == 0;
  g_autofree char *type_path = field_path_child(path, "type"),
                  *profile_path = field_path_child(path, "localhostProfile");
  g_autofree char *trimmed = g_strstrip(g_strdup(name));
  if (!*text)
    field_errors_add(errors, FIELD_REQUIRED, type_path, NULL, "type is required when appArmorProfile is set");
  else if (!g_strv_contains(types, text))
    field_errors_add_unsupported(errors, type_path, type, types);
  else if (!local && profile)
    field_errors_add(errors, FIELD_INVALID, profile_path, profile, "can only be set when AppArmor type is Localhost");
  else if (local && (!profile || !*name))
    field_errors_add(errors, FIELD_REQUIRED, profile_path, NULL, "must be set when AppArmor type is Localhost");
  else if (local && strcmp(trimmed, name) != 0)
    field_errors_add(errors, FIELD_INVALID, profile_path, profile, "must not be padded with whitespace");
  if (local && strlen(name) > APP_ARMOR_PROFILE_MAX)
    field_errors_add(errors, FIELD_TOO_LONG, profile_path, NULL, "may not be more than %d bytes",
                     APP_ARMOR_PROFILE_MAX);
}

/* Dots or slashes between segments that begin and end with a letter or digit. */
static bool is_sysctl_name(const char *name)
{
  g_auto(GStrv) segments = g_strsplit_set(name, "./", -1);
  for (char **segment = segments; *segment; segment++) {
    size_t length = strlen(*segment);
    if (length == 0 || strspn(*segment, "abcdefghijklmnopqrstuvwxyz0123456789-_") != length ||
        !g_ascii_isalnum((*segment)[0]) || !g_ascii_isalnum((*segment)[length - 1]))
      return false;
  }
  return *segments && strlen(name) <= SYSCTL_NAME_MAX;
}

/* Kernel parameters of a namespace that the pod shares with the node are not the pod's to set. */
static const char *sysctl_conflict(const json_t *spec, const char *name)
{
  static const char *const ipc[] = { "kernel.shm", "kernel.msg", "fs.mqueue.", NULL };
  g_autofree char *dotted = g_strdelimit(g_strdup(name), "/", '.');
  if (json_flag(spec, "hostNetwork", false) && g_str_has_prefix(dotted, "net."))
    return "may not be specified when 'hostNetwork' is true";
  for (size_t i = 0; json_flag(spec, "hostIPC", false) && ipc[i]; i++) {
    if (g_str_has_prefix(dotted, ipc[i]))
      return "may not be specified when 'hostIPC' is true";
  }
  return json_flag(spec, "hostIPC", false) && strcmp(dotted, "kernel.sem") == 0
             ? "may not be specified when 'hostIPC' is true"
             : NULL;
}

static void check_sysctls(const json_t *spec, const char *path, FieldErrors *errors)
{
  g_autoptr(GHashTable) names = g_hash_table_new(g_str_hash, g_str_equal);
  size_t index;
  json_t *sysctl;
  json_array_foreach (json_at(spec, "securityContext", "sysctls", NULL), index, sysctl) {
    const json_t *name = json_object_get(sysctl, "name");
    const char *text = json_str(sysctl, "name", ""), *conflict = sysctl_conflict(spec, text);
    g_autofree char *name_path = g_strdup_printf("%s.securityContext.sysctls[%zu].name", path, index);
    if (!*text)
      field_errors_add(errors, FIELD_REQUIRED, name_path, NULL, NULL);
    else if (!is_sysctl_name(text))
      field_errors_add(errors, FIELD_INVALID, name_path, name,
                       "must have at most %d characters and match regex "
                       "^([a-z0-9]([-_a-z0-9]*[a-z0-9])?[\\./])*[a-z0-9]([-_a-z0-9]*[a-z0-9])?$",
                       SYSCTL_NAME_MAX);
    else if (!g_hash_table_add(names, (gpointer)(uintptr_t)text))
      field_errors_add(errors, FIELD_DUPLICATE, name_path, name, NULL);
    if (conflict)
      field_errors_add(errors, FIELD_INVALID, name_path, name, "%s", conflict);
  }
}

void security_check_pod(const json_t *spec, const char *path, FieldErrors *errors)
{
  const json_t *shares = json_object_get(spec, "shareProcessNamespace");
  if (json_is_true(shares) && json_flag(spec, "hostPID", false))
    field_errors_add_at(errors, FIELD_INVALID, path, "securityContext.shareProcessNamespace", shares,
                        "ShareProcessNamespace and HostPID cannot both be enabled");
  check_sysctls(spec, path, errors);
  if (json_flag(spec, "hostUsers", true))
    return;
  static const char *const shared[][2] = { { "hostNetwork", "hostNetwork" },
                                           { "hostPID", "HostPID" },
                                           { "hostIPC", "HostIPC" } };
  for (size_t i = 0; i < G_N_ELEMENTS(shared); i++) {
    if (json_flag(spec, shared[i][0], false))
      field_errors_add_at(errors, FIELD_FORBIDDEN, path, shared[i][1], NULL, "when `pod.Spec.HostUsers` is false");
  }
}

void validate_security_context(const json_t *value, const char *path, FieldErrors *errors)
{
  size_t index;
  json_t *capability;
  if (json_flag(value, "allowPrivilegeEscalation", true))
    return;
  if (json_flag(value, "privileged", false))
    field_errors_add(errors, FIELD_INVALID, path, value,
                     "cannot set `allowPrivilegeEscalation` to false and `privileged` to true");
  json_array_foreach (json_at(value, "capabilities", "add", NULL), index, capability) {
    if (strcmp(json_string_value(capability), "CAP_SYS_ADMIN") == 0)
      field_errors_add(errors, FIELD_INVALID, path, value,
                       "cannot set `allowPrivilegeEscalation` to false and `capabilities.Add` CAP_SYS_ADMIN");
  }
}
