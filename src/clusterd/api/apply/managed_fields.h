#pragma once
/* Server-side apply: who owns which field. Source: KEP-555, sigs.k8s.io/structured-merge-diff. */
#include <glib.h>
#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "clusterd/api/scheme.h"

typedef struct FieldManager {
  const char *name;        /* fieldManager, or the user agent up to the first '/' */
  const char *subresource; /* "" for the main resource */
  int64_t now_us;
  const ApiKind *kind;     /* the version it speaks; NULL: that of the values */
  const ApiScheme *scheme; /* where other managers' versions are looked up; NULL: there is only one */
} FieldManager;

/* After an update (create: OLD NULL): brings NEW's metadata.managedFields up to date in place for what MANAGER changed.
 * KIND is the version the values are in. */
void managed_fields_update(const ApiKind *kind, const json_t *old, json_t *new_value, const FieldManager *manager);

/* Applies CONFIG (an apply-patch body) over OLD (NULL: creates). Returns the merged object with its managedFields, new
 * reference; REASON_CONFLICT with FieldManagerConflict causes unless FORCE. */
json_t *managed_fields_apply(const ApiKind *kind, const json_t *old, const json_t *config, const FieldManager *manager,
                             bool force, GError **error);
