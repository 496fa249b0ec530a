#pragma once
/* Keys waiting to be reconciled: each at most once in the queue and never by two workers at the same time, with
 * delays and per-key exponential backoff. Source: client-go util/workqueue. Thread-safe. */
#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

typedef struct WorkQueue WorkQueue;

/* RECONCILE handles one key on one of N_WORKERS threads; false asks for a retry with backoff (5 ms · 2^n, at most 1000
 * s, upstream's default), true forgets the key's failures. */
typedef bool (*WorkReconcile)(const char *key, void *data);
WorkQueue *work_queue_new(const char *name, unsigned n_workers, WorkReconcile reconcile, void *data);

/* Lets retries wait for MOST_US at most. Before work_queue_start. */
void work_queue_limit_backoff(WorkQueue *queue, int64_t most_us);

/* Ends the workers after their current key. Keys may still be added and are never worked on. */
void work_queue_stop(WorkQueue *queue);

/* work_queue_stop, and frees. */
void work_queue_free(WorkQueue *queue);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(WorkQueue, work_queue_free)

void work_queue_start(WorkQueue *queue);
void work_queue_add(WorkQueue *queue, const char *key);
void work_queue_add_after(WorkQueue *queue, const char *key, int64_t delay_us);

/* Blocks until nothing is queued, delayed less than HORIZON_US, or running; for tests. */
void work_queue_drain(WorkQueue *queue, int64_t horizon_us);
