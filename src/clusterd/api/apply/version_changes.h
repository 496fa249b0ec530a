#pragma once
/* What a write changes, as each version of the API names it: a field manager's set is in the version it wrote. */
#include <jansson.h>

#include "clusterd/api/scheme.h"

typedef struct VersionChange {
  json_t *changed; /* paths that are new or have another value, but for those nobody manages */
  json_t *removed; /* paths that are gone */
} VersionChange;

typedef struct VersionChanges VersionChanges;

/* Between OLD (NULL: nothing) and NEW_VALUE, both of the version KIND, by a write to SUBRESOURCE ("": the object
 * itself). All are borrowed as long as the result lives; NEW_VALUE's managedFields may change meanwhile. SCHEME knows
 * the other versions; NULL: there are none. */
VersionChanges *version_changes_new(const ApiKind *kind, const ApiScheme *scheme, const char *subresource,
                                    const json_t *old, const json_t *new_value);
void version_changes_free(VersionChanges *changes);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VersionChanges, version_changes_free)

/* In API_VERSION ("apps/v1"); worked out on first use, valid as long as CHANGES. A version nobody knows is taken for
 * KIND's. */
const VersionChange *version_changes_in(VersionChanges *changes, const char *api_version);

/* SET (taken) without what nobody manages: the object's identity, what the server keeps of itself, and what a write to
 * this subresource cannot set. */
json_t *version_changes_strip(const ApiKind *kind, const char *subresource, json_t *set);

/* The version of KIND called API_VERSION; KIND itself when there is none. */
const ApiKind *version_of_kind(const ApiKind *kind, const ApiScheme *scheme, const char *api_version);

/* VALUE of the version FROM in the version TO. New reference; NULL when VALUE is, or cannot be converted. May ask a
 * webhook. */
json_t *version_convert(const ApiKind *from, const ApiKind *to, const json_t *value);
