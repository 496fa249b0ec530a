/* The server over real sockets on loopback, with nameservers of the test's own behind it. */
#include <arpa/inet.h>
#include <glib.h>
#include <glib/gstdio.h>
#include <ldns/ldns.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/json.h"
#include "cluster.h"
#include "clusterd/dns/server.h"
#include "clusterd/dns/stream.h"
#include "nameserver.h"

static json_t *cluster;

typedef struct Fixture {
  DnsServer *server;
  char *resolv_conf, *folder;
  TestNameServer *first, *second; /* 127.0.0.1 and 127.0.0.2, of one port */
  GMutex lock;
  GCond reported;
  GQueue reports; /* char*, under lock */
} Fixture;

static void report(void *data, const json_t *config_map, const char *message)
{
  Fixture *fixture = data;
  g_mutex_lock(&fixture->lock);
  g_queue_push_tail(&fixture->reports, g_strdup(message ? message : "loaded"));
  g_cond_broadcast(&fixture->reported);
  g_mutex_unlock(&fixture->lock);
}

/* The next report. The caller frees. */
static char *wait_report(Fixture *fixture)
{
  gint64 until = g_get_monotonic_time() + 30 * G_USEC_PER_SEC;
  g_mutex_lock(&fixture->lock);
  while (g_queue_is_empty(&fixture->reports))
    g_assert_true(g_cond_wait_until(&fixture->reported, &fixture->lock, until));
  char *message = g_queue_pop_head(&fixture->reports);
  g_mutex_unlock(&fixture->lock);
  return message;
}

static void set_corefile(Fixture *fixture, const char *text)
{
  cluster_set_config_map("coredns", text ? json_pack("{s:{s:s}}", "data", "Corefile", text) : NULL);
  dns_server_reload(fixture->server);
}

static void set_nameservers(const Fixture *fixture, const char *text)
{
  g_assert_true(g_file_set_contents(fixture->resolv_conf, text, -1, NULL));
}

static unsigned idle_ms; /* of the next server; 0: as usual */

static void set_up(Fixture *fixture, gconstpointer data)
{
  g_autoptr(GError) error = NULL;
  g_mutex_init(&fixture->lock);
  g_cond_init(&fixture->reported);
  for (;;) { /* a port that is free at one address may be taken at the other */
    fixture->first = nameserver_start(1, 0);
    fixture->second = nameserver_start(2, nameserver_port(fixture->first));
    if (fixture->second)
      break;
    nameserver_stop(fixture->first);
  }
  fixture->folder = g_dir_make_tmp("dns-XXXXXX", NULL);
  fixture->resolv_conf = g_build_filename(fixture->folder, "resolv.conf", NULL);
  set_nameservers(fixture, data ? data : "search lan\nnameserver 127.0.0.1 # the first\nnameserver 127.0.0.53\n");
  DnsServerConfig config = { .idle_ms = idle_ms,
                             .lookup = { .address = "127.0.0.53",
                                         .domain = "cluster.local",
                                         .facts = cluster_facts(cluster),
                                         .resolv_conf = fixture->resolv_conf,
                                         .upstream_port = nameserver_port(fixture->first),
                                         .report = report,
                                         .report_data = fixture } };
  fixture->server = dns_server_start(&config, &error);
  g_assert_no_error(error);
}

static void tear_down(Fixture *fixture, gconstpointer data)
{
  dns_server_free(fixture->server);
  nameserver_stop(fixture->first);
  nameserver_stop(fixture->second);
  cluster_set_config_map("coredns", NULL);
  cluster_set_config_map("kube-dns", NULL);
  g_unlink(fixture->resolv_conf);
  g_rmdir(fixture->folder);
  g_free(fixture->resolv_conf);
  g_free(fixture->folder);
  g_queue_clear_full(&fixture->reports, g_free);
  g_mutex_clear(&fixture->lock);
  g_cond_clear(&fixture->reported);
}

static int connected(const Fixture *fixture, int type)
{
  struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(dns_server_port(fixture->server)) };
  const struct timeval patience = { .tv_sec = 60 };
  int fd = socket(AF_INET, type | SOCK_CLOEXEC, 0);
  inet_pton(AF_INET, "127.0.0.53", &to.sin_addr);
  g_assert_cmpint(connect(fd, (struct sockaddr *)&to, sizeof to), ==, 0);
  setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  return fd;
}

