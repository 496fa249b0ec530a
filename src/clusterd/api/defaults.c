#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "clusterd/api/codec.h"
#include "clusterd/api/custom/schema.h"
#include "clusterd/api/validation.h"

/* The value of a default's JSON text. The common ones are made without a parser: this runs for every absent member. */
static json_t *default_value(const char *text)
{
  size_t length = strlen(text);
  if (text[0] == '"' && !strchr(text, '\\'))
    return json_stringn(text + 1, length - 2);
  if (g_ascii_isdigit(text[0]) || text[0] == '-')
    return json_integer(strtoll(text, NULL, 10));
  if (strcmp(text, "true") == 0)
    return json_true();
  if (strcmp(text, "{}") == 0)
    return json_object();
  return json_loads(text, JSON_DECODE_ANY, NULL);
}

static json_t *absent_value(const ApiField *field)
{
  if (field->default_json)
    return default_value(field->default_json);
  if (!(field->flags & API_FIELD_KEEP_EMPTY) || field->flags & (API_FIELD_LIST | API_FIELD_MAP))
    return NULL;
  if (field->type == API_MESSAGE)
    return json_object();
  return field->type == API_TIME || field->type == API_MICRO_TIME ? json_null() : NULL;
}

static void default_message(const ApiMessage *message, json_t *value, unsigned depth);

static void default_member(const ApiField *field, json_t *member, unsigned depth)
{
  size_t index;
  const char *key;
  json_t *element;
  if (field->type != API_MESSAGE || !member)
    return;
  if (field->flags & API_FIELD_LIST) {
    json_array_foreach (member, index, element) {
      default_message(field->message, element, depth);
    }
  } else if (field->flags & API_FIELD_MAP) {
    json_object_foreach (member, key, element) {
      default_message(field->message, element, depth);
    }
  } else {
    default_message(field->message, member, depth);
  }
}

static void default_message(const ApiMessage *message, json_t *value, unsigned depth)
{
  if (!json_is_object(value) || depth > CODEC_DEPTH_MAX)
    return;
  for (unsigned i = 0; i < message->n_fields; i++) {
    const ApiField *field = &message->fields[i];
    if (field->flags & API_FIELD_INLINE) {
      default_message(field->message, value, depth + 1);
      continue;
    }
    json_t *member = json_object_get(value, field->name);
    if (!member && (member = absent_value(field)))
      json_object_set_new(value, field->name, member);
    default_member(field, member, depth + 1);
  }
  if (message->set_defaults)
    message->set_defaults(value);
}

void api_set_defaults(const ApiMessage *message, json_t *value)
{
  if (message->schema)
    schema_set_defaults(message->schema, value);
  else
    default_message(message, value, 0);
}
