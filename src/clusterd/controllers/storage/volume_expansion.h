#pragma once
/* Claims that ask for more than they have. Volumes of our own provisioner are folders: they grow by saying so. A local
 * volume that its administrator has made larger is the claim's once a pod runs with it; whatever else there is,
 * somebody else lets it grow. Source: k8s.io/kubernetes pkg/controller/volume/expand, kubernetes-csi/external-resizer.
 */
#include "clusterd/controllers/context.h"

typedef struct VolumeExpansion VolumeExpansion;
VolumeExpansion *volume_expansion_new(const ControllerContext *context);
void volume_expansion_free(VolumeExpansion *controller);
