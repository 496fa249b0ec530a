/* Requests, replies and streams: the crossing between worker threads and event loops. */
#include <errno.h>
#include <openssl/x509.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/reason.h"
#include "clusterd/server/http/http_private.h"

/* --- requests ------------------------------------------------------------------------------------------------------
 */

static const char *method_name(enum evhttp_cmd_type method)
{
  static const struct {
    enum evhttp_cmd_type type;
    const char *name;
  } names[] = { { EVHTTP_REQ_GET, "GET" },        { EVHTTP_REQ_POST, "POST" },     { EVHTTP_REQ_PUT, "PUT" },
                { EVHTTP_REQ_PATCH, "PATCH" },    { EVHTTP_REQ_DELETE, "DELETE" }, { EVHTTP_REQ_HEAD, "HEAD" },
                { EVHTTP_REQ_OPTIONS, "OPTIONS" } };
  for (gsize i = 0; i < G_N_ELEMENTS(names); i++)
    if (names[i].type == method)
      return names[i].name;
  return "";
}

/* evhttp lets two things pass that make a proxy and us see different requests: several Content-Length headers, and
 * white space before a header's colon. */
static bool is_well_formed(struct evhttp_request *request)
{
  unsigned lengths = 0;
  const struct evkeyval *header;
  for (header = evhttp_request_get_input_headers(request)->tqh_first; header; header = header->next.tqe_next) {
    if (strpbrk(header->key, " \t\r\n"))
      return false;
    lengths += g_ascii_strcasecmp(header->key, "Content-Length") == 0;
  }
  return lengths <= 1 && evhttp_request_get_uri(request) && evhttp_request_get_uri(request)[0] == '/';
}

/* NULL when it is too long. */
static GBytes *take_body(struct evhttp_request *request)
{
  struct evbuffer *input = evhttp_request_get_input_buffer(request);
  gsize length = evbuffer_get_length(input);
  if (length > HTTP_BODY_MAX) {
    evbuffer_drain(input, length);
    return NULL;
  }
  void *body = g_malloc(length + 1);
  evbuffer_remove(input, body, length);
  return g_bytes_new_take(body, length);
}

void http_request_free(HttpRequest *request)
{
  g_free(request->path);
  g_free(request->query);
  g_free(request->peer);
  g_free(request->content_type);
  g_free(request->head);
  g_clear_pointer(&request->body, g_bytes_unref);
  g_clear_pointer(&request->reply, g_bytes_unref);
  g_free(request);
}

void http_request_arrived(struct evhttp_request *evrequest, void *data)
{
  HttpLoop *loop = data;
  HttpServer *server = loop->server;
  char *address = NULL;
  ev_uint16_t port;
  if (!is_well_formed(evrequest)) {
    evhttp_add_header(evhttp_request_get_output_headers(evrequest), "Connection", "close");
    evhttp_send_reply(evrequest, 400, NULL, NULL);
    return;
  }
  HttpRequest *request = g_new0(HttpRequest, 1);
  const char *uri = evhttp_request_get_uri(evrequest);
  const char *mark = strchr(uri, '?');
  request->loop = loop;
  request->request = evrequest;
  request->path = mark ? g_strndup(uri, (gsize)(mark - uri)) : g_strdup(uri);
  request->query = g_strdup(mark ? mark + 1 : "");
  request->method = method_name(evhttp_request_get_command(evrequest));
  request->body = take_body(evrequest);
  request->body_too_long = !request->body;
  if (!request->body)
    request->body = g_bytes_new(NULL, 0);
  evhttp_connection_get_peer(evhttp_request_get_connection(evrequest), &address, &port);
  request->peer = g_strdup(address);
  if (server->config.is_quick && server->config.is_quick(request, server->config.data))
    server->config.handler(request, server->config.data);
  else if (!http_loop_dispatch(server, request))
    http_reply(request, 503, "text/plain; charset=utf-8", NULL);
}

const char *http_method(const HttpRequest *request)
{
  return request->method;
}

const char *http_path(const HttpRequest *request)
{
  return request->path;
}

const char *http_query(const HttpRequest *request)
{
  return request->query;
}

const char *http_header(const HttpRequest *request, const char *name)
{
  return evhttp_find_header(evhttp_request_get_input_headers(request->request), name);
}

char **http_header_all(const HttpRequest *request, const char *name)
{
  g_autoptr(GStrvBuilder) values = g_strv_builder_new();
  const struct evkeyval *header;
  for (header = evhttp_request_get_input_headers(request->request)->tqh_first; header; header = header->next.tqe_next)
    if (g_ascii_strcasecmp(header->key, name) == 0)
      g_strv_builder_add(values, header->value);
  return g_strv_builder_end(values);
}

