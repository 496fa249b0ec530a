/* Rulesets against golden texts, and against the kernel in a network namespace of our own where that is allowed.
 * LAUNCHER_GOLDEN=update rewrites the golden texts. */
#include <glib.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "clusterd/proxy/conntrack.h"
#include "clusterd/proxy/nft.h"
#include "clusterd/proxy/ruleset.h"

static GPtrArray *items(const json_t *input, const char *key)
{
  GPtrArray *array = g_ptr_array_new();
  size_t i;
  json_t *item;
  json_array_foreach (json_object_get(input, key), i, item)
    g_ptr_array_add(array, item);
  return array;
}

/* The case NAME of one family, or of both. */
static Ruleset *build_of(const char *name, const char *v4, const char *v6)
{
  g_autofree char *file = g_strdup_printf("tests/unit/proxy/cases/%s.json", name);
  g_autofree char *path = g_test_build_filename(G_TEST_DIST, file, NULL);
  g_autoptr(GError) error = NULL;
  g_autoptr(json_t) input = json_read_file(path, &error);
  g_assert_no_error(error);
  g_autoptr(GPtrArray) services = items(input, "services");
  g_autoptr(GPtrArray) slices = items(input, "slices");
  g_autoptr(GPtrArray) pods = items(input, "pods");
  g_autoptr(GPtrArray) policies = items(input, "policies");
  g_autoptr(GPtrArray) namespaces = items(input, "namespaces");
  g_autoptr(GPtrArray) all_pods = items(input, "allPods");
  RulesetInput in = { .services = services,
                      .slices = slices,
                      .pods = pods,
                      .policies = policies,
                      .namespaces = namespaces,
                      .all_pods = all_pods,
                      .node_name = "n1",
                      .zone = json_str(input, "zone", NULL),
                      .pod_ranges = { v4, v6 },
                      .reserved_ip = "10.96.0.10" };
  return ruleset_build(&in);
}

static Ruleset *build(const char *name)
{
  return build_of(name, "10.244.0.0/24", g_str_has_prefix(name, "dual") ? "fd00:10:244::/64" : NULL);
}

static void test_golden(gconstpointer data)
{
  const char *name = data;
  g_autofree char *file = g_strdup_printf("tests/unit/proxy/cases/%s.nft", name);
  g_autofree char *path = g_test_build_filename(G_TEST_DIST, file, NULL);
  g_autoptr(Ruleset) ruleset = build(name);
  g_autofree char *golden = NULL, *text = ruleset_change(NULL, ruleset);
  if (g_strcmp0(g_getenv("LAUNCHER_GOLDEN"), "update") == 0)
    g_assert_true(g_file_set_contents(path, text, -1, NULL));
  g_assert_true(g_file_get_contents(path, &golden, NULL, NULL));
  g_assert_cmpstr(text, ==, golden);
}

static bool in_own_namespace;

/* What `nft list` tells of the tables, "" when there are none. */
static char *listed(void)
{
  const char *argv[] = { "nft", "--stateless", "list", "ruleset", NULL };
  char *text = NULL;
  int status = 0;
  g_assert_true(
      g_spawn_sync(NULL, (char **)(uintptr_t)argv, NULL, G_SPAWN_SEARCH_PATH, NULL, NULL, &text, NULL, &status, NULL));
  g_assert_cmpint(status, ==, 0);
  return text;
}

/* False, and the test is skipped, where the kernel has no nftables for us. */
static bool apply(const Ruleset *before, const Ruleset *ruleset)
{
  g_autoptr(GError) error = NULL;
  g_autofree char *text = ruleset_change(before, ruleset);
  if (!nft_apply(text, &error) && strstr(error->message, "Operation not supported")) {
    g_test_skip(error->message);
    return false;
  }
  if (error)
    g_test_message("%s", text);
  g_assert_no_error(error);
  return true;
}

static gint compare_lines(gconstpointer a, gconstpointer b)
{
  return strcmp(*(char *const *)a, *(char *const *)b);
}

/* The order in which the kernel keeps sets and chains is that of their making. */
static char *sorted_blocks(const char *text)
{
  g_auto(GStrv) blocks = g_strsplit(text, "\n\t}\n", -1);
  for (char **block = blocks; *block; block++)
    g_strchug(*block);
  qsort(blocks, g_strv_length(blocks), sizeof *blocks, compare_lines);
  return g_strjoinv("\n", blocks);
}

/* All cases, one after the other and back, each told as what changes: the kernel then has what it has when it gets the
 * whole of it. */
static void test_transitions(gconstpointer data)
{
  const char *const *cases = data;
  guint n_cases = g_strv_length((char **)(uintptr_t)cases);
  g_autoptr(Ruleset) before = NULL;
  if (!in_own_namespace) {
    g_test_skip("no network namespace of our own");
    return;
  }
  for (guint i = 0; i < 2 * n_cases; i++) {
    const char *name = cases[i < n_cases ? i : (i * 7) % n_cases];
    g_autoptr(Ruleset) next = build_of(name, "10.244.0.0/24", "fd00:10:244::/64");
    g_test_message("%s", name);
    if (!apply(before, next))
      return;
    g_autofree char *changed = listed(), *changed_blocks = sorted_blocks(changed);
    g_autofree char *nothing = ruleset_change(next, next);
    g_assert_cmpstr(nothing, ==, "");
    apply(NULL, next);
    g_autofree char *whole = listed(), *whole_blocks = sorted_blocks(whole);
    g_assert_cmpstr(changed_blocks, ==, whole_blocks);
    g_clear_pointer(&before, ruleset_free);
    before = g_steal_pointer(&next);
  }
}

