#include "clusterd/server/stream/session_set.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

struct SessionSet {
  GMutex lock;
  GCond ended;
  GHashTable *sessions; /* Session*, under the lock */
  bool closing;
};

typedef struct Session {
  SessionSet *set;
  int fd;
  void (*run)(void *data);
  void *data;
} Session;

SessionSet *session_set_new(void)
{
  SessionSet *set = g_new0(SessionSet, 1);
  g_mutex_init(&set->lock);
  g_cond_init(&set->ended);
  set->sessions = g_hash_table_new(g_direct_hash, g_direct_equal);
  return set;
}

void session_set_close(SessionSet *set)
{
  GHashTableIter iterator;
  void *key;
  g_mutex_lock(&set->lock);
  set->closing = true;
  g_hash_table_iter_init(&iterator, set->sessions);
  while (g_hash_table_iter_next(&iterator, &key, NULL))
    shutdown(((Session *)key)->fd, SHUT_RDWR);
  while (g_hash_table_size(set->sessions) > 0)
    g_cond_wait(&set->ended, &set->lock);
  g_mutex_unlock(&set->lock);
}

void session_set_free(SessionSet *set)
{
  session_set_close(set);
  g_hash_table_unref(set->sessions);
  g_cond_clear(&set->ended);
  g_mutex_clear(&set->lock);
  g_free(set);
}

static void *session_main(void *data)
{
  Session *session = data;
  SessionSet *set = session->set;
  session->run(session->data);
  g_mutex_lock(&set->lock);
  g_hash_table_remove(set->sessions, session);
  close(session->fd);
  g_free(session);
  g_cond_broadcast(&set->ended);
  g_mutex_unlock(&set->lock);
  return NULL;
}

bool session_set_run(SessionSet *set, int interrupt_fd, void (*run)(void *data), void *data)
{
  Session *session = g_new0(Session, 1);
  *session = (Session){ set, fcntl(interrupt_fd, F_DUPFD_CLOEXEC, 0), run, data };
  g_mutex_lock(&set->lock);
  GThread *thread = NULL;
  if (!set->closing && session->fd >= 0 && g_hash_table_size(set->sessions) < SESSIONS_MAX)
    thread = g_thread_try_new("session", session_main, session, NULL);
  if (thread)
    g_hash_table_add(set->sessions, session);
  g_mutex_unlock(&set->lock);
  if (thread) {
    g_thread_unref(thread);
    return true;
  }
  if (session->fd >= 0)
    close(session->fd);
  g_free(session);
  return false;
}
