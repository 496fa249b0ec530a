/* The schemas of OpenAPI v2 and v3: what each kind looks like. */
#include <string.h>

#include "base/json.h"
#include "clusterd/api/openapi/openapi_parts.h"

#define META_PREFIX "io.k8s.apimachinery.pkg.apis.meta.v1."
#define TIME_NAME META_PREFIX "Time"
#define MICRO_TIME_NAME META_PREFIX "MicroTime"
#define FIELDS_NAME META_PREFIX "FieldsV1"
#define LIST_META_NAME META_PREFIX "ListMeta"
#define QUANTITY_NAME "io.k8s.apimachinery.pkg.api.resource.Quantity"
#define INT_OR_STRING_NAME "io.k8s.apimachinery.pkg.util.intstr.IntOrString"

static json_t *gvk_of(const char *group, const char *version, const char *kind)
{
  return json_pack("{s:s, s:s, s:s}", "group", group, "version", version, "kind", kind);
}

static void note_kind(OpenApiWriter *writer, const ApiMessage *message, json_t *gvk)
{
  json_t *list = g_hash_table_lookup(writer->kinds, message);
  size_t i;
  json_t *known;
  if (!list) {
    list = json_array();
    g_hash_table_insert(writer->kinds, (gpointer)(uintptr_t)message, list);
  }
  json_array_foreach (list, i, known)
    if (json_equal(known, gvk)) {
      json_decref(gvk);
      return;
    }
  json_array_append_new(list, gvk);
}

void openapi_writer_init(OpenApiWriter *writer, OpenApiDialect dialect, json_t *schemas, const GPtrArray *kinds)
{
  static const char *const everywhere[] = { "DeleteOptions", "Status" };
  writer->dialect = dialect;
  writer->schemas = schemas;
  writer->kinds = g_hash_table_new_full(g_direct_hash, g_direct_equal, NULL, (GDestroyNotify)json_decref);
  for (gsize i = 0; i < G_N_ELEMENTS(everywhere); i++) {
    g_autofree char *name = g_strconcat(META_PREFIX, everywhere[i], NULL);
    const ApiMessage *message = api_builtin_message(name);
    if (message)
      note_kind(writer, message, gvk_of("", "v1", everywhere[i]));
  }
  for (guint i = 0; i < kinds->len; i++) {
    const ApiKind *kind = kinds->pdata[i];
    note_kind(writer, kind->message, gvk_of(kind->group, kind->version, kind->kind));
    for (unsigned n = 0; n < kind->n_subresources; n++) {
      const ApiSubresource *sub = &kind->subresources[n];
      const ApiMessage *message = sub->group ? api_builtin_message_of(sub->group, sub->version, sub->kind) : NULL;
      if (message)
        note_kind(writer, message, gvk_of(sub->group, sub->version, sub->kind));
    }
  }
}

void openapi_writer_clear(OpenApiWriter *writer)
{
  g_clear_pointer(&writer->kinds, g_hash_table_unref);
}

json_t *openapi_reference(OpenApiDialect dialect, const char *name)
{
  const char *prefix = dialect == OPENAPI_DIALECT_V2 ? "#/definitions/" : "#/components/schemas/";
  return json_pack("{s:s+}", "$ref", prefix, name);
}

json_t *openapi_wrapped_reference(OpenApiDialect dialect, const char *name)
{
  json_t *reference = openapi_reference(dialect, name);
  return dialect == OPENAPI_DIALECT_V2 ? reference : json_pack("{s:[o]}", "allOf", reference);
}

static json_t *typed(const char *type, const char *format)
{
  return json_pack("{s:s, s:s*}", "type", type, "format", format);
}

static json_t *int_or_string(OpenApiDialect dialect)
{
  if (dialect == OPENAPI_DIALECT_V2)
    return typed("string", "int-or-string");
  return json_pack("{s:s, s:[{s:s}, {s:s}]}", "format", "int-or-string", "oneOf", "type", "integer", "type", "string");
}

static json_t *quantity(OpenApiDialect dialect)
{
  if (dialect == OPENAPI_DIALECT_V2)
    return typed("string", NULL);
  return json_pack("{s:[{s:s}, {s:s}]}", "oneOf", "type", "string", "type", "number");
}

