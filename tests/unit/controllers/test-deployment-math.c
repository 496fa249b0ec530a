#include <glib.h>
#include <string.h>

#include "base/json.h"
#include "clusterd/controllers/workloads/deployment_math.h"

static json_t *spec_of(int replicas, const char *surge, const char *unavailable)
{
  g_autofree char *text = g_strdup_printf("{\"replicas\":%d,\"strategy\":{\"type\":\"RollingUpdate\",\"rollingUpdate\":"
                                          "{\"maxSurge\":%s,\"maxUnavailable\":%s}}}",
                                          replicas, surge, unavailable);
  return json_parse(text, strlen(text), true, NULL);
}

/* Percentages: surge up, unavailable down; both zero means one unavailable; never more than there are. */
static void test_bounds(void)
{
  static const struct {
    int replicas;
    const char *surge, *unavailable;
    int64_t max_surge, max_unavailable;
  } cases[] = {
    { 3, "\"25%\"", "\"25%\"", 1, 0 },
    { 8, "\"25%\"", "\"25%\"", 2, 2 },
    { 1, "\"25%\"", "\"25%\"", 1, 0 },
    { 10, "\"25%\"", "\"25%\"", 3, 2 },
    { 5, "0", "0", 0, 1 },
    { 2, "0", "7", 0, 2 },
    { 0, "\"25%\"", "1", 0, 0 },
  };
  for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
    g_autoptr(json_t) spec = spec_of(cases[i].replicas, cases[i].surge, cases[i].unavailable);
    g_assert_cmpint(deployment_max_surge(spec), ==, cases[i].max_surge);
    g_assert_cmpint(deployment_max_unavailable(spec), ==, cases[i].max_unavailable);
  }
  g_autoptr(json_t) recreate = json_pack("{s:i, s:{s:s}}", "replicas", 3, "strategy", "type", "Recreate");
  g_assert_cmpint(deployment_max_surge(recreate), ==, 0);
  g_assert_cmpint(deployment_max_unavailable(recreate), ==, 0);
}

static void test_grow(void)
{
  g_autoptr(json_t) spec = spec_of(10, "3", "2");
  g_assert_cmpint(deployment_new_set_size(spec, 0, 10), ==, 3);
  g_assert_cmpint(deployment_new_set_size(spec, 3, 13), ==, 3);
  g_assert_cmpint(deployment_new_set_size(spec, 3, 8), ==, 8);
  g_assert_cmpint(deployment_new_set_size(spec, 9, 9), ==, 10);
  g_assert_cmpint(deployment_new_set_size(spec, 12, 12), ==, 10);
}

static void test_shrink(void)
{
  g_autoptr(json_t) spec = spec_of(10, "3", "2");
  /* The new set has nothing available yet: two may go. */
  SetSize new_set = { .replicas = 3 };
  SetSize old[2] = { { .replicas = 4, .available = 4 }, { .replicas = 6, .available = 6 } };
  g_assert_true(deployment_shrink_old(spec, &new_set, old, 2));
  g_assert_cmpint(old[0].target, ==, 2);
  g_assert_cmpint(old[1].target, ==, 6);
  /* Pods that are not available go first, whatever the age of their set. */
  SetSize sick[2] = { { .replicas = 5, .available = 5 }, { .replicas = 5, .available = 2 } };
  g_assert_true(deployment_shrink_old(spec, &new_set, sick, 2));
  g_assert_cmpint(sick[0].target, ==, 5);
  g_assert_cmpint(sick[1].target, ==, 3);
  /* Nothing may go while as few are available as allowed. */
  SetSize low[1] = { { .replicas = 8, .available = 8 } };
  g_assert_false(deployment_shrink_old(spec, &new_set, low, 1));
}

/* A walk through a whole update: never below 8 available, never above 13 pods, and it ends. */
static void test_rollout_ends(void)
{
  g_autoptr(json_t) spec = spec_of(10, "3", "2");
  SetSize new_set = { 0 }, old = { .replicas = 10, .available = 10 };
  int steps = 0;
  while (old.replicas > 0 || new_set.available < 10) {
    g_assert_cmpint(++steps, <, 50);
    new_set.replicas = deployment_new_set_size(spec, new_set.replicas, new_set.replicas + old.replicas);
    if (deployment_shrink_old(spec, &new_set, &old, 1)) {
      old.replicas = old.target;
      old.available = MIN(old.available, old.replicas);
    }
    g_assert_cmpint(new_set.replicas + old.replicas, <=, 13);
    g_assert_cmpint(new_set.available + old.available, >=, 8);
    if (new_set.available < new_set.replicas)
      new_set.available++;
  }
}

static void test_share(void)
{
  g_autoptr(json_t) spec = spec_of(15, "3", "2");
  SetSize sets[2] = { { .replicas = 8, .max_replicas = 13 }, { .replicas = 5, .max_replicas = 13 } };
  deployment_share(spec, 13, sets, 2);
  g_assert_cmpint(sets[0].target + sets[1].target, ==, 18);
  g_assert_cmpint(sets[0].target, ==, 11);
  g_assert_cmpint(sets[1].target, ==, 7);
  g_autoptr(json_t) none = spec_of(0, "3", "2");
  deployment_share(none, 13, sets, 2);
  g_assert_cmpint(sets[0].target, ==, 0);
  g_assert_cmpint(sets[1].target, ==, 0);
}

static void test_hash(void)
{
  g_autoptr(json_t) a =
      json_pack("{s:{s:{s:s}}, s:{s:i, s:s}}", "metadata", "labels", "app", "web", "spec", "x", 1, "y", "z");
  g_autoptr(json_t) b =
      json_pack("{s:{s:s, s:i}, s:{s:{s:s}}}", "spec", "y", "z", "x", 1, "metadata", "labels", "app", "web");
  g_autofree char *one = deployment_template_hash(a, 0), *two = deployment_template_hash(b, 0);
  g_autofree char *other = deployment_template_hash(a, 1);
  g_assert_cmpstr(one, ==, two);
  g_assert_cmpstr(one, !=, other);
  g_assert_cmpuint(strspn(one, "bcdfghjklmnpqrstvwxz2456789"), ==, strlen(one));
  json_object_set_new(json_at(b, "metadata", "labels", NULL), "pod-template-hash", json_string(one));
  g_assert_true(deployment_same_template(a, b));
  json_object_set_new(json_at(b, "metadata", "labels", NULL), "more", json_string(one));
  g_assert_false(deployment_same_template(a, b));
}

int main(int argc, char **argv)
{
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/deployment-math/bounds", test_bounds);
  g_test_add_func("/deployment-math/grow", test_grow);
  g_test_add_func("/deployment-math/shrink", test_shrink);
  g_test_add_func("/deployment-math/rollout-ends", test_rollout_ends);
  g_test_add_func("/deployment-math/share", test_share);
  g_test_add_func("/deployment-math/hash", test_hash);
  return g_test_run();
}
