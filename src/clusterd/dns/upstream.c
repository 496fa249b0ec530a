#include "clusterd/dns/upstream.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"

#define PENDING_MAX 1000
#define MESSAGE_MAX 65535
#define RESOLV_CONF_MAX 65536

static const struct timeval answer_timeout = { .tv_sec = 2 };

struct Upstream {
  struct event_base *base;
  char *resolv_conf, *own_address;
  uint16_t port;
  struct timespec modified; /* of resolv.conf, as last read */
  NameServers servers;
  GHashTable *pending; /* set of Ask* */
};

typedef struct Ask {
  Upstream *upstream;
  GBytes *query; /* with our id */
  uint16_t id, asked_id;
  bool tcp;
  NameServers servers;
  unsigned server; /* index of the one asked */
  int fd;
  struct event *event;
  size_t sent;          /* TCP: bytes of length and query */
  GByteArray *received; /* TCP */
  UpstreamReply reply;
  void *data;
} Ask;

static void read_nameservers(Upstream *upstream)
{
  struct stat info;
  if (stat(upstream->resolv_conf, &info) != 0 ||
      (info.st_mtim.tv_sec == upstream->modified.tv_sec && info.st_mtim.tv_nsec == upstream->modified.tv_nsec))
    return;
  g_autoptr(GBytes) bytes = file_read(upstream->resolv_conf, RESOLV_CONF_MAX, NULL);
  if (!bytes)
    return;
  upstream->modified = info.st_mtim;
  upstream->servers.count = 0;
  g_autofree char *text = g_strndup(g_bytes_get_data(bytes, NULL), g_bytes_get_size(bytes));
  g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
  for (char **line = lines; *line && upstream->servers.count < NAMESERVERS_MAX; line++) {
    g_auto(GStrv) words = g_strsplit_set(g_strstrip(*line), " \t", 3);
    struct sockaddr_in at = { .sin_family = AF_INET, .sin_port = htons(upstream->port) };
    if (g_strcmp0(words[0], "nameserver") == 0 && words[1] && !g_str_equal(words[1], upstream->own_address) &&
        inet_pton(AF_INET, words[1], &at.sin_addr) == 1)
      upstream->servers.at[upstream->servers.count++] = at;
  }
}

static void ask_stop(Ask *ask)
{
  if (ask->event)
    event_free(ask->event);
  ask->event = NULL;
  file_close(&ask->fd);
}

static void ask_free(Ask *ask)
{
  ask_stop(ask);
  g_bytes_unref(ask->query);
  g_byte_array_unref(ask->received);
  g_free(ask);
}

Upstream *upstream_new(struct event_base *base, const char *resolv_conf, uint16_t port, const char *own_address)
{
  Upstream *upstream = g_new0(Upstream, 1);
  *upstream = (Upstream){ .base = base,
                          .resolv_conf = g_strdup(resolv_conf),
                          .own_address = g_strdup(own_address),
                          .port = port,
                          .pending = g_hash_table_new_full(NULL, NULL, (GDestroyNotify)ask_free, NULL) };
  return upstream;
}

void upstream_free(Upstream *upstream)
{
  g_hash_table_unref(upstream->pending);
  g_free(upstream->resolv_conf);
  g_free(upstream->own_address);
  g_free(upstream);
}

/* REPLY is a message with our id, or NULL. */
static void finish(Ask *ask, const uint8_t *message, size_t length)
{
  g_autoptr(GBytes) bytes = NULL;
  if (message) {
    uint8_t *copy = g_memdup2(message, length);
    copy[0] = (uint8_t)(ask->asked_id >> 8);
    copy[1] = (uint8_t)ask->asked_id;
    bytes = g_bytes_new_take(copy, length);
  }
  UpstreamReply reply = ask->reply;
  void *data = ask->data;
  g_hash_table_remove(ask->upstream->pending, ask);
  reply(bytes, data);
}

static bool is_answer(const Ask *ask, const uint8_t *message, size_t length)
{
  return length >= 12 && message[0] == ask->id >> 8 && message[1] == (ask->id & 0xff) && (message[2] & 0x80);
}

static void try_server(Ask *ask);

static void try_next(Ask *ask)
{
  ask_stop(ask);
  ask->server++;
  try_server(ask);
}

static void on_udp(evutil_socket_t fd, short what, void *data)
{
  Ask *ask = data;
  uint8_t buffer[MESSAGE_MAX];
  if (!(what & EV_READ)) {
    try_next(ask);
    return;
  }
  ssize_t n = recv(fd, buffer, sizeof buffer, 0);
  if (n >= 0 && is_answer(ask, buffer, (size_t)n))
    finish(ask, buffer, (size_t)n);
  else if (n < 0 && errno != EAGAIN && errno != EINTR)
    try_next(ask); /* refused */
}

