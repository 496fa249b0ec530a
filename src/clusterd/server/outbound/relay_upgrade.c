/* A connection that changes its protocol, tunnelled to another server: the request's head is passed on, the answer's
 * head back, and then bytes both ways. */
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "clusterd/server/outbound/outbound_transfer.h"
#include "clusterd/server/outbound/relay.h"
#include "clusterd/server/stream/stream_io.h"
#include "clusterd/server/stream/stream_session.h"

#define BLOCK (32u << 10)

typedef struct Tunnel {
  OutboundTransfer transfer; /* a connection without a request: libcurl only connects */
  curl_socket_t server;
  int client;
  bool upgraded;         /* what the client sends is passed on */
  GByteArray *to_client; /* that wait to be written */
  GByteArray *to_server;
} Tunnel;

static void tunnel_free(Tunnel *tunnel)
{
  outbound_transfer_clear(&tunnel->transfer);
  g_byte_array_unref(tunnel->to_client);
  g_byte_array_unref(tunnel->to_server);
  g_free(tunnel);
}

bool relay_is_upgrade(const HttpRequest *http)
{
  const char *connection = http_header(http, "Connection");
  g_autofree char *lower = g_ascii_strdown(connection ? connection : "", -1);
  return strstr(lower, "upgrade") && http_header(http, "Upgrade");
}

/* --- the other server's side ---------------------------------------------------------------------------------------
 */

/* Sends what it takes. END on an error. */
static StreamIo send_some(Tunnel *tunnel)
{
  while (tunnel->to_server->len) {
    size_t sent = 0;
    CURLcode code = curl_easy_send(tunnel->transfer.easy, tunnel->to_server->data, tunnel->to_server->len, &sent);
    if (code == CURLE_AGAIN)
      return STREAM_IO_WAIT;
    if (code != CURLE_OK)
      return STREAM_IO_END;
    g_byte_array_remove_range(tunnel->to_server, 0, (guint)sent);
  }
  return STREAM_IO_SOME;
}

/* Reads all there is, up to what may wait for the client. END when the server is done. */
static StreamIo receive_some(Tunnel *tunnel)
{
  g_autofree guint8 *block = g_malloc(BLOCK);
  while (tunnel->to_client->len < STREAM_BUFFER_MAX) {
    size_t got = 0;
    CURLcode code = curl_easy_recv(tunnel->transfer.easy, block, BLOCK, &got);
    if (code == CURLE_AGAIN)
      return STREAM_IO_WAIT;
    if (code != CURLE_OK || got == 0)
      return STREAM_IO_END;
    g_byte_array_append(tunnel->to_client, block, (guint)got);
  }
  return STREAM_IO_SOME;
}

/* The length of the head in what was received, with the empty line; 0: not all is there. */
static gsize head_length(const GByteArray *bytes)
{
  const char *end = memmem(bytes->data, bytes->len, "\r\n\r\n", 4);
  return end ? (gsize)(end - (const char *)bytes->data) + 4 : 0;
}

/* Waits for the head of the answer. 0 when none comes. */
static gsize await_head(Tunnel *tunnel)
{
  gint64 until = g_get_monotonic_time() + RELAY_HEAD_SECONDS * G_USEC_PER_SEC;
  for (;;) {
    StreamIo sent = send_some(tunnel), got = receive_some(tunnel);
    gsize length = tunnel->to_client->len ? head_length(tunnel->to_client) : 0;
    gint64 left = (until - g_get_monotonic_time()) / 1000;
    if (length)
      return length;
    if (sent == STREAM_IO_END || got == STREAM_IO_END || left <= 0 || tunnel->to_client->len > RELAY_HEADERS_MAX)
      return 0;
    struct pollfd ready = { tunnel->server, (short)(POLLIN | (sent == STREAM_IO_WAIT ? POLLOUT : 0)), 0 };
    if (poll(&ready, 1, (int)left) < 0 && errno != EINTR)
      return 0;
  }
}

/* --- the tunnel ----------------------------------------------------------------------------------------------------
 */

/* Reads what the client sends; dropped when the server has not changed its protocol. */
static StreamIo read_client(Tunnel *tunnel)
{
  g_autofree guint8 *block = g_malloc(BLOCK);
  gsize length = 0;
  StreamIo result = stream_io_read(tunnel->client, block, BLOCK, &length);
  if (result == STREAM_IO_SOME && tunnel->upgraded)
    g_byte_array_append(tunnel->to_server, block, (guint)length);
  return result;
}

/* One round of what can be done, then the wait for more. False when either side has ended. */
static bool step(Tunnel *tunnel)
{
  StreamIo received = receive_some(tunnel);
  StreamIo written = stream_io_flush(tunnel->client, tunnel->to_client);
  StreamIo sent = send_some(tunnel);
  if (received == STREAM_IO_END || written == STREAM_IO_END || sent == STREAM_IO_END)
    return false;
  bool read_more = tunnel->to_server->len < STREAM_BUFFER_MAX;
  struct pollfd ready[] = {
    { tunnel->client, (short)((read_more ? POLLIN : 0) | (tunnel->to_client->len ? POLLOUT : 0)), 0 },
    { tunnel->server, (short)((received == STREAM_IO_WAIT ? POLLIN : 0) | (tunnel->to_server->len ? POLLOUT : 0)), 0 },
  };
  if (poll(ready, G_N_ELEMENTS(ready), -1) < 0)
    return errno == EINTR;
  return !(ready[0].revents & (POLLIN | POLLHUP | POLLERR)) || read_client(tunnel) != STREAM_IO_END;
}

