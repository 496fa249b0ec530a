#include <string.h>

#include "base/json.h"
#include "base/reason.h"
#include "clusterd/api/openapi/openapi.h"

/* The OpenAPI v2 document as gnostic's openapi.v2.Document, the only form kubectl up to 1.26 reads. Tables say how each
 * JSON member lies in the messages of OpenAPIv2.proto; only what openapi_v2 writes is in them. */

typedef enum PartType {
  PART_STRING,
  PART_STRINGS, /* array of strings, repeated */
  PART_BOOL,
  PART_DOUBLE,
  PART_ANY,        /* Any {2: yaml}; JSON is YAML */
  PART_ANYS,       /* array of them */
  PART_MESSAGE,    /* an object, by `parts` */
  PART_NAMED,      /* an object's members, repeated {1: name, 2: value by `parts`} */
  PART_PARAMETERS, /* array of parameters, in messages chosen by their place */
  PART_EXTENSIONS, /* all members "x-…", repeated {1: name, 2: Any} */
} PartType;

typedef struct Part {
  const char *key;
  unsigned number;
  PartType type;
  unsigned wrap; /* != 0: the value lies as this field of a message between */
  const struct Part *parts;
  unsigned value_wrap; /* PART_NAMED: the same for each value */
} Part;

enum { WIRE_VARINT = 0, WIRE_64 = 1, WIRE_BYTES = 2 };

static void append_varint(GByteArray *out, guint64 value)
{
  do {
    guint8 byte = (guint8)((value & 0x7f) | (value > 0x7f ? 0x80 : 0));
    g_byte_array_append(out, &byte, 1);
    value >>= 7;
  } while (value);
}

static void append_bytes(GByteArray *out, unsigned number, const void *data, gsize length)
{
  append_varint(out, (guint64)number << 3 | WIRE_BYTES);
  append_varint(out, length);
  g_byte_array_append(out, length ? data : (const void *)"", (guint)length);
}

static void append_text(GByteArray *out, unsigned number, const char *text)
{
  append_bytes(out, number, text, strlen(text));
}

static void append_nested(GByteArray *out, unsigned number, const GByteArray *inner)
{
  append_bytes(out, number, inner->data, inner->len);
}

static void append_any(GByteArray *out, unsigned number, const json_t *value)
{
  g_autofree char *text = json_text(value);
  g_autoptr(GByteArray) any = g_byte_array_new();
  append_text(any, 2, text);
  append_nested(out, number, any);
}

static void append_named(GByteArray *out, unsigned number, const char *name, const GByteArray *value)
{
  g_autoptr(GByteArray) entry = g_byte_array_new();
  append_text(entry, 1, name);
  append_nested(entry, 2, value);
  append_nested(out, number, entry);
}

static void append_extensions(GByteArray *out, unsigned number, const json_t *object)
{
  const char *key;
  json_t *value;
  json_object_foreach ((json_t *)(uintptr_t)object, key, value) {
    if (!g_str_has_prefix(key, "x-"))
      continue;
    g_autoptr(GByteArray) entry = g_byte_array_new();
    append_text(entry, 1, key);
    append_any(entry, 2, value);
    append_nested(out, number, entry);
  }
}

static void append_double(GByteArray *out, unsigned number, double value)
{
  guint64 bits;
  memcpy(&bits, &value, sizeof bits);
  bits = GUINT64_TO_LE(bits);
  append_varint(out, (guint64)number << 3 | WIRE_64);
  g_byte_array_append(out, (const guint8 *)&bits, sizeof bits);
}

