#pragma once
/*
 * A structural schema (OpenAPI v3 as CustomResourceDefinitions may use it), compiled once from its JSON into a tree
 * that the engines walk: pruning, defaults, validation, and the shapes of server-side apply. Immutable once made, so
 * any thread may use it without a lock. Source:
 * https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definitions/
 */
#include <glib.h>
#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "clusterd/api/field_errors.h"

#define SCHEMA_DEPTH_MAX 64      /* of nested schemas, as of the values they describe (CODEC_DEPTH_MAX) */
#define SCHEMA_NODES_MAX 100000u /* schemas in one compiled tree */
#define SCHEMA_PATTERN_MAX 4096  /* bytes of one regular expression */

typedef enum SchemaType {
  SCHEMA_ANY, /* no type given */
  SCHEMA_OBJECT,
  SCHEMA_ARRAY,
  SCHEMA_STRING,
  SCHEMA_INTEGER,
  SCHEMA_NUMBER,
  SCHEMA_BOOLEAN,
} SchemaType;

typedef enum SchemaListType { SCHEMA_LIST_ATOMIC, SCHEMA_LIST_SET, SCHEMA_LIST_MAP } SchemaListType;

typedef struct ApiSchema ApiSchema;

/* A bound that may be absent. */
typedef struct SchemaBound {
  bool is_set, exclusive;
  double value;
} SchemaBound;

typedef struct SchemaCount {
  bool is_set;
  int64_t value;
} SchemaCount;

struct ApiSchema {
  json_t *json; /* what it was compiled from; of the root alone */
  SchemaType type;
  bool nullable;
  bool preserve_unknown; /* x-kubernetes-preserve-unknown-fields */
  bool embedded;         /* x-kubernetes-embedded-resource: apiVersion, kind and metadata are implied */
  bool int_or_string;    /* x-kubernetes-int-or-string */
  bool any_additional;   /* additionalProperties: true */
  bool map_atomic;       /* x-kubernetes-map-type: atomic */
  bool has_rules;        /* x-kubernetes-validations here or below */
  SchemaListType list_type;
  char **list_map_keys;   /* NULL-terminated; with SCHEMA_LIST_MAP */
  json_t *default_value;  /* or NULL */
  GHashTable *properties; /* name → ApiSchema*, or NULL */
  ApiSchema *additional;  /* additionalProperties, or NULL */
  ApiSchema *items;       /* or NULL */

  /* what values must be like */
  char **required; /* NULL-terminated, or NULL */
  json_t *allowed; /* enum: an array, or NULL */
  char *format;    /* or NULL */
  char *pattern;   /* as written, or NULL */
  GRegex *expression;
  SchemaBound minimum, maximum;
  double multiple_of; /* 0: any */
  SchemaCount min_length, max_length, min_items, max_items, min_properties, max_properties;
  bool unique_items;
  GPtrArray *all_of, *any_of, *one_of; /* ApiSchema*, or NULL */
  ApiSchema *not_;                     /* or NULL */
};

/* Compiles a JSONSchemaProps value, which is shared and may not change any more. NULL with REASON_INVALID when it is
 * too deep, too large or holds an expression that cannot be compiled. The caller frees. */
ApiSchema *schema_compile(const json_t *json, GError **error);
void schema_free(ApiSchema *schema);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(ApiSchema, schema_free)

/* The schema of the member NAME, or NULL when nothing is said of it. */
const ApiSchema *schema_member(const ApiSchema *schema, const char *name);

/* VALUE without what SCHEMA does not know and without nulls it does not allow; metadata of embedded resources as
 * ObjectMeta has it. With ROOT apiVersion, kind and metadata are the caller's and stay as they are. Unknown fields add
 * `unknown field "path"` to REPORTS (may be NULL). New reference; values that need no change are shared. NULL with
 * REASON_BAD_REQUEST when metadata of an embedded resource is not of its types, or VALUE is too deep. */
json_t *schema_prune(const ApiSchema *schema, const json_t *value, bool root, GPtrArray *reports, GError **error);

/* Fills what is absent (or null where null is not allowed) and has a default, at every depth. In place, idempotent. */
void schema_set_defaults(const ApiSchema *schema, json_t *value);

/* True when schema_set_defaults would change VALUE: reads need a copy only then. */
bool schema_lacks_defaults(const ApiSchema *schema, const json_t *value);

/* Adds what is wrong with VALUE at PATH ("" for a whole object), in upstream's words. What is unchanged since OLD
 * (NULL: nothing is) is not judged again (KEP-4008). */
void schema_validate(const ApiSchema *schema, const json_t *value, const json_t *old, const char *path,
                     FieldErrors *errors);

/* False when TEXT is not of FORMAT ("date-time", "ipv4", …). Formats nobody checks are always true. */
bool schema_format_matches(const char *format, const char *text);

/* "string", "integer", …: what OpenAPI calls the type of VALUE; "null" for null. */
const char *schema_type_of(const json_t *value);
const char *schema_type_name(SchemaType type); /* "" for SCHEMA_ANY */

/* VALUE as upstream shows JSON in texts (Go's %#v of a map[string]interface {}). The caller frees. */
char *schema_go_text(const json_t *value);
