#pragma once
/* The binder of volumes and claims: gives each claim the smallest volume that fits, has one made where the claim's
 * storage class says by whom, and takes volumes back when their claims are gone. Both ends are written: the volume's
 * claimRef first, then the claim's volumeName, each step so that it is found and finished after a stop in between.
 * Source: k8s.io/kubernetes pkg/controller/volume/persistentvolume. */
#include "clusterd/controllers/context.h"

typedef struct VolumeBinder VolumeBinder;
VolumeBinder *volume_binder_new(const ControllerContext *context);
void volume_binder_free(VolumeBinder *binder);
