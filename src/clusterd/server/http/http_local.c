/* A request that comes from this process itself: nothing of it is on a connection. Its thread waits for the answer and
 * does what a connection's worker would. */
#include <string.h>

#include "clusterd/server/http/http_private.h"

#define SELF "127.0.0.1" /* where it comes from, for the audit log */

struct HttpLocal {
  GMutex lock;
  GCond changed;
  bool answered; /* these, under the lock */
  int status;
  GBytes *body;
  void (*go_on)(HttpRequest *request, void *data); /* what is to be run next; NULL: nothing */
  void *go_data;
};

static HttpRequest *make(HttpLocal *local, const char *path_and_query, const char *user_agent)
{
  HttpRequest *request = g_new0(HttpRequest, 1);
  const char *query = strchr(path_and_query, '?');
  request->local = local;
  request->request = evhttp_request_new(NULL, NULL);
  request->path = query ? g_strndup(path_and_query, (gsize)(query - path_and_query)) : g_strdup(path_and_query);
  request->query = g_strdup(query ? query + 1 : "");
  request->method = "GET";
  request->body = g_bytes_new(NULL, 0);
  request->peer = g_strdup(SELF);
  struct evkeyvalq *headers = evhttp_request_get_input_headers(request->request);
  evhttp_add_header(headers, "Accept", "application/json");
  evhttp_add_header(headers, "User-Agent", user_agent);
  return request;
}

GBytes *http_local_get(const char *path_and_query, const char *user_agent,
                       void (*serve)(HttpRequest *request, void *data), void *data, int *status)
{
  HttpLocal local = { 0 };
  g_mutex_init(&local.lock);
  g_cond_init(&local.changed);
  HttpRequest *request = make(&local, path_and_query, user_agent);
  serve(request, data);
  g_mutex_lock(&local.lock);
  while (!local.answered) {
    void (*go_on)(HttpRequest * request, void *data) = g_steal_pointer(&local.go_on);
    if (!go_on) {
      g_cond_wait(&local.changed, &local.lock);
      continue;
    }
    g_mutex_unlock(&local.lock);
    go_on(request, local.go_data);
    g_mutex_lock(&local.lock);
  }
  g_mutex_unlock(&local.lock);
  g_mutex_clear(&local.lock);
  g_cond_clear(&local.changed);
  *status = local.status;
  return local.body;
}

bool http_is_local(const HttpRequest *request)
{
  return request->local != NULL;
}

void http_local_resume(HttpRequest *request, void (*go_on)(HttpRequest *request, void *data), void *data)
{
  HttpLocal *local = request->local;
  g_mutex_lock(&local->lock);
  local->go_on = go_on;
  local->go_data = data;
  g_cond_signal(&local->changed);
  g_mutex_unlock(&local->lock);
}

void http_local_replied(HttpRequest *request, int status, GBytes *body)
{
  HttpLocal *local = request->local;
  evhttp_request_free(request->request);
  http_request_free(request);
  g_mutex_lock(&local->lock);
  local->status = status;
  local->body = body ? body : g_bytes_new(NULL, 0);
  local->answered = true;
  g_cond_signal(&local->changed);
  g_mutex_unlock(&local->lock);
}
