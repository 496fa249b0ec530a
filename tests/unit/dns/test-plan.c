/* Corefiles as students write them, and what becomes of names by them. */
#include <arpa/inet.h>
#include <glib.h>
#include <ldns/ldns.h>
#include <netinet/in.h>

#include "base/json.h"
#include "base/reason.h"
#include "clusterd/dns/corefile.h"
#include "clusterd/dns/plan.h"
#include "clusterd/dns/rewrite.h"
#include "clusterd/dns/template.h"

static Plan *make_plan(const char *corefile, const json_t *kube_dns)
{
  g_autoptr(GError) error = NULL;
  Plan *plan = plan_new(corefile, kube_dns, "cluster.local", "10.96.0.10", &error);
  g_assert_no_error(error);
  return plan;
}

static const Block *find(const Plan *plan, const char *name)
{
  uint8_t wire[NAME_WIRE_MAX];
  return plan_find(plan, wire, name_from_text(name, wire));
}

/* "none", "machine", or the servers, by the last part of an IPv4 address, and ports. */
static char *servers_of(const Block *block, const char *name)
{
  uint8_t wire[NAME_WIRE_MAX];
  const ForwardRule *rule = block ? block_forward(block, wire, name_from_text(name, wire)) : NULL;
  g_autoptr(GString) text = g_string_new(NULL);
  if (!rule || !rule->servers)
    return g_strdup(rule ? "machine" : "none");
  for (unsigned i = 0; i < rule->servers->count; i++) {
    const struct sockaddr_in *at = (const void *)&rule->servers->server[i].at;
    bool is_ip6 = at->sin_family == AF_INET6;
    g_string_append_printf(text, "%s%u:%u", i > 0 ? " " : "", is_ip6 ? 6u : ntohl(at->sin_addr.s_addr) & 255,
                           ntohs(at->sin_port));
  }
  return g_strdup(text->str);
}

static void check_servers(const Plan *plan, const char *name, const char *servers)
{
  g_autofree char *text = servers_of(find(plan, name), name);
  g_test_message("%s", name);
  g_assert_cmpstr(text, ==, servers);
}

static void test_default(void)
{
  g_autoptr(Plan) plan = make_plan(NULL, NULL);
  const Block *block = find(plan, "www.example.org");
  g_assert_nonnull(block);
  g_assert_true(block->has_cluster && block->loop && !block->log);
  g_assert_cmpstr(block->cluster.name, ==, "cluster.local");
  g_assert_cmpuint(block->cluster.ttl, ==, 30);
  g_assert_cmpuint(block->cluster.pods, ==, POD_RECORDS_INSECURE);
  g_assert_cmpuint(block->cache_seconds, ==, 30);
  g_assert_cmpuint(block->denial_seconds, ==, 30);
  check_servers(plan, "www.example.org", "machine");
}

/* ConfigMap kube-dns; who is asked, as the last part of the address and the port. */
static void test_kube_dns(void)
{
  static const struct {
    const char *name, *servers;
  } rows[] = { { "acme.local.", "1:53 2:5353" },
               { "mail.Acme.Local", "1:53 2:5353" },
               { "deep.www.acme.local.", "3:53" },
               { "notacme.local.", "8:53" },
               { "acme.local.org.", "8:53" },
               { "bad.local.", "8:53" },
               { ".", "8:53" },
               { "six.local", "6:53 6:5353" } };
  g_autoptr(json_t) config_map =
      json_pack("{s:{s:s,s:s}}", "data", "stubDomains",
                "{\"acme.local\": [\"10.0.0.1\", \"10.0.0.2:5353\"], \"WWW.acme.local.\": [\"10.0.0.3\", "
                "\"10.0.0.4:0\", 5], \"bad.local\": [\"nobody\"], \"text.local\": \"10.0.0.5\", "
                "\"six.local\": [\"fd00::1\", \"[fd00::2]:5353\"]}",
                "upstreamNameservers", "[\"10.0.0.8\"]");
  for (unsigned i = 0; i < 3; i++) /* 10.0.0.4:0, 5, nobody */
    g_test_expect_message("dns", G_LOG_LEVEL_WARNING, "*nameserver*");
  g_autoptr(Plan) plan = make_plan(NULL, config_map);
  g_test_assert_expected_messages();
  for (gsize i = 0; i < G_N_ELEMENTS(rows); i++)
    check_servers(plan, rows[i].name, rows[i].servers);
}

