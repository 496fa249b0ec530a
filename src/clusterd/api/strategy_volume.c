/* Volumes: exactly one source each. */
#include <string.h>

#include "base/json.h"
#include "clusterd/api/strategies.h"

void default_volume(json_t *value)
{
  /* A volume that says nothing but its name is an empty directory. */
  if (json_object_size(value) == 1 && json_object_get(value, "name"))
    json_object_set_new(value, "emptyDir", json_object());
}

static void check_host_path(const json_t *volume, const char *path, FieldErrors *errors)
{
  const json_t *host_path = json_at(volume, "hostPath", "path", NULL);
  g_auto(GStrv) parts = g_strsplit(json_is_string(host_path) ? json_string_value(host_path) : "", "/", -1);
  if (!g_strv_contains((const char *const *)parts, ".."))
    return;
  g_autofree char *member_path = field_path_child(path, "hostPath.path");
  field_errors_add(errors, FIELD_INVALID, member_path, host_path, "must not contain '..'");
}

/* The members of the projections that must be there, and that no file is written twice. */
static void check_projected(const json_t *volume, const char *path, FieldErrors *errors)
{
  size_t index;
  json_t *source;
  json_array_foreach (json_at(volume, "projected", "sources", NULL), index, source) {
    if (json_object_size(source) <= 1)
      continue;
    g_autofree char *source_path = g_strdup_printf("%s.projected.sources[%zu]", path, index);
    field_errors_add(errors, FIELD_FORBIDDEN, source_path, NULL, "may not specify more than 1 volume type");
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
    if (found++ == 0)
      continue;
    g_autofree char *source_path = field_path_child(path, name);
    field_errors_add(errors, FIELD_FORBIDDEN, source_path, NULL, "may not specify more than 1 volume type");
  }
  if (found == 0)
    field_errors_add(errors, FIELD_REQUIRED, path, NULL, "must specify a volume type");
  check_host_path(value, path, errors);
  check_projected(value, path, errors);
}
