#pragma once
/* What the whole node uses. */
#include "clusterd/node/stats/cgroup.h"

/* The root control group, where it tells; what it does not, and on a machine of its own that is memory with cgroup v2,
 * comes from PROC ("/proc"). *BOOT_SECONDS is when the machine booted (since 1970). */
void node_totals_read(const CgroupTree *tree, const char *proc, ResourceUsage *usage, int64_t *boot_seconds);

/* The most processes there can be, and how many there are; 0: unknown. */
void node_totals_processes(const char *proc, uint64_t *most, uint64_t *now);
