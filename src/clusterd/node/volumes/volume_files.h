#pragma once
/* The files of volumes whose content comes from the API: configMap, secret, downwardAPI, projected. */
#include <glib.h>
#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "clusterd/node/address_pair.h"
#include "clusterd/node/cluster_view.h"

typedef struct VolumeContext {
  const json_t *pod;
  const ClusterView *view;
  const NodeFacts *node;
  AddressPair pod_ips;
  int64_t now_us; /* wall clock, µs; 0: what the machine says */
  bool started;   /* the pod's containers have run with these volumes before */
} VolumeContext;

/* True when VOLUME (of spec.volumes) is of such a type. */
bool volume_files_handles(const json_t *volume);

/* A table for the tokens of one pod's volumes, kept from one reading to the next; g_hash_table_unref() it. */
GHashTable *volume_tokens_new(void);

/* AtomicFile* elements, freed with the array. Tokens are new or, until they are due to be replaced, those in TOKENS;
 * *REFRESH_US is lowered to the time (wall clock) at which one of them is. NULL with REASON_INVALID where something is
 * missing ("configmap "x" not found"). */
GPtrArray *volume_files_read(const VolumeContext *context, const json_t *volume, GHashTable *tokens,
                             int64_t *refresh_us, GError **error);