static void send_question(int fd, const char *name, ldns_rr_type type, uint16_t id, bool tcp)
{
  uint8_t wire[2 + 512] = { 0 };
  uint8_t *message = wire + 2;
  size_t at = MESSAGE_HEADER_SIZE;
  message_put_u16(message, id);
  message_put_u16(message + 2, FLAG_RD);
  message_put_u16(message + 4, 1);
  at += name_from_text(name, message + at);
  message_put_u16(message + at, (uint16_t)type);
  message_put_u16(message + at + 2, LDNS_RR_CLASS_IN);
  message_put_u16(wire, (uint16_t)(at + 4));
  ssize_t length = (ssize_t)at + 4 + (tcp ? 2 : 0);
  g_assert_cmpint(send(fd, tcp ? wire : message, (size_t)length, 0), ==, length);
}

static ldns_pkt *receive(int fd, bool tcp)
{
  g_autofree uint8_t *buffer = g_malloc(MESSAGE_MAX);
  uint8_t head[2];
  ldns_pkt *answer = NULL;
  if (tcp)
    g_assert_cmpint(recv(fd, head, 2, MSG_WAITALL), ==, 2);
  ssize_t n = recv(fd, buffer, tcp ? message_u16(head) : MESSAGE_MAX, tcp ? MSG_WAITALL : 0);
  g_assert_cmpint(n, >, 0);
  g_assert_cmpint(ldns_wire2pkt(&answer, buffer, (size_t)n), ==, LDNS_STATUS_OK);
  return answer;
}

static ldns_pkt *ask(const Fixture *fixture, const char *name, int type)
{
  int fd = connected(fixture, type);
  send_question(fd, name, LDNS_RR_TYPE_A, 4711, type == SOCK_STREAM);
  ldns_pkt *answer = receive(fd, type == SOCK_STREAM);
  g_assert_cmpint(ldns_pkt_id(answer), ==, 4711);
  close(fd);
  return answer;
}

/* "rcode N", or the data of the last record. Takes ANSWER. */
static char *said(ldns_pkt *answer)
{
  size_t n = ldns_pkt_ancount(answer);
  char *text = n > 0 ? ldns_rdf2str(ldns_rr_rdf(ldns_rr_list_rr(ldns_pkt_answer(answer), n - 1), 0)) : NULL;
  char *copy = text ? g_strdup(text) : g_strdup_printf("rcode %d", (int)ldns_pkt_get_rcode(answer));
  free(text);
  ldns_pkt_free(answer);
  return copy;
}

static void check(const Fixture *fixture, const char *name, int type, const char *expected)
{
  g_autofree char *text = said(ask(fixture, name, type));
  g_assert_cmpstr(text, ==, expected);
}

static void wait_said(const Fixture *fixture, const char *name, const char *expected)
{
  gint64 until = g_get_monotonic_time() + 30 * G_USEC_PER_SEC;
  for (;;) {
    g_autofree char *text = said(ask(fixture, name, SOCK_DGRAM));
    if (g_str_equal(text, expected))
      return;
    g_assert_cmpint(g_get_monotonic_time(), <, until);
  }
}

static void test_own_zone(Fixture *fixture, gconstpointer data)
{
  for (unsigned i = 0; i < 3; i++) {
    check(fixture, "web.default.svc.cluster.local", SOCK_DGRAM, "10.96.0.5");
    check(fixture, "WEB.default.svc.cluster.local", SOCK_STREAM, "10.96.0.5");
  }
  check(fixture, "none.default.svc.cluster.local", SOCK_DGRAM, "rcode 3");
  g_assert_cmpuint(nameserver_asked(fixture->first), ==, 0);
}

/* An answer is kept as long as the cluster stays as it is, and no longer. */
static void test_change(Fixture *fixture, gconstpointer data)
{
  check(fixture, "web.default.svc.cluster.local", SOCK_DGRAM, "10.96.0.5");
  json_t *spec = json_object_get(json_array_get(json_object_get(cluster, "services"), 0), "spec");
  json_object_set_new(spec, "clusterIP", json_string("10.96.0.55"));
  cluster_changed();
  check(fixture, "web.default.svc.cluster.local", SOCK_DGRAM, "10.96.0.55");
  json_object_set_new(spec, "clusterIP", json_string("10.96.0.5"));
  cluster_changed();
  check(fixture, "web.default.svc.cluster.local", SOCK_DGRAM, "10.96.0.5");
}

