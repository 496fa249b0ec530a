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

/* Makes or refreshes every volume that a container uses, but for those out of images. False with the error, whose
 * message is what the event says; its reason is then pod_volumes_event(). */
bool pod_volumes_set_up(PodVolumes *volumes, const VolumeContext *context, GError **error);

/* The reason of the event about what failed last: "FailedMount" or "FailedMapVolume". Static. */
const char *pod_volumes_event(const PodVolumes *volumes);

/* When a token has to be replaced (wall clock, µs); INT64_MAX: never. */
int64_t pod_volumes_refresh_us(const PodVolumes *volumes);

/* Where volume NAME lies on the node, or its block device; borrowed; NULL: it is not there, or is of the other mode. */
const char *pod_volumes_path(const PodVolumes *volumes, const char *name);
const char *pod_volumes_device(const PodVolumes *volumes, const char *name);

/* True when volume NAME may only be mounted read-only, whatever a container says. */
bool pod_volumes_is_read_only(const PodVolumes *volumes, const char *name);

/* Where the content of an image is to be mounted as volume NAME: a folder, made where absent. The caller frees. */
char *pod_volumes_image_target(const PodVolumes *volumes, const char *name, GError **error);
/* It is mounted there. */
void pod_volumes_add_image(PodVolumes *volumes, const char *name);

/* A mount of SUB_PATH of volume NAME for the mount number INDEX of CONTAINER, in place of the one from before. It
 * cannot lead out of the volume, whoever changes what is in there at the time. The caller frees. NULL with
 * REASON_INVALID or REASON_FILE. */
char *pod_volumes_sub_path(const PodVolumes *volumes, const char *name, const char *sub_path, const char *container,
                           size_t index, GError **error);

/* True when a change of PLURAL ("configmaps", "secrets", …) NAME, or of the pod's own metadata (NULL, NULL), can change
 * a volume of POD. */
bool pod_volumes_depend_on(const json_t *pod, const char *plural, const char *name);

/* Unmounts, detaches and removes everything but what hostPath and claims point to, whoever made it. REASON_FILE. */
bool pod_volumes_tear_down(PodVolumes *volumes, GError **error);
