/* Requests and replies: the crossing between worker threads and event loops. */
#include <errno.h>
#include <openssl/x509.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/reason.h"
#include "clusterd/server/http/http_gate.h"

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

static GBytes *take_body(struct evhttp_request *request)
{
  struct evbuffer *input = evhttp_request_get_input_buffer(request);
  gsize length = evbuffer_get_length(input);
  void *body = g_malloc(length + 1);
  evbuffer_remove(input, body, length);
  return g_bytes_new_take(body, length);
}

/* What the gate says of the body, which nobody else needs to see. */
static void note_mark(HttpRequest *request, const char *mark)
{
  struct evhttp_connection *connection = evhttp_request_get_connection(request->request);
  request->body_too_long = g_str_equal(mark, HTTP_GATE_TOO_LONG);
  if (g_str_equal(mark, HTTP_GATE_STREAMED))
    request->upload = http_gate_upload(http_gate_of(evhttp_connection_get_bufferevent(connection)));
  else
    http_add_header(request, "Connection", "close");
  evhttp_remove_header(evhttp_request_get_input_headers(request->request), HTTP_GATE_HEADER);
}

static HttpGate *gate_of(struct evhttp_request *request)
{
  struct evhttp_connection *connection = evhttp_request_get_connection(request);
  return connection ? http_gate_of(evhttp_connection_get_bufferevent(connection)) : NULL;
}

static void answered(struct evhttp_request *request, void *gate)
{
  http_gate_answered(gate);
}

void http_close_if_open(HttpRequest *request)
{
  const HttpGate *gate = gate_of(request->request);
  if (gate && http_gate_is_open(gate))
    http_add_header(request, "Connection", "close");
}

void http_request_free(HttpRequest *request)
{
  http_upload_close(request->upload);
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
  const char *mark = evhttp_find_header(evhttp_request_get_input_headers(evrequest), HTTP_GATE_HEADER);
  evhttp_request_set_on_complete_cb(evrequest, answered, gate_of(evrequest));
  if (!is_well_formed(evrequest) || g_strcmp0(mark, HTTP_GATE_MALFORMED) == 0) {
    evhttp_add_header(evhttp_request_get_output_headers(evrequest), "Connection", "close");
    evhttp_send_reply(evrequest, 400, NULL, NULL);
    return;
  }
  HttpRequest *request = g_new0(HttpRequest, 1);
  const char *uri = evhttp_request_get_uri(evrequest);
  const char *query = strchr(uri, '?');
  request->loop = loop;
  request->request = evrequest;
  request->path = query ? g_strndup(uri, (gsize)(query - uri)) : g_strdup(uri);
  request->query = g_strdup(query ? query + 1 : "");
  request->method = method_name(evhttp_request_get_command(evrequest));
  request->body = take_body(evrequest);
  if (mark)
    note_mark(request, mark);
  evhttp_connection_get_peer(evhttp_request_get_connection(evrequest), &address, &port);
  request->peer = g_strdup(address);
  request->urgent = server->config.is_urgent && server->config.is_urgent(request, server->config.data);
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

HttpUpload *http_take_upload(HttpRequest *request)
{
  return g_steal_pointer(&request->upload);
}

uint16_t http_local_port(const HttpRequest *request)
{
  return request->loop ? request->loop->server->port : 0;
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

void http_peer_unwatch(HttpRequest *request)
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

void http_bytes_append(struct evbuffer *buffer, GBytes *bytes)
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
  http_peer_unwatch(request);
  http_close_if_open(request);
  if (request->reply)
    http_bytes_append(buffer, request->reply);
  if (request->content_type)
    evhttp_add_header(evhttp_request_get_output_headers(request->request), "Content-Type", request->content_type);
  evhttp_send_reply(request->request, request->status, NULL, buffer);
  evbuffer_free(buffer);
  http_request_free(request);
}

void http_reply(HttpRequest *request, int status, const char *content_type, GBytes *body)
{
  tell_answered(request, status);
  if (request->local) {
    http_local_replied(request, status, body);
    return;
  }
  request->status = status;
  request->content_type = g_strdup(content_type);
  request->reply = body;
  http_loop_run(request->loop, send_reply, request);
}

/* --- takeover ------------------------------------------------------------------------------------------------------
 */

static void start_relay(void *data)
{
  HttpRequest *request = data;
  http_peer_unwatch(request);
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
