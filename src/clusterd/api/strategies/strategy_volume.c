/* Volumes of pods: exactly one source each, and the rules of the sources that no table can say.
 * Source: k8s.io/kubernetes/pkg/apis/core/validation. */
#include <string.h>

#include "base/json.h"
#include "base/quantity.h"
#include "clusterd/api/strategies/strategies.h"
#include "clusterd/api/strategies/strategy_environment.h"
#include "clusterd/api/validation.h"

#define TOKEN_SECONDS_MIN 600
#define TOKEN_SECONDS_MAX (INT64_C(1) << 32)
#define CSI_NAME_MAX 63

void default_volume(json_t *value)
{
  /* A volume that says nothing but its name is an empty directory. */
  if (json_object_size(value) == 1 && json_object_get(value, "name"))
    json_object_set_new(value, "emptyDir", json_object());
}

void validate_empty_dir(const json_t *value, const char *path, FieldErrors *errors)
{
  Quantity limit;
  if (quantity_parse(json_str(value, "sizeLimit", "0"), &limit, NULL) && limit.nano < 0)
    field_errors_add_at(errors, FIELD_FORBIDDEN, path, "sizeLimit", NULL,
                        "SizeLimit field must be a valid resource quantity");
}

void validate_nfs(const json_t *value, const char *path, FieldErrors *errors)
{
  const char *text = json_str(value, "path", "");
  g_autoptr(json_t) shown = json_string(text);
  if (*text != '/')
    field_errors_add_at(errors, FIELD_INVALID, path, "path", shown, "must be an absolute path");
}

void validate_iscsi(const json_t *value, const char *path, FieldErrors *errors)
{
  bool authenticates = json_flag(value, "chapAuthDiscovery", false) || json_flag(value, "chapAuthSession", false);
  const json_t *iqn = json_object_get(value, "iqn");
  const char *text = json_str(value, "iqn", "");
  if (*text && !g_str_has_prefix(text, "iqn") && !g_str_has_prefix(text, "eui") && !g_str_has_prefix(text, "naa"))
    field_errors_add_at(errors, FIELD_INVALID, path, "iqn", iqn, "must be valid format starting with iqn, eui, or naa");
  if (authenticates && !json_object_get(value, "secretRef"))
    field_errors_add_at(errors, FIELD_REQUIRED, path, "secretRef", NULL, NULL);
}

void validate_fibre_channel(const json_t *value, const char *path, FieldErrors *errors)
{
  const json_t *names = json_object_get(value, "targetWWNs"), *lun = json_object_get(value, "lun");
  bool named = json_array_size(names) > 0, identified = json_array_size(json_object_get(value, "wwids")) > 0;
  if (!named && !identified)
    field_errors_add_at(errors, FIELD_REQUIRED, path, "targetWWNs", NULL,
                        "must specify either targetWWNs or wwids, but not both");
  if (named && identified)
    field_errors_add_at(errors, FIELD_INVALID, path, "targetWWNs", names,
                        "targetWWNs and wwids can not be specified simultaneously");
  if (named && !lun)
    field_errors_add_at(errors, FIELD_REQUIRED, path, "lun", NULL, "lun is required if targetWWNs is specified");
  else if (named && (json_integer_value(lun) < 0 || json_integer_value(lun) > 255))
    field_errors_add_at(errors, FIELD_INVALID, path, "lun", lun, "must be between 0 and 255, inclusive");
}

void validate_csi_name(const json_t *value, const char *path, FieldErrors *errors)
{
  const json_t *driver = json_object_get(value, "driver");
  const char *text = json_str(value, "driver", "");
  g_autofree char *lower = g_ascii_strdown(text, -1);
  if (!*text)
    field_errors_add_at(errors, FIELD_REQUIRED, path, "driver", NULL, NULL);
  if (strlen(text) > CSI_NAME_MAX)
    field_errors_add_at(errors, FIELD_TOO_LONG, path, "driver", NULL, "may not be more than %d bytes", CSI_NAME_MAX);
  g_autoptr(json_t) empty = json_string("");
  if (!api_is_dns_subdomain(lower))
    field_errors_add_at(errors, FIELD_INVALID, path, "driver", driver ? driver : empty, "%s", api_subdomain_text);
}

