#pragma once
/* meta.k8s.io Table and PartialObjectMetadata: objects as kubectl's columns. Cells follow upstream's printers. */
#include <glib.h>
#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "clusterd/api/object.h"

typedef enum TableInclude { TABLE_INCLUDE_METADATA, TABLE_INCLUDE_OBJECT, TABLE_INCLUDE_NONE } TableInclude;

/* A Table of OBJECTS (Object*), all of KIND. LIST_METADATA (borrowed, may be NULL) becomes its metadata. API_VERSION is
 * "meta.k8s.io/v1" or "…/v1beta1". Column definitions are left out unless WITH_COLUMNS. New reference. */
json_t *table_render(const ApiKind *kind, GPtrArray *objects, const json_t *list_metadata, const char *api_version,
                     TableInclude include, bool with_columns, int64_t now_us);

/* {kind: PartialObjectMetadata, apiVersion: meta.k8s.io/v1, metadata}. New reference. */
json_t *table_partial_metadata(const Object *object);
