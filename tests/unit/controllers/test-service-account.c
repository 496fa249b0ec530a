/* What every namespace has: the account default and the certificates of the cluster; and the tokens of Secrets. */
#include <glib.h>
#include <string.h>

#include "base/json.h"
#include "base/reason.h"
#include "base/yaml.h"
#include "cluster.h"

/* A token that says for whom it was made. */
static char *issue(void *issuer, const Object *account, const char *secret, GError **error)
{
  g_atomic_int_inc((int *)issuer);
  return g_strdup_printf("token of %s for %s", object_name(account), secret);
}

static bool has_default(Cluster *cluster, const char *namespace_)
{
  g_autoptr(Object) account = client_get(cluster_client(cluster), "v1", "serviceaccounts", namespace_, "default", NULL);
  return account != NULL;
}

static bool has_certificates(Cluster *cluster, const char *namespace_, const char *pem)
{
  g_autoptr(Object) map = client_get(cluster_client(cluster), "v1", "configmaps", namespace_, "kube-root-ca.crt", NULL);
  return map && strcmp(json_str(json_object_get(object_json(map), "data"), "ca.crt", ""), pem) == 0;
}

static void test_every_namespace(void)
{
  g_autoptr(Cluster) cluster = cluster_new();
  cluster_create(cluster, "v1", "namespaces", false, "{metadata: {name: lab}}");
  cluster_wait(has_default(cluster, "lab") && has_certificates(cluster, "lab", "the certificate"));
  g_assert_true(has_default(cluster, "default") && has_certificates(cluster, "default", "the certificate"));
  /* who deletes or changes them gets them back */
  cluster_delete(cluster, "v1", "serviceaccounts", true, "default", NULL);
  cluster_wait(has_default(cluster, "default"));
  cluster_delete(cluster, "v1", "configmaps", true, "kube-root-ca.crt", NULL);
  cluster_wait(has_certificates(cluster, "default", "the certificate"));
  cluster_patch(cluster, "v1", "configmaps", "kube-root-ca.crt", "{data: {ca.crt: forged, more: x}}");
  cluster_wait(has_certificates(cluster, "default", "the certificate"));
  g_autoptr(json_t) map = cluster_get(cluster, "v1", "configmaps", true, "kube-root-ca.crt");
  g_assert_cmpuint(json_object_size(json_object_get(map, "data")), ==, 1);
  g_assert_nonnull(json_at(map, "metadata", "annotations", "kubernetes.io/description", NULL));
  /* labels of people stay */
  cluster_patch(cluster, "v1", "serviceaccounts", "default", "{metadata: {labels: {mine: x}}}");
  g_autoptr(json_t) account = cluster_get(cluster, "v1", "serviceaccounts", true, "default");
  g_assert_cmpstr(json_str(json_at(account, "metadata", "labels", NULL), "mine", ""), ==, "x");
}

/* Deleted or made while nobody worked; and the certificates of a cluster that has new ones. */
static void test_restart(void)
{
  g_autoptr(Cluster) cluster = cluster_new();
  cluster_stop(cluster);
  cluster_delete(cluster, "v1", "serviceaccounts", true, "default", NULL);
  cluster_create(cluster, "v1", "namespaces", false, "{metadata: {name: lab}}");
  cluster_patch(cluster, "v1", "configmaps", "kube-root-ca.crt", "{data: {ca.crt: those of before}}");
  cluster_resume(cluster);
  cluster_wait(has_default(cluster, "default") && has_default(cluster, "lab"));
  cluster_wait(has_certificates(cluster, "default", "the certificate") &&
               has_certificates(cluster, "lab", "the certificate"));
}

static bool has_token(Cluster *cluster, const char *name, const char *expected)
{
  g_autoptr(json_t) secret = cluster_get(cluster, "v1", "secrets", true, name);
  const json_t *data = json_object_get(secret, "data");
  gsize length;
  g_autofree guchar *bytes = g_base64_decode(json_str(data, "token", ""), &length);
  g_autofree char *text = g_strndup((const char *)bytes, length);
  return strcmp(text, expected) == 0 && json_object_get(data, "ca.crt") && json_object_get(data, "namespace");
}

#define TOKEN                                                                                                          \
  "{metadata: {name: %s, annotations: {kubernetes.io/service-account.name: %s}}, type: "                               \
  "kubernetes.io/service-account-token}"

/* A Secret of the type is filled, follows its account, and goes with it. */
static void test_secret_tokens(void)
{
  int issued = 0;
  ControllersConfig config = { .root_ca_pem = "-", .issue_secret_token = issue, .issuer = &issued };
  g_autoptr(Cluster) cluster = cluster_new_with(&config);
  g_autofree char *yaml = g_strdup_printf(TOKEN, "early", "robot");
  cluster_create(cluster, "v1", "serviceaccounts", true, "{metadata: {name: robot}}");
  cluster_create(cluster, "v1", "secrets", true, yaml);
  cluster_wait(has_token(cluster, "early", "token of robot for early"));
  /* a token that somebody takes out comes back */
  cluster_patch(cluster, "v1", "secrets", "early", "{data: {token: null}}");
  cluster_wait(has_token(cluster, "early", "token of robot for early"));
  g_assert_cmpint(g_atomic_int_get(&issued), >=, 2);
  cluster_delete(cluster, "v1", "serviceaccounts", true, "robot", NULL);
  cluster_wait(!cluster_exists(cluster, "v1", "secrets", "early"));
}

int main(int argc, char **argv)
{
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/service-account/every-namespace", test_every_namespace);
  g_test_add_func("/service-account/restart", test_restart);
  g_test_add_func("/service-account/secret-tokens", test_secret_tokens);
  return g_test_run();
}