/* Asked once, kept for half a minute at most, whatever the nameserver says. */
static void test_forward(Fixture *fixture, gconstpointer data)
{
  for (unsigned i = 0; i < 3; i++) {
    ldns_pkt *answer = ask(fixture, "www.example.org", SOCK_DGRAM);
    uint32_t ttl = ldns_rr_ttl(ldns_rr_list_rr(ldns_pkt_answer(answer), 0));
    g_assert_cmpuint(ttl, <=, 30);
    g_assert_cmpuint(ttl, >=, 5);
    ldns_pkt_free(answer);
  }
  check(fixture, "WWW.example.org", SOCK_STREAM, "192.0.2.1");
  g_assert_cmpuint(nameserver_asked(fixture->first), ==, 1);
  check(fixture, "nx.example.org", SOCK_DGRAM, "rcode 3");
  check(fixture, "nx.example.org", SOCK_DGRAM, "rcode 3");
  g_assert_cmpuint(nameserver_asked(fixture->first), ==, 2);
  check(fixture, "fail.example.org", SOCK_DGRAM, "rcode 2");
  check(fixture, "fail.example.org", SOCK_DGRAM, "rcode 2");
  g_assert_cmpuint(nameserver_asked(fixture->first), ==, 4); /* failures are not kept */
  check(fixture, "garbage.example.org", SOCK_DGRAM, "rcode 2");
}

static void test_expires(Fixture *fixture, gconstpointer data)
{
  unsigned asked = 1;
  check(fixture, "short.example.org", SOCK_DGRAM, "192.0.2.1");
  gint64 until = g_get_monotonic_time() + 30 * G_USEC_PER_SEC;
  while (asked == 1 && g_get_monotonic_time() < until) {
    check(fixture, "short.example.org", SOCK_DGRAM, "192.0.2.1");
    asked = nameserver_asked(fixture->first);
  }
  g_assert_cmpuint(asked, ==, 2);
}

/* The reply that counts is the one to the question and of the id that were sent. */
static void test_forged(Fixture *fixture, gconstpointer data)
{
  check(fixture, "forged.example.org", SOCK_DGRAM, "192.0.2.1");
}

static void test_big(Fixture *fixture, gconstpointer data)
{
  ldns_pkt *answer = ask(fixture, "big.example.org", SOCK_STREAM);
  g_assert_cmpuint(ldns_pkt_ancount(answer), ==, 100);
  ldns_pkt_free(answer);
  answer = ask(fixture, "big.example.org", SOCK_DGRAM);
  g_assert_true(ldns_pkt_tc(answer));
  g_assert_cmpuint(ldns_pkt_ancount(answer), >, 20);
  ldns_pkt_free(answer);
  g_assert_cmpuint(nameserver_asked(fixture->first), ==, 2); /* UDP, then TCP */
}

/* Many ask the same at once: the nameserver is asked once, and all are answered. */
static void test_merged(Fixture *fixture, gconstpointer data)
{
  int fds[20];
  for (unsigned i = 0; i < G_N_ELEMENTS(fds); i++) {
    fds[i] = connected(fixture, SOCK_DGRAM);
    send_question(fds[i], i % 2 ? "held.example.org" : "HELD.example.org", LDNS_RR_TYPE_A, (uint16_t)i, false);
  }
  nameserver_wait_asked(fixture->first, 1);
  check(fixture, "web.default.svc.cluster.local", SOCK_DGRAM, "10.96.0.5"); /* those before were read */
  nameserver_release(fixture->first);
  for (unsigned i = 0; i < G_N_ELEMENTS(fds); i++) {
    ldns_pkt *answer = receive(fds[i], false);
    g_assert_cmpuint(ldns_pkt_id(answer), ==, i);
    g_autofree char *text = said(answer);
    g_assert_cmpstr(text, ==, "192.0.2.1");
    close(fds[i]);
  }
  g_assert_cmpuint(nameserver_asked(fixture->first), ==, 1);
}

