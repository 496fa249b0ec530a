#pragma once
/* What all containers of a pod may use together, its overhead included: limits of the control group above theirs. */
#include "clusterd/node/resources.h"

/* Writes LIMITS (0: none) to the group PATH ("/kubepods/burstable/podUID"), which exists, in the hierarchies below ROOT
 * ("/sys/fs/cgroup"), of either version. What cannot be written is logged. */
void pod_limits_write(const char *root, const char *path, const ContainerLimits *limits);
