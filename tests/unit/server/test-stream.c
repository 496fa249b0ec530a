/* Upgraded connections end to end on a socket pair: a client made of the same codecs, a process that is a shell, and a
 * pod that is an echo. */
#include <glib.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/json.h"
#include "base/reason.h"
#include "child.h"
#include "clusterd/server/stream/spdy.h"
#include "clusterd/server/stream/stream_session.h"
#include "clusterd/server/stream/websocket.h"

static char last_size[32];

static void note_size(NodeProcess *process, unsigned width, unsigned height)
{
  g_snprintf(last_size, sizeof last_size, "%ux%u", width, height);
}

/* The shell's command DATA. */
static NodeProcess *start_shell(void *data, GError **error)
{
  const char *const argv[] = { "/bin/sh", "-c", data, NULL };
  if (data)
    return child_start(argv, true, note_size, error);
  reason_set(error, REASON_NOT_FOUND, "no such container");
  return NULL;
}

/* --- the server side in its thread --- */

typedef struct Server {
  int fd;
  StreamHandshake handshake;
  RemoteCommand command;
  PortForward forward;
} Server;

static gpointer serve(gpointer data)
{
  Server *server = data;
  if (server->forward.connect)
    port_forward_run(server->fd, &server->handshake, &server->forward);
  else
    remote_command_run(server->fd, &server->handshake, &server->command);
  return NULL;
}

static int start(Server *server, GThread **thread)
{
  int pair[2];
  g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), ==, 0);
  server->fd = pair[0];
  *thread = g_thread_new("session", serve, server);
  return pair[1];
}

static void send_bytes(int fd, GByteArray *bytes)
{
  g_assert_cmpint(send(fd, bytes->data, bytes->len, MSG_NOSIGNAL), ==, (gssize)bytes->len);
  g_byte_array_set_size(bytes, 0);
}

static gsize receive(int fd, void *buffer, gsize size)
{
  struct pollfd wait = { .fd = fd, .events = POLLIN };
  g_assert_cmpint(poll(&wait, 1, 10000), >, 0);
  gssize got = read(fd, buffer, size);
  return got > 0 ? (gsize)got : 0;
}

/* --- WebSocket client --- */

static void append_masked(GByteArray *out, guint8 opcode, const void *data, gsize length)
{
  guint8 head[6] = { (guint8)(0x80 | opcode), (guint8)(0x80 | length) };
  g_assert_cmpuint(length, <, 126);
  g_byte_array_append(out, head, sizeof head); /* a mask of zeros */
  g_byte_array_append(out, data, (guint)length);
}

/* Reads the server's frames until its close frame; what each channel said goes to TEXTS, by its first byte. */
static void read_websocket(int fd, GString *texts[4])
{
  g_autoptr(GByteArray) in = g_byte_array_new();
  for (;;) {
    guint8 buffer[4096];
    gsize got = receive(fd, buffer, sizeof buffer);
    g_assert_cmpuint(got, >, 0);
    g_byte_array_append(in, buffer, (guint)got);
    while (in->len >= 2) {
      gsize length = in->data[1], head = 2;
      if (length == 126) {
        if (in->len < 4)
          break;
        length = (gsize)in->data[2] << 8 | in->data[3];
        head = 4;
      }
      if (in->len < head + length)
        break;
      if ((in->data[0] & 0x0f) == 8)
        return;
      if (length > 0)
        g_string_append_len(texts[in->data[head] & 3], (char *)in->data + head + 1, (gssize)length - 1);
      g_byte_array_remove_range(in, 0, (guint)(head + length));
    }
  }
}

typedef struct WebSocketCase {
  unsigned version;
  bool with_tty;
  const char *script, *input; /* INPUT is sent, then its end (version 5) */
  const char *out, *err, *status;
} WebSocketCase;

