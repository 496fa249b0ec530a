/* Every kind of name of the DNS specification, as question and answer. */
#include <glib.h>
#include <ldns/ldns.h>

#include "base/json.h"
#include "cluster.h"

static json_t *cluster;

static gint compare_lines(gconstpointer a, gconstpointer b)
{
  return g_strcmp0(*(char *const *)a, *(char *const *)b);
}

/* "NXDOMAIN", "NODATA", "forward", or the answer's records as "TYPE data" sorted and joined by "; ". */
static char *ask(const char *name, ldns_rr_type type)
{
  DnsFacts facts = cluster_facts(cluster);
  g_autofree char *chase = NULL;
  ldns_pkt *query = ldns_pkt_query_new(ldns_dname_new_frm_str(name), type, LDNS_RR_CLASS_IN, LDNS_RD);
  ldns_pkt *answer = resolver_answer(&facts, "cluster.local", query, &chase);
  g_autoptr(GPtrArray) lines = g_ptr_array_new_with_free_func(g_free);
  ldns_pkt_free(query);
  if (!answer)
    return g_strdup("forward");
  uint8_t rcode = ldns_pkt_get_rcode(answer);
  for (size_t i = 0; i < ldns_pkt_ancount(answer); i++) {
    ldns_rr *rr = ldns_rr_list_rr(ldns_pkt_answer(answer), i);
    char *type_text = ldns_rr_type2str(ldns_rr_get_type(rr));
    char *data = ldns_rdf2str(ldns_rr_rdf(rr, ldns_rr_rd_count(rr) - 1));
    g_ptr_array_add(lines, g_strdup_printf("%s %s", type_text, data));
    free(type_text);
    free(data);
  }
  bool has_soa = ldns_pkt_nscount(answer) == 1;
  ldns_pkt_free(answer);
  g_assert_cmpint(has_soa, ==, lines->len == 0);
  if (lines->len == 0)
    return g_strdup(rcode == LDNS_RCODE_NXDOMAIN ? "NXDOMAIN" : "NODATA");
  g_assert_cmpint(rcode, ==, LDNS_RCODE_NOERROR);
  g_ptr_array_sort(lines, compare_lines);
  g_ptr_array_add(lines, NULL);
  g_autofree char *text = g_strjoinv("; ", (char **)lines->pdata);
  return chase ? g_strdup_printf("%s -> %s", text, chase) : g_steal_pointer(&text);
}

