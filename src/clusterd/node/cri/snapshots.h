#pragma once
/* containerd's snapshots: images' layers as they lie unpacked on the disk, each under the chain id of it and those
 * below it. Internal to node/cri. Source: github.com/containerd/containerd/api, services/snapshots and services/diff.
 */
#include "clusterd/node/cri/store.h"

/* What unpacks images for the CRI, "overlayfs"; NULL: unknown. The caller frees. */
char *snapshots_driver(CriRuntime *cri);

/* Unpacks the layers of MANIFEST, whose blobs are stored, as the CRI does with an image that is pulled. Its chain id
 * ("": it has no layers), which LEASE keeps for now; the caller frees. NULL with an error of containerd. */
char *snapshots_unpack(StoreLease *lease, const char *driver, const json_t *manifest, GError **error);

/* The folders that what is unpacked under CHAIN_ID consists of, the lowest first; freed with g_strfreev(). NULL with an
 * error of containerd, or REASON_RUNTIME when DRIVER keeps no such folders. */
char **snapshots_layers(StoreLease *lease, const char *driver, const char *chain_id, GError **error);