/* Answers over one connection come as they are there, each with its id. */
static void test_pipelining(Fixture *fixture, gconstpointer data)
{
  int fd = connected(fixture, SOCK_STREAM);
  send_question(fd, "held.example.org", LDNS_RR_TYPE_A, 1, true);
  send_question(fd, "web.default.svc.cluster.local", LDNS_RR_TYPE_A, 2, true);
  send_question(fd, "db.default.svc.cluster.local", LDNS_RR_TYPE_A, 3, true);
  for (unsigned id = 2; id <= 3; id++) {
    ldns_pkt *answer = receive(fd, true);
    g_assert_cmpuint(ldns_pkt_id(answer), ==, id);
    ldns_pkt_free(answer);
  }
  nameserver_wait_asked(fixture->first, 1);
  nameserver_release(fixture->first);
  ldns_pkt *answer = receive(fd, true);
  g_assert_cmpuint(ldns_pkt_id(answer), ==, 1);
  ldns_pkt_free(answer);
  /* a client that goes while its answer is on its way */
  send_question(fd, "held.example.net", LDNS_RR_TYPE_A, 4, true);
  nameserver_wait_asked(fixture->first, 2);
  close(fd);
  nameserver_release(fixture->first);
  check(fixture, "www.example.org", SOCK_STREAM, "192.0.2.1");
}

/* The classic pair of glibc: A and AAAA from one socket at once. */
static void test_pair(Fixture *fixture, gconstpointer data)
{
  int fd = connected(fixture, SOCK_DGRAM);
  static const char *const names[] = { "web.default.svc.cluster.local", "www.example.org" };
  for (unsigned i = 0; i < 2; i++) {
    send_question(fd, names[i], LDNS_RR_TYPE_A, 1, false);
    send_question(fd, names[i], LDNS_RR_TYPE_AAAA, 2, false);
    unsigned seen = 0;
    for (unsigned k = 0; k < 2; k++) {
      ldns_pkt *answer = receive(fd, false);
      seen |= ldns_pkt_id(answer);
      ldns_pkt_free(answer);
    }
    g_assert_cmpuint(seen, ==, 3);
  }
  close(fd);
}

/* The first one is dead: the second answers, until the first is there again, which nobody's question is spent on. */
static void test_failover(Fixture *fixture, gconstpointer data)
{
  uint16_t port = nameserver_port(fixture->first);
  g_autofree char *text = g_strdup_printf(
      ".:53 {\n  forward . 127.0.0.9:%u 127.0.0.2:%u {\n    policy sequential\n    max_fails 1\n  }\n}\n", port, port);
  set_corefile(fixture, text);
  g_autofree char *loaded = wait_report(fixture);
  g_assert_cmpstr(loaded, ==, "loaded");
  check(fixture, "www.example.org", SOCK_DGRAM, "192.0.2.2");
  check(fixture, "www.example.net", SOCK_DGRAM, "192.0.2.2");
  TestNameServer *again = nameserver_start(9, port);
  wait_said(fixture, "www.example.com", "192.0.2.9");
  nameserver_stop(again);
}

/* A server that says it failed is no better than one that says nothing. */
static void test_failure_elsewhere(Fixture *fixture, gconstpointer data)
{
  check(fixture, "fail.example.org", SOCK_DGRAM, "rcode 2");
  g_assert_cmpuint(nameserver_asked(fixture->first), ==, 1);
  g_assert_cmpuint(nameserver_asked(fixture->second), ==, 1);
}

static void test_nobody_answers(Fixture *fixture, gconstpointer data)
{
  check(fixture, "www.example.org", SOCK_DGRAM, "rcode 2"); /* refused at once, by all */
  set_nameservers(fixture, "# none\n");
  check(fixture, "www.example.org", SOCK_STREAM, "rcode 2");
}

/* Two tries of two seconds, then a fifth second at most; other questions do not wait. */
static void test_silence(Fixture *fixture, gconstpointer data)
{
  int fd = connected(fixture, SOCK_DGRAM);
  gint64 began = g_get_monotonic_time();
  send_question(fd, "silent.example.org", LDNS_RR_TYPE_A, 9, false);
  check(fixture, "www.example.org", SOCK_DGRAM, "192.0.2.1");
  g_autofree char *text = said(receive(fd, false));
  g_assert_cmpstr(text, ==, "rcode 2");
  g_assert_cmpint(g_get_monotonic_time() - began, >=, 3 * G_USEC_PER_SEC);
  g_assert_cmpuint(nameserver_asked(fixture->first), ==, 3);
  close(fd);
}

static void test_resolv_conf(Fixture *fixture, gconstpointer data)
{
  check(fixture, "www.example.org", SOCK_DGRAM, "192.0.2.1");
  set_nameservers(fixture, "nameserver 127.0.0.2\n"); /* renamed into place */
  wait_said(fixture, "www.example.org", "192.0.2.2");
  g_unlink(fixture->resolv_conf);
  wait_said(fixture, "www.example.org", "rcode 2");
  set_nameservers(fixture, "nameserver 127.0.0.1\n");
  wait_said(fixture, "www.example.org", "192.0.2.1");
}

