#include "clusterd/components.h"

#include <errno.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/reason.h"
#include "clusterd/certificates.h"
#include "clusterd/controllers/storage/volume_provisioner.h"
#include "clusterd/store/store_etcd.h"

/* --- store and registry --------------------------------------------------------------------------------------------
 */

static bool store_start(Clusterd *clusterd, GError **error)
{
  const ClusterConfig *config = clusterd->config;
  g_autofree char *path = g_build_filename(config->data_dir, "cluster.db", NULL);
  if (!file_make_dirs(config->data_dir, 0700, error))
    return false;
  if (chmod(config->data_dir, 0700) != 0) /* whoever made it: keys, secrets and pods' files are in it */
    g_message("%s: %s", config->data_dir, g_strerror(errno));
  EtcdConfig etcd = { .servers = (const char *const *)config->etcd_servers,
                      .ca_file = config->etcd_ca_file,
                      .cert_file = config->etcd_cert_file,
                      .key_file = config->etcd_key_file };
  clusterd->store = config->etcd_servers ? store_open_etcd(&etcd, error) : store_open_sqlite(path, error);
  return clusterd->store != NULL;
}

static void store_stop(Clusterd *clusterd)
{
  g_clear_pointer(&clusterd->store, store_close);
}

static bool registry_start(Clusterd *clusterd, GError **error)
{
  clusterd->scheme = api_scheme_new();
  if (clusterd->config->with_node)
    api_scheme_enable(clusterd->scheme, "metrics.k8s.io");
  clusterd->registry = registry_new(clusterd->store, clusterd->scheme, error);
  if (!clusterd->registry)
    g_clear_pointer(&clusterd->scheme, api_scheme_free);
  return clusterd->registry != NULL;
}

static void registry_stop(Clusterd *clusterd)
{
  g_clear_pointer(&clusterd->registry, registry_free);
  g_clear_pointer(&clusterd->scheme, api_scheme_free);
}

/* --- API server ----------------------------------------------------------------------------------------------------
 */

static bool certificates_begin(Clusterd *clusterd, GError **error)
{
  return certificates_make(clusterd->config, clusterd->node_ip, error);
}

static bool server_start(Clusterd *clusterd, GError **error)
{
  const ClusterConfig *config = clusterd->config;
  g_autofree char *service_ip = cluster_config_service_ip(config, 1, error);
  if (!service_ip)
    return false;
  ApiServerConfig server = {
    .listen_address = config->listen_address,
    .port = (uint16_t)config->api_port,
    .ca_file = config->client_ca_file,
    .cert_file = config->cert_file,
    .key_file = config->key_file,
    .token_file = config->token_file,
    .allow_anonymous = config->anonymous_auth,
    .authorization_modes = (const char *const *)config->authorization_modes,
    .enabled_plugins = (const char *const *)config->enabled_plugins,
    .disabled_plugins = (const char *const *)config->disabled_plugins,
    .service_account_key_file = config->service_account_signing_key_file,
    .service_account_verify_files = (const char *const *)config->service_account_key_files,
    .service_account_issuers = (const char *const *)config->service_account_issuers,
    .api_audiences = (const char *const *)config->api_audiences,
    .jwks_uri = config->jwks_uri,
    .bootstrap_tokens = config->bootstrap_tokens,
    .proxy_client_cert_file = config->proxy_client_cert_file,
    .proxy_client_key_file = config->proxy_client_key_file,
    .front_proxy_ca_file = config->front_proxy_ca_file,
    .audit_policy_file = config->audit_policy_file,
    .audit_log_path = config->audit_log_path,
    .audit_log_max_size = config->audit_log_max_size,
    .audit_log_max_backups = config->audit_log_max_backups,
    .service_ip = service_ip,
    .service_cidr = config->service_cidr,
    .advertise_address = clusterd->node_ip,
    .event_ttl_seconds = config->event_ttl_seconds,
    .default_storage_provisioner = config->with_node ? VOLUME_PROVISIONER_NAME : NULL,
  };
  clusterd->server = api_server_start(clusterd->registry, &server, error);
  if (!clusterd->server || !certificates_write_kubeconfig(config, api_server_port(clusterd->server), error)) {
    g_clear_pointer(&clusterd->server, api_server_stop);
    return false;
  }
  g_message("the API answers on %s:%u", config->listen_address, api_server_port(clusterd->server));
  events_write(clusterd->events, "apiserver", "%u", api_server_port(clusterd->server));
  return true;
}

static bool rotation_begin(Clusterd *clusterd, GError **error)
{
  clusterd->certificates = certificate_watch_start(clusterd->config, clusterd->node_ip, clusterd->server, error);
  return clusterd->certificates != NULL;
}

static void rotation_end(Clusterd *clusterd)
{
  g_clear_pointer(&clusterd->certificates, certificate_watch_stop);
}

static void server_stop(Clusterd *clusterd)
{
  g_clear_pointer(&clusterd->server, api_server_stop);
}

/* --- informers -----------------------------------------------------------------------------------------------------
 */

static bool informers_make(Clusterd *clusterd, GError **error)
{
  clusterd->informers = informer_set_new(clusterd->registry);
  return true;
}

static void informers_free(Clusterd *clusterd)
{
  g_clear_pointer(&clusterd->informers, informer_set_free);
}

static bool informers_start(Clusterd *clusterd, GError **error)
{
  return informer_set_start(clusterd->informers, error);
}

static void informers_stop(Clusterd *clusterd)
{
  informer_set_stop(clusterd->informers);
}

static bool ready_begin(Clusterd *clusterd, GError **error)
{
  api_server_set_ready(clusterd->server, true);
  events_write(clusterd->events, "ready", "%s", clusterd->config->profile);
  return true;
}

static void ready_end(Clusterd *clusterd)
{
  api_server_set_ready(clusterd->server, false);
}

const Component components[] = {
  { "address", address_find, address_end },
  { "store", store_start, store_stop },
  { "registry", registry_start, registry_stop },
  { "certificates", certificates_begin, NULL },
  { "apiserver", server_start, server_stop },
  { "certificate rotation", rotation_begin, rotation_end },
  { "informers", informers_make, informers_free },
  { "controllers", controllers_begin, controllers_end },
  { "scheduler", scheduler_begin, scheduler_end },
  { "proxy", proxy_make, proxy_end },
  { "dns", dns_make, dns_end },
  { "docker", docker_begin, docker_end },
  { "node", node_make, node_end },
  /* Whoever uses informers stands above this row: it starts them when all handlers are known, and ends them first. */
  { "watches", informers_start, informers_stop },
  { "service rules", proxy_begin, NULL },
  { "node status", node_begin, NULL },
  { "dns answers", dns_begin, NULL },
  { "ready", ready_begin, ready_end },
  { NULL, NULL, NULL },
};
