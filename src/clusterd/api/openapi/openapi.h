#pragma once
/* The documents clients discover the API by. All are derived from the scheme; callers cache them. */
#include <glib.h>
#include <jansson.h>

#include "clusterd/api/scheme.h"

/* OpenAPI v2 (swagger.json), and the same as gnostic's openapi.v2.Document protobuf. That is asked for by
 * `Accept: application/com.github.proto-openapi.spec.v2@v1.0+protobuf` but must be answered as
 * OPENAPI_V2_PROTOBUF_TYPE: an `@` in a Content-Type is no valid media type, and kubectl refuses the answer. */
#define OPENAPI_V2_PROTOBUF_TYPE "application/com.github.proto-openapi.spec.v2.v1.0+protobuf"
json_t *openapi_v2(const ApiScheme *scheme);
GBytes *openapi_v2_protobuf(const json_t *swagger, GError **error);

/* What SWAGGER, another server's document, says of GROUP and VERSION: their paths and all these refer to. New
 * reference, which shares values with SWAGGER. */
json_t *openapi_v2_part(const json_t *swagger, const char *group, const char *version);
/* Puts PART into SWAGGER. A definition that SWAGGER has by the same name, but otherwise, gets another name. */
void openapi_v2_merge(json_t *swagger, const json_t *part);

/* OpenAPI v3 of one group-version ("api/v1", "apis/apps/v1"); NULL when there is none. */
json_t *openapi_v3(const ApiScheme *scheme, const char *group_version_path);

/* Index {"paths": {"apis/apps/v1": {"serverRelativeURL": "/openapi/v3/apis/apps/v1?hash=H"}}}. HASH_OF gives H. */
json_t *openapi_v3_index(const ApiScheme *scheme, char *(*hash_of)(const char *path, void *data), void *data);