/* The example of Kubernetes' page about customizing DNS, and more of its kind. */
static void test_stub_blocks(void)
{
  g_autoptr(Plan) plan = make_plan(".:53 {\n"
                                   "    errors\n"
                                   "    kubernetes cluster.local in-addr.arpa ip6.arpa {\n"
                                   "        pods insecure\n"
                                   "        fallthrough in-addr.arpa ip6.arpa\n"
                                   "    }\n"
                                   "    forward . 172.16.0.1 172.16.0.2:5353 {\n"
                                   "        except inner.example corp.example\n"
                                   "        policy sequential\n"
                                   "        force_tcp\n"
                                   "        max_fails 0\n"
                                   "    }\n"
                                   "    cache\n"
                                   "}\n"
                                   "# the consul servers\n"
                                   "consul.local:53 { forward . 10.150.0.1 }\n"
                                   "example.org, dns://Example.NET.:53,\n"
                                   "example.com {\n"
                                   "    forward . /etc/resolv.conf\n"
                                   "    cache 30 {\n"
                                   "       success 100 20\n"
                                   "       denial 100 10 5\n"
                                   "    }\n"
                                   "    log\n"
                                   "}\n",
                                   NULL);
  check_servers(plan, "a.consul.local", "1:53");
  check_servers(plan, "consul.local", "1:53");
  check_servers(plan, "www.example.net", "machine");
  check_servers(plan, "www.example.com", "machine");
  check_servers(plan, "www.else.org", "1:53 2:5353");
  check_servers(plan, "a.corp.example", "none");
  const Block *root = find(plan, "."), *named = find(plan, "example.org");
  const ForwardRule *rule = root->forwards->pdata[0];
  g_assert_cmpuint(rule->options.policy, ==, SERVER_SEQUENTIAL);
  g_assert_true(rule->options.tcp);
  g_assert_cmpuint(rule->options.max_failures, ==, 0);
  g_assert_cmpuint(root->cache_seconds, ==, 3600);
  g_assert_cmpuint(root->denial_seconds, ==, 1800);
  g_assert_cmpuint(root->cluster.ttl, ==, 5);
  g_assert_cmpuint(named->cache_seconds, ==, 20);
  g_assert_cmpuint(named->denial_seconds, ==, 10);
  g_assert_true(named->log && plan_logs(plan) && !root->log);
}

static void test_zones(void)
{
  g_autoptr(Plan) plan = make_plan("example.org {\n hosts {\n 10.0.0.1 www.example.org\n }\n}\n", NULL);
  g_assert_nonnull(find(plan, "www.example.org"));
  g_assert_null(find(plan, "example.net"));
  g_autoptr(Plan) bare = make_plan("example.org\nforward . 10.0.0.1\n", NULL);
  check_servers(bare, "www.example.org", "1:53");
  g_autoptr(Plan) empty = make_plan("# nothing\n", NULL);
  g_assert_null(find(empty, "."));
}

