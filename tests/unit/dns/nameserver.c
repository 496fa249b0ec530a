#include "nameserver.h"

#include <arpa/inet.h>
#include <ldns/ldns.h>
#include <poll.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "clusterd/dns/question.h"

#define HELD_MAX 16

typedef struct Held {
  struct sockaddr_in from;
  GBytes *reply;
} Held;

struct TestNameServer {
  uint8_t number;
  uint16_t port;
  int udp, tcp, wake;
  GMutex lock;
  GCond changed;
  unsigned asked;
  bool stop, released; /* asked, stop, released: under lock */
  Held held[HELD_MAX];
  unsigned held_count;
  GThread *thread;
};

static ldns_rr *record(const char *owner, unsigned ttl, unsigned number)
{
  ldns_rr *rr = NULL;
  g_autofree char *text = g_strdup_printf("%s %u IN A 192.0.2.%u", owner, ttl, number);
  g_assert_cmpint(ldns_rr_new_frm_str(&rr, text, 60, NULL, NULL), ==, LDNS_STATUS_OK);
  return rr;
}

static void fill(const TestNameServer *server, ldns_pkt *reply, const char *owner, bool tcp)
{
  if (g_str_has_prefix(owner, "big.")) {
    ldns_pkt_set_tc(reply, !tcp);
    for (unsigned i = 1; tcp && i <= 100; i++)
      ldns_pkt_push_rr(reply, LDNS_SECTION_ANSWER, record(owner, 300, i));
  } else if (g_str_has_prefix(owner, "fail.")) {
    ldns_pkt_set_rcode(reply, LDNS_RCODE_SERVFAIL);
  } else if (g_str_has_prefix(owner, "nx.")) {
    ldns_pkt_set_rcode(reply, LDNS_RCODE_NXDOMAIN);
    ldns_rr *soa = NULL;
    ldns_rr_new_frm_str(&soa, "org. 300 IN SOA a.org. b.org. 1 1 1 1 5", 0, NULL, NULL);
    ldns_pkt_push_rr(reply, LDNS_SECTION_AUTHORITY, soa);
  } else {
    unsigned ttl = g_str_has_prefix(owner, "short.") ? 1 : 300;
    ldns_pkt_push_rr(reply, LDNS_SECTION_ANSWER, record(owner, ttl, server->number));
  }
}

/* *OWNER gets the name asked for, lower-case. */
static GBytes *make_reply(const TestNameServer *server, const uint8_t *wire, size_t length, bool tcp, char **owner)
{
  ldns_pkt *query = NULL, *reply = ldns_pkt_new();
  uint8_t *bytes = NULL;
  size_t size = 0;
  g_assert_cmpint(ldns_wire2pkt(&query, wire, length), ==, LDNS_STATUS_OK);
  ldns_rr *question = ldns_rr_list_rr(ldns_pkt_question(query), 0);
  char *text = ldns_rdf2str(ldns_rr_owner(question));
  *owner = g_ascii_strdown(text, -1);
  free(text);
  ldns_pkt_push_rr(reply, LDNS_SECTION_QUESTION, ldns_rr_clone(question));
  ldns_pkt_set_id(reply, ldns_pkt_id(query));
  ldns_pkt_set_qr(reply, true);
  fill(server, reply, *owner, tcp);
  ldns_pkt_set_edns_udp_size(reply, 1232);
  g_assert_cmpint(ldns_pkt2wire(&bytes, reply, &size), ==, LDNS_STATUS_OK);
  ldns_pkt_free(query);
  ldns_pkt_free(reply);
  return g_bytes_new_with_free_func(bytes, size, free, bytes);
}

static void count(TestNameServer *server, const uint8_t *wire, size_t length)
{
  size_t end = message_skip_name(wire, length, MESSAGE_HEADER_SIZE);
  uint16_t type = message_u16(wire + end);
  if (type == LDNS_RR_TYPE_HINFO || type == LDNS_RR_TYPE_NS)
    return;
  g_mutex_lock(&server->lock);
  server->asked++;
  g_cond_broadcast(&server->changed);
  g_mutex_unlock(&server->lock);
}

static void send_to(const TestNameServer *server, const struct sockaddr_in *to, const void *bytes, size_t size)
{
  sendto(server->udp, bytes, size, 0, (const struct sockaddr *)to, sizeof *to);
}

/* Replies nobody asked for: to another id, and, with the right one, to another question. */
static void forge(const TestNameServer *server, const struct sockaddr_in *to, GBytes *reply)
{
  gsize size;
  const uint8_t *bytes = g_bytes_get_data(reply, &size);
  g_autofree uint8_t *other = g_memdup2(bytes, size);
  other[0] ^= 0xff;
  other[size - OPT_SIZE - 1] = 66; /* the address */
  send_to(server, to, other, size);
  other[0] ^= 0xff;
  other[MESSAGE_HEADER_SIZE + 1] = 'g';
  send_to(server, to, other, size);
}

