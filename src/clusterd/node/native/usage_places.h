#pragma once
/* Where what sandboxes and containers use can be read: the Runtime table's entries of that purpose. */
#include "clusterd/node/native/native_runtime.h"

char *usage_sandbox_cgroup(Runtime *runtime, const char *sandbox_id);
char *usage_container_cgroup(Runtime *runtime, const char *container_id);
char *usage_container_layer(Runtime *runtime, const char *container_id);
GArray *usage_sandbox_interfaces(Runtime *runtime, const char *sandbox_id);
