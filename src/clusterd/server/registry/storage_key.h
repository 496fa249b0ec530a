#pragma once
/* Where objects are in the store: as kube-apiserver lays them out, so that what is written about etcd keys holds. */
#include "clusterd/api/kind.h"

/* "/registry/pods/", "/registry/services/specs/", "/registry/example.com/foos/" for a resource by the group and plural
 * it is stored as. The caller frees. */
char *storage_prefix(const char *group, const char *plural);

/* The length of the prefix in KEY, which is one of those for which KNOWN says true; 0 when none is. */
typedef bool (*StoragePrefixKnown)(const char *prefix, const void *data);
gsize storage_prefix_length(const char *key, StoragePrefixKnown known, const void *data);
