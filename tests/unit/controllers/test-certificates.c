/* Certificate signing requests: a kubelet that renews its own certificate waits for nobody. */
#include <glib.h>
#include <glib/gstdio.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <string.h>

#include "base/file.h"
#include "base/json.h"
#include "base/x509.h"
#include "cluster.h"
#include "clusterd/server/access/identity.h"

#define CERTIFICATES "certificates.k8s.io/v1"
#define PLURAL "certificatesigningrequests"

/* --- a cluster with an authority ---------------------------------------------------------------------------------- */

typedef struct World {
  char *folder, *certificate, *key;
  X509Pair *authority;
  Cluster *cluster;
} World;

/* Nodes may renew their own certificates, bootstrap tokens may ask for nodes'. */
static bool may(void *issuer, const Identity *identity, const char *verb, const char *group, const char *resource,
                const char *subresource)
{
  g_assert_cmpstr(verb, ==, "create");
  g_assert_cmpstr(resource, ==, PLURAL);
  const char *prefix = strcmp(subresource, "selfnodeclient") == 0 ? "system:node:" : "system:bootstrap:";
  return g_str_has_prefix(identity->name, prefix);
}

static World *world_new(void)
{
  g_autoptr(GError) error = NULL;
  World *world = g_new0(World, 1);
  world->folder = g_dir_make_tmp("certificates-XXXXXX", &error);
  world->authority = x509_new_authority("test", 86400, &error);
  g_assert_no_error(error);
  g_assert_true(x509_save(world->authority, world->folder, "ca", &error));
  world->certificate = g_build_filename(world->folder, "ca.crt", NULL);
  world->key = g_build_filename(world->folder, "ca.key", NULL);
  ControllersConfig config = { .root_ca_pem = "-",
                               .may = may,
                               .signing_cert_file = world->certificate,
                               .signing_key_file = world->key,
                               .signing_lifetime_seconds = 7200 };
  world->cluster = cluster_new_with(&config);
  return world;
}

static void world_free(World *world)
{
  cluster_free(world->cluster);
  x509_pair_free(world->authority);
  g_assert_true(file_remove_tree(world->folder, NULL));
  g_free(world->certificate);
  g_free(world->key);
  g_free(world->folder);
  g_free(world);
}
G_DEFINE_AUTOPTR_CLEANUP_FUNC(World, world_free)

/* --- requests ----------------------------------------------------------------------------------------------------- */

/* What a client sends: PKCS#10 for a new key, as base64 of PEM. */
static char *make_request(const char *common_name, const char *organization)
{
  EVP_PKEY *key = EVP_EC_gen("P-256");
  X509_REQ *request = X509_REQ_new();
  X509_NAME *name = X509_REQ_get_subject_name(request);
  X509_NAME_add_entry_by_txt(name, "O", MBSTRING_UTF8, (const unsigned char *)organization, -1, -1, 0);
  X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8, (const unsigned char *)common_name, -1, -1, 0);
  g_assert_true(X509_REQ_set_pubkey(request, key) && X509_REQ_sign(request, key, EVP_sha256()) > 0);
  BIO *memory = BIO_new(BIO_s_mem());
  g_assert_true(PEM_write_bio_X509_REQ(memory, request));
  char *pem;
  long length = BIO_get_mem_data(memory, &pem);
  char *encoded = g_base64_encode((const guchar *)pem, (gsize)length);
  BIO_free(memory);
  X509_REQ_free(request);
  EVP_PKEY_free(key);
  return encoded;
}

static void ask(World *world, const char *name, const char *user, const char *group, const char *common_name)
{
  g_autoptr(GError) error = NULL;
  Client *client = cluster_client(world->cluster);
  const char *const groups[] = { group, "system:authenticated", NULL };
  g_autoptr(Identity) identity = identity_new(user, NULL, groups);
  g_autofree char *request = make_request(common_name, "system:nodes");
  g_autoptr(json_t) value =
      json_pack("{s:s, s:s, s:{s:s}, s:{s:s, s:s, s:[s, s]}}", "apiVersion", CERTIFICATES, "kind",
                "CertificateSigningRequest", "metadata", "name", name, "spec", "request", request, "signerName",
                "kubernetes.io/kube-apiserver-client-kubelet", "usages", "digital signature", "client auth");
  Caller caller = { .identity = identity };
  Target target = { client_kind(client, CERTIFICATES, PLURAL), NULL, NULL, NULL };
  g_autoptr(Object) stored = registry_create(client_registry(client), &caller, &target, value, &error);
  g_assert_no_error(error);
}

