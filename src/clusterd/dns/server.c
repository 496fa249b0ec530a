#include "clusterd/dns/server.h"

#include <arpa/inet.h>
#include <errno.h>
#include <event2/event.h>
#include <ldns/ldns.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/file.h"
#include "base/reason.h"
#include "clusterd/dns/batch.h"
#include "clusterd/dns/stream.h"

#define IDLE_MS 10000
#define UDP_BUFFER (1 << 20) /* bytes of questions that may wait for a turn */

struct DnsServer {
  struct event_base *base;
  int udp, tcp, stop, reload; /* the last two are eventfds */
  uint16_t port;
  struct event *udp_event, *tcp_event, *stop_event, *reload_event;
  LookupSet *lookups;
  StreamSet *streams;
  Batch *batch;
  uint8_t stream_answer[MESSAGE_MAX];
  GThread *thread;
};

/* A question whose answer is not there yet, and who asked. */
typedef struct Pending {
  DnsServer *server;
  Question question;
  struct sockaddr_in from; /* UDP */
  uint64_t stream;         /* TCP: its number; 0: UDP */
} Pending;

static void log_question(const Question *question, bool tcp, uint8_t rcode, size_t length)
{
  g_autofree char *name = name_to_text(question->asked, question->name_length);
  ldns_rr_type type = question->type;
  char *type_text = ldns_rr_type2str(type);
  g_message("\"%s IN %s %s\" %u, %zu bytes", type_text, name, tcp ? "tcp" : "udp", rcode, length);
  free(type_text);
}

/* ANSWER NULL: RCODE alone. */
static size_t write_answer(const DnsServer *server, const Question *question, const Answer *answer, uint32_t age,
                           uint8_t rcode, bool tcp, uint8_t *out)
{
  size_t limit = tcp ? MESSAGE_MAX : question_udp_limit(question);
  size_t length = answer ? answer_write(answer, question, age, limit, out) : answer_refuse(question, rcode, out);
  if (G_UNLIKELY(lookup_set_logs(server->lookups, question)))
    log_question(question, tcp, answer ? answer_rcode(answer) : rcode, length);
  return length;
}

static void on_answer(const Answer *answer, uint8_t rcode, void *data)
{
  Pending *pending = data;
  DnsServer *server = pending->server;
  uint8_t udp[UDP_SIZE_MAX];
  bool tcp = pending->stream != 0;
  uint8_t *out = tcp ? server->stream_answer : udp;
  size_t length = write_answer(server, &pending->question, answer, 0, rcode, tcp, out);
  if (tcp)
    stream_set_send(server->streams, pending->stream, out, length);
  else if (sendto(server->udp, out, length, MSG_NOSIGNAL, (const struct sockaddr *)&pending->from,
                  sizeof pending->from) < 0)
    g_debug("UDP answer: %s", g_strerror(errno));
  g_free(pending);
}

static void look_up(DnsServer *server, const Question *question, const struct sockaddr_in *from, uint64_t stream)
{
  Pending *pending = g_new0(Pending, 1);
  pending->server = server;
  pending->question = *question;
  pending->stream = stream;
  if (from)
    pending->from = *from;
  lookup_set_start(server->lookups, question, on_answer, pending);
}

/* Writes the answer to MESSAGE into OUT when it is there at once: its length. 0: it comes later, or never. */
static size_t answer_now(DnsServer *server, const uint8_t *message, size_t length, const struct sockaddr_in *from,
                         uint64_t stream, uint8_t *out)
{
  Question question;
  int rcode = question_read(&question, message, length);
  if (rcode == QUESTION_DROP)
    return 0;
  if (rcode != 0)
    return answer_refuse(&question, (uint8_t)rcode, out);
  uint32_t age;
  const Answer *answer = lookup_set_cached(server->lookups, &question, &age);
  if (G_LIKELY(answer != NULL))
    return write_answer(server, &question, answer, age, 0, stream != 0, out);
  look_up(server, &question, from, stream);
  return 0;
}

static size_t on_datagram(const uint8_t *message, size_t length, const struct sockaddr_in *from, uint8_t *out,
                          void *data)
{
  return answer_now(data, message, length, from, 0, out);
}

static void on_udp(evutil_socket_t fd, short what, void *data)
{
  DnsServer *server = data;
  batch_run(server->batch, fd, on_datagram, server);
}

static void on_stream_message(uint64_t stream, const uint8_t *message, size_t length, void *data)
{
  DnsServer *server = data;
  size_t n = answer_now(server, message, length, NULL, stream, server->stream_answer);
  if (n > 0)
    stream_set_send(server->streams, stream, server->stream_answer, n);
}

