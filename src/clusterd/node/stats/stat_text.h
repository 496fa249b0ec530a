#pragma once
/* The kernel's small text files about usage, taken apart: no files are read here. Every text may be anything. Sources:
 * Documentation/admin-guide/cgroup-v1/memory.rst, cgroup-v2.rst, proc(5). */
#include "clusterd/node/stats/usage.h"

#define STAT_INTERFACES_MAX 256 /* of one network namespace; more are not looked at */

/* The whole text is one number, a newline may follow; "max" is UINT64_MAX. False when it is none. */
bool stat_text_number(const char *text, uint64_t *value);

/* The number behind KEY in lines of "KEY NUMBER". False when there is none. */
bool stat_text_field(const char *text, const char *key, uint64_t *value);

/* memory.stat of cgroup v1 (with the sums of the groups below, total_*) or v2, into USAGE; memory_bytes must be there
 * already. */
void stat_text_memory_v1(const char *text, ResourceUsage *usage);
void stat_text_memory_v2(const char *text, ResourceUsage *usage);

/* "usage_usec N" of cpu.stat (v2) into USAGE. */
void stat_text_cpu_v2(const char *text, ResourceUsage *usage);

/* The node's totals: /proc/stat's "cpu" line with TICKS a second, and when it booted (seconds since 1970; 0: not told);
 * /proc/meminfo and /proc/vmstat. */
void stat_text_proc_stat(const char *text, uint64_t ticks, ResourceUsage *usage, int64_t *boot_seconds);
void stat_text_meminfo(const char *text, ResourceUsage *usage);
void stat_text_vmstat(const char *text, ResourceUsage *usage);

/* The processes (threads) there are: the number behind the slash in /proc/loadavg's fourth word. False: not told. */
bool stat_text_loadavg(const char *text, uint64_t *processes);

/* /proc/net/dev without the loopback: InterfaceUsage. The caller frees with g_array_unref. */
GArray *stat_text_interfaces(const char *text);
