#include <glib.h>
#include <string.h>

#include "base/json.h"
#include "base/reason.h"
#include "cluster.h"
#include "clusterd/client/conditions.h"

static void test_namespace(void)
{
  g_autoptr(Cluster) cluster = cluster_new();
  Client *client = cluster_client(cluster);
  cluster_create(cluster, "v1", "namespaces", false, "{metadata: {name: lab}, spec: {finalizers: [kubernetes]}}");
  g_autoptr(Object) account = NULL, root = NULL;
  cluster_wait((account = client_get(client, "v1", "serviceaccounts", "lab", "default", NULL)) != NULL);
  cluster_wait((root = client_get(client, "v1", "configmaps", "lab", "kube-root-ca.crt", NULL)) != NULL);
  g_assert_cmpstr(json_str(json_object_get(object_json(root), "data"), "ca.crt", ""), ==, "the certificate");
  /* Both come back when they are deleted. */
  g_assert_true(client_delete(client, "v1", "configmaps", "lab", "kube-root-ca.crt", NULL, NULL));
  object_unref(g_steal_pointer(&root));
  cluster_wait((root = client_get(client, "v1", "configmaps", "lab", "kube-root-ca.crt", NULL)) != NULL);
  g_autoptr(json_t) pod = json_pack("{s:{s:s}, s:{s:[{s:s, s:s}]}}", "metadata", "name", "p", "spec", "containers",
                                    "name", "c", "image", "i");
  g_autoptr(GError) error = NULL;
  g_autoptr(Object) created = client_create(client, "v1", "pods", "lab", pod, &error);
  g_assert_no_error(error);
  cluster_delete(cluster, "v1", "namespaces", false, "lab", NULL);
  cluster_wait(!cluster_exists(cluster, "v1", "namespaces", "lab"));
  g_autoptr(Object) left = client_get(client, "v1", "pods", "lab", "p", NULL);
  g_assert_null(left);
}

/* --- what keeps a namespace -------------------------------------------------------------------------------------- */

static void add_map(Cluster *cluster, const char *namespace_, const char *name, const char *finalizer)
{
  g_autoptr(GError) error = NULL;
  g_autoptr(json_t) value = json_pack("{s:{s:s, s:[s]}}", "metadata", "name", name, "finalizers", finalizer);
  g_autoptr(Object) stored = client_create(cluster_client(cluster), "v1", "configmaps", namespace_, value, &error);
  g_assert_no_error(error);
}

static void drop_finalizers(Cluster *cluster, const char *namespace_, const char *name)
{
  g_autoptr(GError) error = NULL;
  g_autoptr(json_t) patch = json_pack("{s:{s:n}}", "metadata", "finalizers");
  g_autoptr(Object) stored =
      client_patch(cluster_client(cluster), "v1", "configmaps", namespace_, name, NULL, PATCH_MERGE, patch, &error);
  g_assert_no_error(error);
}

static bool has_condition(Cluster *cluster, const char *namespace_, const char *type, const char *value,
                          const char *reason, const char *message)
{
  g_autoptr(json_t) object = cluster_get(cluster, "v1", "namespaces", false, namespace_);
  const json_t *condition = condition_get(json_object_get(object, "status"), type);
  return strcmp(json_str(condition, "status", ""), value) == 0 &&
         strcmp(json_str(condition, "reason", ""), reason) == 0 &&
         strcmp(json_str(condition, "message", ""), message) == 0;
}

/* Its five conditions say what is waited for. */
static void test_conditions(void)
{
  g_autoptr(Cluster) cluster = cluster_new();
  cluster_create(cluster, "v1", "namespaces", false, "{metadata: {name: lab}}");
  add_map(cluster, "lab", "one", "example.com/wait");
  add_map(cluster, "lab", "two", "example.com/wait");
  cluster_delete(cluster, "v1", "namespaces", false, "lab", NULL);
  cluster_wait(has_condition(cluster, "lab", "NamespaceContentRemaining", "True", "SomeResourcesRemain",
                             "Some resources are remaining: configmaps. has 2 resource instances"));
  g_assert_true(has_condition(
      cluster, "lab", "NamespaceFinalizersRemaining", "True", "SomeFinalizersRemain",
      "Some content in the namespace has finalizers remaining: example.com/wait in 2 resource instances"));
  g_assert_true(has_condition(cluster, "lab", "NamespaceDeletionDiscoveryFailure", "False", "ResourcesDiscovered",
                              "All resources successfully discovered"));
  g_assert_true(has_condition(cluster, "lab", "NamespaceDeletionGroupVersionParsingFailure", "False",
                              "ParsedGroupVersions", "All legacy kube types successfully parsed"));
  g_assert_true(has_condition(cluster, "lab", "NamespaceDeletionContentFailure", "False", "ContentDeleted",
                              "All content successfully deleted, may be waiting on finalization"));
  g_autoptr(json_t) namespace_ = cluster_get(cluster, "v1", "namespaces", false, "lab");
  g_assert_cmpstr(json_str(json_object_get(namespace_, "status"), "phase", ""), ==, "Terminating");
  /* nothing new in it, meanwhile */
  g_autoptr(GError) error = NULL;
  g_autoptr(json_t) value = json_pack("{s:{s:s}}", "metadata", "name", "late");
  g_autoptr(Object) late = client_create(cluster_client(cluster), "v1", "configmaps", "lab", value, &error);
  g_assert_error(error, LAUNCHER_ERROR, REASON_FORBIDDEN);
  drop_finalizers(cluster, "lab", "one");
  drop_finalizers(cluster, "lab", "two");
  cluster_wait(!cluster_exists(cluster, "v1", "namespaces", "lab"));
}

