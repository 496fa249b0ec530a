#pragma once
/* Pods that wait for a node: active ones by priority, then age; those that back off; and those no node would do for,
 * until something happens that may help. Not thread-safe.
 * Source: k8s.io/kubernetes pkg/scheduler/backend/queue. */
#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#include "clusterd/scheduler/pod_info.h"

typedef struct PodQueue PodQueue;

/* Backoff begins at FIRST_US, doubles each time, and is at most MOST_US. TALLY is that of the pods' infos. */
PodQueue *pod_queue_new(Tally *tally, int64_t first_us, int64_t most_us);
void pod_queue_free(PodQueue *queue);

/* Adds the pod of INFO (a reference is taken), or takes its new state. With RETRY one that no node would do for is
 * tried again once its backoff ends. */
void pod_queue_put(PodQueue *queue, PodInfo *info, bool retry, int64_t now_us);
void pod_queue_remove(PodQueue *queue, const char *uid);

/* As it was put last; borrowed. NULL: it is not in the queue. */
PodInfo *pod_queue_get(const PodQueue *queue, const char *uid);
unsigned pod_queue_size(const PodQueue *queue);

/* The pod to place next (new reference), or NULL; then *NEXT_US gets the monotonic time at which one becomes active, 0:
 * none. The pod stays known until it is removed. */
PodInfo *pod_queue_take(PodQueue *queue, int64_t now_us, int64_t *next_us);

/* No node would do for a taken pod: PLUGINS (bits 1 << PluginId) said so. It waits for an event that may help one of
 * them (0: for any), five minutes at most. */
void pod_queue_refused(PodQueue *queue, const char *uid, unsigned plugins, int64_t now_us);

/* Something went wrong with a taken pod: it is tried again after its backoff. */
void pod_queue_failed(PodQueue *queue, const char *uid, int64_t now_us);

/* Something happened that may help those that PLUGINS refused. HELPS is asked for each of them with those of its
 * plugins; who is helped becomes active, or backs off first. */
typedef bool (*PodQueueHelps)(const PodInfo *pod, unsigned plugins, void *data);
void pod_queue_wake(PodQueue *queue, unsigned plugins, PodQueueHelps helps, void *data, int64_t now_us);
