#include "clusterd/certificates.h"

#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/json.h"
#include "base/reason.h"
#include "base/x509.h"
#include "base/yaml.h"

#define AUTHORITY_LIFETIME_SECONDS (INT64_C(10) * 365 * 86400)
#define LEAF_LIFETIME_SECONDS (INT64_C(365) * 86400)
#define RENEW_SECONDS (INT64_C(30) * 86400)
#define PEM_MAX (256u << 10) /* bytes of one file */

static char *in_pki(const ClusterConfig *config, const char *name)
{
  return g_build_filename(config->pki_dir, name, NULL);
}

static bool in_pki_and_there(const ClusterConfig *config, const char *name)
{
  g_autofree char *path = in_pki(config, name);
  return access(path, F_OK) == 0;
}

/* True when the file an option names is the one of pki_dir, which we make. */
static bool is_ours(const ClusterConfig *config, const char *file, const char *name)
{
  g_autofree char *path = in_pki(config, name);
  return g_strcmp0(path, file) == 0;
}

/* --- making --------------------------------------------------------------------------------------------------------
 */

static X509Pair *authority_ensure(const ClusterConfig *config, GError **error)
{
  if (in_pki_and_there(config, "ca.crt"))
    return x509_load(config->pki_dir, "ca", error);
  g_autoptr(X509Pair) pair = x509_new_authority("kubernetes", AUTHORITY_LIFETIME_SECONDS, error);
  return pair && x509_save(pair, config->pki_dir, "ca", error) ? g_steal_pointer(&pair) : NULL;
}

static bool leaf_ensure(const ClusterConfig *config, const X509Pair *authority, const char *name,
                        const X509Request *request, GError **error)
{
  g_autoptr(X509Pair) old = x509_load(config->pki_dir, name, NULL);
  if (old && x509_is_signed_by(old, authority) && x509_covers(old, request) &&
      x509_expiry(old) > g_get_real_time() / G_USEC_PER_SEC + RENEW_SECONDS)
    return true;
  g_autoptr(X509Pair) pair = x509_issue(authority, request, error);
  return pair && x509_save(pair, config->pki_dir, name, error);
}

static bool server_ensure(const ClusterConfig *config, const X509Pair *authority, const char *advertise_address,
                          GError **error)
{
  g_autofree char *service_ip = cluster_config_service_ip(config, 1, error);
  if (!service_ip)
    return false;
  g_autofree char *full = g_strconcat("kubernetes.default.svc.", config->dns_domain, NULL);
  const char *names[] = { "localhost", "kubernetes", "kubernetes.default", "kubernetes.default.svc", full, NULL };
  const char *addresses[] = { "127.0.0.1", service_ip, advertise_address, config->listen_address, NULL };
  X509Request request = { .common_name = "kube-apiserver",
                          .dns_names = names,
                          .addresses = addresses,
                          .server = true,
                          .lifetime_seconds = LEAF_LIFETIME_SECONDS };
  return leaf_ensure(config, authority, "apiserver", &request, error);
}

static bool admin_ensure(const ClusterConfig *config, const X509Pair *authority, GError **error)
{
  static const char *const masters[] = { "system:masters", NULL };
  X509Request request = {
    .common_name = "admin", .organizations = masters, .client = true, .lifetime_seconds = LEAF_LIFETIME_SECONDS
  };
  return leaf_ensure(config, authority, "admin", &request, error);
}

bool certificates_make(const ClusterConfig *config, const char *advertise_address, GError **error)
{
  if (config->config_file)
    return true;
  if (!file_make_dirs(config->pki_dir, 0700, error))
    return false;
  bool ours = is_ours(config, config->client_ca_file, "ca.crt");
  bool serves = is_ours(config, config->cert_file, "apiserver.crt");
  g_autoptr(X509Pair) authority = ours || serves ? authority_ensure(config, error) : NULL;
  if ((ours || serves) && !authority)
    return false;
  if ((serves && !server_ensure(config, authority, advertise_address, error)) ||
      (ours && !admin_ensure(config, authority, error)))
    return false;
  const char *key = config->service_account_signing_key_file;
  return !is_ours(config, key, "sa.key") || access(key, F_OK) == 0 || x509_new_key_file(key, error);
}

