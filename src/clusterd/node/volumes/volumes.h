#pragma once
/* A pod's volumes on the node: made before its containers, refreshed while it runs, removed with it. One owner: the
 * pod's worker. Source: Kubernetes "Volumes". */
#include <glib.h>
#include <stdbool.h>

#include "clusterd/node/volumes/volume_files.h"

typedef struct PodVolumes PodVolumes;

/* DIR is the pod's own folder; volumes lie in DIR/volumes. */
PodVolumes *pod_volumes_new(const char *dir);
void pod_volumes_free(PodVolumes *volumes);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(PodVolumes, pod_volumes_free)

/* Makes or refreshes every volume. False with the error, whose message is what the event FailedMount says. */
bool pod_volumes_set_up(PodVolumes *volumes, const VolumeContext *context, GError **error);

/* When a token has to be replaced (wall clock, µs); INT64_MAX: never. */
int64_t pod_volumes_refresh_us(const PodVolumes *volumes);

/* Where volume NAME lies on the node; borrowed; NULL: no such volume. */
const char *pod_volumes_path(const PodVolumes *volumes, const char *name);

/* True when volume NAME may only be mounted read-only, whatever a container says. */
bool pod_volumes_is_read_only(const PodVolumes *volumes, const char *name);

/* The host path of a volumeMount's subPath below ROOT, made where absent as a folder; it cannot lead outside.
 * The caller frees. NULL with REASON_INVALID or REASON_FILE. */
char *volume_sub_path(const char *root, const char *sub_path, GError **error);

/* True when a change of PLURAL ("configmaps", "secrets", …) NAME, or of the pod's own metadata (NULL, NULL), can change
 * a volume of POD. */
bool pod_volumes_depend_on(const json_t *pod, const char *plural, const char *name);

/* Unmounts and removes everything but what hostPath and claims point to. REASON_FILE. */
bool pod_volumes_tear_down(PodVolumes *volumes, GError **error);
