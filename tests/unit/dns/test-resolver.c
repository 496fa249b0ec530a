/* Every kind of name of the DNS specification, as question and answer. */
#include <glib.h>
#include <ldns/ldns.h>

#include "base/json.h"
#include "cluster.h"

static json_t *cluster;
static char zone_name[] = "cluster.local";
static ClusterZone zone = { .name = zone_name, .ttl = 30, .address = "10.96.0.10" };

static ldns_pkt *resolve(const char *name, ldns_rr_type type, char **chase)
{
  DnsFacts facts = cluster_facts(cluster);
  uint8_t wire[NAME_WIRE_MAX];
  size_t length = name_from_text(name, wire);
  g_assert_cmpuint(length, >, 0);
  return resolver_answer(&facts, &zone, wire, length, (uint16_t)type, chase);
}

static gint compare_lines(gconstpointer a, gconstpointer b)
{
  return g_strcmp0(*(char *const *)a, *(char *const *)b);
}

/* The records as "TYPE data" sorted and joined by "; ": of an SRV record, its port and target; of one in the additional
 * section, its owner too. */
static char *lines_of(const ldns_rr_list *list, bool owners)
{
  g_autoptr(GPtrArray) lines = g_ptr_array_new_with_free_func(g_free);
  for (size_t i = 0; list && i < ldns_rr_list_rr_count(list); i++) {
    ldns_rr *rr = ldns_rr_list_rr(list, i);
    char *text = ldns_rr2str(rr);
    g_auto(GStrv) words = g_strsplit_set(g_strchomp(text), "\t ", -1);
    bool srv = ldns_rr_get_type(rr) == LDNS_RR_TYPE_SRV;
    g_autofree char *data = g_strjoinv(" ", words + (srv ? 6 : 4));
    g_assert_cmpuint(ldns_rr_ttl(rr), ==, 30);
    g_ptr_array_add(lines, g_strdup_printf("%s%s%s %s", owners ? words[0] : "", owners ? " " : "", words[3], data));
    free(text);
  }
  g_ptr_array_sort(lines, compare_lines);
  g_ptr_array_add(lines, NULL);
  return g_strjoinv("; ", (char **)lines->pdata);
}

/* "NXDOMAIN", "NODATA", "forward", or the answer's records. */
static char *ask(const char *name, ldns_rr_type type)
{
  g_autofree char *chase = NULL;
  ldns_pkt *answer = resolve(name, type, &chase);
  if (!answer)
    return g_strdup("forward");
  uint8_t rcode = ldns_pkt_get_rcode(answer);
  bool has_soa = ldns_pkt_nscount(answer) == 1, empty = ldns_pkt_ancount(answer) == 0;
  g_assert_cmpint(has_soa, ==, empty);
  g_assert_true(ldns_pkt_aa(answer));
  g_autofree char *text = lines_of(ldns_pkt_answer(answer), false);
  ldns_pkt_free(answer);
  if (empty)
    return g_strdup(rcode == LDNS_RCODE_NXDOMAIN ? "NXDOMAIN" : "NODATA");
  g_assert_cmpint(rcode, ==, LDNS_RCODE_NOERROR);
  return chase ? g_strdup_printf("%s -> %s", text, chase) : g_steal_pointer(&text);
}

typedef struct Row {
  const char *name;
  ldns_rr_type type;
  const char *answer;
} Row;

static void check_rows(const Row *rows, gsize n)
{
  for (gsize i = 0; i < n; i++) {
    g_autofree char *answer = ask(rows[i].name, rows[i].type);
    g_test_message("%s", rows[i].name);
    g_assert_cmpstr(answer, ==, rows[i].answer);
  }
}

