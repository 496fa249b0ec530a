#include <glib.h>

#include "base/json.h"
#include "cluster.h"

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

int main(int argc, char **argv)
{
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/namespace/life", test_namespace);
  return g_test_run();
}