/* A file made from a member of the pod. Upstream reports on the volume, not on the item. */
static void check_file(const json_t *file, const char *path, FieldErrors *errors)
{
  static const char *const supported[] = { "metadata.annotations", "metadata.labels", "metadata.name",
                                           "metadata.namespace",   "metadata.uid",    NULL };
  const json_t *field = json_object_get(file, "fieldRef"), *resource = json_object_get(file, "resourceFieldRef");
  const json_t *target = json_object_get(file, "path"), *mode = json_object_get(file, "mode");
  g_autofree char *field_path = field_path_child(path, "fieldRef");
  g_autofree char *resource_path = field_path_child(path, "resourceFieldRef");
  g_autofree char *target_path = field_path_child(path, "path"), *mode_path = field_path_child(path, "mode");
  g_autoptr(json_t) shown = json_string("resource");
  if (json_string_length(target) == 0)
    field_errors_add(errors, FIELD_REQUIRED, target_path, NULL, NULL);
  api_validate_format("localPath", target, target_path, errors);
  if (field)
    environment_check_field(field, supported, field_path, errors);
  if (field && resource)
    field_errors_add(errors, FIELD_INVALID, path, shown,
                     "fieldRef and resourceFieldRef can not be specified simultaneously");
  if (!field && resource)
    environment_check_resource(resource, true, resource_path, errors);
  if (!field && !resource)
    field_errors_add(errors, FIELD_REQUIRED, path, NULL, "one of fieldRef and resourceFieldRef is required");
  if (mode)
    api_validate_format("fileMode", mode, mode_path, errors);
}

void validate_downward_api(const json_t *value, const char *path, FieldErrors *errors)
{
  size_t index;
  json_t *file;
  json_array_foreach (json_object_get(value, "items"), index, file) {
    check_file(file, path, errors);
  }
}

static void check_token(const json_t *token, const char *source_path, const char *path, FieldErrors *errors)
{
  const json_t *seconds = json_object_get(token, "expirationSeconds"), *target = json_object_get(token, "path");
  g_autofree char *target_path = field_path_child(path, "path");
  if (json_integer_value(seconds) < TOKEN_SECONDS_MIN)
    field_errors_add_at(errors, FIELD_INVALID, source_path, "serviceAccountToken.expirationSeconds", seconds,
                        "may not specify a duration less than 10 minutes");
  if (json_integer_value(seconds) > TOKEN_SECONDS_MAX)
    field_errors_add_at(errors, FIELD_INVALID, source_path, "serviceAccountToken.expirationSeconds", seconds,
                        "may not specify a duration larger than 2^32 seconds");
  if (json_string_length(target) == 0)
    field_errors_add(errors, FIELD_REQUIRED, target_path, NULL, NULL);
  api_validate_format("localPath", target, target_path, errors);
}

/* No file is written twice. SHOWN is what upstream shows: the name of the source, or the path itself. */
static void check_twice(GHashTable *paths, const json_t *items, const json_t *shown, const char *path,
                        FieldErrors *errors)
{
  size_t index;
  json_t *item;
  json_array_foreach ((json_t *)(uintptr_t)items, index, item) {
    const char *target = json_str(item, "path", "");
    if (*target && !g_hash_table_add(paths, (gpointer)(uintptr_t)target))
      field_errors_add(errors, FIELD_INVALID, path, shown ? shown : json_object_get(item, "path"),
                       "conflicting duplicate paths");
  }
}

void validate_projected(const json_t *value, const char *path, FieldErrors *errors)
{
  g_autoptr(GHashTable) paths = g_hash_table_new(g_str_hash, g_str_equal);
  size_t index;
  json_t *source;
  json_array_foreach (json_object_get(value, "sources"), index, source) {
    const json_t *secret = json_object_get(source, "secret"), *config = json_object_get(source, "configMap");
    const json_t *token = json_object_get(source, "serviceAccountToken");
    g_autofree char *source_path = g_strdup_printf("%s.sources[%zu]", path, index);
    check_twice(paths, json_object_get(secret, "items"), json_object_get(secret, "name"), path, errors);
    check_twice(paths, json_object_get(config, "items"), json_object_get(config, "name"), path, errors);
    check_twice(paths, json_at(source, "downwardAPI", "items", NULL), NULL, path, errors);
    if (token)
      check_token(token, source_path, path, errors);
    if (json_object_size(source) > 1)
      field_errors_add(errors, FIELD_FORBIDDEN, source_path, NULL,
                       "may not specify more than 1 volume type per source");
  }
}

void validate_volume(const json_t *value, const char *path, FieldErrors *errors)
{
  const char *name;
  json_t *source;
  unsigned found = 0;
  json_object_foreach ((json_t *)(uintptr_t)value, name, source) {
    if (strcmp(name, "name") == 0)
      continue;
    if (found++ > 0)
      field_errors_add_at(errors, FIELD_FORBIDDEN, path, name, NULL, "may not specify more than 1 volume type");
  }
  if (found == 0)
    field_errors_add(errors, FIELD_REQUIRED, path, NULL, "must specify a volume type");
}
