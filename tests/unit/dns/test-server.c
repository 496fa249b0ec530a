/* The server over real sockets on loopback, with a nameserver of the test's own behind it. */
#include <arpa/inet.h>
#include <glib.h>
#include <glib/gstdio.h>
#include <ldns/ldns.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/json.h"
#include "cluster.h"
#include "clusterd/dns/forwarding.h"
#include "clusterd/dns/server.h"

static json_t *cluster;

typedef struct Fixture {
  DnsServer *server;
  char *resolv_conf;
  int upstream; /* UDP, answers one question */
  GThread *thread;
} Fixture;

static int bound_udp(uint16_t *port)
{
  struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
  socklen_t size = sizeof at;
  int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  g_assert_cmpint(bind(fd, (struct sockaddr *)&at, sizeof at), ==, 0);
  g_assert_cmpint(getsockname(fd, (struct sockaddr *)&at, &size), ==, 0);
  *port = ntohs(at.sin_port);
  return fd;
}

/* Answers every question with 192.0.2.1 until its socket is shut down by an empty datagram. */
static void *answer_upstream(void *data)
{
  Fixture *fixture = data;
  uint8_t buffer[512];
  struct sockaddr_in from;
  for (;;) {
    socklen_t size = sizeof from;
    ssize_t n = recvfrom(fixture->upstream, buffer, sizeof buffer, 0, (struct sockaddr *)&from, &size);
    ldns_pkt *query = NULL;
    if (n <= 0 || ldns_wire2pkt(&query, buffer, (size_t)n) != LDNS_STATUS_OK)
      return NULL;
    ldns_pkt *answer = resolver_refuse(query, LDNS_RCODE_NOERROR);
    ldns_rr *rr = NULL;
    char *owner = ldns_rdf2str(ldns_rr_owner(ldns_rr_list_rr(ldns_pkt_question(query), 0)));
    g_autofree char *text = g_strdup_printf("%s 60 IN A 192.0.2.1", owner);
    free(owner);
    ldns_rr_new_frm_str(&rr, text, 60, NULL, NULL);
    ldns_pkt_push_rr(answer, LDNS_SECTION_ANSWER, rr);
    g_autoptr(GBytes) bytes = resolver_pack(answer, 512);
    sendto(fixture->upstream, g_bytes_get_data(bytes, NULL), g_bytes_get_size(bytes), 0, (struct sockaddr *)&from,
           size);
    ldns_pkt_free(answer);
    ldns_pkt_free(query);
  }
}

static void set_up(Fixture *fixture, gconstpointer data)
{
  uint16_t port;
  g_autoptr(GError) error = NULL;
  fixture->upstream = bound_udp(&port);
  close(g_file_open_tmp("resolv-XXXXXX", &fixture->resolv_conf, NULL));
  g_assert_true(g_file_set_contents(fixture->resolv_conf, "nameserver 127.0.0.1\n", -1, NULL));
  DnsServerConfig config = { .address = "127.0.0.53",
                             .zone = "cluster.local",
                             .facts = cluster_facts(cluster),
                             .resolv_conf = fixture->resolv_conf,
                             .upstream_port = port };
  fixture->server = dns_server_start(&config, &error);
  g_assert_no_error(error);
  fixture->thread = g_thread_new("upstream", answer_upstream, fixture);
}

static void tear_down(Fixture *fixture, gconstpointer data)
{
  struct sockaddr_in at;
  socklen_t size = sizeof at;
  dns_server_free(fixture->server);
  getsockname(fixture->upstream, (struct sockaddr *)&at, &size);
  sendto(fixture->upstream, "", 0, 0, (struct sockaddr *)&at, size);
  g_thread_join(fixture->thread);
  close(fixture->upstream);
  g_unlink(fixture->resolv_conf);
  g_free(fixture->resolv_conf);
}

