#include "clusterd/node/background.h"

#include <sys/eventfd.h>
#include <unistd.h>

#include "base/file.h"

struct Background {
  GMutex lock; /* guards n_threads */
  GCond ended;
  unsigned n_threads;
  gint called_off;
  int fd; /* an eventfd that nobody reads; -1: there was none to be had, then only the flag tells */
};

typedef struct Task {
  Background *background;
  GThreadFunc run;
  void *data;
} Task;

Background *background_new(void)
{
  Background *background = g_new0(Background, 1);
  g_mutex_init(&background->lock);
  g_cond_init(&background->ended);
  background->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  return background;
}

static void *run_task(void *data)
{
  Task *task = data;
  Background *background = task->background;
  task->run(task->data);
  g_free(task);
  g_mutex_lock(&background->lock);
  background->n_threads--;
  g_cond_broadcast(&background->ended); /* with the lock held: who waits frees it */
  g_mutex_unlock(&background->lock);
  return NULL;
}

void background_run(Background *background, const char *name, GThreadFunc run, void *data)
{
  Task *task = g_new(Task, 1);
  *task = (Task){ background, run, data };
  g_mutex_lock(&background->lock);
  background->n_threads++;
  g_mutex_unlock(&background->lock);
  g_thread_unref(g_thread_new(name, run_task, task));
}

void background_call_off(Background *background)
{
  g_atomic_int_set(&background->called_off, 1);
  if (background->fd >= 0)
    eventfd_write(background->fd, 1);
}

bool background_is_called_off(Background *background)
{
  return g_atomic_int_get(&background->called_off) != 0;
}

int background_call_off_fd(Background *background)
{
  return background->fd;
}

void background_free(Background *background)
{
  if (!background)
    return;
  g_mutex_lock(&background->lock);
  while (background->n_threads > 0)
    g_cond_wait(&background->ended, &background->lock);
  g_mutex_unlock(&background->lock);
  file_close(&background->fd);
  g_cond_clear(&background->ended);
  g_mutex_clear(&background->lock);
  g_free(background);
}
