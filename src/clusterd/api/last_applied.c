#include "clusterd/api/last_applied.h"

#include <string.h>

#include "base/json.h"
#include "clusterd/api/apply/field_set.h"
#include "clusterd/api/json_prune.h"

#define ANNOTATION "kubectl.kubernetes.io/last-applied-configuration"
#define ANNOTATION_BYTES_MAX (256u << 10) /* of all annotations; a longer configuration is not kept */

static const char *annotation_of(const json_t *object)
{
  return json_str(json_at(object, "metadata", "annotations", NULL), ANNOTATION, "");
}

json_t *last_applied_fields(const ApiKind *kind, const json_t *live)
{
  const char *text = annotation_of(live);
  g_autoptr(json_t) given = *text ? json_parse(text, strlen(text), false, NULL) : NULL;
  g_autofree char *version = api_group_version(kind);
  if (!kind->message || strcmp(json_str(given, "apiVersion", ""), version) != 0)
    return NULL;
  g_autoptr(json_t) applied = json_prune(kind->message, kind->kind, given, NULL, NULL);
  if (!applied)
    return NULL;
  json_t *changed = NULL, *removed = NULL;
  field_set_compare(kind->message, applied, live, &changed, &removed);
  g_autoptr(json_t) all = field_set_of_value(kind->message, applied);
  g_autoptr(json_t) unchanged = field_set_minus(all, changed);
  json_t *kept = field_set_minus(unchanged, removed);
  json_decref(changed);
  json_decref(removed);
  return kept;
}

void last_applied_follow(json_t *object, const json_t *config)
{
  if (!*annotation_of(object))
    return;
  g_autoptr(json_t) applied = json_deep_copy(config);
  json_t *annotations = json_object_get(json_object_get(applied, "metadata"), "annotations");
  json_object_del(annotations, ANNOTATION);
  if (annotations && json_object_size(annotations) == 0)
    json_object_del(json_object_get(applied, "metadata"), "annotations");
  g_autofree char *text = json_text_sorted(applied);
  g_autofree char *line = g_strconcat(text, "\n", NULL);
  if (strlen(line) <= ANNOTATION_BYTES_MAX)
    json_object_set_new(json_ensure_object(object, "metadata", "annotations", NULL), ANNOTATION, json_string(line));
}
