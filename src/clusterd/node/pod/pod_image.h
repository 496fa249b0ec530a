#pragma once
/* Images a pod needs: of its containers and of its volumes. Called by its worker. */
#include "clusterd/node/pod/pod_worker_private.h"

/* The image of a container; NULL while it is not there, and RECORD shows why. The caller frees. */
ImageStatus *pod_image_ensure(PodWorker *worker, ContainerRecord *record);

/* True when all volumes of the container that are images are mounted; else RECORD shows why. */
bool pod_image_ensure_volumes(PodWorker *worker, ContainerRecord *record);
