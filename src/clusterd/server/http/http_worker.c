/* What runs on a worker thread, and workers that wait for other servers. */
#include "clusterd/server/http/http_private.h"

static GPrivate current_server; /* of a worker */

void http_worker_run(void *pushed, void *data)
{
  HttpServer *server = data;
  HttpRequest *request = pushed;
  g_private_set(&current_server, server);
  if (request->go_on)
    request->go_on(request, request->go_on_data);
  else
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
  g_mutex_lock(&server->workers_lock);
  bool lends = server->lent < HTTP_WORKERS_LENT_MAX;
  server->lent += lends;
  resize(server);
  g_mutex_unlock(&server->workers_lock);
  if (lends && server->config.lends)
    server->config.lends(true, server->config.data);
  return lends;
}

void http_worker_return(void)
{
  HttpServer *server = g_private_get(&current_server);
  if (!server)
    return;
  if (server->config.lends)
    server->config.lends(false, server->config.data);
  g_autoptr(GMutexLocker) held = g_mutex_locker_new(&server->workers_lock);
  server->lent--;
  resize(server);
}