static void on_accept(evutil_socket_t fd, short what, void *data)
{
  DnsServer *server = data;
  int client = accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
  if (client >= 0)
    stream_set_add(server->streams, client);
}

static void on_stop(evutil_socket_t fd, short what, void *data)
{
  DnsServer *server = data;
  event_base_loopbreak(server->base);
}

static void on_reload(evutil_socket_t fd, short what, void *data)
{
  DnsServer *server = data;
  eventfd_t times;
  eventfd_read(fd, &times);
  lookup_set_reload(server->lookups);
}

static void *run(void *data)
{
  DnsServer *server = data;
  event_base_loop(server->base, EVLOOP_NO_EXIT_ON_EMPTY);
  return NULL;
}

static int bound_socket(int type, const char *address, uint16_t port, GError **error)
{
  struct sockaddr_in at = { .sin_family = AF_INET, .sin_port = htons(port) };
  int on = 1, fd = socket(AF_INET, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0 || inet_pton(AF_INET, address, &at.sin_addr) != 1 ||
      (type == SOCK_STREAM && setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0) ||
      bind(fd, (struct sockaddr *)&at, sizeof at) != 0 || (type == SOCK_STREAM && listen(fd, SOMAXCONN) != 0)) {
    reason_set_errno(error, REASON_LOCAL_NETWORK, errno, "DNS on %s port %u", address, port);
    file_close(&fd);
  }
  return fd;
}

static bool listen_on(DnsServer *server, const char *address, uint16_t port, GError **error)
{
  struct sockaddr_in at;
  socklen_t size = sizeof at;
  server->udp = bound_socket(SOCK_DGRAM, address, port, error);
  if (server->udp < 0)
    return false;
  setsockopt(server->udp, SOL_SOCKET, SO_RCVBUFFORCE, &(int){ UDP_BUFFER }, sizeof(int)); /* as it is, else */
  getsockname(server->udp, (struct sockaddr *)&at, &size);
  server->port = ntohs(at.sin_port);
  server->tcp = bound_socket(SOCK_STREAM, address, server->port, error);
  if (server->tcp < 0)
    return false;
  server->stop = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  server->reload = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  return (server->stop >= 0 && server->reload >= 0) || reason_set_errno(error, REASON_LOCAL_NETWORK, errno, "eventfd");
}

DnsServer *dns_server_start(const DnsServerConfig *config, GError **error)
{
  g_autoptr(DnsServer) server = g_new0(DnsServer, 1);
  server->udp = server->tcp = server->stop = server->reload = -1;
  if (!listen_on(server, config->lookup.address, config->port, error))
    return NULL;
  server->base = event_base_new();
  server->streams =
      stream_set_new(server->base, config->idle_ms ? config->idle_ms : IDLE_MS, on_stream_message, server);
  server->batch = batch_new();
  server->lookups = lookup_set_new(server->base, &config->lookup);
  server->udp_event = event_new(server->base, server->udp, EV_READ | EV_PERSIST, on_udp, server);
  server->tcp_event = event_new(server->base, server->tcp, EV_READ | EV_PERSIST, on_accept, server);
  server->stop_event = event_new(server->base, server->stop, EV_READ, on_stop, server);
  server->reload_event = event_new(server->base, server->reload, EV_READ | EV_PERSIST, on_reload, server);
  event_add(server->udp_event, NULL);
  event_add(server->tcp_event, NULL);
  event_add(server->stop_event, NULL);
  event_add(server->reload_event, NULL);
  server->thread = g_thread_new("dns", run, server);
  return g_steal_pointer(&server);
}

uint16_t dns_server_port(const DnsServer *server)
{
  return server->port;
}

void dns_server_reload(DnsServer *server)
{
  eventfd_write(server->reload, 1);
}

void dns_server_free(DnsServer *server)
{
  if (!server)
    return;
  if (server->thread) {
    eventfd_write(server->stop, 1);
    g_thread_join(server->thread);
  }
  struct event *events[] = { server->udp_event, server->tcp_event, server->stop_event, server->reload_event };
  for (gsize i = 0; i < G_N_ELEMENTS(events); i++)
    if (events[i])
      event_free(events[i]);
  lookup_set_free(server->lookups);
  g_clear_pointer(&server->streams, stream_set_free);
  if (server->base) {
    event_base_loop(server->base, EVLOOP_NONBLOCK); /* connections are freed by callbacks of the loop */
    event_base_free(server->base);
  }
  batch_free(server->batch);
  file_close(&server->udp);
  file_close(&server->tcp);
  file_close(&server->stop);
  file_close(&server->reload);
  g_free(server);
}
