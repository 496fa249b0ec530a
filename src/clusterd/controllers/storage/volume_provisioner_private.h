#pragma once
/* What the parts of the provisioner share; all runs on its queue's one worker. */
#include "clusterd/client/recorder.h"
#include "clusterd/client/work_queue.h"
#include "clusterd/controllers/storage/volume_folders.h"
#include "clusterd/controllers/storage/volume_provisioner.h"

/* Holds a volume until its folder is removed. */
#define PROVISIONER_FINALIZER "external-provisioner.volume.kubernetes.io/finalizer"
#define VOLUMES_BY_PATH "host-path" /* of volumes: the folder of the node */

struct VolumeProvisioner {
  Client *client;
  Recorder *recorder;
  Informer *claims, *volumes, *classes, *nodes;
  const VolumeFolders *folders;
  WorkQueue *queue; /* "namespace/name" of claims, "name" of volumes */
};

/* provisioner_delete.c: lets a volume go that nobody has any more, and its folder. */
bool provisioner_sync_volume(VolumeProvisioner *provisioner, const Object *volume, GError **error);

/* True when VOLUME was made by this provisioner. */
bool provisioner_made(const json_t *volume);