static bool send_tcp(Ask *ask)
{
  gsize length;
  const uint8_t *query = g_bytes_get_data(ask->query, &length);
  uint8_t head[2] = { (uint8_t)(length >> 8), (uint8_t)length };
  while (ask->sent < length + 2) {
    const uint8_t *from = ask->sent < 2 ? head + ask->sent : query + ask->sent - 2;
    size_t left = ask->sent < 2 ? 2 - ask->sent : length + 2 - ask->sent;
    ssize_t n = send(ask->fd, from, left, MSG_NOSIGNAL);
    if (n < 0)
      return errno == EAGAIN || errno == EINTR;
    ask->sent += (size_t)n;
  }
  return true;
}

static void on_tcp(evutil_socket_t fd, short what, void *data)
{
  Ask *ask = data;
  uint8_t buffer[4096];
  if (what & EV_TIMEOUT) {
    try_next(ask);
    return;
  }
  if ((what & EV_WRITE) && !send_tcp(ask)) {
    try_next(ask);
    return;
  }
  if (ask->sent == g_bytes_get_size(ask->query) + 2 && (what & EV_WRITE)) {
    event_free(ask->event);
    ask->event = event_new(ask->upstream->base, fd, EV_READ | EV_PERSIST, on_tcp, ask);
    event_add(ask->event, &answer_timeout);
    return;
  }
  if (!(what & EV_READ))
    return;
  ssize_t n = recv(fd, buffer, sizeof buffer, 0);
  if (n <= 0) {
    if (n == 0 || (errno != EAGAIN && errno != EINTR))
      try_next(ask);
    return;
  }
  g_byte_array_append(ask->received, buffer, (guint)n);
  const uint8_t *got = ask->received->data;
  if (ask->received->len < 2 || ask->received->len < 2u + (got[0] << 8 | got[1]))
    return;
  size_t length = (size_t)(got[0] << 8 | got[1]);
  if (is_answer(ask, got + 2, length))
    finish(ask, got + 2, length);
  else
    try_next(ask);
}

static bool connect_server(Ask *ask)
{
  const struct sockaddr_in *to = &ask->servers.at[ask->server];
  int type = ask->tcp ? SOCK_STREAM : SOCK_DGRAM;
  ask->fd = socket(AF_INET, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (ask->fd < 0)
    return false;
  if (connect(ask->fd, (const struct sockaddr *)to, sizeof *to) != 0 && errno != EINPROGRESS)
    return false;
  gsize length;
  const void *query = g_bytes_get_data(ask->query, &length);
  return ask->tcp || send(ask->fd, query, length, MSG_NOSIGNAL) == (ssize_t)length;
}

static void try_server(Ask *ask)
{
  for (; ask->server < ask->servers.count; ask->server++, ask_stop(ask)) {
    if (!connect_server(ask))
      continue;
    ask->sent = 0;
    g_byte_array_set_size(ask->received, 0);
    short what = ask->tcp ? EV_WRITE | EV_PERSIST : EV_READ | EV_PERSIST;
    ask->event = event_new(ask->upstream->base, ask->fd, what, ask->tcp ? on_tcp : on_udp, ask);
    event_add(ask->event, &answer_timeout);
    return;
  }
  finish(ask, NULL, 0);
}

void upstream_ask(Upstream *upstream, const NameServers *servers, GBytes *query, bool tcp, UpstreamReply reply,
                  void *data)
{
  gsize length;
  const uint8_t *wire = g_bytes_get_data(query, &length);
  read_nameservers(upstream);
  if (length < 12 || length > MESSAGE_MAX || g_hash_table_size(upstream->pending) >= PENDING_MAX) {
    reply(NULL, data);
    return;
  }
  Ask *ask = g_new0(Ask, 1);
  uint8_t *copy = g_memdup2(wire, length);
  *ask = (Ask){ .upstream = upstream, .tcp = tcp, .fd = -1, .reply = reply, .data = data };
  ask->servers = servers ? *servers : upstream->servers;
  ask->asked_id = (uint16_t)(wire[0] << 8 | wire[1]);
  /* An id nobody can guess, beside the kernel's random source port (RFC 5452). */
  if (getrandom(&ask->id, sizeof ask->id, 0) != (ssize_t)sizeof ask->id)
    ask->id = (uint16_t)g_random_int();
  copy[0] = (uint8_t)(ask->id >> 8);
  copy[1] = (uint8_t)ask->id;
  ask->query = g_bytes_new_take(copy, length);
  ask->received = g_byte_array_new();
  g_hash_table_add(upstream->pending, ask);
  try_server(ask);
}
