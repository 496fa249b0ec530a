#include "clusterd/api/conversion/conversion_annotation.h"

#include <string.h>

#include "base/json.h"

void conversion_forget(json_t *object, const char *annotation)
{
  json_t *metadata = json_object_get(object, "metadata"), *annotations = json_object_get(metadata, "annotations");
  json_object_del(annotations, annotation);
  if (annotations && json_object_size(annotations) == 0)
    json_object_del(metadata, "annotations");
}

void conversion_hide(json_t *object, const char *part, const char *member, const char *annotation)
{
  json_t *value = json_object_get(json_object_get(object, part), member);
  if (!value)
    return;
  g_autofree char *text = json_text(value);
  json_object_set_new(json_ensure_object(object, "metadata", "annotations", NULL), annotation, json_string(text));
  json_object_del(json_object_get(object, part), member);
}

void conversion_reveal(json_t *object, const char *part, const char *member, const char *annotation)
{
  const char *text = json_str(json_at(object, "metadata", "annotations", NULL), annotation, "");
  json_t *value = *text ? json_parse(text, strlen(text), true, NULL) : NULL;
  if (!value)
    return;
  json_object_set_new(json_ensure_object(object, part, NULL), member, value);
  conversion_forget(object, annotation);
}