static bool finalize(json_t *value, void *data)
{
  json_object_del(json_object_get(value, "spec"), "finalizers");
  return true;
}

static bool is_only_foreign(Cluster *cluster, const char *name)
{
  g_autoptr(json_t) value = cluster_get(cluster, "v1", "namespaces", false, name);
  const json_t *list = json_at(value, "spec", "finalizers", NULL);
  return json_array_size(list) == 1 && json_has_text(list, "example.com/mine");
}

/* Another's finalizer in the spec keeps the namespace, emptied, until that one is done. */
static void test_foreign_finalizer(void)
{
  g_autoptr(Cluster) cluster = cluster_new();
  cluster_create(cluster, "v1", "namespaces", false,
                 "{metadata: {name: lab}, spec: {finalizers: [kubernetes, example.com/mine]}}");
  cluster_delete(cluster, "v1", "namespaces", false, "lab", NULL);
  cluster_wait(is_only_foreign(cluster, "lab"));
  g_autoptr(Object) stored =
      client_modify(cluster_client(cluster), "v1", "namespaces", NULL, "lab", "finalize", finalize, NULL, NULL);
  cluster_wait(!cluster_exists(cluster, "v1", "namespaces", "lab"));
}

/* A namespace that was told to go while nobody worked, and one that was half gone. */
static void test_restart(void)
{
  g_autoptr(Cluster) cluster = cluster_new();
  cluster_create(cluster, "v1", "namespaces", false, "{metadata: {name: lab}}");
  cluster_create(cluster, "v1", "namespaces", false, "{metadata: {name: half}}");
  add_map(cluster, "half", "one", "example.com/wait");
  cluster_delete(cluster, "v1", "namespaces", false, "half", NULL);
  cluster_wait(has_condition(cluster, "half", "NamespaceContentRemaining", "True", "SomeResourcesRemain",
                             "Some resources are remaining: configmaps. has 1 resource instances"));
  cluster_stop(cluster);
  cluster_delete(cluster, "v1", "namespaces", false, "lab", NULL);
  drop_finalizers(cluster, "half", "one");
  cluster_resume(cluster);
  cluster_wait(!cluster_exists(cluster, "v1", "namespaces", "lab") &&
               !cluster_exists(cluster, "v1", "namespaces", "half"));
}

/* Several at once, and one of the same name right afterwards. */
static void test_many(void)
{
  g_autoptr(Cluster) cluster = cluster_new();
  for (int round = 0; round < 2; round++) {
    for (int i = 0; i < 8; i++) {
      g_autofree char *yaml = g_strdup_printf("{metadata: {name: lab-%d}}", i);
      cluster_create(cluster, "v1", "namespaces", false, yaml);
    }
    for (int i = 0; i < 8; i++) {
      g_autofree char *name = g_strdup_printf("lab-%d", i);
      cluster_delete(cluster, "v1", "namespaces", false, name, NULL);
    }
    for (int i = 0; i < 8; i++) {
      g_autofree char *name = g_strdup_printf("lab-%d", i);
      cluster_wait(!cluster_exists(cluster, "v1", "namespaces", name));
    }
  }
}

int main(int argc, char **argv)
{
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/namespace/life", test_namespace);
  g_test_add_func("/namespace/conditions", test_conditions);
  g_test_add_func("/namespace/foreign-finalizer", test_foreign_finalizer);
  g_test_add_func("/namespace/restart", test_restart);
  g_test_add_func("/namespace/many", test_many);
  return g_test_run();
}
