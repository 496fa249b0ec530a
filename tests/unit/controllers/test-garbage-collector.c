#include <glib.h>
#include <string.h>

#include "base/json.h"
#include "base/yaml.h"
#include "cluster.h"

static void test_garbage(void)
{
  g_autoptr(Cluster) cluster = cluster_new();
  cluster_create(cluster, "apps/v1", "deployments", true, CLUSTER_WEB);
  cluster_wait(cluster_count_pods(cluster, "web") == 2);
  cluster_delete(cluster, "apps/v1", "deployments", true, "web", "Background");
  cluster_wait(cluster_count(cluster, "v1", "pods", "web") == 0);
  cluster_wait(cluster_count(cluster, "apps/v1", "replicasets", "web") == 0);

  /* Foreground: the owner is the last to go. */
  cluster_create(cluster, "apps/v1", "deployments", true, CLUSTER_WEB);
  cluster_wait(cluster_count_pods(cluster, "web") == 2);
  cluster_hold_kubelet(cluster, true);
  cluster_delete(cluster, "apps/v1", "deployments", true, "web", "Foreground");
  cluster_wait(cluster_count_pods(cluster, "web") == 0);
  g_assert_true(cluster_exists(cluster, "apps/v1", "deployments", "web"));
  cluster_hold_kubelet(cluster, false);
  cluster_wait(!cluster_exists(cluster, "apps/v1", "deployments", "web"));

  /* Orphan: what belonged to it stays. */
  cluster_create(cluster, "apps/v1", "deployments", true, CLUSTER_WEB);
  cluster_wait(cluster_count_pods(cluster, "web") == 2);
  cluster_delete(cluster, "apps/v1", "deployments", true, "web", "Orphan");
  cluster_wait(!cluster_exists(cluster, "apps/v1", "deployments", "web"));
  g_usleep(20000);
  g_assert_cmpuint(cluster_count_pods(cluster, "web"), ==, 2);
}

/* --- owners --------------------------------------------------------------------------------------------------------
 */

/* A ConfigMap in NAMESPACE whose owners are REFERENCES (YAML, several by comma). */
static Object *add_map(Cluster *cluster, const char *namespace_, const char *name, const char *references)
{
  g_autoptr(GError) error = NULL;
  g_autofree char *yaml = g_strdup_printf("{metadata: {name: %s, ownerReferences: [%s]}}", name, references);
  g_autoptr(json_t) value = yaml_parse(yaml, strlen(yaml), NULL);
  Object *map = client_create(cluster_client(cluster), "v1", "configmaps", namespace_, value, &error);
  g_assert_no_error(error);
  return map;
}

static char *reference(const char *api_version, const char *kind, const char *name, const char *uid, bool blocks)
{
  return g_strdup_printf("{apiVersion: %s, kind: %s, name: %s, uid: '%s', blockOwnerDeletion: %s}", api_version, kind,
                         name, uid, blocks ? "true" : "false");
}

static bool has_map(Cluster *cluster, const char *namespace_, const char *name)
{
  g_autoptr(Object) map = client_get(cluster_client(cluster), "v1", "configmaps", namespace_, name, NULL);
  return map != NULL;
}

static size_t count_owners(Cluster *cluster, const char *name)
{
  g_autoptr(json_t) map = cluster_get(cluster, "v1", "configmaps", true, name);
  return json_array_size(json_at(map, "metadata", "ownerReferences", NULL));
}

/* An owner is who has the uid, whatever is called like it; one that is there is enough, and the others are forgotten.
 */
static void test_absent(void)
{
  g_autoptr(Cluster) cluster = cluster_new();
  g_autoptr(Object) owner = add_map(cluster, "default", "owner", "");
  g_autofree char *present = reference("v1", "ConfigMap", "owner", object_uid(owner), true);
  g_autofree char *other = reference("v1", "ConfigMap", "owner", "another-uid", true);
  g_autofree char *never = reference("v1", "Secret", "never", "uid-of-nobody", true);
  g_autofree char *mixed = g_strconcat(present, ", ", never, NULL);
  g_autoptr(Object) same_name = add_map(cluster, "default", "same-name", other);
  g_autoptr(Object) lonely = add_map(cluster, "default", "lonely", never);
  g_autoptr(Object) half = add_map(cluster, "default", "half", mixed);
  g_autoptr(Object) kept = add_map(cluster, "default", "kept", present);
  cluster_wait(!has_map(cluster, "default", "same-name") && !has_map(cluster, "default", "lonely"));
  cluster_wait(count_owners(cluster, "half") == 1);
  g_assert_cmpuint(count_owners(cluster, "kept"), ==, 1);
}

static void test_foreign(void)
{
  g_autoptr(Cluster) cluster = cluster_new();
  cluster_create(cluster, "v1", "namespaces", false, "{metadata: {name: other}}");
  g_autoptr(Object) owner = add_map(cluster, "other", "owner", "");
  g_autofree char *elsewhere = reference("v1", "ConfigMap", "owner", object_uid(owner), true);
  g_autoptr(Object) map = add_map(cluster, "default", "map", elsewhere);
  g_autofree char *text = g_strdup_printf("ownerRef [v1/ConfigMap, namespace: default, name: owner, uid: %s] does not "
                                          "exist in namespace \"default\"",
                                          object_uid(owner));
  cluster_wait(cluster_has_event(cluster, "map", "OwnerRefInvalidNamespace", text));
  cluster_wait(!has_map(cluster, "default", "map"));
  /* what is in no namespace cannot belong to what is in one, and stays */
  g_autofree char *node = g_strdup_printf("{metadata: {name: node-2, ownerReferences: [%s]}}", elsewhere);
  cluster_create(cluster, "v1", "nodes", false, node);
  cluster_wait(cluster_has_event(cluster, "node-2", "OwnerRefInvalidNamespace", "does not exist in namespace \"\""));
  g_assert_true(cluster_exists(cluster, "v1", "nodes", "node-2"));
}