static ldns_pkt *ask(const Fixture *fixture, const char *name, int type)
{
  struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(dns_server_port(fixture->server)) };
  inet_pton(AF_INET, "127.0.0.53", &to.sin_addr);
  ldns_pkt *query = ldns_pkt_query_new(ldns_dname_new_frm_str(name), LDNS_RR_TYPE_A, LDNS_RR_CLASS_IN, LDNS_RD),
           *answer = NULL;
  ldns_pkt_set_id(query, 4711);
  g_autoptr(GBytes) wire = resolver_pack(query, 512);
  gsize length;
  const uint8_t *bytes = g_bytes_get_data(wire, &length);
  uint8_t buffer[1024], head[2] = { (uint8_t)(length >> 8), (uint8_t)length };
  int fd = socket(AF_INET, type | SOCK_CLOEXEC, 0);
  g_assert_cmpint(connect(fd, (struct sockaddr *)&to, sizeof to), ==, 0);
  if (type == SOCK_STREAM)
    g_assert_cmpint(send(fd, head, 2, 0), ==, 2);
  g_assert_cmpint(send(fd, bytes, length, 0), ==, (ssize_t)length);
  if (type == SOCK_STREAM)
    g_assert_cmpint(recv(fd, head, 2, MSG_WAITALL), ==, 2);
  size_t want = type == SOCK_STREAM ? (size_t)(head[0] << 8 | head[1]) : sizeof buffer;
  ssize_t n = recv(fd, buffer, want, type == SOCK_STREAM ? MSG_WAITALL : 0);
  g_assert_cmpint(n, >, 12);
  g_assert_cmpint(ldns_wire2pkt(&answer, buffer, (size_t)n), ==, LDNS_STATUS_OK);
  g_assert_cmpint(ldns_pkt_id(answer), ==, 4711);
  close(fd);
  ldns_pkt_free(query);
  return answer;
}

static void check(const Fixture *fixture, const char *name, int type, const char *last, unsigned count)
{
  ldns_pkt *answer = ask(fixture, name, type);
  g_assert_cmpuint(ldns_pkt_ancount(answer), ==, count);
  char *text = ldns_rdf2str(ldns_rr_rdf(ldns_rr_list_rr(ldns_pkt_answer(answer), count - 1), 0));
  g_assert_cmpstr(text, ==, last);
  free(text);
  ldns_pkt_free(answer);
}

static void test_own_zone(Fixture *fixture, gconstpointer data)
{
  check(fixture, "web.default.svc.cluster.local.", SOCK_DGRAM, "10.96.0.5", 1);
  check(fixture, "web.default.svc.cluster.local.", SOCK_STREAM, "10.96.0.5", 1);
}

static void test_forward(Fixture *fixture, gconstpointer data)
{
  check(fixture, "www.example.org.", SOCK_DGRAM, "192.0.2.1", 1);
}

/* The machine's nameserver answers on 127.0.0.1; nobody does on 127.0.0.9, so that whose answer came is told by
 * whether one did. */
static void test_config_map(Fixture *fixture, gconstpointer data)
{
  struct sockaddr_in at;
  socklen_t size = sizeof at;
  getsockname(fixture->upstream, (struct sockaddr *)&at, &size);
  g_autofree char *stubs = g_strdup_printf("{\"acme.local\": [\"127.0.0.1:%u\"]}", ntohs(at.sin_port));
  cluster_set_config_map(
      json_pack("{s:{s:s,s:s}}", "data", "stubDomains", stubs, "upstreamNameservers", "[\"127.0.0.9:1\"]"));
  check(fixture, "www.acme.LOCAL.", SOCK_DGRAM, "192.0.2.1", 1);
  ldns_pkt *answer = ask(fixture, "www.example.org.", SOCK_DGRAM);
  g_assert_cmpint(ldns_pkt_get_rcode(answer), ==, LDNS_RCODE_SERVFAIL);
  ldns_pkt_free(answer);
  cluster_set_config_map(NULL);
  check(fixture, "www.example.org.", SOCK_DGRAM, "192.0.2.1", 1);
}

