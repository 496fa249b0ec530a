/* Replies that are written piece by piece from any thread, and how much of them the peer has yet to take. */
#include <malloc.h>

#include "clusterd/server/http/http_private.h"

static void output_changed(struct evbuffer *output, const struct evbuffer_cb_info *change, void *data);
static void output_drained(struct evbuffer *output, const struct evbuffer_cb_info *change, void *data);

static void stream_unref(HttpStream *stream)
{
  if (!g_atomic_ref_count_dec(&stream->references))
    return;
  g_queue_clear_full(&stream->pieces, (GDestroyNotify)g_bytes_unref);
  g_mutex_clear(&stream->lock);
  g_free(stream);
}

static struct evbuffer *connection_output(struct evhttp_connection *connection)
{
  return bufferevent_get_output(evhttp_connection_get_bufferevent(connection));
}

/* On the loop: whoever waits for the output to drain may go on. */
static void tell_drained(HttpStream *stream)
{
  void (*ready)(void *data) = g_steal_pointer(&stream->ready);
  if (ready)
    ready(stream->ready_data);
}

static bool is_too_slow(HttpStream *stream)
{
  g_autoptr(GMutexLocker) held = g_mutex_locker_new(&stream->lock);
  return stream->too_slow;
}

static void give_memory_back(evutil_socket_t fd, short what, void *data)
{
  malloc_trim(0);
}

/* What waited for a peer that was too slow is many megabytes in pieces that the allocator would keep. A second later
 * libevent has let go of them. */
static void give_memory_back_soon(const HttpStream *stream)
{
  static const struct timeval soon = { .tv_sec = 1 };
  event_base_once(stream->loop->base, -1, EV_TIMEOUT, give_memory_back, NULL, &soon);
}

/* On the loop: the body is over. The evhttp request must be ended even when its connection is gone, or it leaks. */
static void stream_end(HttpStream *stream)
{
  struct evhttp_request *request = g_steal_pointer(&stream->request);
  if (!request)
    return;
  struct evhttp_connection *connection = evhttp_request_get_connection(request);
  if (connection) {
    evbuffer_remove_cb(connection_output(connection), output_changed, stream);
    evbuffer_remove_cb(connection_output(connection), output_drained, stream);
    evhttp_connection_set_closecb(connection, NULL, NULL);
    evhttp_connection_set_timeout(connection, HTTP_IDLE_SECONDS);
  }
  if (connection && stream->aborted)
    evhttp_connection_free(connection); /* and its request */
  else
    evhttp_send_reply_end(request);
  if (is_too_slow(stream))
    give_memory_back_soon(stream);
  tell_drained(stream);
  if (stream->on_close)
    stream->on_close(stream->data);
  if (stream->observer)
    stream->observer->ended(true, stream->observer_data);
  stream_unref(stream);
}

static void stream_end_later(void *data)
{
  stream_end(data);
  stream_unref(data);
}

/* evhttp calls this while it frees the connection: the request is ended after it has let go of it. */
static void peer_closed(struct evhttp_connection *connection, void *data)
{
  HttpStream *stream = data;
  g_mutex_lock(&stream->lock);
  stream->gone = true;
  g_mutex_unlock(&stream->lock);
  g_atomic_ref_count_inc(&stream->references);
  HttpTask *task = g_new(HttpTask, 1);
  *task = (HttpTask){ stream_end_later, stream };
  g_async_queue_push(stream->loop->tasks, task);
  event_active(stream->loop->wake, EV_READ, 1);
}

static gsize unsent(const HttpStream *stream)
{
  struct evhttp_connection *connection = evhttp_request_get_connection(stream->request);
  return connection ? evbuffer_get_length(connection_output(connection)) : 0;
}

static void end_after_reports(evutil_socket_t fd, short what, void *data)
{
  stream_end_later(data);
}

/* Ends the stream once evhttp has heard that all so far was written. The report comes deferred (bufferevent_openssl),
 * and evhttp takes any that comes after the reply's end was queued for the end's own: it would stop writing with the
 * last chunk unsent. A timer fires after all that was deferred before. */
static void stream_end_soon(HttpStream *stream)
{
  static const struct timeval soon = { .tv_usec = 1000 };
  g_atomic_ref_count_inc(&stream->references);
  event_base_once(stream->loop->base, -1, EV_TIMEOUT, end_after_reports, stream, &soon);
}

static void output_changed(struct evbuffer *output, const struct evbuffer_cb_info *change, void *data)
{
  if (evbuffer_get_length(output) > 0)
    return;
  evbuffer_remove_cb(output, output_changed, data);
  stream_end_soon(data);
}

/* On the loop: little is left to send, or nobody to send it to. */
static void drained(HttpStream *stream)
{
  struct evhttp_connection *connection = stream->request ? evhttp_request_get_connection(stream->request) : NULL;
  if (connection)
    evbuffer_remove_cb(connection_output(connection), output_drained, stream);
  g_mutex_lock(&stream->lock);
  stream->backlog = connection ? unsent(stream) : 0;
  g_mutex_unlock(&stream->lock);
  tell_drained(stream);
}

static void output_drained(struct evbuffer *output, const struct evbuffer_cb_info *change, void *data)
{
  if (evbuffer_get_length(output) < HTTP_STREAM_DRAINED)
    drained(data);
}

/* The peer may take its time for the rest, but not stand still. */
static void finish_when_sent(HttpStream *stream, struct evhttp_connection *connection)
{
  const struct timeval never = { 0 }, patience = { .tv_sec = HTTP_IDLE_SECONDS };
  bufferevent_set_timeouts(evhttp_connection_get_bufferevent(connection), &never, &patience);
  evbuffer_add_cb(connection_output(connection), output_changed, stream);
}