static void run_websocket(const WebSocketCase *c)
{
  Server server = { .handshake = { .framing = STREAM_WEBSOCKET, .version = c->version },
                    .command = { c->input != NULL, true, !c->with_tty, c->with_tty, start_shell,
                                 (void *)(uintptr_t)c->script } };
  GThread *thread;
  int fd = start(&server, &thread);
  GString *texts[4];
  for (int i = 0; i < 4; i++)
    texts[i] = g_string_new(NULL);
  g_autoptr(GByteArray) out = g_byte_array_new();
  if (c->with_tty)
    append_masked(out, 2, "\4{\"Width\":80,\"Height\":24}\n", 26);
  if (c->input) {
    g_autofree char *message = g_strconcat("x", c->input, NULL);
    message[0] = 0;
    append_masked(out, 2, message, strlen(c->input) + 1);
    append_masked(out, 2, "\xff\0", 2);
  }
  if (out->len > 0)
    send_bytes(fd, out);
  read_websocket(fd, texts);
  close(fd);
  g_thread_join(thread);
  g_assert_cmpstr(texts[1]->str, ==, c->out);
  g_assert_cmpstr(texts[2]->str, ==, c->err);
  g_assert_cmpstr(texts[3]->str, ==, c->status);
  for (int i = 0; i < 4; i++)
    g_string_free(texts[i], TRUE);
}

#define SUCCESS "{\"metadata\":{},\"status\":\"Success\"}"
#define EXIT_3                                                                                                         \
  "{\"metadata\":{},\"status\":\"Failure\",\"message\":\"command terminated with non-zero exit code: exit status 3\"," \
  "\"reason\":\"NonZeroExitCode\",\"details\":{\"causes\":[{\"reason\":\"ExitCode\",\"message\":\"3\"}]}}"

static void test_websocket(void)
{
  static const WebSocketCase cases[] = {
    { 5, false, "echo out; echo err >&2", NULL, "out\n", "err\n", SUCCESS },
    { 5, false, "exit 3", NULL, "", "", EXIT_3 },
    { 5, false, "cat; echo end", "typed\n", "typed\nend\n", "", SUCCESS },
    { 4, false, "read line; echo got $line", "x\n", "got x\n", "", SUCCESS },
    { 5, true, "sleep 0.2; echo tty", NULL, "tty\n", "", SUCCESS },
    { 5, false, "sleep 30 & echo left", NULL, "left\n", "", SUCCESS }, /* must not wait for the child left behind */
    { 5, false, NULL, NULL, "", "",
      "{\"metadata\":{},\"status\":\"Failure\",\"message\":\"Internal error occurred: error executing command in "
      "container: no "
      "such container\",\"reason\":\"InternalError\",\"details\":{\"causes\":[{\"message\":\"error executing command "
      "in "
      "container: no such container\"}]},\"code\":500}" },
  };
  for (gsize i = 0; i < G_N_ELEMENTS(cases); i++)
    run_websocket(&cases[i]);
  g_assert_cmpstr(last_size, ==, "80x24");
}

static void test_client_leaves(void)
{
  Server server = { .handshake = { .framing = STREAM_WEBSOCKET, .version = 5 },
                    .command = { false, true, true, false, start_shell, (char[]){ "exec sleep 30" } } };
  GThread *thread;
  int fd = start(&server, &thread);
  guint8 first[8];
  receive(fd, first, sizeof first);
  gint64 before = g_get_monotonic_time();
  close(fd);
  g_thread_join(thread); /* the process is ended with the session */
  g_assert_cmpint(g_get_monotonic_time() - before, <, 10 * G_USEC_PER_SEC);
}

/* --- SPDY client --- */

typedef struct SpdyClient {
  int fd;
  Spdy *spdy;
  GByteArray *out;
  bool tunneled;
  GByteArray *in; /* tunneled: bytes of frames not yet whole */
} SpdyClient;

static void client_flush(SpdyClient *client)
{
  if (client->tunneled) {
    g_autoptr(GByteArray) wrapped = g_byte_array_new();
    for (guint at = 0; at < client->out->len; at += 100) /* messages need not end where frames do */
      append_masked(wrapped, 2, client->out->data + at, MIN(100, client->out->len - at));
    g_byte_array_set_size(client->out, 0);
    send_bytes(client->fd, wrapped);
  } else {
    send_bytes(client->fd, client->out);
  }
}

static bool client_read(SpdyClient *client)
{
  guint8 buffer[4096];
  gsize got = receive(client->fd, buffer, sizeof buffer);
  if (!client->tunneled) {
    spdy_feed(client->spdy, buffer, got);
    return got > 0;
  }
  g_byte_array_append(client->in, buffer, (guint)got);
  while (client->in->len >= 2) {
    gsize length = client->in->data[1], head = 2;
    g_assert_cmpuint(length, <, 127);
    if (length == 126 && client->in->len >= 4) {
      length = (gsize)client->in->data[2] << 8 | client->in->data[3];
      head = 4;
    }
    if (client->in->len < head + length)
      break;
    if ((client->in->data[0] & 0x0f) == 2)
      spdy_feed(client->spdy, client->in->data + head, length);
    g_byte_array_remove_range(client->in, 0, (guint)(head + length));
  }
  return got > 0;
}

