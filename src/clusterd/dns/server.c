#include "clusterd/dns/server.h"

#include <arpa/inet.h>
#include <errno.h>
#include <event2/event.h>
#include <event2/thread.h>
#include <ldns/ldns.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/file.h"
#include "base/reason.h"
#include "clusterd/dns/stream.h"
#include "clusterd/dns/upstream.h"

#define MESSAGE_MAX 65535
#define UDP_BURST 64 /* datagrams taken per wake-up, so that TCP gets its turn */

struct DnsServer {
  char *zone;
  DnsFacts facts;
  struct event_base *base;
  int udp, tcp, stop; /* stop: an eventfd */
  uint16_t port;
  struct event *udp_event, *tcp_event, *stop_event;
  Upstream *upstream;
  json_t *config_map; /* what forwarding was made from; NULL: none */
  Forwarding *forwarding;
  StreamSet *streams;
  GThread *thread;
};

/* A question whose answer is not there yet, and who asked. */
typedef struct Pending {
  DnsServer *server;
  ldns_pkt *query;
  ldns_pkt *answer;        /* ours so far, when an alias leads outside; else NULL */
  struct sockaddr_in from; /* UDP */
  uint64_t stream;         /* TCP: its number; 0: UDP */
} Pending;

static void pending_free(Pending *pending)
{
  ldns_pkt_free(pending->query);
  if (pending->answer)
    ldns_pkt_free(pending->answer);
  g_free(pending);
}

static void send_bytes(const Pending *pending, GBytes *bytes)
{
  gsize length;
  const void *wire = g_bytes_get_data(bytes, &length);
  if (length == 0)
    return;
  if (pending->stream)
    stream_set_send(pending->server->streams, pending->stream, bytes);
  else if (sendto(pending->server->udp, wire, length, MSG_NOSIGNAL, (const struct sockaddr *)&pending->from,
                  sizeof pending->from) < 0)
    g_debug("UDP answer: %s", g_strerror(errno));
}

static void send_packet(const Pending *pending, ldns_pkt *answer)
{
  g_autoptr(GBytes) bytes = resolver_pack(answer, pending->stream ? MESSAGE_MAX : resolver_udp_limit(pending->query));
  send_bytes(pending, bytes);
}

static void send_refusal(const Pending *pending, uint8_t rcode)
{
  ldns_pkt *refusal = resolver_refuse(pending->query, rcode);
  send_packet(pending, refusal);
  ldns_pkt_free(refusal);
}

static void on_forwarded(GBytes *reply, void *data)
{
  Pending *pending = data;
  if (reply)
    send_bytes(pending, reply);
  else
    send_refusal(pending, LDNS_RCODE_SERVFAIL);
  pending_free(pending);
}

/* What an alias outside the cluster leads to is put behind the alias. */
static void on_chased(GBytes *reply, void *data)
{
  Pending *pending = data;
  ldns_pkt *found = NULL;
  if (reply && ldns_wire2pkt(&found, g_bytes_get_data(reply, NULL), g_bytes_get_size(reply)) == LDNS_STATUS_OK) {
    ldns_rr_list *records = ldns_pkt_answer(found);
    for (size_t i = 0; i < ldns_rr_list_rr_count(records); i++)
      ldns_pkt_push_rr(pending->answer, LDNS_SECTION_ANSWER, ldns_rr_clone(ldns_rr_list_rr(records, i)));
    ldns_pkt_free(found);
  }
  send_packet(pending, pending->answer);
  pending_free(pending);
}

/* Whom to ask about NAME. Objects do not change: another one is read, the same is known. */
static const NameServers *servers_for(DnsServer *server, const char *name)
{
  json_t *config_map = server->facts.config_map ? server->facts.config_map(server->facts.data) : NULL;
  if (!server->forwarding || config_map != server->config_map) {
    forwarding_free(server->forwarding);
    server->forwarding = forwarding_new(config_map);
    json_decref(server->config_map);
    server->config_map = json_incref(config_map);
  }
  json_decref(config_map);
  return forwarding_find(server->forwarding, name);
}

static void forward(Pending *pending, GBytes *wire)
{
  DnsServer *server = pending->server;
  char *name = ldns_rdf2str(ldns_rr_owner(ldns_rr_list_rr(ldns_pkt_question(pending->query), 0)));
  const NameServers *servers = servers_for(server, name ? name : "");
  free(name);
  upstream_ask(server->upstream, servers, wire, pending->stream != 0, on_forwarded, pending);
}

/* Takes PENDING. */
static void chase(Pending *pending, const char *name)
{
  ldns_rr_type type = ldns_rr_get_type(ldns_rr_list_rr(ldns_pkt_question(pending->query), 0));
  ldns_rdf *owner = ldns_dname_new_frm_str(name);
  ldns_pkt *question = owner ? ldns_pkt_query_new(owner, type, LDNS_RR_CLASS_IN, LDNS_RD) : NULL;
  if (!question) {
    send_packet(pending, pending->answer);
    pending_free(pending);
    return;
  }
  g_autoptr(GBytes) wire = resolver_pack(question, MESSAGE_MAX);
  ldns_pkt_free(question);
  const NameServers *servers = servers_for(pending->server, name);
  upstream_ask(pending->server->upstream, servers, wire, pending->stream != 0, on_chased, pending);
}

