#pragma once
/* What a control group, a network interface and a file system use, as numbers. */
#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

/* One reading. A number the kernel does not tell is 0; whether it tells the two that others count with is said apart.
 */
typedef struct ResourceUsage {
  int64_t time_us;  /* wall clock, of the reading */
  int64_t clock_us; /* monotonic, of the reading: what rates are counted with */
  bool has_cpu, has_memory;
  uint64_t cpu_ns;            /* processor time since the group was made, all cores together */
  uint64_t memory_bytes;      /* all that is charged, files in the page cache included */
  uint64_t working_set_bytes; /* memory_bytes without the files nobody used lately */
  uint64_t rss_bytes;         /* anonymous memory */
  uint64_t cache_bytes, mapped_bytes, swap_bytes;
  uint64_t limit_bytes; /* of memory; 0: none */
  uint64_t page_faults, major_page_faults;
  uint64_t processes;
} ResourceUsage;

#define INTERFACE_NAME_MAX 16 /* IFNAMSIZ */

typedef struct InterfaceUsage {
  char name[INTERFACE_NAME_MAX];
  uint64_t rx_bytes, rx_packets, rx_errors, rx_dropped;
  uint64_t tx_bytes, tx_packets, tx_errors, tx_dropped;
} InterfaceUsage;

typedef struct FileSystemUsage {
  uint64_t available_bytes, capacity_bytes, used_bytes;
  uint64_t inodes_free, inodes, inodes_used;
} FileSystemUsage;

/* What was used between two readings of one group. */
typedef struct CpuRate {
  uint64_t nano_cores; /* 1e9: one core all the time */
  int64_t window_us;
} CpuRate;

/* False when no time lies between the readings or the counter fell: they are not of one group. */
bool cpu_rate(const ResourceUsage *before, const ResourceUsage *now, CpuRate *rate);

/* The same for a group that began at STARTED_US (wall clock) with nothing used. */
bool cpu_rate_since(int64_t started_us, const ResourceUsage *now, CpuRate *rate);
