#pragma once
/* A work queue of the objects of one kind: what changes is queued, and a key leads to one call with the object as its
 * informer has it now. */
#include <glib.h>
#include <stdbool.h>

#include "clusterd/client/informer.h"
#include "clusterd/client/work_queue.h"

/* Brings the world in line with OBJECT, whose key is KEY. False: try again later; ERROR goes to the log. */
typedef bool (*ObjectSync)(void *controller, const char *key, Object *object, GError **error);

/* The object is gone. As ObjectSync. */
typedef bool (*ObjectGone)(void *controller, const char *namespace_, const char *name, GError **error);

/* How long, in microseconds, the change from OLD to NEW_OBJECT may wait, so that one look serves many changes. */
typedef int64_t (*ObjectPatience)(void *data, const Object *old, const Object *new_object);

typedef struct ObjectQueue {
  const char *kind; /* as the log calls it */
  Informer *objects;
  ObjectSync sync;
  ObjectGone gone;         /* NULL: then there is nothing left to do */
  ObjectPatience patience; /* NULL: nothing waits */
  void *patience_data;
  void *controller;
  WorkQueue *work;
} ObjectQueue;

/* Makes QUEUE->work, with N_WORKERS, from the other members. QUEUE must not move afterwards. Handlers and indexes may
 * be added to informers until the caller starts the work; work_queue_free ends it. */
void object_queue_open(ObjectQueue *queue, unsigned n_workers);

/* Queues OBJECT. Thread-safe. */
void object_queue_add(const ObjectQueue *queue, const Object *object);