static void test_names(void)
{
  static const Row rows[] = {
    { "web.default.svc.cluster.local.", LDNS_RR_TYPE_A, "A 10.96.0.5" },
    { "WEB.Default.SVC.cluster.LOCAL.", LDNS_RR_TYPE_A, "A 10.96.0.5" },
    { "web.default.svc.cluster.local.", LDNS_RR_TYPE_AAAA, "NODATA" },
    { "web.default.svc.cluster.local.", LDNS_RR_TYPE_MX, "NODATA" },
    { "none.default.svc.cluster.local.", LDNS_RR_TYPE_A, "NXDOMAIN" },
    { "web.nowhere.svc.cluster.local.", LDNS_RR_TYPE_AAAA, "NXDOMAIN" },
    { "default.svc.cluster.local.", LDNS_RR_TYPE_A, "NODATA" },
    { "nowhere.svc.cluster.local.", LDNS_RR_TYPE_A, "NXDOMAIN" },
    { "svc.cluster.local.", LDNS_RR_TYPE_A, "NODATA" },
    { "cluster.local.", LDNS_RR_TYPE_NS, "NS kube-dns.kube-system.svc.cluster.local." },
    { "db.default.svc.cluster.local.", LDNS_RR_TYPE_A, "A 10.244.0.7; A 10.244.0.8" },
    { "db.default.svc.cluster.local.", LDNS_RR_TYPE_AAAA, "NODATA" },
    { "db-0.db.default.svc.cluster.local.", LDNS_RR_TYPE_A, "A 10.244.0.7" },
    { "10-244-0-8.db.default.svc.cluster.local.", LDNS_RR_TYPE_A, "A 10.244.0.8" },
    { "db-2.db.default.svc.cluster.local.", LDNS_RR_TYPE_A, "NXDOMAIN" },
    { "empty.default.svc.cluster.local.", LDNS_RR_TYPE_A, "NXDOMAIN" },
    { "_http._tcp.web.default.svc.cluster.local.", LDNS_RR_TYPE_SRV, "SRV 80 web.default.svc.cluster.local." },
    { "_http._udp.web.default.svc.cluster.local.", LDNS_RR_TYPE_SRV, "NXDOMAIN" },
    { "_http._tcp.web.default.svc.cluster.local.", LDNS_RR_TYPE_A, "NODATA" },
    { "bare.default.svc.cluster.local.", LDNS_RR_TYPE_A, "A 10.96.0.6" },
    { "_80._tcp.bare.default.svc.cluster.local.", LDNS_RR_TYPE_SRV, "NXDOMAIN" },
    { "_tcp.web.default.svc.cluster.local.", LDNS_RR_TYPE_SRV, "NODATA" },
    { "_pg._tcp.db.default.svc.cluster.local.", LDNS_RR_TYPE_SRV,
      "SRV 5432 10-244-0-8.db.default.svc.cluster.local.; SRV 5432 db-0.db.default.svc.cluster.local." },
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
    { "10-244-0-20.web.default.svc.cluster.local.", LDNS_RR_TYPE_A, "A 10.244.0.20" },
    { "eager.default.svc.cluster.local.", LDNS_RR_TYPE_A, "A 10.244.0.30" },
    { "*.default.svc.cluster.local.", LDNS_RR_TYPE_A, "NXDOMAIN" },
    { "any.default.svc.cluster.local.", LDNS_RR_TYPE_A, "NXDOMAIN" },
    { "*._tcp.web.default.svc.cluster.local.", LDNS_RR_TYPE_SRV, "NXDOMAIN" },
    { "web.default.svc.cluster.local.", LDNS_RR_TYPE_ANY, "NODATA" },
    { "none.default.svc.cluster.local.", LDNS_RR_TYPE_ANY, "NXDOMAIN" },
    { "cluster.local.", LDNS_RR_TYPE_SOA, "SOA ns.dns.cluster.local. hostmaster.cluster.local. 1 7200 1800 86400 30" },
    { "cluster.local.", LDNS_RR_TYPE_A, "NODATA" },
    { "ns.dns.cluster.local.", LDNS_RR_TYPE_A, "A 10.96.0.10" },
    { "ns.dns.cluster.local.", LDNS_RR_TYPE_AAAA, "NODATA" },
    { "dns.cluster.local.", LDNS_RR_TYPE_A, "NODATA" },
    { "dns-version.cluster.local.", LDNS_RR_TYPE_A, "NODATA" },
    { "dns-versions.cluster.local.", LDNS_RR_TYPE_TXT, "NXDOMAIN" },
    { "_HTTP._TCP.Web.default.svc.cluster.local.", LDNS_RR_TYPE_SRV, "SRV 80 web.default.svc.cluster.local." },
    { "web.default.svc.cluster.local.", LDNS_RR_TYPE_SRV,
      "SRV 53 web.default.svc.cluster.local.; SRV 80 web.default.svc.cluster.local." },
    { "20.0.244.10.in-addr.arpa.", LDNS_RR_TYPE_PTR, "PTR 10-244-0-20.web.default.svc.cluster.local." },
    { "9.0.244.10.in-addr.arpa.", LDNS_RR_TYPE_PTR, "forward" },
    { "5.0.96.10.in-addr.arpa.", LDNS_RR_TYPE_A, "NODATA" },
    { "0.96.10.in-addr.arpa.", LDNS_RR_TYPE_PTR, "forward" },
    { "x.default.pod.cluster.local.", LDNS_RR_TYPE_A, "NXDOMAIN" },
    { "badname.default.svc.cluster.local.", LDNS_RR_TYPE_A, "NXDOMAIN" },
    { "x.outside.default.svc.cluster.local.", LDNS_RR_TYPE_A, "NXDOMAIN" },
  };
  check_rows(rows, G_N_ELEMENTS(rows));
}

