#pragma once
/* What the two OpenAPI documents share: schemas of messages and the paths of kinds, in either version's dialect. For
 * the files openapi_*.c alone. */
#include <glib.h>
#include <jansson.h>

#include "clusterd/api/scheme.h"

#define OPENAPI_TITLE "Kubernetes"
#define OPENAPI_VERSION "v1.32.0" /* of the API that is described; what /version tells */

typedef enum OpenApiDialect { OPENAPI_DIALECT_V2, OPENAPI_DIALECT_V3 } OpenApiDialect;

typedef struct OpenApiWriter {
  OpenApiDialect dialect;
  json_t *schemas;   /* name → schema; borrowed */
  GHashTable *kinds; /* ApiMessage* → json_t array of {group, version, kind} */
} OpenApiWriter;

/* Prepares WRITER to put schemas into SCHEMAS; KINDS (ApiKind*) are those whose objects are marked with their kind. */
void openapi_writer_init(OpenApiWriter *writer, OpenApiDialect dialect, json_t *schemas, const GPtrArray *kinds);
void openapi_writer_clear(OpenApiWriter *writer);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(OpenApiWriter, openapi_writer_clear)

/* Adds the schemas of MESSAGE and of everything it refers to. */
void openapi_add_message(OpenApiWriter *writer, const ApiMessage *message);

/* Adds the schema of KIND's list and returns its name, which the caller frees. */
char *openapi_add_list(OpenApiWriter *writer, const ApiKind *kind);

/* {"$ref": …} of the schema NAME. */
json_t *openapi_reference(OpenApiDialect dialect, const char *name);

/* The same where siblings may stand beside it: version 3 wants it in an allOf for that. */
json_t *openapi_wrapped_reference(OpenApiDialect dialect, const char *name);

/* Adds apiVersion and kind, which every object has and no table names. */
void openapi_add_type_meta(json_t *properties);

/* openapi_custom.c: the schema of a custom resource, MESSAGE, without its x-kubernetes-group-version-kind. New
 * reference. */
json_t *openapi_custom_schema(OpenApiWriter *writer, const ApiMessage *message);

/* Adds to PATHS what can be asked of KIND and its subresources; the schemas they speak of are added too. */
void openapi_add_paths(OpenApiWriter *writer, json_t *paths, const ApiKind *kind);