static void serve_udp(TestNameServer *server)
{
  uint8_t wire[MESSAGE_MAX];
  struct sockaddr_in from;
  socklen_t size = sizeof from;
  ssize_t n = recvfrom(server->udp, wire, sizeof wire, MSG_DONTWAIT, (struct sockaddr *)&from, &size);
  if (n < MESSAGE_HEADER_SIZE)
    return;
  g_autofree char *owner = NULL;
  g_autoptr(GBytes) reply = make_reply(server, wire, (size_t)n, false, &owner);
  count(server, wire, (size_t)n); /* before who asked can look */
  if (g_str_has_prefix(owner, "held.")) {
    g_assert_cmpuint(server->held_count, <, HELD_MAX);
    server->held[server->held_count++] = (Held){ from, g_bytes_ref(reply) };
  } else if (g_str_has_prefix(owner, "garbage.")) {
    message_put_u16(wire + 2, FLAG_QR);
    message_put_u16(wire + 6, 1); /* a record that is not there */
    send_to(server, &from, wire, (size_t)n);
  } else if (!g_str_has_prefix(owner, "silent.")) {
    if (g_str_has_prefix(owner, "forged."))
      forge(server, &from, reply);
    send_to(server, &from, g_bytes_get_data(reply, NULL), g_bytes_get_size(reply));
  }
}

static void serve_tcp(TestNameServer *server)
{
  uint8_t wire[MESSAGE_MAX], head[2];
  int client = accept4(server->tcp, NULL, NULL, SOCK_CLOEXEC);
  g_assert_cmpint(recv(client, head, sizeof head, MSG_WAITALL), ==, 2);
  ssize_t n = recv(client, wire, message_u16(head), MSG_WAITALL);
  g_autofree char *owner = NULL;
  g_autoptr(GBytes) reply = make_reply(server, wire, (size_t)n, true, &owner);
  gsize size;
  const uint8_t *bytes = g_bytes_get_data(reply, &size);
  count(server, wire, (size_t)n);
  message_put_u16(head, (uint16_t)size);
  /* in pieces, as a network may deliver it */
  send(client, head, 1, 0);
  send(client, head + 1, 1, 0);
  send(client, bytes, size / 2, 0);
  send(client, bytes + size / 2, size - size / 2, 0);
  close(client);
}

static void release(TestNameServer *server)
{
  for (unsigned i = 0; i < server->held_count; i++) {
    send_to(server, &server->held[i].from, g_bytes_get_data(server->held[i].reply, NULL),
            g_bytes_get_size(server->held[i].reply));
    g_bytes_unref(server->held[i].reply);
  }
  server->held_count = 0;
}

static void *run(void *data)
{
  TestNameServer *server = data;
  for (;;) {
    struct pollfd fds[] = { { .fd = server->wake, .events = POLLIN },
                            { .fd = server->udp, .events = POLLIN },
                            { .fd = server->tcp, .events = POLLIN } };
    poll(fds, G_N_ELEMENTS(fds), -1);
    if (fds[1].revents)
      serve_udp(server);
    if (fds[2].revents)
      serve_tcp(server);
    if (!fds[0].revents)
      continue;
    eventfd_t times;
    eventfd_read(server->wake, &times);
    g_mutex_lock(&server->lock);
    bool stop = server->stop, released = server->released;
    server->released = false;
    g_mutex_unlock(&server->lock);
    if (stop || released)
      release(server);
    if (stop)
      return NULL;
  }
}

static bool bind_both(TestNameServer *server, uint16_t port)
{
  struct sockaddr_in at = { .sin_family = AF_INET,
                            .sin_port = htons(port),
                            .sin_addr.s_addr = htonl(INADDR_LOOPBACK - 1 + server->number) };
  socklen_t size = sizeof at;
  int on = 1;
  server->udp = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  server->tcp = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  setsockopt(server->tcp, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (bind(server->udp, (struct sockaddr *)&at, sizeof at) == 0 &&
      getsockname(server->udp, (struct sockaddr *)&at, &size) == 0 &&
      bind(server->tcp, (struct sockaddr *)&at, sizeof at) == 0 && listen(server->tcp, 16) == 0) {
    server->port = ntohs(at.sin_port);
    return true;
  }
  close(server->udp);
  close(server->tcp);
  return false;
}

TestNameServer *nameserver_start(uint8_t number, uint16_t port)
{
  TestNameServer *server = g_new0(TestNameServer, 1);
  server->number = number;
  while (!bind_both(server, port)) { /* a free port of UDP may be taken of TCP */
    if (port == 0)
      continue;
    g_free(server);
    return NULL;
  }
  server->wake = eventfd(0, EFD_CLOEXEC);
  g_mutex_init(&server->lock);
  g_cond_init(&server->changed);
  server->thread = g_thread_new("nameserver", run, server);
  return server;
}

static void wake(TestNameServer *server, bool *flag)
{
  g_mutex_lock(&server->lock);
  *flag = true;
  g_mutex_unlock(&server->lock);
  eventfd_write(server->wake, 1);
}

void nameserver_stop(TestNameServer *server)
{
  wake(server, &server->stop);
  g_thread_join(server->thread);
  close(server->udp);
  close(server->tcp);
  close(server->wake);
  g_mutex_clear(&server->lock);
  g_cond_clear(&server->changed);
  g_free(server);
}

void nameserver_release(TestNameServer *server)
{
  wake(server, &server->released);
}

uint16_t nameserver_port(const TestNameServer *server)
{
  return server->port;
}

unsigned nameserver_asked(TestNameServer *server)
{
  g_mutex_lock(&server->lock);
  unsigned asked = server->asked;
  g_mutex_unlock(&server->lock);
  return asked;
}

void nameserver_wait_asked(TestNameServer *server, unsigned n)
{
  gint64 until = g_get_monotonic_time() + 30 * G_USEC_PER_SEC;
  g_mutex_lock(&server->lock);
  while (server->asked < n)
    g_assert_true(g_cond_wait_until(&server->changed, &server->lock, until));
  g_mutex_unlock(&server->lock);
}