static void test_errors(void)
{
  static const struct {
    const char *corefile, *message;
  } rows[] = {
    { ".:53 {\n    errors\n    fowrard . 10.0.0.1\n}\n", "Corefile:3: Unknown directive 'fowrard'" },
    { ".:53 {\n    errors\n", "Corefile:1: a brace that is not closed" },
    { ".:53 {\n}\n}\n", "Corefile:3: a brace too many" },
    { ".:53 {\n {\n }\n}\n", "Corefile:2: a brace without words in front of it" },
    { "a {\n b {\n c {\n d {\n e {\n}\n}\n}\n}\n}\n", "Corefile:5: too many braces in one another" },
    { ".:53 {\n forward .\n}\n", "Corefile:2: forward needs a zone and where to" },
    { ".:53 {\n forward . ns1.example.org\n}\n", "Corefile:2: ns1.example.org is no address of a nameserver" },
    { ".:53 {\n forward . tls://9.9.9.9\n}\n", "Corefile:2: tls://9.9.9.9: //9.9.9.9 is no port" },
    { ".:53 {\n forward . 10.0.0.1:0\n}\n", "Corefile:2: 10.0.0.1:0: 0 is no port" },
    { ".:53 {\n forward . 10.0.0.1 {\n  policy best\n }\n}\n", "Corefile:3: unknown policy 'best'" },
    { ".:53 {\n forward . 10.0.0.1 {\n  color red\n }\n}\n", "Corefile:3: unknown property 'color'" },
    { ".:53 {\n cache lots\n cache -1\n}\n", "" },
    { ".:53 {\n cache 5000\n}\n", "Corefile:2: '5000' is no number from 0 to 3600" },
    { ".:5353 {\n}\n", "Corefile:1: .:5353: only port 53 is served" },
    { ".:53 {\n}\n. {\n}\n", "Corefile:3: cannot serve dns://. - it is already defined" },
    { ".:53 {\n kubernetes cluster.local {\n  pods maybe\n }\n}\n",
      "Corefile:3: wrong value for pods: maybe, must be one of: disabled, verified, insecure" },
    { ".:53 {\n kubernetes a.local b.local\n}\n",
      "Corefile:2: kubernetes: one zone can be served, not b.local as well" },
    { ".:53 {\n kubernetes\n}\n", "Corefile:2: kubernetes needs the cluster's zone" },
    { ".:53 {\n hosts {\n  10.0.0 a.b\n }\n}\n", "Corefile:3: unknown property '10.0.0'" },
    { ".:53 {\n hosts {\n  10.0.0.1\n }\n}\n", "Corefile:3: no name for 10.0.0.1" },
    { ".:53 {\n hosts /etc/hosts\n}\n", "Corefile:2: hosts: files are not read, write the entries into the block" },
    { ".:53 {\n rewrite type ANY A\n}\n", "Corefile:2: rewrite: only names can be rewritten, in one line" },
    { ".:53 {\n rewrite name a\n}\n",
      "Corefile:2: rewrite name [exact|prefix|suffix|substring|regex] FROM TO [answer auto]" },
    { ".:53 {\n template IN NOTHING\n}\n", "Corefile:2: 'NOTHING' is no type of record" },
    { ".:53 {\n template IN A 10.0.0.0/8\n}\n", "Corefile:2: 10.0.0.0/8 is no name of a zone" },
    { ".:53 {\n template IN A {\n  answer \"{{ .Name }} 60 IN A {{ .Group }}\"\n }\n}\n",
      "Corefile:3: '{{ .Name }} 60 IN A {{ .Group }}' is no record that can be made here: only {{ .Name }} is "
      "replaced" },
  };
  for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
    g_autoptr(GError) error = NULL;
    g_autoptr(Plan) plan = plan_new(rows[i].corefile, NULL, "cluster.local", "10.96.0.10", &error);
    g_test_message("%s", rows[i].corefile);
    g_assert_cmpint(plan == NULL, ==, *rows[i].message != '\0');
    if (!error)
      continue;
    g_assert_true(reason_is(error, REASON_CONFIG));
    g_assert_cmpstr(error->message, ==, rows[i].message);
  }
}

static void test_words(void)
{
  g_autoptr(GError) error = NULL;
  g_autoptr(GPtrArray) blocks = corefile_read("a { # one\n\tb \"c d\" \"e\\\"f\" {1}.x # g\n\r\n}\n", &error);
  g_assert_no_error(error);
  const CorefileLine *block = blocks->pdata[0], *line = block->lines->pdata[0];
  static const char *const words[] = { "b", "c d", "e\"f", "{1}.x", NULL };
  g_assert_true(g_strv_equal((const char *const *)line->words, words));
  g_assert_cmpuint(line->number, ==, 2);
  g_assert_cmpuint(block->lines->len, ==, 1);
  g_autoptr(GString) many = g_string_new("a {\n");
  for (unsigned i = 0; i < COREFILE_LINES_MAX; i++)
    g_string_append(many, "x\n");
  g_string_append(many, "}\n");
  g_assert_null(corefile_read(many->str, &error));
  g_assert_cmpstr(error->message, ==, "Corefile:10001: too many lines");
}

