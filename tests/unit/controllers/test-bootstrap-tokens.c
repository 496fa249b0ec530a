/* Bootstrap tokens: they sign what the cluster says of itself, and go when their time is over. */
#include <glib.h>
#include <string.h>

#include "base/json.h"
#include "base/timestamp.h"
#include "cluster.h"
#include "clusterd/controllers/access/bootstrap_signer.h"

/* RFC 7515's HS256 over known text: made once with Python's hmac. */
static void test_signature(void)
{
  g_autofree char *signature = bootstrap_signature("content", "abcdef", "0123456789abcdef");
  g_assert_cmpstr(signature, ==,
                  "eyJhbGciOiJIUzI1NiIsImtpZCI6ImFiY2RlZiJ9..psz1NayrXM3IaFzKZGsb5n_mBl7MjtlsZ1xE8MRmF_4");
}

static void set(json_t *data, const char *member, const char *text)
{
  g_autofree char *encoded = g_base64_encode((const guchar *)text, strlen(text));
  json_object_set_new(data, member, json_string(encoded));
}

static void add_token(Cluster *cluster, const char *id, const char *signs, int64_t seconds)
{
  g_autoptr(GError) error = NULL;
  g_autofree char *name = g_strconcat("bootstrap-token-", id, NULL);
  g_autoptr(json_t) value =
      json_pack("{s:{s:s}, s:s, s:{}}", "metadata", "name", name, "type", "bootstrap.kubernetes.io/token", "data");
  json_t *data = json_object_get(value, "data");
  g_autofree char *end = timestamp_text(timestamp_now_us() + seconds * G_USEC_PER_SEC);
  set(data, "token-id", id);
  set(data, "token-secret", "0123456789abcdef");
  set(data, "usage-bootstrap-signing", signs);
  if (seconds)
    set(data, "expiration", end);
  g_autoptr(Object) stored = client_create(cluster_client(cluster), "v1", "secrets", "kube-system", value, &error);
  g_assert_no_error(error);
}

static bool has_token(Cluster *cluster, const char *id)
{
  g_autofree char *name = g_strconcat("bootstrap-token-", id, NULL);
  g_autoptr(Object) secret = client_get(cluster_client(cluster), "v1", "secrets", "kube-system", name, NULL);
  return secret != NULL;
}

static json_t *info_data(Cluster *cluster)
{
  g_autoptr(Object) map = client_get(cluster_client(cluster), "v1", "configmaps", "kube-public", "cluster-info", NULL);
  return map ? json_incref(json_object_get(object_json(map), "data")) : NULL;
}

/* Whether the token ID has signed what the ConfigMap says now. */
static bool is_signed(Cluster *cluster, const char *id)
{
  g_autoptr(json_t) data = info_data(cluster);
  g_autofree char *member = g_strconcat("jws-kubeconfig-", id, NULL);
  g_autofree char *expected = bootstrap_signature(json_str(data, "kubeconfig", ""), id, "0123456789abcdef");
  return strcmp(json_str(data, member, ""), expected) == 0;
}

static size_t count_members(Cluster *cluster)
{
  g_autoptr(json_t) data = info_data(cluster);
  return json_object_size(data);
}

static void write_info(Cluster *cluster, const char *content)
{
  g_autoptr(GError) error = NULL;
  g_autoptr(json_t) patch = json_pack("{s:{s:s}}", "data", "kubeconfig", content);
  g_autoptr(Object) stored = client_patch(cluster_client(cluster), "v1", "configmaps", "kube-public", "cluster-info",
                                          NULL, PATCH_MERGE, patch, &error);
  g_assert_no_error(error);
}

static Cluster *make(void)
{
  Cluster *cluster = cluster_new();
  cluster_create(cluster, "v1", "namespaces", false, "{metadata: {name: kube-system}}");
  cluster_create(cluster, "v1", "namespaces", false, "{metadata: {name: kube-public}}");
  return cluster;
}

static void test_signing(void)
{
  g_autoptr(Cluster) cluster = make();
  add_token(cluster, "aaaaaa", "true", 0);
  add_token(cluster, "bbbbbb", "false", 0);
  g_autoptr(json_t) value =
      json_pack("{s:{s:s}, s:{s:s}}", "metadata", "name", "cluster-info", "data", "kubeconfig", "first");
  g_autoptr(Object) stored = client_create(cluster_client(cluster), "v1", "configmaps", "kube-public", value, NULL);
  g_assert_nonnull(stored);
  cluster_wait(is_signed(cluster, "aaaaaa"));
  g_assert_cmpuint(count_members(cluster), ==, 2);
  /* other words, another signature; another token, one more; no token, none */
  write_info(cluster, "second");
  cluster_wait(is_signed(cluster, "aaaaaa"));
  add_token(cluster, "cccccc", "true", 3600);
  cluster_wait(is_signed(cluster, "cccccc"));
  g_assert_true(
      client_delete(cluster_client(cluster), "v1", "secrets", "kube-system", "bootstrap-token-aaaaaa", NULL, NULL));
  cluster_wait(count_members(cluster) == 2);
  g_assert_true(is_signed(cluster, "cccccc"));
}

/* A token whose time is over is deleted, and what it signed with it. */
static void test_expiry(void)
{
  g_autoptr(Cluster) cluster = make();
  g_autoptr(json_t) value =
      json_pack("{s:{s:s}, s:{s:s}}", "metadata", "name", "cluster-info", "data", "kubeconfig", "words");
  g_autoptr(Object) stored = client_create(cluster_client(cluster), "v1", "configmaps", "kube-public", value, NULL);
  g_assert_nonnull(stored);
  add_token(cluster, "aaaaaa", "true", 3600);
  add_token(cluster, "bbbbbb", "true", 2);
  add_token(cluster, "cccccc", "true", -5);
  cluster_wait(!has_token(cluster, "bbbbbb") && !has_token(cluster, "cccccc"));
  cluster_wait(count_members(cluster) == 2);
  g_assert_true(has_token(cluster, "aaaaaa") && is_signed(cluster, "aaaaaa"));
}

int main(int argc, char **argv)
{
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/bootstrap-tokens/signature", test_signature);
  g_test_add_func("/bootstrap-tokens/signing", test_signing);
  g_test_add_func("/bootstrap-tokens/expiry", test_expiry);
  return g_test_run();
}