/* Takes PENDING, whose query came as WIRE. */
static void answer(Pending *pending, const uint8_t *wire, size_t length)
{
  DnsServer *server = pending->server;
  g_autofree char *alias = NULL;
  pending->answer = resolver_answer(&server->facts, server->zone, pending->query, &alias);
  if (!pending->answer) {
    g_autoptr(GBytes) copy = g_bytes_new(wire, length);
    forward(pending, copy);
  } else if (alias) {
    chase(pending, alias);
  } else {
    send_packet(pending, pending->answer);
    pending_free(pending);
  }
}

/* Takes PENDING, but for its query. */
static void handle(Pending *pending, const uint8_t *wire, size_t length)
{
  uint8_t rcode;
  pending->query = resolver_parse(wire, length, &rcode);
  if (!pending->query) {
    g_free(pending);
    return;
  }
  if (rcode != LDNS_RCODE_NOERROR) {
    send_refusal(pending, rcode);
    pending_free(pending);
    return;
  }
  answer(pending, wire, length);
}

static void on_udp(evutil_socket_t fd, short what, void *data)
{
  DnsServer *server = data;
  uint8_t buffer[MESSAGE_MAX];
  for (unsigned i = 0; i < UDP_BURST; i++) {
    Pending *pending = g_new0(Pending, 1);
    socklen_t size = sizeof pending->from;
    pending->server = server;
    ssize_t n = recvfrom(fd, buffer, sizeof buffer, 0, (struct sockaddr *)&pending->from, &size);
    if (n < 0) {
      g_free(pending);
      return;
    }
    handle(pending, buffer, (size_t)n);
  }
}

static void on_stream_message(uint64_t stream, const uint8_t *message, size_t length, void *data)
{
  Pending *pending = g_new0(Pending, 1);
  pending->server = data;
  pending->stream = stream;
  handle(pending, message, length);
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
      setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0 ||
      bind(fd, (struct sockaddr *)&at, sizeof at) != 0 || (type == SOCK_STREAM && listen(fd, SOMAXCONN) != 0)) {
    reason_set_errno(error, REASON_LOCAL_NETWORK, errno, "DNS on %s port %u", address, port);
    file_close(&fd);
  }
  return fd;
}

static bool listen_on(DnsServer *server, const DnsServerConfig *config, GError **error)
{
  struct sockaddr_in at;
  socklen_t size = sizeof at;
  server->udp = bound_socket(SOCK_DGRAM, config->address, config->port, error);
  if (server->udp < 0)
    return false;
  getsockname(server->udp, (struct sockaddr *)&at, &size);
  server->port = ntohs(at.sin_port);
  server->tcp = bound_socket(SOCK_STREAM, config->address, server->port, error);
  if (server->tcp < 0)
    return false;
  server->stop = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  return server->stop >= 0 || reason_set_errno(error, REASON_LOCAL_NETWORK, errno, "eventfd");
}

DnsServer *dns_server_start(const DnsServerConfig *config, GError **error)
{
  g_autoptr(DnsServer) server = g_new0(DnsServer, 1);
  server->udp = server->tcp = server->stop = -1;
  server->zone = g_strdup(config->zone);
  server->facts = config->facts;
  if (!listen_on(server, config, error))
    return NULL;
  server->base = event_base_new();
  server->upstream = upstream_new(server->base, config->resolv_conf, config->upstream_port, config->address);
  server->streams = stream_set_new(server->base, on_stream_message, server);
  server->udp_event = event_new(server->base, server->udp, EV_READ | EV_PERSIST, on_udp, server);
  server->tcp_event = event_new(server->base, server->tcp, EV_READ | EV_PERSIST, on_accept, server);
  server->stop_event = event_new(server->base, server->stop, EV_READ, on_stop, server);
  event_add(server->udp_event, NULL);
  event_add(server->tcp_event, NULL);
  event_add(server->stop_event, NULL);
  server->thread = g_thread_new("dns", run, server);
  return g_steal_pointer(&server);
}

uint16_t dns_server_port(const DnsServer *server)
{
  return server->port;
}

void dns_server_free(DnsServer *server)
{
  if (!server)
    return;
  if (server->thread) {
    eventfd_write(server->stop, 1);
    g_thread_join(server->thread);
  }
  struct event *events[] = { server->udp_event, server->tcp_event, server->stop_event };
  for (gsize i = 0; i < G_N_ELEMENTS(events); i++)
    if (events[i])
      event_free(events[i]);
  g_clear_pointer(&server->streams, stream_set_free);
  g_clear_pointer(&server->upstream, upstream_free);
  if (server->base) {
    event_base_loop(server->base, EVLOOP_NONBLOCK); /* connections are freed by callbacks of the loop */
    event_base_free(server->base);
  }
  file_close(&server->udp);
  file_close(&server->tcp);
  file_close(&server->stop);
  forwarding_free(server->forwarding);
  json_decref(server->config_map);
  g_free(server->zone);
  g_free(server);
}
