#pragma once
/* Pods that wait for a node: ready ones by priority, then age; others until something changes or their backoff ends.
 * Not thread-safe: the scheduler's lock guards it. Source: k8s.io/kubernetes pkg/scheduler/backend/queue. */
#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#include "clusterd/api/object.h"

typedef struct PodQueue PodQueue;

PodQueue *pod_queue_new(void);
void pod_queue_free(PodQueue *queue);

/* Adds POD, or takes its new state. A pod that waits becomes ready when RETRY is set. */
void pod_queue_put(PodQueue *queue, Object *pod, bool retry);
void pod_queue_remove(PodQueue *queue, const char *uid);

/* The pod to place next (new reference), or NULL; then *NEXT_US gets the monotonic time at which one becomes ready, 0:
 * none. The pod stays known until it is removed. */
Object *pod_queue_take(PodQueue *queue, int64_t now_us, int64_t *next_us);

/* A taken pod could not be placed: it waits for pod_queue_wake. Something that changed since it was taken makes it
 * retried after its backoff (1 s, doubled each time, at most 10 s). */
void pod_queue_refused(PodQueue *queue, const char *uid, int64_t now_us);

/* Something changed that may help: pods that wait become ready as soon as their backoff ends. */
void pod_queue_wake(PodQueue *queue, int64_t now_us);