char **http_header_prefixed(const HttpRequest *request, const char *prefix)
{
  g_autoptr(GStrvBuilder) names = g_strv_builder_new();
  const struct evkeyval *header;
  for (header = evhttp_request_get_input_headers(request->request)->tqh_first; header; header = header->next.tqe_next)
    if (g_ascii_strncasecmp(header->key, prefix, strlen(prefix)) == 0)
      g_strv_builder_add(names, header->key);
  return g_strv_builder_end(names);
}

void http_headers_visit(const HttpRequest *request, void (*visit)(const char *name, const char *value, void *data),
                        void *data)
{
  const struct evkeyval *header;
  for (header = evhttp_request_get_input_headers(request->request)->tqh_first; header; header = header->next.tqe_next)
    visit(header->key, header->value, data);
}

GBytes *http_body(const HttpRequest *request)
{
  return request->body;
}

bool http_body_is_too_long(const HttpRequest *request)
{
  return request->body_too_long;
}

uint16_t http_local_port(const HttpRequest *request)
{
  return request->loop->server->port;
}

const char *http_peer_address(const HttpRequest *request)
{
  return request->peer ? request->peer : "";
}

static char *subject_text(X509_NAME *name, int index)
{
  unsigned char *utf8 = NULL;
  int length = ASN1_STRING_to_UTF8(&utf8, X509_NAME_ENTRY_get_data(X509_NAME_get_entry(name, index)));
  char *text = length >= 0 && !memchr(utf8, 0, (size_t)length) ? g_strndup((const char *)utf8, (gsize)length) : NULL;
  OPENSSL_free(utf8);
  return text;
}

static char *fingerprint_of(const X509 *certificate)
{
  static const char digits[] = "0123456789abcdef";
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned int length = 0;
  X509_digest(certificate, EVP_sha256(), digest, &length);
  char *text = g_malloc(2 * length + 1);
  for (unsigned int i = 0; i < length; i++) {
    text[2 * i] = digits[digest[i] >> 4];
    text[2 * i + 1] = digits[digest[i] & 15];
  }
  text[2 * length] = 0;
  return text;
}

bool http_peer_subject(const HttpRequest *request, bool *valid, char **common_name, char ***organizations,
                       char **fingerprint)
{
  /* the connection rests while its request is answered, so this thread may look at it */
  struct evhttp_connection *connection = evhttp_request_get_connection(request->request);
  SSL *ssl = connection ? bufferevent_openssl_get_ssl(evhttp_connection_get_bufferevent(connection)) : NULL;
  X509 *certificate = ssl ? SSL_get0_peer_certificate(ssl) : NULL;
  if (!certificate)
    return false;
  X509_NAME *name = X509_get_subject_name(certificate);
  g_autoptr(GStrvBuilder) found = g_strv_builder_new();
  int index = X509_NAME_get_index_by_NID(name, NID_commonName, -1);
  *valid = SSL_get_verify_result(ssl) == X509_V_OK;
  *common_name = index >= 0 ? subject_text(name, index) : NULL;
  for (index = -1; (index = X509_NAME_get_index_by_NID(name, NID_organizationName, index)) >= 0;) {
    g_autofree char *organization = subject_text(name, index);
    if (organization)
      g_strv_builder_add(found, organization);
  }
  *organizations = g_strv_builder_end(found);
  *fingerprint = fingerprint_of(certificate);
  return true;
}

void http_add_header(HttpRequest *request, const char *name, const char *value)
{
  evhttp_add_header(evhttp_request_get_output_headers(request->request), name, value);
}

/* --- peers that leave ----------------------------------------------------------------------------------------------
 */

/* What a client may send ahead while its request waits. */
#define AHEAD_MAX (64 << 10)

static void tell_done(HttpRequest *request, bool gone)
{
  void (*done)(bool gone, void *data) = g_steal_pointer(&request->done);
  if (done)
    done(gone, request->done_data);
}

static void peer_left(struct bufferevent *connection, short events, void *data)
{
  if (!(events & (BEV_EVENT_EOF | BEV_EVENT_ERROR)))
    return;
  bufferevent_disable(connection, EV_READ);
  tell_done(data, true);
}

/* evhttp does not read while a request is handled, and so does not see the peer leave. It takes the callbacks back when
 * it writes the reply. */
