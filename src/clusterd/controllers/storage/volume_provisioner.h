#pragma once
/* The provisioner of the storage class `standard`: a folder of the node for each claim that asks for it, and the
 * volume that stands for the folder, bound to the claim by the binder. A released volume whose policy is Delete goes
 * with its folder. Source: minikube's storage-provisioner, sig-storage-lib-external-provisioner. */
#include "clusterd/controllers/context.h"

#define VOLUME_PROVISIONER_NAME "k8s.io/minikube-hostpath"

typedef struct VolumeProvisioner VolumeProvisioner;
/* NULL where no node has folders. */
VolumeProvisioner *volume_provisioner_new(const ControllerContext *context);
void volume_provisioner_free(VolumeProvisioner *provisioner);