static void stream_finish(HttpStream *stream)
{
  struct evhttp_connection *connection = stream->request ? evhttp_request_get_connection(stream->request) : NULL;
  bool patient = connection && !is_too_slow(stream);
  if (patient && unsent(stream) > 0)
    finish_when_sent(stream, connection);
  else if (patient)
    stream_end_soon(stream);
  else
    stream_end(stream);
}

static void stream_flush(void *data)
{
  HttpStream *stream = data;
  struct evbuffer *buffer = evbuffer_new();
  g_mutex_lock(&stream->lock);
  stream->posted = false;
  GBytes *piece;
  while ((piece = g_queue_pop_head(&stream->pieces))) {
    http_bytes_append(buffer, piece);
    g_bytes_unref(piece);
  }
  bool closing = stream->closing;
  g_mutex_unlock(&stream->lock);
  if (stream->request && evbuffer_get_length(buffer) && evhttp_request_get_connection(stream->request))
    evhttp_send_reply_chunk(stream->request, buffer);
  evbuffer_free(buffer);
  if (stream->request) {
    g_mutex_lock(&stream->lock);
    stream->backlog = unsent(stream);
    g_mutex_unlock(&stream->lock);
  }
  if (closing)
    stream_finish(stream);
  stream_unref(stream);
}

/* Called with the lock held. */
static bool claim_flush(HttpStream *stream)
{
  if (stream->posted)
    return false;
  stream->posted = true;
  g_atomic_ref_count_inc(&stream->references);
  return true;
}

static void start_stream(void *data)
{
  HttpRequest *request = data;
  HttpStream *stream = request->stream;
  struct evhttp_connection *connection = evhttp_request_get_connection(request->request);
  http_peer_unwatch(request);
  http_close_if_open(request);
  stream->request = request->request;
  if (request->content_type)
    evhttp_add_header(evhttp_request_get_output_headers(request->request), "Content-Type", request->content_type);
  evhttp_send_reply_start(request->request, request->status, NULL);
  if (connection) {
    struct timeval never = { 0 };
    evhttp_connection_set_closecb(connection, peer_closed, stream);
    bufferevent_set_timeouts(evhttp_connection_get_bufferevent(connection), &never, &never);
  } else {
    stream->gone = true;
  }
  http_request_free(request);
  stream_flush(stream);
}

HttpStream *http_stream_new(HttpRequest *request, int status, const char *content_type, void (*on_close)(void *data),
                            void *data)
{
  HttpStream *stream = g_new0(HttpStream, 1);
  g_atomic_ref_count_init(&stream->references);
  g_atomic_ref_count_inc(&stream->references); /* the loop's */
  g_atomic_ref_count_inc(&stream->references); /* of the flush that starting ends with */
  g_mutex_init(&stream->lock);
  stream->posted = true;
  stream->loop = request->loop;
  stream->on_close = on_close;
  stream->data = data;
  request->status = status;
  request->content_type = g_strdup(content_type);
  request->stream = stream;
  stream->observer = g_steal_pointer(&request->observer);
  stream->observer_data = request->observer_data;
  if (stream->observer)
    stream->observer->started(status, true, stream->observer_data);
  http_loop_run(request->loop, start_stream, request);
  return stream;
}

bool http_stream_write(HttpStream *stream, GBytes *piece)
{
  g_mutex_lock(&stream->lock);
  stream->backlog += g_bytes_get_size(piece);
  stream->too_slow = stream->too_slow || stream->backlog > HTTP_STREAM_BACKLOG_MAX;
  stream->gone = stream->gone || stream->too_slow;
  bool ok = !stream->gone;
  bool post = false;
  if (ok) {
    g_queue_push_tail(&stream->pieces, piece);
    post = claim_flush(stream);
  } else {
    g_bytes_unref(piece);
  }
  g_mutex_unlock(&stream->lock);
  if (post)
    http_loop_run(stream->loop, stream_flush, stream);
  return ok;
}

typedef struct DrainWait {
  HttpStream *stream;
  void (*ready)(void *data);
  void *data;
} DrainWait;

/* On the loop, after the flush of all that was written before. */
static void start_drain_wait(void *data)
{
  g_autofree DrainWait *wait = data;
  HttpStream *stream = wait->stream;
  struct evhttp_connection *connection = stream->request ? evhttp_request_get_connection(stream->request) : NULL;
  stream->ready = wait->ready;
  stream->ready_data = wait->data;
  if (connection)
    evbuffer_add_cb(connection_output(connection), output_drained, stream);
  if (!connection || unsent(stream) < HTTP_STREAM_DRAINED)
    drained(stream);
  stream_unref(stream);
}

void http_stream_when_drained(HttpStream *stream, void (*ready)(void *data), void *data)
{
  DrainWait *wait = g_new(DrainWait, 1);
  *wait = (DrainWait){ stream, ready, data };
  g_atomic_ref_count_inc(&stream->references);
  http_loop_run(stream->loop, start_drain_wait, wait);
}

gsize http_stream_backlog(HttpStream *stream)
{
  g_autoptr(GMutexLocker) held = g_mutex_locker_new(&stream->lock);
  return stream->backlog;
}

static void close_stream(HttpStream *stream, bool aborted)
{
  g_mutex_lock(&stream->lock);
  stream->closing = true;
  stream->aborted = aborted || stream->too_slow;
  bool post = claim_flush(stream);
  g_mutex_unlock(&stream->lock);
  if (post)
    http_loop_run(stream->loop, stream_flush, stream);
  stream_unref(stream);
}

void http_stream_close(HttpStream *stream)
{
  close_stream(stream, false);
}

void http_stream_abort(HttpStream *stream)
{
  close_stream(stream, true);
}