/* Appends what STREAM says to TEXT until it ends. */
static void read_stream(SpdyClient *client, uint32_t stream, GString *text, uint32_t other, GString *other_text)
{
  SpdyEvent event;
  bool ended = false;
  while (!ended) {
    g_assert_true(spdy_next(client->spdy, &event, NULL));
    if (event.type == SPDY_NONE) {
      g_assert_true(client_read(client));
    } else if (event.type == SPDY_DATA) {
      g_string_append_len(event.stream == stream ? text : other_text, (const char *)event.data, (gssize)event.length);
      g_assert_true(event.stream == stream || event.stream == other);
      ended = event.fin && event.stream == stream;
    }
  }
}

static void open_client_stream(SpdyClient *client, uint32_t stream, bool fin, const char *type, const char *id)
{
  const char *const headers[] = { "streamType", type, id ? "port" : NULL, "8080", "requestID", id, NULL };
  spdy_append_syn_stream(client->spdy, client->out, stream, fin, headers);
}

static void client_clear(SpdyClient *client)
{
  close(client->fd);
  spdy_free(client->spdy);
  g_byte_array_unref(client->out);
  g_byte_array_unref(client->in);
}

static void client_init(SpdyClient *client, int fd, bool tunneled)
{
  *client = (SpdyClient){ fd, spdy_new(), g_byte_array_new(), tunneled, g_byte_array_new() };
}

static void test_spdy_command(void)
{
  Server server = { .handshake = { .framing = STREAM_SPDY, .version = 4 },
                    .command = { true, true, false, false, start_shell, (char[]){ "cat; exit 3" } } };
  GThread *thread;
  SpdyClient client;
  client_init(&client, start(&server, &thread), false);
  g_autoptr(GString) out = g_string_new(NULL);
  g_autoptr(GString) status = g_string_new(NULL);
  open_client_stream(&client, 1, false, "error", NULL);
  client_flush(&client);
  SpdyEvent event;
  do /* as kubectl does: the reply comes before the other streams are opened */
    g_assert_true(client_read(&client) && spdy_next(client.spdy, &event, NULL));
  while (event.type == SPDY_NONE);
  g_assert_cmpint(event.type, ==, SPDY_SYN_REPLY);
  open_client_stream(&client, 3, false, "stdin", NULL);
  open_client_stream(&client, 5, false, "stdout", NULL);
  spdy_append_data(client.out, 3, true, "hello", 5);
  client_flush(&client);
  read_stream(&client, 1, status, 5, out);
  g_assert_cmpstr(out->str, ==, "hello");
  g_assert_cmpstr(status->str, ==, EXIT_3);
  client_clear(&client);
  g_thread_join(thread);
}

/* A pod that sends back what it gets, until its end. */
static gpointer echo(gpointer data)
{
  int fd = GPOINTER_TO_INT(data);
  char buffer[4096];
  gssize got;
  while ((got = read(fd, buffer, sizeof buffer)) > 0)
    g_assert_cmpint(write(fd, buffer, (gsize)got), ==, got);
  close(fd);
  return NULL;
}

static int connect_echo(void *data, uint16_t port, GError **error)
{
  int pair[2];
  if (port != 8080 || !data) {
    reason_set(error, REASON_SERVICE_UNAVAILABLE, "connection refused");
    return -1;
  }
  g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), ==, 0);
  g_thread_unref(g_thread_new("echo", echo, GINT_TO_POINTER(pair[1])));
  return pair[0];
}

static void run_forward(bool tunneled)
{
  Server server = { .handshake = { .framing = tunneled ? STREAM_WEBSOCKET : STREAM_SPDY, .version = 1 },
                    .forward = { "p", connect_echo, (char[]){ "" } } };
  GThread *thread;
  SpdyClient client;
  client_init(&client, start(&server, &thread), tunneled);
  for (uint32_t round = 0; round < 2; round++) { /* one connection after another on the same session */
    uint32_t error_stream = 1 + 4 * round, data_stream = 3 + 4 * round;
    g_autofree char *id = g_strdup_printf("%u", round);
    g_autofree char *text = g_strnfill(30000, 'y');
    g_autoptr(GString) data = g_string_new(NULL);
    g_autoptr(GString) errors = g_string_new(NULL);
    open_client_stream(&client, error_stream, true, "error", id);
    open_client_stream(&client, data_stream, false, "data", id);
    spdy_append_data(client.out, data_stream, true, text, strlen(text));
    client_flush(&client);
    read_stream(&client, error_stream, errors, data_stream, data);
    g_assert_cmpstr(data->str, ==, text);
    g_assert_cmpstr(errors->str, ==, "");
  }
  client_clear(&client);
  g_thread_join(thread);
}