/* Refers to a type that is no message, adding its schema first. Takes SCHEMA. */
static json_t *refer_special(OpenApiWriter *writer, const char *name, json_t *schema)
{
  if (!json_object_get(writer->schemas, name))
    json_object_set(writer->schemas, name, schema);
  json_decref(schema);
  return openapi_wrapped_reference(writer->dialect, name);
}

/* Refers to a type that OpenAPI version 2 cannot describe; a schema without a type stands for any value. */
static json_t *refer_union(OpenApiWriter *writer, const ApiField *field, const char *suffix)
{
  static const char text[] = "A value of several possible types.";
  g_autofree char *name = g_strconcat(field->message->name, suffix, NULL);
  openapi_add_message(writer, field->message);
  return refer_special(writer, name, json_pack("{s:s}", "description", text));
}

/* The schema of one element of FIELD. */
static json_t *element_schema(OpenApiWriter *writer, const ApiField *field)
{
  switch ((ApiType)field->type) {
  case API_BOOL:
    return typed("boolean", NULL);
  case API_INT32:
    return typed("integer", "int32");
  case API_INT64:
    return typed("integer", "int64");
  case API_DOUBLE:
    return typed("number", "double");
  case API_BYTES:
    return typed("string", "byte");
  case API_TIME:
    return refer_special(writer, TIME_NAME, typed("string", "date-time"));
  case API_MICRO_TIME:
    return refer_special(writer, MICRO_TIME_NAME, typed("string", "date-time"));
  case API_QUANTITY:
    return refer_special(writer, QUANTITY_NAME, quantity(writer->dialect));
  case API_INT_OR_STRING:
    return refer_special(writer, INT_OR_STRING_NAME, int_or_string(writer->dialect));
  case API_FIELDS_V1:
    return refer_special(writer, FIELDS_NAME, typed("object", NULL));
  case API_RAW:
    return json_pack("{s:b}", "x-kubernetes-preserve-unknown-fields", true);
  case API_STRINGS:
    return json_pack("{s:s, s:o}", "type", "array", "items", typed("string", NULL));
  case API_OR_BOOL:
    return refer_union(writer, field, "OrBool");
  case API_OR_LIST:
    return refer_union(writer, field, "OrArray");
  case API_OR_STRINGS:
    return refer_union(writer, field, "OrStringArray");
  case API_MESSAGE:
    openapi_add_message(writer, field->message);
    return openapi_wrapped_reference(writer->dialect, field->message->name);
  default:
    return typed("string", NULL);
  }
}

static json_t *string_list(const char *const *texts)
{
  json_t *list = json_array();
  for (; texts && *texts; texts++)
    json_array_append_new(list, json_string(*texts));
  return list;
}

/* How patches and appliers treat the field. */
static void add_extensions(json_t *schema, const ApiField *field)
{
  unsigned flags = field->flags;
  const char *strategy = flags & API_FIELD_PATCH_MERGE && flags & API_FIELD_PATCH_RETAIN ? "merge,retainKeys"
                         : flags & API_FIELD_PATCH_MERGE                                 ? "merge"
                         : flags & API_FIELD_PATCH_RETAIN                                ? "retainKeys"
                         : flags & API_FIELD_PATCH_REPLACE                               ? "replace"
                                                                                         : NULL;
  const char *list_type = flags & API_FIELD_LIST_MAP      ? "map"
                          : flags & API_FIELD_LIST_SET    ? "set"
                          : flags & API_FIELD_LIST_ATOMIC ? "atomic"
                                                          : NULL;
  if (flags & API_FIELD_LIST_MAP)
    json_object_set_new(schema, "x-kubernetes-list-map-keys", string_list(field->list_map_keys));
  if (list_type)
    json_object_set_new(schema, "x-kubernetes-list-type", json_string(list_type));
  if (flags & API_FIELD_MAP_ATOMIC)
    json_object_set_new(schema, "x-kubernetes-map-type", json_string("atomic"));
  if (field->merge_key)
    json_object_set_new(schema, "x-kubernetes-patch-merge-key", json_string(field->merge_key));
  if (strategy)
    json_object_set_new(schema, "x-kubernetes-patch-strategy", json_string(strategy));
}

