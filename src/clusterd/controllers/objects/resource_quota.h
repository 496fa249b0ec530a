#pragma once
/* The resource quota controller: gives back to quotas what deleted, ended and shrunk objects used, and makes the status
 * of new and changed quotas. What new objects use is charged at admission, not here. */
#include "clusterd/controllers/context.h"

typedef struct ResourceQuotaController ResourceQuotaController;
ResourceQuotaController *resource_quota_controller_new(const ControllerContext *context);
void resource_quota_controller_free(ResourceQuotaController *controller);