static void test_names(void)
{
  static const struct {
    const char *name;
    ldns_rr_type type;
    const char *answer;
  } rows[] = {
    { "web.default.svc.cluster.local.", LDNS_RR_TYPE_A, "A 10.96.0.5" },
    { "WEB.Default.SVC.cluster.LOCAL.", LDNS_RR_TYPE_A, "A 10.96.0.5" },
    { "web.default.svc.cluster.local.", LDNS_RR_TYPE_AAAA, "NODATA" },
    { "web.default.svc.cluster.local.", LDNS_RR_TYPE_MX, "NODATA" },
    { "none.default.svc.cluster.local.", LDNS_RR_TYPE_A, "NXDOMAIN" },
    { "web.nowhere.svc.cluster.local.", LDNS_RR_TYPE_AAAA, "NXDOMAIN" },
    { "default.svc.cluster.local.", LDNS_RR_TYPE_A, "NODATA" },
    { "nowhere.svc.cluster.local.", LDNS_RR_TYPE_A, "NXDOMAIN" },
    { "svc.cluster.local.", LDNS_RR_TYPE_A, "NODATA" },
    { "cluster.local.", LDNS_RR_TYPE_NS, "NS ns.dns.cluster.local." },
    { "db.default.svc.cluster.local.", LDNS_RR_TYPE_A, "A 10.244.0.7; A 10.244.0.8" },
    { "db.default.svc.cluster.local.", LDNS_RR_TYPE_AAAA, "NODATA" },
    { "db-0.db.default.svc.cluster.local.", LDNS_RR_TYPE_A, "A 10.244.0.7" },
    { "10-244-0-8.db.default.svc.cluster.local.", LDNS_RR_TYPE_A, "A 10.244.0.8" },
    { "db-2.db.default.svc.cluster.local.", LDNS_RR_TYPE_A, "NXDOMAIN" },
    { "empty.default.svc.cluster.local.", LDNS_RR_TYPE_A, "NXDOMAIN" },
    { "_http._tcp.web.default.svc.cluster.local.", LDNS_RR_TYPE_SRV, "SRV web.default.svc.cluster.local." },
    { "_http._udp.web.default.svc.cluster.local.", LDNS_RR_TYPE_SRV, "NXDOMAIN" },
    { "_http._tcp.web.default.svc.cluster.local.", LDNS_RR_TYPE_A, "NODATA" },
    { "bare.default.svc.cluster.local.", LDNS_RR_TYPE_A, "A 10.96.0.6" },
    { "_80._tcp.bare.default.svc.cluster.local.", LDNS_RR_TYPE_SRV, "NXDOMAIN" },
    { "_tcp.web.default.svc.cluster.local.", LDNS_RR_TYPE_SRV, "NODATA" },
    { "_pg._tcp.db.default.svc.cluster.local.", LDNS_RR_TYPE_SRV,
      "SRV 10-244-0-8.db.default.svc.cluster.local.; SRV db-0.db.default.svc.cluster.local." },
    { "outside.default.svc.cluster.local.", LDNS_RR_TYPE_A, "CNAME www.example.org. -> www.example.org" },
    { "outside.default.svc.cluster.local.", LDNS_RR_TYPE_CNAME, "CNAME www.example.org." },
    { "alias.default.svc.cluster.local.", LDNS_RR_TYPE_A, "A 10.96.0.5; CNAME web.default.svc.cluster.local." },
    { "10-1-2-3.default.pod.cluster.local.", LDNS_RR_TYPE_A, "A 10.1.2.3" },
    { "10-1-2-3.nowhere.pod.cluster.local.", LDNS_RR_TYPE_A, "NXDOMAIN" },
    { "10-1-2.default.pod.cluster.local.", LDNS_RR_TYPE_A, "NXDOMAIN" },
    { "dns-version.cluster.local.", LDNS_RR_TYPE_TXT, "TXT \"1.1.0\"" },
    { "5.0.96.10.in-addr.arpa.", LDNS_RR_TYPE_PTR, "PTR web.default.svc.cluster.local." },
    { "7.0.244.10.in-addr.arpa.", LDNS_RR_TYPE_PTR, "PTR db-0.db.default.svc.cluster.local." },
    { "1.1.1.1.in-addr.arpa.", LDNS_RR_TYPE_PTR, "forward" },
    { "www.example.org.", LDNS_RR_TYPE_A, "forward" },
    { "a.b.c.d.e.default.svc.cluster.local.", LDNS_RR_TYPE_A, "NXDOMAIN" },
  };
  for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
    g_autofree char *answer = ask(rows[i].name, rows[i].type);
    g_test_message("%s", rows[i].name);
    g_assert_cmpstr(answer, ==, rows[i].answer);
  }
}

static void test_alias_loop_ends(void)
{
  g_autofree char *answer = ask("loop.default.svc.cluster.local.", LDNS_RR_TYPE_A);
  g_assert_true(g_str_has_prefix(answer, "CNAME loop"));
}

static void test_parse(void)
{
  static const uint8_t response[12] = { 0, 1, 0x80 }, short_query[5] = { 0 }, status[12] = { 0, 2, 0x10 };
  static const uint8_t broken[] = { 0, 3, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 63, 'a' };
  uint8_t rcode;
  g_assert_null(resolver_parse(response, sizeof response, &rcode));
  g_assert_null(resolver_parse(short_query, sizeof short_query, &rcode));
  ldns_pkt *query = resolver_parse(status, sizeof status, &rcode);
  g_assert_cmpint(rcode, ==, LDNS_RCODE_NOTIMPL);
  ldns_pkt_free(query);
  query = resolver_parse(broken, sizeof broken, &rcode);
  g_assert_cmpint(rcode, ==, LDNS_RCODE_FORMERR);
  g_assert_cmpint(ldns_pkt_id(query), ==, 3);
  ldns_pkt_free(query);
}

