#pragma once
/* What the node has, and what of it pods may have. */
#include <jansson.h>
#include <stdbool.h>

#include "clusterd/node/pressure/pressure_settings.h"

/* {resource: quantity}: what the machine has; DATA_DIR lies on the file system pods fill. New reference. */
json_t *node_resources_capacity(const char *data_dir);

/* What pods may ask for together. SETTINGS may be NULL: everything. New reference. */
json_t *node_resources_allocatable(const json_t *capacity, const PressureSettings *settings);

/* Holds all pods together, the control group /kubepods, to what they may have: the kernel's limit on memory and
 * processor time in its shares. CGROUP_ROOT is "/sys/fs/cgroup" but in tests. REASON_FILE. Source: Kubernetes
 * "Reserve Compute Resources for System Daemons". */
bool node_resources_enforce(const char *cgroup_root, const json_t *capacity, const PressureSettings *settings,
                            GError **error);
