#pragma once
/* Where the numbers come from: the kernel and the runtime, or a test. */
#include "clusterd/node/pressure/pod_use.h"
#include "clusterd/node/runtime.h"
#include "clusterd/node/stats/node_stats.h"

/* Called on one thread alone. */
typedef struct PressureSource {
  void *data;
  int64_t (*now_us)(void *data); /* monotonic */
  /* What there is of everything. SEEN is zeroed. */
  void (*look)(void *data, Observations *seen);
  /* Measures the pod of USE, which is as pod_use_new made it; WITH_DISK: what it keeps on disks too, at the cost of a
   * look at every file. */
  void (*measure)(void *data, PodUse *use, bool with_disk);
} PressureSource;

/* The real one. PODS_DIR and LOGS_DIR are those of the kubelet. The rest must outlive it. */
PressureSource *pressure_source_new(Runtime *runtime, NodeStats *stats, const char *pods_dir, const char *logs_dir);
void pressure_source_free(PressureSource *source);

/* A descriptor that poll(2) finds ready (POLLPRI) when tasks lost time to a lack of memory; -1: the kernel does not
 * tell. Source: Documentation/accounting/psi.rst. */
int pressure_source_open_stalls(void);
