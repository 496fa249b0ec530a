#pragma once
/* A machine's control group in every hierarchy of the host, version 1, 2 or both. NAME is container_cgroup_name(). */
#include <glib.h>
#include <stdbool.h>

/* Only in a private mount namespace: makes /sys/fs/cgroup hold the version 1 hierarchies alone where the host is hybrid
 * (v1 beside an empty v2, which crun refuses). A pure v1 or v2 host is left as it is. */
bool container_cgroup_unhybrid(GError **error);

/* Whether any process is in the group or below. */
bool container_cgroup_populated(const char *name);

/* Thaws, then kills every process in the group and below until none is left. */
bool container_cgroup_kill(const char *name, GError **error);

/* Removes the (empty) group, all below it, and the parent "launcher" when it became empty. Absent is success. */
bool container_cgroup_remove(const char *name, GError **error);

/* Freezes or thaws all processes in the group; waits until they are. Whether they are frozen. */
bool container_cgroup_freeze(const char *name, bool frozen, GError **error);
bool container_cgroup_is_frozen(const char *name);
