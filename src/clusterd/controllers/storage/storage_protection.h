#pragma once
/* The storage protection controller: claims in use by pods, and volumes bound to claims, are deleted only when that is
 * over. The finalizers that hold the deletion up are set at admission. */
#include "clusterd/controllers/context.h"

typedef struct StorageProtectionController StorageProtectionController;
StorageProtectionController *storage_protection_controller_new(const ControllerContext *context);
void storage_protection_controller_free(StorageProtectionController *controller);
