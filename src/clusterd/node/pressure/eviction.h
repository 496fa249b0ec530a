#pragma once
/*
 * Keeps the node from running out of memory, disk and processes: shows pressure, takes away what nobody needs, and,
 * when that is not enough, one pod after the other. A thread that sleeps until the kernel reports tasks stalled for
 * memory, a pod has gone, or an interval is over. Source: Kubernetes "Node-pressure Eviction".
 */
#include "clusterd/node/pressure/image_collector.h"
#include "clusterd/node/pressure/pressure_settings.h"
#include "clusterd/node/pressure/pressure_state.h"

#define EVICTION_REASON "Evicted"
#define EVICTION_HARD_GRACE_SECONDS 1 /* what a pod gets when there is no time */

typedef struct Eviction Eviction;

/* What it asks of the kubelet, from its own thread. */
typedef struct EvictionHost {
  void *data;
  /* The pods that are not over: json_t*, each a reference that is dropped with the array. */
  GPtrArray *(*pods)(void *data);
  /* Ends a pod, without waiting for its end. False: it is not there any more. DISRUPTION: it did nothing wrong. */
  bool (*evict)(void *data, const char *uid, int64_t grace_seconds, const char *message, bool disruption);
  /* Removes the containers of pods that are over, and waits for that. */
  void (*free_containers)(void *data);
  /* What eviction_shows says has changed. */
  void (*shown)(void *data);
} EvictionHost;

typedef struct EvictionParts {
  Runtime *runtime;
  const PressureSource *source;
  Recorder *recorder;
  const char *node_name;
  const char *image_records; /* the file; may be NULL */
} EvictionParts;

/* SETTINGS and what PARTS points to must outlive it; HOST is copied. */
Eviction *eviction_new(const PressureSettings *settings, const EvictionParts *parts, const EvictionHost *host);

/* Looks at the node, so that what is shown holds: before eviction_start. */
void eviction_look(Eviction *eviction);

/* Begins. */
void eviction_start(Eviction *eviction);

/* Ends the thread. HOST is not called any more. */
void eviction_stop(Eviction *eviction);
void eviction_free(Eviction *eviction);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Eviction, eviction_free)

/* The rest may be called from any thread and does not block. */

/* Has it look now. */
void eviction_wake(Eviction *eviction);

/* A pod is over: what it gave back may be what was waited for. */
void eviction_pod_over(Eviction *eviction);

bool eviction_shows(Eviction *eviction, Pressure pressure);

/* Why POD, which has not begun here, may not ("The node had condition: [MemoryPressure]. "); NULL: it may. The caller
 * frees. */
char *eviction_refuses(Eviction *eviction, const json_t *pod);

/* How many pods were evicted for SIGNAL, or for a limit of their own (SIGNAL_COUNT). */
uint64_t eviction_count(Eviction *eviction, PressureSignal signal);