static void test_alias_is_chased(Fixture *fixture, gconstpointer data)
{
  for (unsigned i = 0; i < 2; i++) {
    ldns_pkt *answer = ask(fixture, "outside.default.svc.cluster.local", i ? SOCK_STREAM : SOCK_DGRAM);
    g_assert_cmpuint(ldns_pkt_ancount(answer), ==, 2);
    g_assert_cmpuint(ldns_rr_get_type(ldns_rr_list_rr(ldns_pkt_answer(answer), 0)), ==, LDNS_RR_TYPE_CNAME);
    g_autofree char *text = said(answer);
    g_assert_cmpstr(text, ==, "192.0.2.1");
  }
  g_assert_cmpuint(nameserver_asked(fixture->first), ==, 1);
}

/* ConfigMap kube-dns: a stub domain, and nameservers instead of the machine's. */
static void test_kube_dns(Fixture *fixture, gconstpointer data)
{
  g_autofree char *stubs = g_strdup_printf("{\"acme.local\": [\"127.0.0.2:%u\"]}", nameserver_port(fixture->first));
  cluster_set_config_map(
      "kube-dns", json_pack("{s:{s:s,s:s}}", "data", "stubDomains", stubs, "upstreamNameservers", "[\"127.0.0.9:1\"]"));
  dns_server_reload(fixture->server);
  wait_said(fixture, "www.acme.LOCAL", "192.0.2.2");
  check(fixture, "www.example.org", SOCK_DGRAM, "rcode 2");
  cluster_set_config_map("kube-dns", NULL);
  dns_server_reload(fixture->server);
  wait_said(fixture, "www.example.org", "192.0.2.1");
}

/* A Corefile is changed while a question is on its way: the new one counts, the question is answered. */
static void test_corefile(Fixture *fixture, gconstpointer data)
{
  g_autofree char *text = g_strdup_printf(".:53 {\n"
                                          "  rewrite name shop.example.org web.default.svc.cluster.local\n"
                                          "  hosts {\n    10.9.9.9 host.example.org\n    fallthrough\n  }\n"
                                          "  kubernetes cluster.local in-addr.arpa {\n    pods verified\n  }\n"
                                          "  forward . /etc/resolv.conf\n  cache 30\n  log\n}\n"
                                          "stub.local:53 { forward . 127.0.0.2:%u }\n",
                                          nameserver_port(fixture->first));
  int fd = connected(fixture, SOCK_DGRAM);
  send_question(fd, "held.example.org", LDNS_RR_TYPE_A, 7, false);
  nameserver_wait_asked(fixture->first, 1);
  set_corefile(fixture, text);
  g_autofree char *loaded = wait_report(fixture);
  g_assert_cmpstr(loaded, ==, "loaded");
  nameserver_release(fixture->first);
  g_autofree char *held = said(receive(fd, false));
  g_assert_cmpstr(held, ==, "192.0.2.1");
  close(fd);
  check(fixture, "host.example.org", SOCK_DGRAM, "10.9.9.9");
  check(fixture, "www.stub.local", SOCK_DGRAM, "192.0.2.2");
  check(fixture, "www.example.org", SOCK_DGRAM, "192.0.2.1");
  check(fixture, "9.9.9.9.in-addr.arpa", SOCK_DGRAM, "rcode 3"); /* no fallthrough for reverse names */
  check(fixture, "10-244-0-7.default.pod.cluster.local", SOCK_DGRAM, "10.244.0.7");
  check(fixture, "10-244-0-8.default.pod.cluster.local", SOCK_DGRAM, "rcode 3");
  ldns_pkt *answer = ask(fixture, "shop.example.org", SOCK_DGRAM);
  char *owner = ldns_rdf2str(ldns_rr_owner(ldns_rr_list_rr(ldns_pkt_answer(answer), 0)));
  g_assert_cmpstr(owner, ==, "shop.example.org."); /* resolvers refuse records of another name */
  free(owner);
  g_autofree char *shop = said(answer);
  g_assert_cmpstr(shop, ==, "10.96.0.5");
}