/* Who is asked, as the last part of the address and the port. */
static void test_forwarding(void)
{
  static const struct {
    const char *name, *servers;
  } rows[] = { { "acme.local.", "1:53 2:5353" },    { "mail.Acme.Local", "1:53 2:5353" },
               { "deep.www.acme.local.", "3:53" },  { "notacme.local.", "8:53" },
               { "acme.local.org.", "8:53" },       { "bad.local.", "8:53" },
               { "many.local.", "1:53 2:53 3:53" }, { ".", "8:53" } };
  g_autoptr(json_t) config_map = json_pack(
      "{s:{s:s,s:s}}", "data", "stubDomains",
      "{\"acme.local\": [\"10.0.0.1\", \"10.0.0.2:5353\"], \"WWW.acme.local.\": [\"10.0.0.3\", \"10.0.0.4:0\", 5], "
      "\"bad.local\": [\"nobody\"], \"many.local\": [\"10.0.0.1\", \"10.0.0.2\", \"10.0.0.3\", \"10.0.0.4\"], "
      "\"text.local\": \"10.0.0.5\"}",
      "upstreamNameservers", "[\"10.0.0.8\"]");
  for (unsigned i = 0; i < 3; i++) /* 10.0.0.4:0, 5, nobody */
    g_test_expect_message("dns", G_LOG_LEVEL_WARNING, "*nameserver*");
  g_autoptr(Forwarding) forwarding = forwarding_new(config_map);
  for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
    const NameServers *servers = forwarding_find(forwarding, rows[i].name);
    g_autoptr(GString) text = g_string_new(NULL);
    for (unsigned k = 0; k < servers->count; k++)
      g_string_append_printf(text, "%s%u:%u", k > 0 ? " " : "", ntohl(servers->at[k].sin_addr.s_addr) & 255,
                             ntohs(servers->at[k].sin_port));
    g_assert_cmpstr(text->str, ==, rows[i].servers);
  }
  g_test_assert_expected_messages();
  g_autoptr(Forwarding) nothing = forwarding_new(NULL);
  g_assert_null(forwarding_find(nothing, "acme.local."));
}

static void test_alias_is_chased(Fixture *fixture, gconstpointer data)
{
  check(fixture, "outside.default.svc.cluster.local.", SOCK_DGRAM, "192.0.2.1", 2);
}

static void test_nobody_answers(Fixture *fixture, gconstpointer data)
{
  /* The test's nameserver speaks no TCP: refused at once, so the answer is a failure without a wait. */
  ldns_pkt *answer = ask(fixture, "www.example.org.", SOCK_STREAM);
  g_assert_cmpint(ldns_pkt_get_rcode(answer), ==, LDNS_RCODE_SERVFAIL);
  ldns_pkt_free(answer);
}

int main(int argc, char **argv)
{
  g_test_init(&argc, &argv, NULL);
  g_autofree char *path = g_test_build_filename(G_TEST_DIST, "tests/unit/dns/cluster.json", NULL);
  cluster = json_read_file(path, NULL);
  g_assert_nonnull(cluster);
  g_test_add("/server/own-zone", Fixture, NULL, set_up, test_own_zone, tear_down);
  g_test_add("/server/forward", Fixture, NULL, set_up, test_forward, tear_down);
  g_test_add("/server/config-map", Fixture, NULL, set_up, test_config_map, tear_down);
  g_test_add_func("/forwarding/servers", test_forwarding);
  g_test_add("/server/alias-is-chased", Fixture, NULL, set_up, test_alias_is_chased, tear_down);
  g_test_add("/server/nobody-answers", Fixture, NULL, set_up, test_nobody_answers, tear_down);
  int result = g_test_run();
  json_decref(cluster);
  return result;
}
