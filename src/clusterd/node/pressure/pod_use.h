#pragma once
/* What one pod uses of the node, and how pods are compared by it: which one goes first, and what it is told. Numbers
 * alone; nothing is measured here. Source: pkg/kubelet/eviction, helpers.go. */
#include <glib.h>
#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "clusterd/node/pressure/threshold.h"

/* Bytes and inodes on a disk. */
typedef struct DiskUse {
  int64_t bytes, inodes;
} DiskUse;

typedef struct ContainerUse {
  char *name;
  bool has_memory, has_disk; /* whether it was measured */
  int64_t memory_bytes;      /* what cannot be had back at once */
  DiskUse layer, logs;
} ContainerUse;

typedef struct VolumeUse {
  char *name;
  DiskUse disk;
} VolumeUse;

/* One pod. */
typedef struct PodUse {
  json_t *pod; /* a reference, never changed */
  bool known;  /* false: nothing could be measured */
  int64_t memory_bytes, processes;
  GArray *containers; /* ContainerUse */
  GArray *volumes;    /* VolumeUse: those whose files lie in the pod's own folder on the disk */
} PodUse;

PodUse *pod_use_new(json_t *pod);
void pod_use_free(PodUse *use);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(PodUse, pod_use_free)

/* Adds one; NAME is copied. Borrowed until the next is added. */
ContainerUse *pod_use_add_container(PodUse *use, const char *name);
VolumeUse *pod_use_add_volume(PodUse *use, const char *name);

/* What POD's containers ask for, or may use, of RESOURCE ("memory", SECTION "requests" or "limits") together: the sum
 * of those that run at one time, at least what an init container needs, and its overhead. *GIVEN (may be NULL): any of
 * them says something. */
Quantity pod_use_asked(const json_t *pod, const char *section, const char *resource, bool *given);

/* A static pod or a mirror of one, or of a priority of the system's own. */
bool pod_use_is_critical(const json_t *pod);

/* Puts PODS (PodUse*) in the order in which they have to go when the node is short of SIGNAL. IMAGES_APART: images lie
 * on a file system of their own. */
void pod_use_rank(GPtrArray *pods, PressureSignal signal, bool images_apart);

/* What the pod's status says: "The node was low on resource: memory. …". TOLD (may be NULL) is the threshold to speak
 * of. The caller frees. */
char *pod_use_message(const PodUse *use, const char *resource, const Threshold *told, const Observations *seen);

/* What the event of an eviction says to programs: the resource, and the containers that use more of it than they asked
 * for. New reference. */
json_t *pod_use_annotations(const PodUse *use, const char *resource);

/* Whether POD, or a volume or container of it, has a limit on what it may keep on the disk. */
bool pod_use_has_disk_limit(const json_t *pod);

/* What the pod's status says when one of them is exceeded; NULL: none is. The caller frees. */
char *pod_use_over_limit(const PodUse *use, bool images_apart);