static void test_bad_corefile(Fixture *fixture, gconstpointer data)
{
  set_corefile(fixture, ".:53 {\n  hosts {\n  10.9.9.9 a.test\n  fallthrough\n  }\n  forward . 127.0.0.9:1\n}\n");
  g_autofree char *loaded = wait_report(fixture);
  g_assert_cmpstr(loaded, ==, "loaded");
  set_corefile(fixture, ".:53 {\n  nothing\n}\n");
  g_autofree char *message = wait_report(fixture);
  g_assert_cmpstr(message, ==, "Corefile:2: Unknown directive 'nothing'; what was in force stays");
  check(fixture, "a.test", SOCK_DGRAM, "10.9.9.9");
  set_corefile(fixture, "org:53 {\n  forward . /etc/resolv.conf\n}\n");
  g_autofree char *again = wait_report(fixture);
  g_assert_cmpstr(again, ==, "loaded");
  check(fixture, "www.example.org", SOCK_DGRAM, "192.0.2.1");
  check(fixture, "www.example.net", SOCK_DGRAM, "rcode 5");
  set_corefile(fixture, NULL);
  wait_said(fixture, "www.example.net", "192.0.2.1");
}

/* The machine's nameserver is this server by another way: a forwarder to it. */
static void test_loop(Fixture *fixture, gconstpointer data)
{
  g_autofree char *text =
      g_strdup_printf(".:53 {\n  forward . 127.0.0.53:%u\n  loop\n}\n", dns_server_port(fixture->server));
  set_corefile(fixture, text);
  g_autofree char *loaded = wait_report(fixture);
  g_assert_cmpstr(loaded, ==, "loaded");
  gint64 until = g_get_monotonic_time() + 30 * G_USEC_PER_SEC, took;
  do { /* once the loop is known, questions fail at once */
    gint64 began = g_get_monotonic_time();
    check(fixture, "www.example.org", SOCK_DGRAM, "rcode 2");
    took = g_get_monotonic_time() - began;
    g_assert_cmpint(g_get_monotonic_time(), <, until);
  } while (took > G_USEC_PER_SEC);
}

/* Whatever comes, the server goes on. */
static void test_malformed(Fixture *fixture, gconstpointer data)
{
  g_autoptr(GRand) rand = g_rand_new_with_seed(53);
  int udp = connected(fixture, SOCK_DGRAM);
  for (unsigned i = 0; i < 2000; i++) {
    uint8_t junk[64];
    for (gsize k = 0; k < sizeof junk; k++)
      junk[k] = (uint8_t)g_rand_int(rand);
    junk[2] = i % 2 ? junk[2] : 0;
    message_put_u16(junk + 4, i % 4 ? 1 : message_u16(junk + 4));
    send(udp, junk, (size_t)g_rand_int_range(rand, 0, sizeof junk), 0);
  }
  close(udp);
  int tcp = connected(fixture, SOCK_STREAM);
  g_assert_cmpint(send(tcp, "\0\0\0\1x\0\14abcdefghijkl", 19, 0), ==, 19);
  send_question(tcp, "web.default.svc.cluster.local", LDNS_RR_TYPE_A, 5, true);
  ldns_pkt *answer = NULL;
  do { /* the junk of twelve bytes may have been worth a refusal */
    if (answer)
      ldns_pkt_free(answer);
    answer = receive(tcp, true);
  } while (ldns_pkt_id(answer) != 5);
  ldns_pkt_free(answer);
  close(tcp);
  check(fixture, "web.default.svc.cluster.local", SOCK_DGRAM, "10.96.0.5");
}

static bool is_closed(int fd)
{
  uint8_t byte;
  return recv(fd, &byte, 1, 0) == 0;
}

/* A client too many costs the one that has said nothing for longest its connection. */
static void test_many_streams(Fixture *fixture, gconstpointer data)
{
  int fds[STREAMS_MAX + 1];
  for (unsigned i = 0; i <= STREAMS_MAX; i++) {
    if (i == STREAMS_MAX) { /* the first speaks up in time; the second goes */
      send_question(fds[0], "web.default.svc.cluster.local", LDNS_RR_TYPE_A, 1, true);
      ldns_pkt_free(receive(fds[0], true));
    }
    fds[i] = connected(fixture, SOCK_STREAM);
    send_question(fds[i], "web.default.svc.cluster.local", LDNS_RR_TYPE_A, 1, true);
    ldns_pkt_free(receive(fds[i], true));
  }
  g_assert_true(is_closed(fds[1]));
  send_question(fds[0], "web.default.svc.cluster.local", LDNS_RR_TYPE_A, 2, true);
  ldns_pkt_free(receive(fds[0], true));
  for (unsigned i = 0; i <= STREAMS_MAX; i++)
    close(fds[i]);
}