static json_t *field_schema(OpenApiWriter *writer, const ApiField *field)
{
  json_t *element = element_schema(writer, field), *schema = element;
  if (field->allowed)
    json_object_set_new(element, "enum", string_list(field->allowed));
  if (field->flags & API_FIELD_LIST)
    schema = json_pack("{s:s, s:o}", "type", "array", "items", element);
  else if (field->flags & API_FIELD_MAP)
    schema = json_pack("{s:s, s:o}", "type", "object", "additionalProperties", element);
  if (field->description && *field->description)
    json_object_set_new(schema, "description", json_string(field->description));
  /* version 2 allows no siblings beside a reference but these */
  json_t *fallback = field->default_json ? json_loads(field->default_json, JSON_DECODE_ANY, NULL) : NULL;
  if (fallback && !json_object_get(schema, "$ref"))
    json_object_set(schema, "default", fallback);
  json_decref(fallback);
  add_extensions(schema, field);
  return schema;
}

/* Adds the fields of MESSAGE to a schema's PROPERTIES, those of inlined messages as its own. */
static void add_fields(OpenApiWriter *writer, const ApiMessage *message, json_t *properties, json_t *required)
{
  for (unsigned i = 0; i < message->n_fields; i++) {
    const ApiField *field = &message->fields[i];
    if (field->flags & API_FIELD_INLINE) {
      add_fields(writer, field->message, properties, required);
      continue;
    }
    json_object_set_new(properties, field->name, field_schema(writer, field));
    if (field->flags & API_FIELD_REQUIRED)
      json_array_append_new(required, json_string(field->name));
  }
}

void openapi_add_type_meta(json_t *properties)
{
  static const char *const members[][2] = {
    { "apiVersion", "The group and version of the API the object is written in." },
    { "kind", "What the object is." },
  };
  for (gsize i = 0; i < G_N_ELEMENTS(members); i++)
    json_object_set_new(properties, members[i][0],
                        json_pack("{s:s, s:s}", "description", members[i][1], "type", "string"));
}

static void add_custom(OpenApiWriter *writer, const ApiMessage *message)
{
  json_t *schema = openapi_custom_schema(writer, message), *gvks = g_hash_table_lookup(writer->kinds, message);
  if (gvks)
    json_object_set(schema, "x-kubernetes-group-version-kind", gvks);
  json_object_set_new(writer->schemas, message->name, schema);
}

void openapi_add_message(OpenApiWriter *writer, const ApiMessage *message)
{
  if (json_object_get(writer->schemas, message->name))
    return;
  if (message->schema) {
    add_custom(writer, message);
    return;
  }
  json_t *schema = json_object();
  json_object_set_new(writer->schemas, message->name, schema); /* first, for messages that hold themselves */
  json_t *properties = json_object(), *required = json_array();
  json_object_set_new(schema, "description", json_string(message->description ? message->description : ""));
  json_object_set_new(schema, "type", json_string("object"));
  json_t *gvks = g_hash_table_lookup(writer->kinds, message);
  if (gvks)
    openapi_add_type_meta(properties);
  add_fields(writer, message, properties, required);
  if (json_array_size(required) > 0)
    json_object_set(schema, "required", required);
  json_object_set_new(schema, "properties", properties);
  json_decref(required);
  if (gvks)
    json_object_set(schema, "x-kubernetes-group-version-kind", gvks);
}

char *openapi_add_list(OpenApiWriter *writer, const ApiKind *kind)
{
  const char *dot = strrchr(kind->message->name, '.');
  gsize prefix = dot ? (gsize)(dot - kind->message->name) + 1 : 0;
  char *name = g_strdup_printf("%.*s%s", (int)prefix, kind->message->name, kind->list_kind);
  const ApiMessage *list_meta = api_builtin_message(LIST_META_NAME);
  if (json_object_get(writer->schemas, name))
    return name;
  openapi_add_message(writer, kind->message);
  if (list_meta)
    openapi_add_message(writer, list_meta);
  json_t *properties =
      json_pack("{s:o, s:{s:s, s:o}, s:o, s:o}", "apiVersion", typed("string", NULL), "items", "type", "array", "items",
                openapi_wrapped_reference(writer->dialect, kind->message->name), "kind", typed("string", NULL),
                "metadata", openapi_wrapped_reference(writer->dialect, LIST_META_NAME));
  json_object_set_new(writer->schemas, name,
                      json_pack("{s:s+, s:s, s:[s], s:o, s:[o]}", "description", "A list of ", kind->plural, "type",
                                "object", "required", "items", "properties", properties,
                                "x-kubernetes-group-version-kind",
                                gvk_of(kind->group, kind->version, kind->list_kind)));
  return name;
}