static void test_dual_stack(void)
{
  static const Row rows[] = {
    { "dual.default.svc.cluster.local.", LDNS_RR_TYPE_A, "A 10.96.0.9" },
    { "dual.default.svc.cluster.local.", LDNS_RR_TYPE_AAAA, "AAAA fd00:10::9" },
    { "_https._tcp.dual.default.svc.cluster.local.", LDNS_RR_TYPE_SRV, "SRV 443 dual.default.svc.cluster.local." },
    { "six.default.svc.cluster.local.", LDNS_RR_TYPE_A, "NODATA" },
    { "six.default.svc.cluster.local.", LDNS_RR_TYPE_AAAA, "AAAA fd00:10::6" },
    { "pets.default.svc.cluster.local.", LDNS_RR_TYPE_A, "A 10.3.0.100; A 10.3.0.101; A 10.3.0.102" },
    { "pets.default.svc.cluster.local.", LDNS_RR_TYPE_AAAA, "AAAA fd00:3::100; AAAA fd00:3::102" },
    { "my-pet.pets.default.svc.cluster.local.", LDNS_RR_TYPE_A, "A 10.3.0.100; A 10.3.0.101" },
    { "my-pet.pets.default.svc.cluster.local.", LDNS_RR_TYPE_AAAA, "AAAA fd00:3::100" },
    { "fd00-3--102.pets.default.svc.cluster.local.", LDNS_RR_TYPE_AAAA, "AAAA fd00:3::102" },
    { "fd00-3--102.pets.default.svc.cluster.local.", LDNS_RR_TYPE_A, "NODATA" },
    { "_https._tcp.pets.default.svc.cluster.local.", LDNS_RR_TYPE_SRV,
      "SRV 443 10-3-0-102.pets.default.svc.cluster.local.; SRV 443 fd00-3--102.pets.default.svc.cluster.local.; "
      "SRV 443 my-pet.pets.default.svc.cluster.local." },
    { "fd00--5.default.pod.cluster.local.", LDNS_RR_TYPE_AAAA, "AAAA fd00::5" },
    { "fd00--5.default.pod.cluster.local.", LDNS_RR_TYPE_A, "NODATA" },
    { "9.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.1.0.0.0.0.d.f.ip6.arpa.", LDNS_RR_TYPE_PTR,
      "PTR dual.default.svc.cluster.local." },
    { "2.0.1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.3.0.0.0.0.0.D.F.IP6.ARPA.", LDNS_RR_TYPE_PTR,
      "PTR fd00-3--102.pets.default.svc.cluster.local." },
    { "g.0.1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.3.0.0.0.0.0.d.f.ip6.arpa.", LDNS_RR_TYPE_PTR, "forward" },
    { "0.1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.3.0.0.0.0.0.d.f.ip6.arpa.", LDNS_RR_TYPE_PTR, "forward" },
  };
  check_rows(rows, G_N_ELEMENTS(rows));
}

/* Each target's addresses come along; weights share a hundred. */
static void test_srv_sections(void)
{
  g_autofree char *chase = NULL;
  ldns_pkt *answer = resolve("_https._tcp.pets.default.svc.cluster.local.", LDNS_RR_TYPE_SRV, &chase);
  g_autofree char *extra = lines_of(ldns_pkt_additional(answer), true);
  g_assert_cmpstr(extra, ==,
                  "10-3-0-102.pets.default.svc.cluster.local. A 10.3.0.102; "
                  "fd00-3--102.pets.default.svc.cluster.local. AAAA fd00:3::102; "
                  "my-pet.pets.default.svc.cluster.local. A 10.3.0.100; "
                  "my-pet.pets.default.svc.cluster.local. A 10.3.0.101; "
                  "my-pet.pets.default.svc.cluster.local. AAAA fd00:3::100");
  for (size_t i = 0; i < 3; i++) {
    const ldns_rr *rr = ldns_rr_list_rr(ldns_pkt_answer(answer), i);
    g_assert_cmpuint(ldns_rdf2native_int16(ldns_rr_rdf(rr, 0)), ==, 0);
    g_assert_cmpuint(ldns_rdf2native_int16(ldns_rr_rdf(rr, 1)), ==, 33);
  }
  ldns_pkt_free(answer);
  answer = resolve("_https._tcp.dual.default.svc.cluster.local.", LDNS_RR_TYPE_SRV, &chase);
  g_autofree char *both = lines_of(ldns_pkt_additional(answer), true);
  g_assert_cmpstr(both, ==,
                  "dual.default.svc.cluster.local. A 10.96.0.9; dual.default.svc.cluster.local. AAAA fd00:10::9");
  ldns_pkt_free(answer);
}