static void test_idle_stream(Fixture *fixture, gconstpointer data)
{
  dns_server_free(fixture->server);
  idle_ms = 100;
  Fixture other = { 0 };
  set_up(&other, NULL);
  idle_ms = 0;
  int silent = connected(&other, SOCK_STREAM), half = connected(&other, SOCK_STREAM);
  g_assert_cmpint(send(half, "\0\100abc", 5, 0), ==, 5); /* the rest never comes */
  g_assert_true(is_closed(silent));
  g_assert_true(is_closed(half));
  close(silent);
  close(half);
  fixture->server = NULL;
  tear_down(&other, NULL);
}

/* A cluster that comes up with a Corefile nobody can read has the default's. */
static void test_bad_at_start(Fixture *fixture, gconstpointer data)
{
  dns_server_free(fixture->server);
  cluster_set_config_map("coredns", json_pack("{s:{s:s}}", "data", "Corefile", ".:53 {"));
  Fixture other = { 0 };
  set_up(&other, NULL);
  g_autofree char *message = wait_report(&other);
  g_assert_cmpstr(message, ==, "Corefile:1: a brace that is not closed; the default is in force");
  check(&other, "www.example.org", SOCK_DGRAM, "192.0.2.1");
  fixture->server = NULL;
  tear_down(&other, NULL);
}

/* Ends while questions are on their way. */
static void test_end(Fixture *fixture, gconstpointer data)
{
  int udp = connected(fixture, SOCK_DGRAM), tcp = connected(fixture, SOCK_STREAM);
  send_question(udp, "held.example.org", LDNS_RR_TYPE_A, 1, false);
  send_question(tcp, "held.example.net", LDNS_RR_TYPE_A, 2, true);
  nameserver_wait_asked(fixture->first, 2);
  close(udp);
  close(tcp);
}

int main(int argc, char **argv)
{
  static const struct {
    const char *path, *resolv_conf;
    void (*test)(Fixture *fixture, gconstpointer data);
  } tests[] = {
    { "/server/own-zone", NULL, test_own_zone },
    { "/server/change", NULL, test_change },
    { "/server/forward", NULL, test_forward },
    { "/server/expires", NULL, test_expires },
    { "/server/forged", NULL, test_forged },
    { "/server/big", NULL, test_big },
    { "/server/merged", NULL, test_merged },
    { "/server/pipelining", NULL, test_pipelining },
    { "/server/pair", NULL, test_pair },
    { "/server/failover", NULL, test_failover },
    { "/server/failure-elsewhere", "nameserver 127.0.0.1\nnameserver 127.0.0.2\n", test_failure_elsewhere },
    { "/server/nobody-answers", "nameserver 127.0.0.8\nnameserver 127.0.0.9\n", test_nobody_answers },
    { "/server/silence", NULL, test_silence },
    { "/server/resolv-conf", NULL, test_resolv_conf },
    { "/server/alias-is-chased", NULL, test_alias_is_chased },
    { "/server/kube-dns", NULL, test_kube_dns },
    { "/server/corefile", NULL, test_corefile },
    { "/server/bad-corefile", NULL, test_bad_corefile },
    { "/server/bad-at-start", NULL, test_bad_at_start },
    { "/server/loop", NULL, test_loop },
    { "/server/malformed", NULL, test_malformed },
    { "/server/many-streams", NULL, test_many_streams },
    { "/server/idle-stream", NULL, test_idle_stream },
    { "/server/end", NULL, test_end },
  };
  g_test_init(&argc, &argv, NULL);
  g_log_set_always_fatal(G_LOG_LEVEL_CRITICAL | G_LOG_FATAL_MASK); /* bad Corefiles and loops are warned about */
  g_autofree char *path = g_test_build_filename(G_TEST_DIST, "tests/unit/dns/cluster.json", NULL);
  cluster = json_read_file(path, NULL);
  g_assert_nonnull(cluster);
  for (gsize i = 0; i < G_N_ELEMENTS(tests); i++)
    g_test_add(tests[i].path, Fixture, tests[i].resolv_conf, set_up, tests[i].test, tear_down);
  int result = g_test_run();
  json_decref(cluster);
  return result;
}