static void tunnel_run(void *data)
{
  Tunnel *tunnel = data;
  stream_io_prepare(tunnel->client);
  while (step(tunnel))
    ;
  send_some(tunnel);
  stream_io_finish(tunnel->client, tunnel->to_client);
  tunnel_free(tunnel);
}

/* --- the request ---------------------------------------------------------------------------------------------------
 */

static void write_request(Tunnel *tunnel, const HttpRequest *http, const RelayRequest *request)
{
  const char *rest = strstr(request->target.url, "://") + strlen("://");
  const char *path = strchr(rest, '/');
  g_auto(GStrv) lines = relay_headers(http, request);
  g_autoptr(GString) head = g_string_new(NULL);
  g_string_append_printf(head, "%s %s HTTP/1.1\r\n", http_method(http), path ? path : "/");
  if (!request->keep_host || !http_header(http, "Host"))
    g_string_append_printf(head, "Host: %.*s\r\n", (int)strcspn(rest, "/?"), rest);
  g_string_append_printf(head, "Connection: Upgrade\r\nUpgrade: %s\r\n", http_header(http, "Upgrade"));
  for (char **line = lines; *line; line++)
    g_string_append_printf(head, "%s\r\n", *line);
  gsize length;
  const void *body = g_bytes_get_data(http_body(http), &length);
  if (length)
    g_string_append_printf(head, "Content-Length: %" G_GSIZE_FORMAT "\r\n", length);
  g_string_append(head, "\r\n");
  g_byte_array_append(tunnel->to_server, (const guint8 *)head->str, (guint)head->len);
  if (length)
    g_byte_array_append(tunnel->to_server, body, (guint)length);
}

/* The head for the client. A server that stays with HTTP gets no second request over this connection. */
static char *client_head(const Tunnel *tunnel, gsize length)
{
  g_autofree char *text = g_strndup((const char *)tunnel->to_client->data, length);
  if (tunnel->upgraded)
    return g_steal_pointer(&text);
  g_auto(GStrv) lines = g_strsplit(text, "\r\n", -1);
  g_autoptr(GString) head = g_string_new(NULL);
  for (char **line = lines; *line && **line; line++)
    if (g_ascii_strncasecmp(*line, "Connection:", strlen("Connection:")) != 0)
      g_string_append_printf(head, "%s\r\n", *line);
  g_string_append(head, "Connection: close\r\n\r\n");
  return g_string_free(g_steal_pointer(&head), FALSE);
}

/* Connects, sends the request and waits for the head of the answer. The caller frees the text that says what failed. */
static char *open_tunnel(Tunnel *tunnel, HttpRequest *http, const RelayRequest *request, gsize *length)
{
  CURL *easy = outbound_easy_new(&tunnel->transfer, &request->target);
  if (!easy)
    return g_strdup("cannot make a connection");
  curl_easy_setopt(easy, CURLOPT_CONNECT_ONLY, 1L);
  CURLcode code = curl_easy_perform(easy);
  if (code == CURLE_OK)
    code = curl_easy_getinfo(easy, CURLINFO_ACTIVESOCKET, &tunnel->server);
  if (code != CURLE_OK)
    return outbound_failure(&tunnel->transfer, code);
  write_request(tunnel, http, request);
  *length = await_head(tunnel);
  return *length ? NULL : g_strdup("EOF");
}

void relay_start_upgrade(SessionSet *sessions, HttpRequest *http, const RelayRequest *request)
{
  Tunnel *tunnel = g_new0(Tunnel, 1);
  gsize length = 0;
  tunnel->to_client = g_byte_array_new();
  tunnel->to_server = g_byte_array_new();
  bool lent = http_worker_lend();
  g_autofree char *failure = open_tunnel(tunnel, http, request, &length);
  if (lent)
    http_worker_return();
  if (failure) {
    g_autofree char *text = g_strdup_printf("error trying to reach service: %s", failure);
    request->fail(http, text);
    tunnel_free(tunnel);
    return;
  }
  tunnel->upgraded =
      length > strlen("HTTP/1.1 101") && memcmp(tunnel->to_client->data + strlen("HTTP/1.1"), " 101", 4) == 0;
  g_autofree char *head = client_head(tunnel, length);
  g_byte_array_remove_range(tunnel->to_client, 0, (guint)length);
  tunnel->client = http_takeover(http, head);
  if (tunnel->client >= 0 && session_set_run(sessions, tunnel->client, tunnel_run, tunnel))
    return;
  if (tunnel->client >= 0)
    close(tunnel->client);
  tunnel_free(tunnel);
}
