/* ClusterRoles whose rules are those of others. */
#include <glib.h>
#include <string.h>

#include "base/json.h"
#include "cluster.h"

#define RBAC "rbac.authorization.k8s.io/v1"

static void add(Cluster *cluster, const char *name, const char *labels, const char *resource)
{
  g_autofree char *yaml =
      g_strdup_printf("{metadata: {name: %s, labels: {%s}}, rules: [{apiGroups: [''], resources: [%s], verbs: [get]}]}",
                      name, labels, resource);
  cluster_create(cluster, RBAC, "clusterroles", false, yaml);
}

/* The resources of the rules of NAME, in their order. */
static bool has_rules(Cluster *cluster, const char *name, const char *resources)
{
  g_autoptr(json_t) role = cluster_get(cluster, RBAC, "clusterroles", false, name);
  g_autoptr(GString) text = g_string_new(NULL);
  size_t i;
  json_t *rule;
  json_array_foreach (json_object_get(role, "rules"), i, rule)
    g_string_append_printf(text, "%s%s", i ? " " : "",
                           json_string_value(json_array_get(json_object_get(rule, "resources"), 0)));
  return strcmp(text->str, resources) == 0;
}

static void test_life(void)
{
  g_autoptr(Cluster) cluster = cluster_new();
  add(cluster, "b-part", "to: sum", "pods");
  cluster_create(cluster, RBAC, "clusterroles", false,
                 "{metadata: {name: sum}, aggregationRule: {clusterRoleSelectors: [{matchLabels: {to: sum}}, "
                 "{matchLabels: {too: sum}}]}}");
  cluster_wait(has_rules(cluster, "sum", "pods"));
  /* in the order of names, selector by selector, each rule once */
  add(cluster, "a-part", "to: sum", "services");
  add(cluster, "other", "to: another", "secrets");
  add(cluster, "again", "too: sum", "pods");
  add(cluster, "more", "too: sum", "nodes");
  cluster_wait(has_rules(cluster, "sum", "services pods nodes"));
  /* changes of the parts, and what somebody writes into the sum */
  cluster_patch(cluster, RBAC, "clusterroles", "a-part",
                "{rules: [{apiGroups: [''], resources: [events], verbs: [get]}]}");
  cluster_wait(has_rules(cluster, "sum", "events pods nodes"));
  cluster_patch(cluster, RBAC, "clusterroles", "sum",
                "{rules: [{apiGroups: [''], resources: [secrets], verbs: [get]}]}");
  cluster_wait(has_rules(cluster, "sum", "events pods nodes"));
  cluster_patch(cluster, RBAC, "clusterroles", "more", "{metadata: {labels: {too: nothing}}}");
  cluster_delete(cluster, RBAC, "clusterroles", false, "a-part", NULL);
  cluster_wait(has_rules(cluster, "sum", "pods"));
}

static void test_restart(void)
{
  g_autoptr(Cluster) cluster = cluster_new();
  cluster_create(cluster, RBAC, "clusterroles", false,
                 "{metadata: {name: sum}, aggregationRule: {clusterRoleSelectors: [{matchLabels: {to: sum}}]}}");
  cluster_stop(cluster);
  add(cluster, "part", "to: sum", "pods");
  cluster_resume(cluster);
  cluster_wait(has_rules(cluster, "sum", "pods"));
}

int main(int argc, char **argv)
{
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/role-aggregation/life", test_life);
  g_test_add_func("/role-aggregation/restart", test_restart);
  return g_test_run();
}
