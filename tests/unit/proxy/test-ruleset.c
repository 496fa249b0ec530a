/* Rulesets against golden texts, and against the kernel in a network namespace of our own where that is allowed.
 * LAUNCHER_GOLDEN=update rewrites the golden texts. */
#include <arpa/inet.h>
#include <glib.h>
#include <sched.h>

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

static Ruleset *build(const char *name, GHashTable *previous)
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
                      .pod_cidr = "10.244.0.0/24",
                      .reserved_ip = "10.96.0.10" };
  return ruleset_build(&in, previous);
}

static void test_golden(gconstpointer data)
{
  const char *name = data;
  g_autofree char *file = g_strdup_printf("tests/unit/proxy/cases/%s.nft", name);
  g_autofree char *path = g_test_build_filename(G_TEST_DIST, file, NULL);
  g_autoptr(Ruleset) ruleset = build(name, NULL);
  g_autofree char *golden = NULL;
  if (g_strcmp0(g_getenv("LAUNCHER_GOLDEN"), "update") == 0)
    g_assert_true(g_file_set_contents(path, ruleset->text, -1, NULL));
  g_assert_true(g_file_get_contents(path, &golden, NULL, NULL));
  g_assert_cmpstr(ruleset->text, ==, golden);
}

static bool in_own_namespace;

static void test_kernel_takes_it(gconstpointer data)
{
  if (!in_own_namespace) {
    g_test_skip("no network namespace of our own");
    return;
  }
  g_autoptr(GError) error = NULL;
  g_autoptr(Ruleset) fresh = build(data, NULL);
  if (!nft_apply(fresh->text, &error) && strstr(error->message, "Operation not supported")) {
    g_test_skip(error->message);
    return;
  }
  g_assert_no_error(error);
  /* The same again, then everything else's leftovers away. */
  g_autoptr(Ruleset) again = build(data, fresh->objects);
  nft_apply(again->text, &error);
  g_assert_no_error(error);
  g_autoptr(Ruleset) other = build("host-ports", again->objects);
  nft_apply(other->text, &error);
  g_assert_no_error(error);
  g_assert_cmpuint(g_hash_table_size(other->objects), ==, 0);
}

/* Any set of rules may follow any other in one transaction. */
static void test_transitions(void)
{
  static const char *const order[] = {
    "policy-union", "policy-ports", "cluster-ip",    "policy-peers", "policy-peers",
    "affinity",     "policy-deny",  "policy-course", "policy-types", "policy-ports"
  };
  if (!in_own_namespace) {
    g_test_skip("no network namespace of our own");
    return;
  }
  GHashTable *previous = NULL;
  for (gsize i = 0; i < G_N_ELEMENTS(order); i++) {
    g_autoptr(GError) error = NULL;
    g_autoptr(Ruleset) next = build(order[i], previous);
    if (!nft_apply(next->text, &error) && strstr(error->message, "Operation not supported")) {
      g_test_skip(error->message);
      break;
    }
    g_assert_no_error(error);
    g_clear_pointer(&previous, g_hash_table_unref);
    previous = g_hash_table_ref(next->objects);
  }
  g_clear_pointer(&previous, g_hash_table_unref);
}

static void test_affinity_survives(void)
{
  g_autoptr(Ruleset) fresh = build("affinity", NULL);
  g_autoptr(Ruleset) again = build("affinity", fresh->objects);
  g_assert_nonnull(strstr(fresh->text, "set affinity-"));
  g_assert_null(strstr(again->text, "delete set"));
  g_assert_null(strstr(again->text, "delete table"));
  g_autoptr(Ruleset) without = build("cluster-ip", fresh->objects);
  g_assert_nonnull(strstr(without->text, "delete set ip launcher affinity-"));
}

/* The service "both" of the case has 10.96.0.1:53/UDP in front of 10.244.0.2:5354 and 10.244.0.3:5354. */
static void test_stale_flows(void)
{
  static const struct {
    const char *destination;
    uint16_t port;
    const char *replier;
    uint16_t replier_port;
    bool stale;
  } rows[] = { { "10.96.0.1", 53, "10.244.0.2", 5354, false },
               { "10.96.0.1", 53, "10.244.0.9", 5354, true },
               { "10.96.0.1", 53, "10.96.0.1", 53, true },
               { "10.96.0.1", 54, "10.244.0.9", 5354, false },
               { "8.8.8.8", 53, "8.8.8.8", 53, false } };
  g_autoptr(Ruleset) ruleset = build("protocols", NULL);
  for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
    TrackedFlow flow = { .destination = inet_addr(rows[i].destination),
                         .destination_port = rows[i].port,
                         .replier = inet_addr(rows[i].replier),
                         .replier_port = rows[i].replier_port };
    g_assert_cmpint(conntrack_is_stale(ruleset->ports, &flow), ==, rows[i].stale);
  }
}

static void test_sweep(void)
{
  g_autoptr(GError) error = NULL;
  g_autoptr(Ruleset) ruleset = build("protocols", NULL);
  if (!in_own_namespace) {
    g_test_skip("no network namespace of our own");
    return;
  }
  if (!conntrack_delete_stale(ruleset->ports, &error) && strstr(error->message, "Operation not supported"))
    g_test_skip(error->message);
  else
    g_assert_no_error(error);
}

int main(int argc, char **argv)
{
  static const char *const cases[] = { "cluster-ip",     "node-port",      "load-balancer", "affinity",
                                       "external-local", "internal-local", "terminating",   "protocols",
                                       "host-ports",     "hostile",        "policy-course", "policy-deny",
                                       "policy-types",   "policy-peers",   "policy-ports",  "policy-union" };
  g_test_init(&argc, &argv, NULL);
  in_own_namespace = unshare(CLONE_NEWNET) == 0 || unshare(CLONE_NEWUSER | CLONE_NEWNET) == 0;
  for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
    g_autofree char *golden = g_strdup_printf("/ruleset/golden/%s", cases[i]);
    g_autofree char *kernel = g_strdup_printf("/ruleset/kernel/%s", cases[i]);
    g_test_add_data_func(golden, cases[i], test_golden);
    g_test_add_data_func(kernel, cases[i], test_kernel_takes_it);
  }
  g_test_add_func("/ruleset/transitions", test_transitions);
  g_test_add_func("/ruleset/affinity-survives", test_affinity_survives);
  g_test_add_func("/conntrack/stale-flows", test_stale_flows);
  g_test_add_func("/conntrack/sweep", test_sweep);
  return g_test_run();
}
