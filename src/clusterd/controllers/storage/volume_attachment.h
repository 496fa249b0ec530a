#pragma once
/* Attaching and detaching: for each volume of a driver that has to attach it, and each node with a pod that uses it,
 * there is a VolumeAttachment, on which the driver's own attacher writes how far that is; the node's status lists what
 * is attached. Source: k8s.io/kubernetes pkg/controller/volume/attachdetach, pkg/volume/csi. */
#include "clusterd/controllers/context.h"

typedef struct VolumeAttachments VolumeAttachments;
VolumeAttachments *volume_attachments_new(const ControllerContext *context);
void volume_attachments_free(VolumeAttachments *controller);
