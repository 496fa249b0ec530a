#pragma once
/* A pod that a file of the node describes. Source: k8s.io/kubernetes pkg/kubelet/config (file.go, common.go),
 * pkg/kubelet/types/pod_update.go (annotations). */
#include <glib.h>
#include <stdbool.h>

#include "clusterd/api/object.h"

#define STATIC_MANIFEST_MAX (1u << 20) /* bytes of a file */

#define STATIC_HASH "kubernetes.io/config.hash"
#define STATIC_SOURCE "kubernetes.io/config.source"
#define STATIC_SEEN "kubernetes.io/config.seen"
#define STATIC_MIRROR "kubernetes.io/config.mirror"

/* The Pod of KIND that LENGTH bytes of TEXT (JSON or YAML), read from the file PATH, describe: with defaults, bound to
 * NODE_NAME, its name ending in "-NODE", its uid the hash of all that. NULL with REASON_BAD_REQUEST or REASON_INVALID.
 */
Object *static_manifest_parse(const ApiKind *kind, const char *path, const char *text, gsize length,
                              const char *node_name, GError **error);

/* The same of the file itself; also NULL with REASON_FILE. */
Object *static_manifest_read(const ApiKind *kind, const char *path, const char *node_name, GError **error);

/* True for names that are no manifests: hidden files. */
bool static_manifest_ignores(const char *name);

/* What a pod of the API is the mirror of: the uid of a static pod; borrowed, NULL: it is none. */
const char *static_manifest_mirrored(const Object *pod);

/* The object that shows the static POD in the API, owned by the Node of NODE_UID. New reference. */
json_t *static_manifest_mirror(const Object *pod, const char *node_name, const char *node_uid);