int64_t certificates_renewal_seconds(const ClusterConfig *config)
{
  const char *names[] = { is_ours(config, config->cert_file, "apiserver.crt") ? "apiserver" : NULL,
                          is_ours(config, config->client_ca_file, "ca.crt") ? "admin" : NULL };
  int64_t left = -1;
  for (gsize i = 0; !config->config_file && i < G_N_ELEMENTS(names); i++) {
    g_autoptr(X509Pair) pair = names[i] ? x509_load(config->pki_dir, names[i], NULL) : NULL;
    if (!pair)
      continue;
    int64_t own = MAX(x509_expiry(pair) - RENEW_SECONDS - g_get_real_time() / G_USEC_PER_SEC, 0);
    left = left < 0 ? own : MIN(left, own);
  }
  return left;
}

/* Whoever serves with a certificate of his own is trusted by exactly that. */
char *certificates_root_ca(const ClusterConfig *config)
{
  bool ours = is_ours(config, config->cert_file, "apiserver.crt");
  return ours ? in_pki(config, "ca.crt") : g_strdup(config->cert_file);
}

/* --- kubeconfig ----------------------------------------------------------------------------------------------------
 */

/* A PEM file as a kubeconfig embeds it. New reference. */
static json_t *embedded(const char *path, GError **error)
{
  g_autoptr(GBytes) bytes = file_read(path, PEM_MAX, error);
  if (!bytes)
    return NULL;
  g_autofree char *text = g_base64_encode(g_bytes_get_data(bytes, NULL), g_bytes_get_size(bytes));
  return json_string(text);
}

static char *kubeconfig_text(const ClusterConfig *config, uint16_t port, GError **error)
{
  bool any = g_str_equal(config->listen_address, "0.0.0.0");
  g_autofree char *server = g_strdup_printf("https://%s:%u", any ? "127.0.0.1" : config->listen_address, port);
  g_autofree char *ca = certificates_root_ca(config);
  g_autofree char *cert = in_pki(config, "admin.crt"), *key = in_pki(config, "admin.key");
  g_autoptr(json_t) authority = embedded(ca, error);
  g_autoptr(json_t) client = authority ? embedded(cert, error) : NULL;
  g_autoptr(json_t) client_key = client ? embedded(key, error) : NULL;
  if (!client_key)
    return NULL;
  g_autoptr(json_t) value =
      json_pack("{s:s, s:s, s:[{s:s, s:{s:s, s:O}}], s:[{s:s, s:{s:O, s:O}}], s:[{s:s, s:{s:s, s:s}}], s:s}",
                "apiVersion", "v1", "kind", "Config", "clusters", "name", config->profile, "cluster", "server", server,
                "certificate-authority-data", authority, "users", "name", "admin", "user", "client-certificate-data",
                client, "client-key-data", client_key, "contexts", "name", config->profile, "context", "cluster",
                config->profile, "user", "admin", "current-context", config->profile);
  return yaml_text(value);
}

bool certificates_write_kubeconfig(const ClusterConfig *config, uint16_t port, GError **error)
{
  bool made = !config->config_file && is_ours(config, config->client_ca_file, "ca.crt");
  if (!made && !config->write_kubeconfig)
    return true;
  g_autofree char *text = kubeconfig_text(config, port, error);
  if (!text)
    return false;
  g_autofree char *own = in_pki(config, "admin.conf");
  const char *files[] = { made ? own : NULL, config->write_kubeconfig };
  for (gsize i = 0; i < G_N_ELEMENTS(files); i++)
    if (files[i] && !file_write_atomic(files[i], text, strlen(text), 0600, error))
      return false;
  return true;
}
