/* Threads, the listening socket and TLS. */
#include <arpa/inet.h>
#include <errno.h>
#include <event2/thread.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/file.h"
#include "base/reason.h"
#include "clusterd/server/http/http_gate.h"

#define LISTEN_BACKLOG 512

static GPrivate current_loop;

bool http_loop_is_current(const HttpLoop *loop)
{
  return g_private_get(&current_loop) == loop;
}

void http_loop_run(HttpLoop *loop, void (*run)(void *data), void *data)
{
  if (http_loop_is_current(loop)) {
    run(data);
    return;
  }
  HttpTask *task = g_new(HttpTask, 1);
  *task = (HttpTask){ run, data };
  g_async_queue_push(loop->tasks, task);
  event_active(loop->wake, EV_READ, 1);
}

static void run_tasks(evutil_socket_t fd, short events, void *data)
{
  HttpLoop *loop = data;
  HttpTask *task;
  while ((task = g_async_queue_try_pop(loop->tasks))) {
    task->run(task->data);
    g_free(task);
  }
}

static void *loop_main(void *data)
{
  HttpLoop *loop = data;
  g_private_set(&current_loop, loop);
  event_base_loop(loop->base, EVLOOP_NO_EXIT_ON_EMPTY);
  return NULL;
}

/* --- TLS -----------------------------------------------------------------------------------------------------------
 */

/* Every certificate passes the handshake: one that does not verify is answered with 401, which a person can read. */
static int accept_any_certificate(int ok, X509_STORE_CTX *context)
{
  return 1;
}

/* kubectl offers h2 first; what we speak is HTTP/1.1. */
static int select_protocol(SSL *ssl, const unsigned char **chosen, unsigned char *length, const unsigned char *offered,
                           unsigned int offered_length, void *data)
{
  static const unsigned char ours[] = "\x08http/1.1";
  unsigned char *match;
  if (SSL_select_next_proto(&match, length, ours, sizeof ours - 1, offered, offered_length) != OPENSSL_NPN_NEGOTIATED)
    return SSL_TLSEXT_ERR_NOACK;
  *chosen = match;
  return SSL_TLSEXT_ERR_OK;
}

static bool tls_fail(GError **error, const char *what, const char *file)
{
  char text[256];
  ERR_error_string_n(ERR_get_error(), text, sizeof text);
  ERR_clear_error();
  return reason_set(error, REASON_CONFIG, "%s %s: %s", what, file, text);
}

static bool tls_load(SSL_CTX *tls, const HttpServerConfig *config, GError **error)
{
  static const unsigned char session_context[] = "clusterd";
  if (SSL_CTX_use_certificate_chain_file(tls, config->cert_file) != 1)
    return tls_fail(error, "cannot use the certificate", config->cert_file);
  if (SSL_CTX_use_PrivateKey_file(tls, config->key_file, SSL_FILETYPE_PEM) != 1 || SSL_CTX_check_private_key(tls) != 1)
    return tls_fail(error, "cannot use the key", config->key_file);
  if (SSL_CTX_load_verify_locations(tls, config->ca_file, NULL) != 1)
    return tls_fail(error, "cannot use the CA", config->ca_file);
  SSL_CTX_set_client_CA_list(tls, SSL_load_client_CA_file(config->ca_file));
  SSL_CTX_set_verify(tls, SSL_VERIFY_PEER, accept_any_certificate);
  SSL_CTX_set_session_id_context(tls, session_context, sizeof session_context - 1);
  SSL_CTX_set_min_proto_version(tls, TLS1_2_VERSION);
  SSL_CTX_set_options(tls, SSL_OP_NO_RENEGOTIATION | SSL_OP_IGNORE_UNEXPECTED_EOF);
  SSL_CTX_set_mode(tls, SSL_MODE_RELEASE_BUFFERS);
  SSL_CTX_set_alpn_select_cb(tls, select_protocol, NULL);
  return true;
}

static struct bufferevent *accept_connection(struct event_base *base, void *data)
{
  HttpLoop *loop = data;
  g_mutex_lock(&loop->server->tls_lock);
  SSL *ssl = SSL_new(loop->server->tls); /* keeps what it is made from */
  g_mutex_unlock(&loop->server->tls_lock);
  struct bufferevent *connection = bufferevent_openssl_socket_new(base, -1, ssl, BUFFEREVENT_SSL_ACCEPTING,
                                                                  BEV_OPT_CLOSE_ON_FREE | BEV_OPT_DEFER_CALLBACKS);
  bufferevent_openssl_set_allow_dirty_shutdown(connection, 1);
  http_gate_install(loop, connection);
  return connection;
}

/* --- the socket ----------------------------------------------------------------------------------------------------
 */

static bool open_listener(HttpServer *server, GError **error)
{
  const HttpServerConfig *config = &server->config;
  struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons(config->port) };
  socklen_t length = sizeof address;
  int on = 1;
  if (inet_pton(AF_INET, config->address, &address.sin_addr) != 1)
    return reason_set(error, REASON_LOCAL_NETWORK, "%s is not an IPv4 address", config->address);
  server->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (server->listener < 0 || setsockopt(server->listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) < 0 ||
      setsockopt(server->listener, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) < 0 ||
      bind(server->listener, (struct sockaddr *)&address, sizeof address) < 0 ||
      listen(server->listener, LISTEN_BACKLOG) < 0 ||
      getsockname(server->listener, (struct sockaddr *)&address, &length) < 0)
    return reason_set_errno(error, REASON_LOCAL_NETWORK, errno, "cannot listen on %s:%u", config->address,
                            config->port);
  server->port = ntohs(address.sin_port);
  return true;
}