enum { N_SCHEMA_PARTS = 16 };
static const Part schema_parts[N_SCHEMA_PARTS] = {
  /* schemas lie in schemas */
  { .key = "$ref", .number = 1, .type = PART_STRING },
  { .key = "format", .number = 2, .type = PART_STRING },
  { .key = "title", .number = 3, .type = PART_STRING },
  { .key = "description", .number = 4, .type = PART_STRING },
  { .key = "default", .number = 5, .type = PART_ANY },
  { .key = "maximum", .number = 7, .type = PART_DOUBLE },
  { .key = "minimum", .number = 9, .type = PART_DOUBLE },
  { .key = "pattern", .number = 13, .type = PART_STRING },
  { .key = "required", .number = 19, .type = PART_STRINGS },
  { .key = "enum", .number = 20, .type = PART_ANYS },
  { .key = "additionalProperties", .number = 21, .type = PART_MESSAGE, .wrap = 1, .parts = schema_parts },
  { .key = "type", .number = 22, .type = PART_STRING, .wrap = 1 },
  { .key = "items", .number = 23, .type = PART_MESSAGE, .wrap = 1, .parts = schema_parts },
  { .key = "properties", .number = 25, .type = PART_NAMED, .wrap = 1, .parts = schema_parts },
  { .key = "", .number = 31, .type = PART_EXTENSIONS },
};

static const Part body_parameter_parts[] = {
  { .key = "description", .number = 1, .type = PART_STRING },
  { .key = "name", .number = 2, .type = PART_STRING },
  { .key = "in", .number = 3, .type = PART_STRING },
  { .key = "required", .number = 4, .type = PART_BOOL },
  { .key = "schema", .number = 5, .type = PART_MESSAGE, .parts = schema_parts },
  { .key = NULL },
};

static const Part query_parameter_parts[] = {
  { .key = "required", .number = 1, .type = PART_BOOL },
  { .key = "in", .number = 2, .type = PART_STRING },
  { .key = "description", .number = 3, .type = PART_STRING },
  { .key = "name", .number = 4, .type = PART_STRING },
  { .key = "type", .number = 6, .type = PART_STRING },
  { .key = "uniqueItems", .number = 20, .type = PART_BOOL },
  { .key = NULL },
};

static const Part path_parameter_parts[] = {
  { .key = "required", .number = 1, .type = PART_BOOL },
  { .key = "in", .number = 2, .type = PART_STRING },
  { .key = "description", .number = 3, .type = PART_STRING },
  { .key = "name", .number = 4, .type = PART_STRING },
  { .key = "type", .number = 5, .type = PART_STRING },
  { .key = "uniqueItems", .number = 19, .type = PART_BOOL },
  { .key = NULL },
};

static const Part response_parts[] = {
  { .key = "description", .number = 1, .type = PART_STRING },
  { .key = "schema", .number = 2, .type = PART_MESSAGE, .wrap = 1, .parts = schema_parts },
  { .key = NULL },
};

static const Part operation_parts[] = {
  { .key = "description", .number = 3, .type = PART_STRING },
  { .key = "operationId", .number = 5, .type = PART_STRING },
  { .key = "parameters", .number = 8, .type = PART_PARAMETERS },
  { .key = "responses", .number = 9, .type = PART_NAMED, .wrap = 1, .parts = response_parts, .value_wrap = 1 },
  { .key = "", .number = 13, .type = PART_EXTENSIONS },
  { .key = NULL },
};

static const Part path_item_parts[] = {
  { .key = "get", .number = 2, .type = PART_MESSAGE, .parts = operation_parts },
  { .key = "put", .number = 3, .type = PART_MESSAGE, .parts = operation_parts },
  { .key = "post", .number = 4, .type = PART_MESSAGE, .parts = operation_parts },
  { .key = "delete", .number = 5, .type = PART_MESSAGE, .parts = operation_parts },
  { .key = "patch", .number = 8, .type = PART_MESSAGE, .parts = operation_parts },
  { .key = "parameters", .number = 9, .type = PART_PARAMETERS },
  { .key = NULL },
};

static const Part info_parts[] = {
  { .key = "title", .number = 1, .type = PART_STRING },
  { .key = "version", .number = 2, .type = PART_STRING },
  { .key = NULL },
};

static const Part document_parts[] = {
  { .key = "swagger", .number = 1, .type = PART_STRING },
  { .key = "info", .number = 2, .type = PART_MESSAGE, .parts = info_parts },
  { .key = "paths", .number = 8, .type = PART_NAMED, .wrap = 2, .parts = path_item_parts },
  { .key = "definitions", .number = 9, .type = PART_NAMED, .wrap = 1, .parts = schema_parts },
  { .key = NULL },
};

static void append_parts(GByteArray *out, const Part *parts, const json_t *object);