static void test_kernel_takes_it(gconstpointer data)
{
  if (!in_own_namespace) {
    g_test_skip("no network namespace of our own");
    return;
  }
  g_autoptr(Ruleset) fresh = build(data);
  apply(NULL, fresh);
}

/* Clients that the kernel remembers stay remembered as long as their endpoint. */
static void test_affinity_survives(void)
{
  g_autoptr(Ruleset) fresh = build("affinity"), again = build("affinity"), without = build("cluster-ip");
  g_autofree char *text = ruleset_change(NULL, fresh), *nothing = ruleset_change(fresh, again);
  g_autofree char *gone = ruleset_change(fresh, without);
  g_assert_nonnull(strstr(text, "set affinity-"));
  g_assert_cmpstr(nothing, ==, "");
  g_assert_nonnull(strstr(gone, "delete set ip launcher affinity-"));
  g_assert_null(strstr(gone, "flush set ip launcher affinity-"));
}

/* The service "both" of the case has 10.96.0.1:53/UDP in front of 10.244.0.2:5354 and 10.244.0.3:5354. In "dual" UDP
 * 53 of fd00:10:96::1 and of node port 30053 goes to [fd00:10:244::2]:5353, and host port 5300 to port 53 of the same
 * pod. */
static void test_stale_flows(void)
{
  static const struct {
    const char *name, *destination;
    uint16_t port;
    const char *replier;
    uint16_t replier_port;
    bool stale;
  } rows[] = { { "protocols", "10.96.0.1", 53, "10.244.0.2", 5354, false },
               { "protocols", "10.96.0.1", 53, "10.244.0.9", 5354, true },
               { "protocols", "10.96.0.1", 53, "10.96.0.1", 53, true },
               { "protocols", "10.96.0.1", 54, "10.244.0.9", 5354, false },
               { "protocols", "8.8.8.8", 53, "8.8.8.8", 53, false },
               { "dual", "fd00:10:96::1", 53, "fd00:10:244::2", 5353, false },
               { "dual", "fd00:10:96::1", 53, "fd00:10:244::9", 5353, true },
               { "dual", "fd00:99::1", 30053, "fd00:10:244::2", 5353, false },
               { "dual", "fd00:99::1", 30053, "fd00:10:244::9", 5353, true },
               { "dual", "10.99.0.2", 30053, "10.244.0.9", 5353, true },
               { "dual", "fd00:99::1", 5300, "fd00:10:244::2", 53, false },
               { "dual", "fd00:99::1", 5300, "fd00:10:244::9", 53, true } };
  for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
    g_autoptr(Ruleset) ruleset = build(rows[i].name);
    g_autoptr(UdpTargets) targets = udp_targets_new(ruleset);
    TrackedFlow flow = { .destination_port = rows[i].port, .replier_port = rows[i].replier_port };
    g_assert_true(ip_address_parse(rows[i].destination, &flow.destination));
    g_assert_true(ip_address_parse(rows[i].replier, &flow.replier));
    g_test_message("%s %s %u", rows[i].name, rows[i].destination, rows[i].port);
    g_assert_cmpint(udp_targets_are_stale(targets, &flow), ==, rows[i].stale);
  }
  g_autoptr(Ruleset) tcp = build("cluster-ip");
  g_assert_null(udp_targets_new(tcp));
}

static void test_sweep(void)
{
  g_autoptr(GError) error = NULL;
  g_autoptr(Ruleset) ruleset = build("protocols");
  if (!in_own_namespace) {
    g_test_skip("no network namespace of our own");
    return;
  }
  if (!conntrack_delete_stale(ruleset, &error) && strstr(error->message, "Operation not supported"))
    g_test_skip(error->message);
  else
    g_assert_no_error(error);
}

int main(int argc, char **argv)
{
  static const char *const cases[] = { "cluster-ip",     "node-port",      "load-balancer", "affinity",
                                       "external-local", "internal-local", "terminating",   "protocols",
                                       "host-ports",     "hostile",        "policy-course", "policy-deny",
                                       "policy-types",   "policy-peers",   "policy-ports",  "policy-union",
                                       "zones",          "dual",           "dual-policy",   NULL };
  g_test_init(&argc, &argv, NULL);
  in_own_namespace = unshare(CLONE_NEWNET) == 0 || unshare(CLONE_NEWUSER | CLONE_NEWNET) == 0;
  for (gsize i = 0; cases[i]; i++) {
    g_autofree char *golden = g_strdup_printf("/ruleset/golden/%s", cases[i]);
    g_autofree char *kernel = g_strdup_printf("/ruleset/kernel/%s", cases[i]);
    g_test_add_data_func(golden, cases[i], test_golden);
    g_test_add_data_func(kernel, cases[i], test_kernel_takes_it);
  }
  g_test_add_data_func("/ruleset/transitions", cases, test_transitions);
  g_test_add_func("/ruleset/affinity-survives", test_affinity_survives);
  g_test_add_func("/conntrack/stale-flows", test_stale_flows);
  g_test_add_func("/conntrack/sweep", test_sweep);
  return g_test_run();
}