static void test_truncation(void)
{
  g_autoptr(json_t) saved = json_deep_copy(cluster);
  json_t *slice = json_array_get(json_object_get(saved, "slices"), 0);
  json_t *endpoints = json_array();
  for (int i = 1; i < 200; i++) {
    g_autofree char *ip = g_strdup_printf("10.244.0.%d", i);
    json_array_append_new(endpoints, json_pack("{s:[s]}", "addresses", ip));
  }
  json_object_set_new(slice, "endpoints", endpoints);
  DnsFacts facts = cluster_facts(saved);
  char *chase = NULL;
  ldns_pkt *query = ldns_pkt_query_new(ldns_dname_new_frm_str("db.default.svc.cluster.local."), LDNS_RR_TYPE_A,
                                       LDNS_RR_CLASS_IN, LDNS_RD);
  ldns_pkt *answer = resolver_answer(&facts, "cluster.local", query, &chase);
  g_assert_cmpuint(resolver_udp_limit(query), ==, 512);
  g_autoptr(GBytes) all = resolver_pack(answer, 65535);
  g_assert_false(ldns_pkt_tc(answer));
  g_autoptr(GBytes) cut = resolver_pack(answer, 512);
  g_assert_true(ldns_pkt_tc(answer));
  g_assert_cmpuint(g_bytes_get_size(cut), <=, 512);
  g_assert_cmpuint(g_bytes_get_size(cut), >, 400);
  g_assert_cmpuint(g_bytes_get_size(all), >, 3000);
  ldns_pkt_free(answer);
  ldns_pkt_free(query);
}

static void test_edns(void)
{
  DnsFacts facts = cluster_facts(cluster);
  char *chase = NULL;
  ldns_pkt *query = ldns_pkt_query_new(ldns_dname_new_frm_str("web.default.svc.cluster.local."), LDNS_RR_TYPE_A,
                                       LDNS_RR_CLASS_IN, LDNS_RD);
  ldns_pkt_set_edns_udp_size(query, 800);
  g_assert_cmpuint(resolver_udp_limit(query), ==, 800);
  ldns_pkt_set_edns_udp_size(query, 65535);
  g_assert_cmpuint(resolver_udp_limit(query), ==, 1232);
  ldns_pkt *answer = resolver_answer(&facts, "cluster.local", query, &chase);
  g_autoptr(GBytes) wire = resolver_pack(answer, 1232);
  ldns_pkt *read_back = NULL;
  g_assert_cmpint(ldns_wire2pkt(&read_back, g_bytes_get_data(wire, NULL), g_bytes_get_size(wire)), ==, LDNS_STATUS_OK);
  g_assert_true(ldns_pkt_edns(read_back));
  g_assert_cmpuint(ldns_pkt_edns_udp_size(read_back), ==, 1232);
  ldns_pkt_free(read_back);
  ldns_pkt_free(answer);
  ldns_pkt_free(query);
}

int main(int argc, char **argv)
{
  g_test_init(&argc, &argv, NULL);
  g_autofree char *path = g_test_build_filename(G_TEST_DIST, "tests/unit/dns/cluster.json", NULL);
  cluster = json_read_file(path, NULL);
  g_assert_nonnull(cluster);
  g_test_add_func("/resolver/names", test_names);
  g_test_add_func("/resolver/alias-loop-ends", test_alias_loop_ends);
  g_test_add_func("/resolver/parse", test_parse);
  g_test_add_func("/resolver/truncation", test_truncation);
  g_test_add_func("/resolver/edns", test_edns);
  int result = g_test_run();
  json_decref(cluster);
  return result;
}