/* "fall", the response code, or the answers' data. */
static char *said(ldns_pkt *packet)
{
  if (!packet)
    return g_strdup("fall");
  g_autoptr(GString) text = g_string_new(NULL);
  for (size_t i = 0; i < ldns_pkt_ancount(packet); i++) {
    char *data = ldns_rdf2str(ldns_rr_rdf(ldns_rr_list_rr(ldns_pkt_answer(packet), i), 0));
    g_string_append_printf(text, "%s%s", i > 0 ? " " : "", data);
    free(data);
  }
  if (ldns_pkt_ancount(packet) == 0)
    g_string_append_printf(text, "rcode %d", (int)ldns_pkt_get_rcode(packet));
  ldns_pkt_free(packet);
  return g_strdup(text->str);
}

static void test_hosts(void)
{
  static const struct {
    const char *name;
    uint16_t type;
    const char *said;
  } rows[] = { { "db.example.org", LDNS_RR_TYPE_A, "10.0.0.1 10.0.0.2" },
               { "DB", LDNS_RR_TYPE_A, "10.0.0.1" },
               { "db.example.org", LDNS_RR_TYPE_AAAA, "fd00::1" },
               { "db", LDNS_RR_TYPE_AAAA, "rcode 0" },
               { "db", LDNS_RR_TYPE_MX, "rcode 0" },
               { "1.0.0.10.in-addr.arpa", LDNS_RR_TYPE_PTR, "db.example.org. db." },
               { "other.example.org", LDNS_RR_TYPE_A, "fall" },
               { "other.net", LDNS_RR_TYPE_A, "rcode 2" } };
  g_autoptr(Plan) plan = make_plan(".:53 {\n hosts {\n  10.0.0.1 db.example.org db # one\n  10.0.0.2 db.example.org\n"
                                   "  fd00:0::1 db.example.org\n  ttl 60\n  fallthrough example.org\n }\n}\n",
                                   NULL);
  const Hosts *hosts = find(plan, ".")->hosts;
  for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
    uint8_t wire[NAME_WIRE_MAX];
    g_autofree char *text = said(hosts_answer(hosts, wire, name_from_text(rows[i].name, wire), rows[i].type));
    g_test_message("%s", rows[i].name);
    g_assert_cmpstr(text, ==, rows[i].said);
  }
}

static void test_rewrite(void)
{
  static const struct {
    const char *name, *becomes;
  } rows[] = { { "foo.example.com", "web.default.svc.cluster.local." },
               { "Foo.Example.com", "web.default.svc.cluster.local." },
               { "a.foo.example.com", "a.foo.example.com." },
               { "a.b.internal", "a.b.svc.cluster.local." },
               { "xinternal", "xinternal." },
               { "old-a.net", "new-a.net." },
               { "v1.api.test", "api-v1.default.svc.cluster.local." },
               { "first.org", "third.org." },
               { "a-mid-b.com", "a-centre-b.com." } };
  g_autoptr(Plan) plan = make_plan(".:53 {\n rewrite name foo.example.com web.default.svc.cluster.local\n"
                                   " rewrite stop name suffix .internal .svc.cluster.local answer auto\n"
                                   " rewrite name prefix old- new-\n"
                                   " rewrite name regex ^(v[0-9]+)\\.api\\.test\\.$ api-{1}.default.svc.cluster.local\n"
                                   " rewrite continue name exact first.org second.org\n"
                                   " rewrite name exact second.org third.org\n"
                                   " rewrite name substring -mid- -centre-\n}\n",
                                   NULL);
  for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
    uint8_t wire[NAME_WIRE_MAX];
    size_t length = name_from_text(rows[i].name, wire);
    g_autofree char *before = name_to_text(wire, length);
    bool changed = rewrite_apply(find(plan, ".")->rewrites, wire, &length);
    g_autofree char *text = name_to_text(wire, length);
    g_assert_cmpstr(text, ==, rows[i].becomes);
    g_assert_cmpint(changed, ==, !g_str_equal(before, text));
  }
}