/* Foreground: only who says so keeps the owner. */
static void test_blocking(void)
{
  g_autoptr(Cluster) cluster = cluster_new();
  g_autoptr(Object) owner = add_map(cluster, "default", "owner", "");
  g_autofree char *blocks = reference("v1", "ConfigMap", "owner", object_uid(owner), true);
  g_autofree char *lets = reference("v1", "ConfigMap", "owner", object_uid(owner), false);
  g_autoptr(Object) first = add_map(cluster, "default", "first", blocks),
                    second = add_map(cluster, "default", "second", lets);
  cluster_patch(cluster, "v1", "configmaps", "first", "{metadata: {finalizers: [example.com/wait]}}");
  cluster_patch(cluster, "v1", "configmaps", "second", "{metadata: {finalizers: [example.com/wait]}}");
  cluster_delete(cluster, "v1", "configmaps", true, "owner", "Foreground");
  g_autoptr(json_t) map = NULL;
  cluster_wait((json_decref(map), map = cluster_get(cluster, "v1", "configmaps", true, "first"),
                json_at(map, "metadata", "deletionTimestamp", NULL) != NULL));
  g_assert_true(has_map(cluster, "default", "owner"));
  cluster_patch(cluster, "v1", "configmaps", "first", "{metadata: {finalizers: null}}");
  cluster_wait(!has_map(cluster, "default", "owner"));
  g_assert_true(has_map(cluster, "default", "second"));
}

/* Two that own each other go both. */
static void test_circle(void)
{
  g_autoptr(Cluster) cluster = cluster_new();
  g_autoptr(Object) first = add_map(cluster, "default", "first", "");
  g_autofree char *to_first = reference("v1", "ConfigMap", "first", object_uid(first), true);
  g_autoptr(Object) second = add_map(cluster, "default", "second", to_first);
  g_autofree char *to_second = reference("v1", "ConfigMap", "second", object_uid(second), true);
  g_autofree char *patch = g_strdup_printf("{metadata: {ownerReferences: [%s]}}", to_second);
  cluster_patch(cluster, "v1", "configmaps", "first", patch);
  cluster_delete(cluster, "v1", "configmaps", true, "first", "Foreground");
  cluster_wait(!has_map(cluster, "default", "first") && !has_map(cluster, "default", "second"));
}

/* --- races -----------------------------------------------------------------------------------------------------------
 */

/* Owners that go while their controllers still create: nothing is left over. */
static void test_in_the_middle(void)
{
  static const char *const propagations[] = { "Background", "Foreground" };
  g_autoptr(Cluster) cluster = cluster_new();
  for (int i = 0; i < 6; i++) {
    cluster_create(cluster, "apps/v1", "deployments", true, CLUSTER_WEB);
    if (i > 1)
      cluster_wait(cluster_count(cluster, "apps/v1", "replicasets", "web") > 0);
    cluster_delete(cluster, "apps/v1", "deployments", true, "web", propagations[i % 2]);
    cluster_wait(!cluster_exists(cluster, "apps/v1", "deployments", "web"));
  }
  cluster_wait(cluster_count(cluster, "v1", "pods", "web") == 0 &&
               cluster_count(cluster, "apps/v1", "replicasets", "web") == 0);
}

static void test_restart(void)
{
  g_autoptr(Cluster) cluster = cluster_new();
  cluster_create(cluster, "apps/v1", "deployments", true, CLUSTER_WEB);
  cluster_wait(cluster_count_pods(cluster, "web") == 2);
  cluster_stop(cluster);
  cluster_delete(cluster, "apps/v1", "deployments", true, "web", "Background");
  g_assert_false(cluster_exists(cluster, "apps/v1", "deployments", "web"));
  cluster_resume(cluster);
  cluster_wait(cluster_count(cluster, "v1", "pods", "web") == 0 &&
               cluster_count(cluster, "apps/v1", "replicasets", "web") == 0);
  /* and one that was waiting when it ended */
  cluster_create(cluster, "apps/v1", "deployments", true, CLUSTER_WEB);
  cluster_wait(cluster_count_pods(cluster, "web") == 2);
  cluster_stop(cluster);
  cluster_delete(cluster, "apps/v1", "deployments", true, "web", "Foreground");
  g_assert_true(cluster_exists(cluster, "apps/v1", "deployments", "web"));
  cluster_resume(cluster);
  cluster_wait(!cluster_exists(cluster, "apps/v1", "deployments", "web"));
  cluster_wait(cluster_count(cluster, "v1", "pods", "web") == 0);
}

int main(int argc, char **argv)
{
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/garbage-collector/propagation", test_garbage);
  g_test_add_func("/garbage-collector/absent", test_absent);
  g_test_add_func("/garbage-collector/foreign", test_foreign);
  g_test_add_func("/garbage-collector/blocking", test_blocking);
  g_test_add_func("/garbage-collector/circle", test_circle);
  g_test_add_func("/garbage-collector/in-the-middle", test_in_the_middle);
  g_test_add_func("/garbage-collector/restart", test_restart);
  return g_test_run();
}
