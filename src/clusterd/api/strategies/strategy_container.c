/* Containers: image pull policy, ports, probes. */
#include <string.h>

#include "base/json.h"
#include "clusterd/api/strategies/strategies.h"
#include "clusterd/api/validation.h"

/* True when an image reference has no tag or the tag "latest", and no digest. */
static bool is_latest(const char *image)
{
  const char *slash = strrchr(image, '/'), *name = slash ? slash + 1 : image, *colon = strrchr(name, ':');
  if (strchr(name, '@'))
    return false;
  return !colon || strcmp(colon, ":latest") == 0;
}

void default_container(json_t *value)
{
  const char *image = json_str(value, "image", "");
  if (!*json_str(value, "imagePullPolicy", ""))
    json_object_set_new(value, "imagePullPolicy", json_string(is_latest(image) ? "Always" : "IfNotPresent"));
}

static void check_port_names(const json_t *container, const char *path, FieldErrors *errors)
{
  g_autoptr(GHashTable) names = g_hash_table_new(g_str_hash, g_str_equal);
  size_t index;
  json_t *port;
  json_array_foreach (json_object_get(container, "ports"), index, port) {
    const json_t *name = json_object_get(port, "name");
    if (json_string_length(name) == 0 || g_hash_table_add(names, (gpointer)(uintptr_t)json_string_value(name)))
      continue;
    g_autofree char *name_path = g_strdup_printf("%s.ports[%zu].name", path, index);
    field_errors_add(errors, FIELD_DUPLICATE, name_path, name, NULL);
  }
}

/* These two probes end at their first success. */
static void check_success_threshold(const json_t *container, const char *probe, const char *path, FieldErrors *errors)
{
  const json_t *threshold = json_at(container, probe, "successThreshold", NULL);
  if (!threshold || json_integer_value(threshold) == 1)
    return;
  g_autofree char *member_path = g_strdup_printf("%s.%s.successThreshold", path, probe);
  field_errors_add(errors, FIELD_INVALID, member_path, threshold, "must be 1");
}

void validate_container(const json_t *value, const char *path, FieldErrors *errors)
{
  check_port_names(value, path, errors);
  check_success_threshold(value, "livenessProbe", path, errors);
  check_success_threshold(value, "startupProbe", path, errors);
  if (json_at(value, "readinessProbe", "terminationGracePeriodSeconds", NULL)) {
    g_autofree char *member_path = field_path_child(path, "readinessProbe.terminationGracePeriodSeconds");
    field_errors_add(errors, FIELD_INVALID, member_path,
                     json_at(value, "readinessProbe", "terminationGracePeriodSeconds", NULL),
                     "must not be set for readinessProbes");
  }
}