/* Denied for as long as records are kept. */
static void test_soa(void)
{
  g_autofree char *chase = NULL;
  ldns_pkt *answer = resolve("none.default.svc.cluster.local.", LDNS_RR_TYPE_A, &chase);
  char *text = ldns_rr2str(ldns_rr_list_rr(ldns_pkt_authority(answer), 0));
  g_assert_cmpstr(g_strchomp(text), ==,
                  "cluster.local.\t30\tIN\tSOA\tns.dns.cluster.local. hostmaster.cluster.local. 1 7200 1800 86400 30");
  free(text);
  ldns_pkt_free(answer);
}

static void test_pod_records(void)
{
  static const Row verified[] = {
    { "10-244-0-7.default.pod.cluster.local.", LDNS_RR_TYPE_A, "A 10.244.0.7" },
    { "10-244-0-7.kube-system.pod.cluster.local.", LDNS_RR_TYPE_A, "NXDOMAIN" },
    { "10-244-0-77.default.pod.cluster.local.", LDNS_RR_TYPE_A, "NXDOMAIN" },
    { "fd00-3--102.default.pod.cluster.local.", LDNS_RR_TYPE_AAAA, "AAAA fd00:3::102" },
  };
  static const Row disabled[] = {
    { "10-244-0-7.default.pod.cluster.local.", LDNS_RR_TYPE_A, "NXDOMAIN" },
    { "web.default.svc.cluster.local.", LDNS_RR_TYPE_A, "A 10.96.0.5" },
  };
  zone.pods = POD_RECORDS_VERIFIED;
  check_rows(verified, G_N_ELEMENTS(verified));
  zone.pods = POD_RECORDS_DISABLED;
  check_rows(disabled, G_N_ELEMENTS(disabled));
  zone.pods = POD_RECORDS_INSECURE;
}

static void test_endpoint_pod_names(void)
{
  static const Row rows[] = {
    { "pet-xyz.pets.default.svc.cluster.local.", LDNS_RR_TYPE_A, "A 10.3.0.102" },
    { "10-3-0-102.pets.default.svc.cluster.local.", LDNS_RR_TYPE_A, "NXDOMAIN" },
    { "my-pet.pets.default.svc.cluster.local.", LDNS_RR_TYPE_A, "A 10.3.0.100; A 10.3.0.101" },
    { "102.0.3.10.in-addr.arpa.", LDNS_RR_TYPE_PTR, "PTR pet-xyz.pets.default.svc.cluster.local." },
  };
  zone.endpoint_pod_names = true;
  check_rows(rows, G_N_ELEMENTS(rows));
  zone.endpoint_pod_names = false;
}

static void test_alias_loop_ends(void)
{
  g_autofree char *answer = ask("loop.default.svc.cluster.local.", LDNS_RR_TYPE_A);
  g_assert_true(g_str_has_prefix(answer, "CNAME loop"));
}

int main(int argc, char **argv)
{
  g_test_init(&argc, &argv, NULL);
  g_autofree char *path = g_test_build_filename(G_TEST_DIST, "tests/unit/dns/cluster.json", NULL);
  cluster = json_read_file(path, NULL);
  g_assert_nonnull(cluster);
  g_test_add_func("/resolver/names", test_names);
  g_test_add_func("/resolver/dual-stack", test_dual_stack);
  g_test_add_func("/resolver/srv-sections", test_srv_sections);
  g_test_add_func("/resolver/soa", test_soa);
  g_test_add_func("/resolver/pod-records", test_pod_records);
  g_test_add_func("/resolver/endpoint-pod-names", test_endpoint_pod_names);
  g_test_add_func("/resolver/alias-loop-ends", test_alias_loop_ends);
  int result = g_test_run();
  json_decref(cluster);
  return result;
}