static json_t *get(World *world, const char *name)
{
  return cluster_get(world->cluster, CERTIFICATES, PLURAL, false, name);
}

static bool is_issued(World *world, const char *name)
{
  g_autoptr(json_t) value = get(world, name);
  return *json_str(json_object_get(value, "status"), "certificate", "") != '\0';
}

static bool is_approved(World *world, const char *name, const char *message)
{
  g_autoptr(json_t) value = get(world, name);
  const json_t *condition = json_find(json_at(value, "status", "conditions", NULL), "type", "Approved");
  return strcmp(json_str(condition, "reason", ""), "AutoApproved") == 0 &&
         strcmp(json_str(condition, "message", ""), message) == 0;
}

/* The certificate NAME got, as X509, is the authority's and for COMMON_NAME. */
static void check_certificate(World *world, const char *name, const char *common_name)
{
  g_autoptr(json_t) value = get(world, name);
  gsize length;
  g_autofree guchar *pem = g_base64_decode(json_str(json_object_get(value, "status"), "certificate", ""), &length);
  BIO *memory = BIO_new_mem_buf(pem, (int)length);
  X509 *certificate = PEM_read_bio_X509(memory, NULL, NULL, NULL);
  g_assert_nonnull(certificate);
  char text[128];
  X509_NAME_get_text_by_NID(X509_get_subject_name(certificate), NID_commonName, text, sizeof text);
  g_assert_cmpstr(text, ==, common_name);
  g_autofree char *authority_pem = x509_certificate_pem(world->authority);
  BIO *authority_memory = BIO_new_mem_buf(authority_pem, -1);
  X509 *authority = PEM_read_bio_X509(authority_memory, NULL, NULL, NULL);
  EVP_PKEY *key = X509_get_pubkey(authority);
  g_assert_cmpint(X509_verify(certificate, key), ==, 1);
  time_t late = time(NULL) + 7200 + 60;
  g_assert_cmpint(X509_cmp_time(X509_get0_notAfter(certificate), &late), <, 0);
  EVP_PKEY_free(key);
  X509_free(authority);
  X509_free(certificate);
  BIO_free(authority_memory);
  BIO_free(memory);
}

/* --- tests -------------------------------------------------------------------------------------------------------- */

static void test_renewal(void)
{
  g_autoptr(World) world = world_new();
  ask(world, "renewal", "system:node:n1", "system:nodes", "system:node:n1");
  cluster_wait(is_issued(world, "renewal"));
  g_assert_true(
      is_approved(world, "renewal", "Auto approving self kubelet client certificate after SubjectAccessReview."));
  check_certificate(world, "renewal", "system:node:n1");
  ask(world, "first", "system:bootstrap:abcdef", "system:bootstrappers", "system:node:n2");
  cluster_wait(is_issued(world, "first"));
  g_assert_true(is_approved(world, "first", "Auto approving kubelet client certificate after SubjectAccessReview."));
  check_certificate(world, "first", "system:node:n2");
}

/* A node may not be another, and people wait for people. */
static void test_not_by_itself(void)
{
  g_autoptr(World) world = world_new();
  ask(world, "another", "system:node:n1", "system:nodes", "system:node:n2");
  ask(world, "human", "jane", "dev", "system:node:n1");
  ask(world, "renewal", "system:node:n1", "system:nodes", "system:node:n1");
  cluster_wait(is_issued(world, "renewal")); /* the others were looked at before */
  g_assert_false(is_issued(world, "another") || is_issued(world, "human"));
}

static bool approve(json_t *request, void *data)
{
  json_object_set_new(json_ensure_object(request, "status", NULL), "conditions",
                      json_pack("[{s:s, s:s, s:s}]", "type", "Approved", "status", "True", "reason", "ByHand"));
  return true;
}

/* What somebody approved while nobody signed is signed afterwards. */
static void test_restart(void)
{
  g_autoptr(World) world = world_new();
  ask(world, "human", "jane", "dev", "system:node:n3");
  cluster_stop(world->cluster);
  g_autoptr(Object) stored = client_modify(cluster_client(world->cluster), CERTIFICATES, PLURAL, NULL, "human",
                                           "approval", approve, NULL, NULL);
  g_assert_nonnull(stored);
  cluster_resume(world->cluster);
  cluster_wait(is_issued(world, "human"));
  check_certificate(world, "human", "system:node:n3");
}

int main(int argc, char **argv)
{
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/certificates/renewal", test_renewal);
  g_test_add_func("/certificates/not-by-itself", test_not_by_itself);
  g_test_add_func("/certificates/restart", test_restart);
  return g_test_run();
}
