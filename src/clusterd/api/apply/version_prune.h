#pragma once
/* What an applier no longer wants goes, where managers speak different versions of the API: a field that is renamed in
 * another version is still the same field. Source: sigs.k8s.io/structured-merge-diff/merge. */
#include "clusterd/api/scheme.h"

/* A set of fields as API_VERSION names them. */
typedef struct OwnedFields {
  const char *api_version;
  const json_t *set;
} OwnedFields;

/* VALUE, of the version KIND, without what LAST names and none of the N_OWNED owns, neither itself nor anything below
 * it. New reference. */
json_t *version_prune(const ApiKind *kind, const ApiScheme *scheme, const json_t *value, OwnedFields last,
                      const OwnedFields *owned, gsize n_owned);