static void watch_peer(void *data)
{
  HttpRequest *request = data;
  struct evhttp_connection *connection = evhttp_request_get_connection(request->request);
  struct timeval never = { 0 };
  if (!connection) {
    tell_done(request, true);
    return;
  }
  struct bufferevent *stream = evhttp_connection_get_bufferevent(connection);
  bufferevent_setcb(stream, NULL, NULL, peer_left, request);
  bufferevent_setwatermark(stream, EV_READ, 0, AHEAD_MAX);
  bufferevent_set_timeouts(stream, &never, &never);
  bufferevent_enable(stream, EV_READ);
}

/* On the loop, when the request is to be ended. */
static void unwatch_peer(HttpRequest *request)
{
  struct evhttp_connection *connection = evhttp_request_get_connection(request->request);
  if (!request->done_data)
    return;
  if (connection) {
    struct bufferevent *stream = evhttp_connection_get_bufferevent(connection);
    bufferevent_setcb(stream, NULL, NULL, NULL, NULL);
    bufferevent_setwatermark(stream, EV_READ, 0, 0);
    evhttp_connection_set_timeout(connection, HTTP_IDLE_SECONDS);
  }
  tell_done(request, false);
}

void http_when_done(HttpRequest *request, void (*done)(bool gone, void *data), void *data)
{
  request->done = done;
  request->done_data = data;
  http_loop_run(request->loop, watch_peer, request);
}

void http_observe(HttpRequest *request, const HttpObserver *observer, void *data)
{
  request->observer = observer;
  request->observer_data = data;
}

/* The answer is made: an observer hears of it once. */
static void tell_answered(HttpRequest *request, int status)
{
  const HttpObserver *observer = g_steal_pointer(&request->observer);
  if (!observer)
    return;
  observer->started(status, false, request->observer_data);
  observer->ended(false, request->observer_data);
}

/* --- replies -------------------------------------------------------------------------------------------------------
 */

static void release_bytes(const void *data, size_t length, void *bytes)
{
  g_bytes_unref(bytes);
}

static void add_bytes(struct evbuffer *buffer, GBytes *bytes)
{
  gsize length;
  const void *data = g_bytes_get_data(bytes, &length);
  if (length)
    evbuffer_add_reference(buffer, data, length, release_bytes, g_bytes_ref(bytes));
}

static void send_reply(void *data)
{
  HttpRequest *request = data;
  struct evbuffer *buffer = evbuffer_new();
  unwatch_peer(request);
  if (request->reply)
    add_bytes(buffer, request->reply);
  if (request->content_type)
    evhttp_add_header(evhttp_request_get_output_headers(request->request), "Content-Type", request->content_type);
  evhttp_send_reply(request->request, request->status, NULL, buffer);
  evbuffer_free(buffer);
  http_request_free(request);
}

void http_reply(HttpRequest *request, int status, const char *content_type, GBytes *body)
{
  tell_answered(request, status);
  request->status = status;
  request->content_type = g_strdup(content_type);
  request->reply = body;
  http_loop_run(request->loop, send_reply, request);
}

/* --- streams -------------------------------------------------------------------------------------------------------
 */

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

static void stream_finish(HttpStream *stream)
{
  if (!stream->request || !evhttp_request_get_connection(stream->request))
    stream_end(stream);
  else if (unsent(stream) > 0)
    evbuffer_add_cb(connection_output(evhttp_request_get_connection(stream->request)), output_changed, stream);
  else
    stream_end_soon(stream);
}

static void stream_flush(void *data)
{
  HttpStream *stream = data;
  struct evbuffer *buffer = evbuffer_new();
  g_mutex_lock(&stream->lock);
  stream->posted = false;
  GBytes *piece;
  while ((piece = g_queue_pop_head(&stream->pieces))) {
    add_bytes(buffer, piece);
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
  unwatch_peer(request);
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
  stream->gone = stream->gone || stream->backlog > HTTP_STREAM_BACKLOG_MAX;
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
  stream->aborted = aborted;
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

/* --- takeover ------------------------------------------------------------------------------------------------------
 */

static void start_relay(void *data)
{
  HttpRequest *request = data;
  unwatch_peer(request);
  http_relay_start(request->loop, request->request, request->head, request->relay_fd);
  http_request_free(request);
}

int http_takeover(HttpRequest *request, const char *head)
{
  int ends[2];
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0) {
    g_warning("cannot take a connection over: %s", g_strerror(errno));
    http_reply(request, 500, "text/plain; charset=utf-8", NULL);
    return -1;
  }
  tell_answered(request, 101);
  evutil_make_socket_nonblocking(ends[0]);
  request->head = g_strdup(head);
  request->relay_fd = ends[0];
  http_loop_run(request->loop, start_relay, request);
  return ends[1];
}
