/* What runs on a worker thread, and workers that wait for other servers. */
#include "clusterd/server/http/http_private.h"

static GPrivate current_server; /* of a worker */

void http_worker_run(void *request, void *data)
{
  HttpServer *server = data;
  g_private_set(&current_server, server);
  server->config.handler(request, server->config.data);
  g_private_set(&current_server, NULL);
}

/* With the lock held. While the server drains nothing new is taken on. */
static void resize(HttpServer *server)
{
  if (server->workers)
    g_thread_pool_set_max_threads(server->workers, HTTP_WORKERS_MAX + server->lent, NULL);
}

bool http_worker_lend(void)
{
  HttpServer *server = g_private_get(&current_server);
  if (!server)
    return true;
  g_autoptr(GMutexLocker) held = g_mutex_locker_new(&server->workers_lock);
  if (server->lent >= HTTP_WORKERS_LENT_MAX)
    return false;
  server->lent++;
  resize(server);
  return true;
}

void http_worker_return(void)
{
  HttpServer *server = g_private_get(&current_server);
  if (!server)
    return;
  g_autoptr(GMutexLocker) held = g_mutex_locker_new(&server->workers_lock);
  server->lent--;
  resize(server);
}
