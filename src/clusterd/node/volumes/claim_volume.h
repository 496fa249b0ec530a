#pragma once
/* A pod's volume that is a claim: the volume behind it, and where that lies on the node.
 * Source: k8s.io/kubernetes pkg/kubelet/volumemanager/populator, pkg/volume/{hostpath,local,nfs}. */
#include "clusterd/node/volumes/volume_files.h"

/* How the pod's containers use a volume: in volumeMounts, in volumeDevices. */
typedef struct VolumeUse {
  bool mounted, mapped;
} VolumeUse;

/* The path, or for USE.mapped the block device, of VOLUME (of spec.volumes: persistentVolumeClaim or ephemeral); the
 * caller frees. What has to be mounted is mounted below FOLDER, the pod's own (PODS/UID/volumes). NULL with
 * REASON_INVALID or REASON_FILE, whose message is what the event FailedMount says, or FailedMapVolume when it begins
 * with "MapVolume.". */
char *claim_volume_path(const VolumeContext *context, const char *folder, const json_t *volume, VolumeUse use,
                        GError **error);

/* True when VOLUME (of spec.volumes) is a claim; *NAME (may be NULL) gets the claim's name, to be freed. */
bool claim_volume_handles(const json_t *pod, const json_t *volume, char **name);
