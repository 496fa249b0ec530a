#include "clusterd/api/validation.h"

#include <string.h>

#include "base/json.h"
#include "clusterd/api/codec.h"
#include "clusterd/api/custom/schema.h"
#include "clusterd/api/validation_metadata.h"

typedef struct Walk {
  FieldErrors *errors;
  GString *path;
  unsigned depth;
} Walk;

static void walk_message(Walk *walk, const ApiMessage *message, const json_t *value, const json_t *old);

static bool is_empty(const json_t *value)
{
  switch (value ? json_typeof(value) : JSON_NULL) {
  case JSON_NULL:
    return true;
  case JSON_STRING:
    return json_string_length(value) == 0;
  case JSON_ARRAY:
    return json_array_size(value) == 0;
  case JSON_OBJECT:
    return json_object_size(value) == 0;
  default:
    return false;
  }
}

static void check_range(Walk *walk, const ApiField *field, const json_t *value)
{
  int64_t number = json_integer_value(value), low = field->minimum, high = field->maximum;
  /* A zero that upstream would not write is an absent value: only members that must be given refuse it. */
  bool absent = number == 0 && !(field->flags & (API_FIELD_OPTIONAL | API_FIELD_REQUIRED));
  if (!json_is_integer(value) || (low == 0 && high == 0) || absent || (number >= low && number <= high))
    return;
  if (high < INT64_MAX && low <= high)
    field_errors_add(walk->errors, FIELD_INVALID, walk->path->str, value,
                     "must be between %" G_GINT64_FORMAT " and %" G_GINT64_FORMAT ", inclusive", low, high);
  else if (number < low && low == 1)
    field_errors_add(walk->errors, FIELD_INVALID, walk->path->str, value, "must be greater than 0");
  else
    field_errors_add(walk->errors, FIELD_INVALID, walk->path->str, value,
                     "must be greater than or equal to %" G_GINT64_FORMAT, low);
}

static void check_allowed(Walk *walk, const ApiField *field, const json_t *value)
{
  const char *text = json_string_value(value);
  if (field->allowed && text && *text && !g_strv_contains(field->allowed, text))
    field_errors_add_unsupported(walk->errors, walk->path->str, value, field->allowed);
}

static void walk_element(Walk *walk, const ApiField *field, const json_t *value, const json_t *old)
{
  switch ((ApiType)field->type) {
  case API_MESSAGE:
    if (json_is_object(value))
      walk_message(walk, field->message, value, old);
    break;
  case API_STRING:
    check_allowed(walk, field, value);
    if (field->format && json_string_length(value) > 0)
      api_validate_format(field->format, value, walk->path->str, walk->errors);
    break;
  case API_INT32:
  case API_INT64:
    check_range(walk, field, value);
    if (field->format)
      api_validate_format(field->format, value, walk->path->str, walk->errors);
    break;
  default:
    break;
  }
}

static void walk_member(Walk *walk, const ApiField *field, const json_t *value, const json_t *old)
{
  size_t index, length = walk->path->len;
  const char *key;
  json_t *element;
  if (field->flags & API_FIELD_LIST) {
    json_array_foreach (value, index, element) {
      g_string_append_printf(walk->path, "[%zu]", index);
      walk_element(walk, field, element, NULL);
      g_string_truncate(walk->path, length);
    }
  } else if (field->flags & API_FIELD_MAP) {
    json_object_foreach ((json_t *)(uintptr_t)value, key, element) {
      g_string_append_printf(walk->path, "[%s]", key);
      walk_element(walk, field, element, json_object_get(old, key));
      g_string_truncate(walk->path, length);
    }
  } else {
    walk_element(walk, field, value, old);
  }
}

static void walk_field(Walk *walk, const ApiField *field, const json_t *value, const json_t *old)
{
  size_t length = walk->path->len;
  if (length)
    g_string_append_c(walk->path, '.');
  g_string_append(walk->path, field->name);
  bool missing = is_empty(value) || (field->flags & API_FIELD_NONEMPTY && json_is_integer(value) &&
                                     json_integer_value(value) == 0 && field->type != API_INT_OR_STRING);
  if (field->flags & API_FIELD_NONEMPTY && missing)
    field_errors_add(walk->errors, FIELD_REQUIRED, walk->path->str, NULL, NULL);
  else if (value && !(field->flags & API_FIELD_UNCHECKED))
    walk_member(walk, field, value, old);
  if (field->flags & API_FIELD_IMMUTABLE && old && !json_same(value, json_is_null(old) ? NULL : old))
    field_errors_add(walk->errors, FIELD_INVALID, walk->path->str, value, "field is immutable");
  g_string_truncate(walk->path, length);
}

static void walk_message(Walk *walk, const ApiMessage *message, const json_t *value, const json_t *old)
{
  /* The object's own metadata has rules of its own, and its status is checked where it is written. */
  bool root = walk->depth == 0;
  if (++walk->depth > CODEC_DEPTH_MAX)
    return;
  for (unsigned i = 0; i < message->n_fields; i++) {
    const ApiField *field = &message->fields[i];
    if (root && (strcmp(field->name, "metadata") == 0 || strcmp(field->name, "status") == 0))
      continue;
    if (field->flags & API_FIELD_INLINE)
      walk_message(walk, field->message, value, old);
    else
      walk_field(walk, field, json_object_get(value, field->name), json_object_get(old, field->name));
  }
  if (message->validate)
    message->validate(value, walk->path->str, walk->errors);
  walk->depth--;
}

bool api_validate(const ApiKind *kind, const json_t *value, const json_t *old, const ApiWriteContext *context,
                  GError **error)
{
  g_autoptr(FieldErrors) errors = field_errors_new();
  g_autoptr(GString) path = g_string_new(NULL);
  Walk walk = { .errors = errors, .path = path };
  const char *subresource = context ? context->subresource : NULL;
  validate_metadata(kind, value, old, errors);
  /* A write of status leaves the rest as it was, and what was stored is not judged again by rules that came later. */
  if (kind->message->schema)
    schema_validate(kind->message->schema, value, old, "", errors);
  else if (!subresource || strcmp(subresource, "status") != 0)
    walk_message(&walk, kind->message, value, old);
  if (kind->strategy && !old && kind->strategy->validate_create)
    kind->strategy->validate_create(value, errors);
  if (kind->strategy && old && kind->strategy->validate_update)
    kind->strategy->validate_update(value, old, context, errors);
  if (kind->strategy && kind->strategy->validate_request)
    kind->strategy->validate_request(value, old, context, errors);
  const char *name = json_str(json_object_get(value, "metadata"), "name", "");
  return field_errors_finish(errors, kind->kind, kind->group, name, error);
}
