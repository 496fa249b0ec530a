/* Annotations of pods that say something to the cluster, and so have rules. */
#include <string.h>

#include "base/json.h"
#include "clusterd/api/strategies/strategy_pod.h"

#define MIRROR "kubernetes.io/config.mirror"
#define DELETION_COST "controller.kubernetes.io/pod-deletion-cost"
#define APP_ARMOR "container.apparmor.security.beta.kubernetes.io/"

static const char *const container_lists[] = { "containers", "initContainers", "ephemeralContainers" };

static bool has_container(const json_t *spec, const char *name)
{
  for (size_t list = 0; list < G_N_ELEMENTS(container_lists); list++)
    if (json_find(json_object_get(spec, container_lists[list]), "name", name))
      return true;
  return false;
}

/* The older form of a container's AppArmor profile. */
static void check_app_armor_annotation(const json_t *spec, const char *container, const json_t *profile,
                                       const char *path, FieldErrors *errors)
{
  const char *text = json_string_value(profile) ? json_string_value(profile) : "";
  g_autoptr(json_t) name = json_string(container);
  if (!has_container(spec, container))
    field_errors_add(errors, FIELD_INVALID, path, name, "container not found");
  if (*text && strcmp(text, "runtime/default") != 0 && strcmp(text, "unconfined") != 0 &&
      !g_str_has_prefix(text, "localhost/"))
    field_errors_add(errors, FIELD_INVALID, path, profile, "invalid AppArmor profile name: \"%s\"", text);
}

void pod_check_annotations(const json_t *object, const char *path, FieldErrors *errors)
{
  const json_t *annotations = json_at(object, "metadata", "annotations", NULL), *spec = json_object_get(object, "spec");
  const char *key;
  json_t *value;
  json_object_foreach ((json_t *)(uintptr_t)annotations, key, value) {
    g_autofree char *at = field_path_key(path, key);
    if (strcmp(key, MIRROR) == 0 && !*json_str(spec, "nodeName", ""))
      field_errors_add(errors, FIELD_INVALID, at, value, "must set spec.nodeName if mirror pod annotation is set");
    if (strcmp(key, DELETION_COST) == 0 &&
        !g_ascii_string_to_signed(json_string_value(value), 10, G_MININT32, G_MAXINT32, NULL, NULL))
      field_errors_add(errors, FIELD_INVALID, at, value, "must be a 32bit integer");
    if (g_str_has_prefix(key, APP_ARMOR))
      check_app_armor_annotation(spec, key + strlen(APP_ARMOR), value, at, errors);
  }
}

/* What is said of a change of the annotation KEY, whose kind has none to be added or changed; NULL: anybody may. */
static void refuse_change(const char *key, bool is_new, FieldErrors *errors)
{
  const char *what = g_str_has_prefix(key, APP_ARMOR) ? "AppArmor annotations"
                     : strcmp(key, MIRROR) == 0       ? "mirror pod annotation"
                                                      : NULL;
  g_autofree char *path = field_path_key("metadata.annotations", key);
  if (what)
    field_errors_add(errors, FIELD_FORBIDDEN, path, NULL, "may not %s %s", is_new ? "add" : "remove or update", what);
}

void pod_check_annotation_changes(const json_t *object, const json_t *old, FieldErrors *errors)
{
  const json_t *after = json_at(object, "metadata", "annotations", NULL);
  const json_t *before = json_at(old, "metadata", "annotations", NULL);
  const char *key;
  json_t *value;
  json_object_foreach ((json_t *)(uintptr_t)before, key, value) {
    if (!json_same(json_object_get(after, key), value))
      refuse_change(key, false, errors);
  }
  json_object_foreach ((json_t *)(uintptr_t)after, key, value) {
    if (!json_object_get(before, key))
      refuse_change(key, true, errors);
  }
  pod_check_annotations(object, "metadata.annotations", errors);
}
