#pragma once
/* A pod's volume that is a claim: the volume behind it, and where that lies on the node.
 * Source: k8s.io/kubernetes pkg/kubelet/volumemanager/populator, pkg/volume/{hostpath,local,nfs}. */
#include "clusterd/node/volumes/volume_files.h"

/* The path of VOLUME (of spec.volumes: persistentVolumeClaim or ephemeral); the caller frees. What has to be
 * mounted is mounted below FOLDER, the pod's own. NULL with REASON_INVALID
 * or REASON_FILE, whose message is what the event FailedMount says. */
char *claim_volume_path(const VolumeContext *context, const char *folder, const json_t *volume, GError **error);

/* True when VOLUME (of spec.volumes) is a claim; *NAME (may be NULL) gets the claim's name, to be freed. */
bool claim_volume_handles(const json_t *pod, const json_t *volume, char **name);