/* Puts INNER into the messages numbered by CHAIN, innermost first, and appends that. */
static void append_chain(GByteArray *out, GByteArray *inner, const unsigned *chain, gsize n)
{
  g_autoptr(GByteArray) value = g_byte_array_ref(inner);
  for (gsize i = 0; i + 1 < n; i++) {
    GByteArray *outer = g_byte_array_new();
    append_nested(outer, chain[i], value);
    g_byte_array_unref(value);
    value = outer;
  }
  append_nested(out, chain[n - 1], value);
}

/* ParametersItem {1: Parameter {1: body | 2: NonBodyParameter {3: query | 4: path}}}. */
static void append_parameter(GByteArray *out, unsigned number, const json_t *parameter)
{
  g_autoptr(GByteArray) inner = g_byte_array_new();
  const char *in = json_str(parameter, "in", "");
  bool path = strcmp(in, "path") == 0;
  if (strcmp(in, "body") == 0) {
    append_parts(inner, body_parameter_parts, parameter);
    append_chain(out, inner, (const unsigned[]){ 1, 1, number }, 3);
  } else {
    append_parts(inner, path ? path_parameter_parts : query_parameter_parts, parameter);
    append_chain(out, inner, (const unsigned[]){ path ? 4 : 3, 2, 1, number }, 4);
  }
}

static void append_members(GByteArray *out, unsigned number, const Part *part, const json_t *object)
{
  const char *key;
  json_t *member;
  json_object_foreach ((json_t *)(uintptr_t)object, key, member) {
    g_autoptr(GByteArray) value = g_byte_array_new();
    append_parts(value, part->parts, member);
    if (part->value_wrap) {
      g_autoptr(GByteArray) outer = g_byte_array_new();
      append_nested(outer, part->value_wrap, value);
      append_named(out, number, key, outer);
    } else {
      append_named(out, number, key, value);
    }
  }
}

static void append_array(GByteArray *out, unsigned number, const Part *part, const json_t *array)
{
  size_t i;
  json_t *element;
  json_array_foreach (array, i, element) {
    if (part->type == PART_PARAMETERS)
      append_parameter(out, number, element);
    else if (part->type == PART_ANYS)
      append_any(out, number, element);
    else if (json_is_string(element))
      append_text(out, number, json_string_value(element));
  }
}

static void append_value(GByteArray *out, unsigned number, const Part *part, const json_t *value)
{
  g_autoptr(GByteArray) inner = NULL;
  switch (part->type) {
  case PART_STRING:
    append_text(out, number, json_is_string(value) ? json_string_value(value) : "");
    break;
  case PART_BOOL:
    append_varint(out, (guint64)number << 3 | WIRE_VARINT);
    append_varint(out, json_is_true(value));
    break;
  case PART_DOUBLE:
    append_double(out, number, json_number_value(value));
    break;
  case PART_ANY:
    append_any(out, number, value);
    break;
  case PART_MESSAGE:
    inner = g_byte_array_new();
    append_parts(inner, part->parts, value);
    append_nested(out, number, inner);
    break;
  case PART_NAMED:
    append_members(out, number, part, value);
    break;
  case PART_EXTENSIONS:
    append_extensions(out, number, value);
    break;
  default:
    append_array(out, number, part, value);
  }
}

static void append_parts(GByteArray *out, const Part *parts, const json_t *object)
{
  for (const Part *part = parts; part->key; part++) {
    const json_t *value = part->type == PART_EXTENSIONS ? object : json_object_get(object, part->key);
    if (!value)
      continue;
    if (part->wrap) {
      g_autoptr(GByteArray) inner = g_byte_array_new();
      append_value(inner, part->wrap, part, value);
      append_nested(out, part->number, inner);
    } else {
      append_value(out, part->number, part, value);
    }
  }
}

GBytes *openapi_v2_protobuf(const json_t *swagger, GError **error)
{
  if (!json_is_object(json_object_get(swagger, "definitions"))) {
    reason_set(error, REASON_INTERNAL, "not an OpenAPI v2 document");
    return NULL;
  }
  GByteArray *out = g_byte_array_new();
  append_parts(out, document_parts, swagger);
  return g_byte_array_free_to_bytes(out);
}