static void test_template(void)
{
  static const struct {
    const char *name;
    uint16_t type;
    const char *said[2];
  } rows[] = { { "a.blocked.org", LDNS_RR_TYPE_A, { "rcode 3", "fall" } },
               { "a.blocked.org", LDNS_RR_TYPE_TXT, { "rcode 3", "fall" } },
               { "a.free.org", LDNS_RR_TYPE_A, { "fall", "fall" } },
               { "ip-7.lab.org", LDNS_RR_TYPE_A, { "fall", "10.0.0.7" } },
               { "ip-8.lab.org", LDNS_RR_TYPE_A, { "fall", "fall" } },
               { "ip-7.lab.org", LDNS_RR_TYPE_AAAA, { "fall", "fall" } } };
  g_autoptr(Plan) plan =
      make_plan(".:53 {\n template ANY ANY blocked.org {\n  rcode NXDOMAIN\n }\n"
                " template IN A lab.org {\n  match ^ip-7[.]\n  answer \"{{ .Name }} 60 IN A 10.0.0.7\"\n"
                "  fallthrough\n }\n}\n",
                NULL);
  for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
    uint8_t wire[NAME_WIRE_MAX];
    size_t length = name_from_text(rows[i].name, wire);
    for (unsigned k = 0; k < 2; k++) {
      const Template *template_ = find(plan, ".")->templates->pdata[k];
      g_autofree char *text = said(template_answer(template_, wire, length, rows[i].type));
      g_assert_cmpstr(text, ==, rows[i].said[k]);
    }
  }
}

/* "0 2": the order in which servers are asked. */
static char *order_of(ServerList *list, ServerPolicy policy)
{
  unsigned order[NAMESERVERS_MAX], n = server_list_order(list, policy, order);
  g_autoptr(GString) text = g_string_new(NULL);
  for (unsigned i = 0; i < n; i++)
    g_string_append_printf(text, "%s%u", i > 0 ? " " : "", order[i]);
  return g_strdup(text->str);
}

static void check_order(ServerList *list, ServerPolicy policy, const char *expected)
{
  g_autofree char *order = order_of(list, policy);
  g_assert_cmpstr(order, ==, expected);
}

static void test_order(void)
{
  g_autoptr(ServerList) list = server_list_new();
  for (unsigned i = 1; i <= 3; i++) {
    g_autofree char *text = g_strdup_printf("10.0.0.%u", i);
    g_assert_true(server_list_add(list, text, 53, NULL));
  }
  check_order(list, SERVER_SEQUENTIAL, "0 1 2");
  check_order(list, SERVER_ROUND_ROBIN, "0 1 2");
  check_order(list, SERVER_ROUND_ROBIN, "1 2 0");
  list->server[1].down = true;
  check_order(list, SERVER_SEQUENTIAL, "0 2");
  check_order(list, SERVER_ROUND_ROBIN, "2 0");
  list->server[0].down = list->server[2].down = true; /* perhaps it is not they who are to blame */
  check_order(list, SERVER_SEQUENTIAL, "0 1 2");
  g_autoptr(GHashTable) firsts = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
  for (unsigned i = 0; i < 200; i++)
    g_hash_table_add(firsts, order_of(list, SERVER_RANDOM));
  g_assert_cmpuint(g_hash_table_size(firsts), ==, 3);
  for (unsigned i = 4; i <= NAMESERVERS_MAX; i++)
    g_assert_true(server_list_add(list, "fd00::1", 53, NULL));
  g_assert_false(server_list_add(list, "fd00::1", 53, NULL));
}

int main(int argc, char **argv)
{
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/plan/default", test_default);
  g_test_add_func("/plan/kube-dns", test_kube_dns);
  g_test_add_func("/plan/stub-blocks", test_stub_blocks);
  g_test_add_func("/plan/zones", test_zones);
  g_test_add_func("/plan/errors", test_errors);
  g_test_add_func("/plan/words", test_words);
  g_test_add_func("/plan/hosts", test_hosts);
  g_test_add_func("/plan/rewrite", test_rewrite);
  g_test_add_func("/plan/template", test_template);
  g_test_add_func("/plan/order", test_order);
  return g_test_run();
}
