#include "clusterd/client/object_queue.h"

static void on_object(Object *old, Object *new_object, void *data)
{
  const ObjectQueue *queue = data;
  int64_t delay_us = queue->patience && old && new_object ? queue->patience(queue->patience_data, old, new_object) : 0;
  g_autofree char *key = informer_key(new_object ? new_object : old);
  work_queue_add_after(queue->work, key, delay_us);
}

static bool reconcile(const char *key, void *data)
{
  const ObjectQueue *queue = data;
  g_autofree char *namespace_ = NULL, *name = NULL;
  informer_split_key(key, &namespace_, &name);
  g_autoptr(Object) object = informer_get(queue->objects, namespace_, name);
  g_autoptr(GError) error = NULL;
  bool done = true;
  if (object)
    done = queue->sync(queue->controller, key, object, &error);
  else if (queue->gone)
    done = queue->gone(queue->controller, namespace_, name, &error);
  if (!done)
    g_info("%s %s: %s", queue->kind, key, error ? error->message : "tried again");
  return done;
}

void object_queue_open(ObjectQueue *queue, unsigned n_workers)
{
  queue->work = work_queue_new(queue->kind, n_workers, reconcile, queue);
  informer_add_handler(queue->objects, on_object, queue);
}

void object_queue_add(const ObjectQueue *queue, const Object *object)
{
  g_autofree char *key = informer_key(object);
  work_queue_add(queue->work, key);
}
