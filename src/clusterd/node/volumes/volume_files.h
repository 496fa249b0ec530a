#pragma once
/* The files of volumes whose content comes from the API: configMap, secret, downwardAPI, projected. */
#include <glib.h>
#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "clusterd/node/cluster_view.h"

typedef struct VolumeContext {
  const json_t *pod;
  const ClusterView *view;
  const NodeFacts *node;
  const char *pod_ip; /* may be NULL */
  bool started;       /* the pod's containers have run with these volumes before */
} VolumeContext;

/* True when VOLUME (of spec.volumes) is of such a type. */
bool volume_files_handles(const json_t *volume);

/* AtomicFile* elements, freed with the array. *REFRESH_US is lowered to the time (wall clock) at which a token among
 * them should be replaced. NULL with REASON_INVALID where something is missing ("configmap "x" not found"). */
GPtrArray *volume_files_read(const VolumeContext *context, const json_t *volume, int64_t *refresh_us, GError **error);
