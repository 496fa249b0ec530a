/* Schemas of custom resources: what their definition says, in the dialect of the document. Version 2 cannot say all of
 * it, and kubectl trips over some of what it can: that is left out, as upstream does.
 * Source: k8s.io/apiextensions-apiserver/pkg/controller/openapi/{builder,v2}. */
#include <string.h>

#include "base/json.h"
#include "clusterd/api/custom/schema.h"
#include "clusterd/api/openapi/openapi_parts.h"

#define OBJECT_META "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"

static void adapt(OpenApiWriter *writer, json_t *schema, unsigned depth);

static void remove_string(json_t *list, const char *text)
{
  for (size_t i = json_array_size(list); i-- > 0;)
    if (g_strcmp0(json_string_value(json_array_get(list, i)), text) == 0)
      json_array_remove(list, i);
}

/* What a version 2 document must not say, of this schema alone. */
static void simplify(json_t *schema)
{
  static const char *const unknown[] = { "allOf", "anyOf", "oneOf", "not", "nullable", "x-kubernetes-validations" };
  const char *name;
  json_t *member;
  bool nullable = json_flag(schema, "nullable", false);
  if (nullable)
    json_object_del(schema, "type");
  if (nullable || json_flag(schema, "x-kubernetes-preserve-unknown-fields", false)) {
    json_object_del(schema, "items");
    json_object_del(schema, "properties");
  }
  for (gsize i = 0; i < G_N_ELEMENTS(unknown); i++)
    json_object_del(schema, unknown[i]);
  if (json_is_boolean(json_object_get(schema, "additionalProperties")))
    json_object_del(schema, "additionalProperties");
  json_t *required = json_object_get(schema, "required");
  json_object_foreach (json_object_get(schema, "properties"), name, member)
    if (json_flag(member, "nullable", false))
      remove_string(required, name);
  if (required && json_array_size(required) == 0)
    json_object_del(schema, "required");
}

/* apiVersion, kind and metadata of a resource. */
static void add_object_members(OpenApiWriter *writer, json_t *properties)
{
  openapi_add_type_meta(properties);
  openapi_add_message(writer, api_builtin_message(OBJECT_META));
  json_object_set_new(properties, "metadata", openapi_wrapped_reference(writer->dialect, OBJECT_META));
}

static void adapt_member(OpenApiWriter *writer, json_t *schema, const char *name, unsigned depth)
{
  json_t *member = json_object_get(schema, name);
  if (json_is_object(member))
    adapt(writer, member, depth);
}

/* Changes a schema (a private copy) in place. */
static void adapt(OpenApiWriter *writer, json_t *schema, unsigned depth)
{
  const char *name;
  json_t *member;
  if (depth > SCHEMA_DEPTH_MAX || !json_is_object(schema))
    return;
  if (writer->dialect == OPENAPI_DIALECT_V2)
    simplify(schema);
  json_object_foreach (json_object_get(schema, "properties"), name, member)
    adapt(writer, member, depth + 1);
  adapt_member(writer, schema, "items", depth + 1);
  adapt_member(writer, schema, "additionalProperties", depth + 1);
  if (json_flag(schema, "x-kubernetes-embedded-resource", false) &&
      (writer->dialect == OPENAPI_DIALECT_V3 || json_object_get(schema, "properties")))
    add_object_members(writer, json_ensure_object(schema, "properties", NULL));
}

json_t *openapi_custom_schema(OpenApiWriter *writer, const ApiMessage *message)
{
  json_t *schema = json_deep_copy(message->schema->json);
  bool open = json_flag(schema, "x-kubernetes-preserve-unknown-fields", false);
  adapt(writer, schema, 0);
  if (writer->dialect == OPENAPI_DIALECT_V3 || !open)
    add_object_members(writer, json_ensure_object(schema, "properties", NULL));
  return schema;
}