static void test_forward(void)
{
  run_forward(false);
}

static void test_forward_tunneled(void)
{
  run_forward(true);
}

static void test_forward_refused(void)
{
  Server server = { .handshake = { .framing = STREAM_SPDY, .version = 1 }, .forward = { "p", connect_echo, NULL } };
  GThread *thread;
  SpdyClient client;
  client_init(&client, start(&server, &thread), false);
  g_autoptr(GString) data = g_string_new(NULL);
  g_autoptr(GString) errors = g_string_new(NULL);
  open_client_stream(&client, 1, true, "error", "0");
  open_client_stream(&client, 3, false, "data", "0");
  client_flush(&client);
  read_stream(&client, 1, errors, 3, data);
  g_assert_cmpstr(errors->str, ==, "error forwarding port 8080 to pod p: connection refused");
  client_clear(&client);
  g_thread_join(thread);
}

static void test_handshake(void)
{
  static const char *const v5[] = { "v5.channel.k8s.io, v4.channel.k8s.io", NULL };
  static const char *const four[] = { "v4.channel.k8s.io", "v3.channel.k8s.io", "v2.channel.k8s.io", "channel.k8s.io",
                                      NULL };
  static const char *const tunnel[] = { "SPDY/3.1+portforward.k8s.io", NULL };
  static const char *const unknown[] = { "v9", NULL };
  StreamHeaders websocket = { "websocket", "dGhlIHNhbXBsZSBub25jZQ==", "13", v5, NULL };
  g_auto(StreamHandshake) handshake = { 0 };
  g_autoptr(GError) error = NULL;
  g_assert_true(stream_handshake_choose(STREAM_REMOTE_COMMAND, &websocket, &handshake, NULL));
  g_assert_cmpuint(handshake.version, ==, 5);
  g_assert_cmpstr(
      handshake.head, ==,
      "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: "
      "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\nSec-WebSocket-Protocol: v5.channel.k8s.io\r\n\r\n");
  stream_handshake_clear(&handshake);
  websocket.websocket_protocols = tunnel;
  g_assert_true(stream_handshake_choose(STREAM_PORT_FORWARD, &websocket, &handshake, NULL));
  g_assert_cmpint(handshake.framing, ==, STREAM_WEBSOCKET);
  stream_handshake_clear(&handshake);
  websocket.websocket_protocols = unknown;
  g_assert_false(stream_handshake_choose(STREAM_PORT_FORWARD, &websocket, &handshake, &error));
  g_assert_true(reason_is(error, REASON_FORBIDDEN));
  g_clear_error(&error);
  StreamHeaders spdy = { .upgrade = "SPDY/3.1", .stream_protocols = four };
  g_assert_true(stream_handshake_choose(STREAM_REMOTE_COMMAND, &spdy, &handshake, NULL));
  g_assert_cmpuint(handshake.version, ==, 4);
  g_assert_true(strstr(handshake.head, "X-Stream-Protocol-Version: v4.channel.k8s.io\r\n\r\n") != NULL);
  stream_handshake_clear(&handshake);
  StreamHeaders none = { 0 };
  g_assert_false(stream_handshake_choose(STREAM_REMOTE_COMMAND, &none, &handshake, &error));
  g_assert_cmpstr(error->message, ==, "Upgrade request required");
}

int main(int argc, char **argv)
{
  g_test_init(&argc, &argv, NULL);
  signal(SIGPIPE, SIG_IGN);
  g_test_add_func("/stream/handshake", test_handshake);
  g_test_add_func("/stream/websocket", test_websocket);
  g_test_add_func("/stream/client-leaves", test_client_leaves);
  g_test_add_func("/stream/spdy-command", test_spdy_command);
  g_test_add_func("/stream/forward", test_forward);
  g_test_add_func("/stream/forward-tunneled", test_forward_tunneled);
  g_test_add_func("/stream/forward-refused", test_forward_refused);
  return g_test_run();
}