static bool loop_start(HttpServer *server, HttpLoop *loop, GError **error)
{
  loop->server = server;
  loop->base = event_base_new();
  loop->http = evhttp_new(loop->base);
  loop->tasks = g_async_queue_new();
  loop->wake = event_new(loop->base, -1, EV_PERSIST, run_tasks, loop);
  evhttp_set_allowed_methods(loop->http, EVHTTP_REQ_GET | EVHTTP_REQ_POST | EVHTTP_REQ_HEAD | EVHTTP_REQ_PUT |
                                             EVHTTP_REQ_DELETE | EVHTTP_REQ_OPTIONS | EVHTTP_REQ_PATCH);
  evhttp_set_max_headers_size(loop->http, HTTP_HEADERS_MAX);
  evhttp_set_max_body_size(loop->http, HTTP_BODY_MAX);
  evhttp_set_flags(loop->http, EVHTTP_SERVER_LINGERING_CLOSE);
  evhttp_set_timeout(loop->http, HTTP_IDLE_SECONDS);
  evhttp_set_default_content_type(loop->http, NULL);
  evhttp_set_bevcb(loop->http, accept_connection, loop);
  evhttp_set_gencb(loop->http, http_request_arrived, loop);
  /* each loop listens on a descriptor of its own for the same socket: whoever is idle accepts */
  int fd = fcntl(server->listener, F_DUPFD_CLOEXEC, 0);
  if (fd < 0 || evhttp_accept_socket(loop->http, fd) < 0)
    return reason_set_errno(error, REASON_LOCAL_NETWORK, errno, "cannot accept connections");
  loop->thread = g_thread_new("http", loop_main, loop);
  return true;
}

static void loop_stop(HttpLoop *loop)
{
  if (loop->thread) {
    event_base_loopexit(loop->base, NULL);
    g_thread_join(loop->thread);
  }
  g_private_set(&current_loop, loop); /* what freeing the connections still runs, runs here */
  if (loop->wake)
    run_tasks(-1, 0, loop);
  if (loop->http)
    evhttp_free(loop->http);
  if (loop->wake) {
    run_tasks(-1, 0, loop);
    event_free(loop->wake);
  }
  g_private_set(&current_loop, NULL);
  if (loop->base)
    event_base_free(loop->base);
  if (loop->tasks)
    g_async_queue_unref(loop->tasks);
}

HttpServer *http_server_start(const HttpServerConfig *config, GError **error)
{
  static gsize once;
  if (g_once_init_enter(&once)) {
    evthread_use_pthreads();
    g_once_init_leave(&once, 1);
  }
  HttpServer *server = g_new0(HttpServer, 1);
  server->config = *config;
  server->listener = -1;
  g_mutex_init(&server->tls_lock);
  server->tls = SSL_CTX_new(TLS_server_method());
  server->n_loops = config->n_loops ? config->n_loops : MIN(g_get_num_processors(), 8);
  server->loops = g_new0(HttpLoop, server->n_loops);
  g_mutex_init(&server->workers_lock);
  server->workers = g_thread_pool_new(http_worker_run, server, HTTP_WORKERS_MAX, FALSE, NULL);
  server->urgent = g_thread_pool_new(http_worker_run, server, HTTP_URGENT_MAX, FALSE, NULL);
  bool ok = tls_load(server->tls, config, error) && open_listener(server, error);
  for (unsigned i = 0; ok && i < server->n_loops; i++)
    ok = loop_start(server, &server->loops[i], error);
  if (!ok) {
    http_server_stop(server);
    return NULL;
  }
  return server;
}

bool http_server_reload(HttpServer *server, GError **error)
{
  SSL_CTX *tls = SSL_CTX_new(TLS_server_method());
  if (!tls_load(tls, &server->config, error)) {
    SSL_CTX_free(tls);
    return false;
  }
  g_mutex_lock(&server->tls_lock);
  SSL_CTX *before = server->tls;
  server->tls = tls;
  g_mutex_unlock(&server->tls_lock);
  SSL_CTX_free(before);
  return true;
}

bool http_loop_dispatch(HttpServer *server, HttpRequest *request)
{
  g_autoptr(GMutexLocker) held = g_mutex_locker_new(&server->workers_lock);
  GThreadPool *pool = request->urgent ? server->urgent : server->workers;
  return pool && g_thread_pool_push(pool, request, NULL);
}

void http_resume(HttpRequest *request, void (*go_on)(HttpRequest *request, void *data), void *data)
{
  if (request->local) {
    http_local_resume(request, go_on, data);
    return;
  }
  request->go_on = go_on;
  request->go_on_data = data;
  if (!http_loop_dispatch(request->loop->server, request))
    go_on(request, data);
}

void http_server_drain(HttpServer *server)
{
  g_mutex_lock(&server->workers_lock);
  GThreadPool *workers = g_steal_pointer(&server->workers), *urgent = g_steal_pointer(&server->urgent);
  g_mutex_unlock(&server->workers_lock);
  if (workers)
    g_thread_pool_free(workers, FALSE, TRUE);
  if (urgent)
    g_thread_pool_free(urgent, FALSE, TRUE);
}

uint16_t http_server_port(const HttpServer *server)
{
  return server->port;
}

void http_server_stop(HttpServer *server)
{
  if (!server)
    return;
  http_server_drain(server);
  file_close(&server->listener);
  for (unsigned i = 0; i < server->n_loops; i++)
    loop_stop(&server->loops[i]);
  SSL_CTX_free(server->tls);
  g_mutex_clear(&server->tls_lock);
  g_mutex_clear(&server->workers_lock);
  g_free(server->loops);
  g_free(server);
}
