/* Service proxy, cluster DNS, kubelet and the docker daemon's sockets as components. Each is hooked to the informers
 * first and set to work once they run. */
#include <unistd.h>

#include "base/reason.h"
#include "clusterd/components.h"
#include "clusterd/node/machine.h"
#include "clusterd/node/runtime_choice.h"
#include "clusterd/node/sandbox/sysctls.h"

#define RUN_DIR "/run/launcher"
#define LOGS_DIR "/var/log/pods"
#define DOCKER_SOCKET "/var/run/docker.sock"
#define DOCKER_ROOT "/var/lib/docker"
#define DOCKER_LOG "/var/log/launcher/docker.log"
#define DOCKER_PORT 2376

/* A server that runs by itself needs no network: it then says the address it listens on. */
static char *address_without_network(const ClusterConfig *config)
{
  if (config->with_node)
    return NULL;
  return g_strdup(g_str_equal(config->listen_address, "0.0.0.0") ? "127.0.0.1" : config->listen_address);
}

bool address_find(Clusterd *clusterd, GError **error)
{
  const ClusterConfig *config = clusterd->config;
  clusterd->node_ip = config->node_ip ? g_strdup(config->node_ip) : machine_ip(IP_V4);
  if (!clusterd->node_ip)
    clusterd->node_ip = address_without_network(config);
  return clusterd->node_ip || reason_set(error, REASON_LOCAL_NETWORK, "this machine has no IPv4 address");
}

void address_end(Clusterd *clusterd)
{
  g_clear_pointer(&clusterd->node_ip, g_free);
}

bool proxy_make(Clusterd *clusterd, GError **error)
{
  const ClusterConfig *config = clusterd->config;
  ProxyConfig proxy = { .node_name = config->node_name,
                        .pod_ranges = config->pod_cidr,
                        .reserved_ip = config->with_dns ? config->dns_ip : NULL };
  if (config->with_proxy)
    clusterd->proxy = proxy_new(clusterd->informers, &proxy);
  return true;
}

void proxy_end(Clusterd *clusterd)
{
  g_clear_pointer(&clusterd->proxy, proxy_free);
}

bool proxy_begin(Clusterd *clusterd, GError **error)
{
  return !clusterd->proxy || proxy_start(clusterd->proxy, error);
}

bool dns_make(Clusterd *clusterd, GError **error)
{
  DnsConfig dns = { .address = clusterd->config->dns_ip, .domain = clusterd->config->dns_domain };
  if (!clusterd->config->with_dns)
    return true;
  clusterd->dns_client = client_new(clusterd->registry, "cluster-dns");
  clusterd->dns = dns_new(clusterd->dns_client, clusterd->informers, &dns);
  return true;
}

void dns_end(Clusterd *clusterd)
{
  g_clear_pointer(&clusterd->dns, dns_free);
  g_clear_pointer(&clusterd->dns_client, client_free);
}

bool dns_begin(Clusterd *clusterd, GError **error)
{
  if (!clusterd->dns)
    return true;
  if (!dns_start(clusterd->dns, error))
    return false;
  events_write(clusterd->events, "dns", "%s", clusterd->config->dns_ip);
  return true;
}

static char *issue_token(void *data, const char *namespace_, const char *service_account, const char *const *audiences,
                         int64_t lifetime_seconds, const char *pod_name, const char *pod_uid, int64_t *expires_us,
                         GError **error)
{
  Clusterd *clusterd = data;
  return api_server_issue_token(clusterd->server, namespace_, service_account, audiences, lifetime_seconds, pod_name,
                                pod_uid, expires_us, error);
}

#define ITEMS(list) ((const char *const *)(list))

static PressureSettings *read_pressure(const ClusterConfig *config, GError **error)
{
  PressureFlags flags = { .thresholds = { .hard = ITEMS(config->eviction_hard),
                                          .soft = ITEMS(config->eviction_soft),
                                          .soft_grace = ITEMS(config->eviction_soft_grace),
                                          .reclaim = ITEMS(config->eviction_minimum_reclaim) },
                          .transition_seconds = config->eviction_transition_seconds,
                          .interval_seconds = config->housekeeping_seconds,
                          .max_pod_grace_seconds = config->eviction_max_pod_grace_seconds,
                          .image_high = config->image_gc_high,
                          .image_low = config->image_gc_low,
                          .image_minimum_seconds = config->image_minimum_seconds,
                          .image_maximum_seconds = config->image_maximum_seconds,
                          .kube_reserved = ITEMS(config->kube_reserved),
                          .system_reserved = ITEMS(config->system_reserved) };
  return pressure_settings_new(&flags, error);
}

static bool check_sysctls(const ClusterConfig *config, GError **error)
{
  for (char **pattern = config->unsafe_sysctls; pattern && *pattern; pattern++) {
    g_autofree char *problem = sysctls_pattern_problem(*pattern);
    if (problem)
      return reason_set(error, REASON_USAGE, "--allowed-unsafe-sysctls: %s", problem);
  }
  return true;
}

bool node_make(Clusterd *clusterd, GError **error)
{
  const ClusterConfig *config = clusterd->config;
  if (!config->with_node)
    return true;
  if (!check_sysctls(config, error))
    return false;
  RuntimeChoice choice = { .name = config->runtime,
                           .endpoint = config->runtime_endpoint,
                           .data_dir = config->data_dir,
                           .run_dir = RUN_DIR,
                           .preloaded_store = config->image_store,
                           .pod_cidr = config->pod_cidr,
                           .registries = { .mirrors = (const char *const *)config->registry_mirrors,
                                           .insecure = (const char *const *)config->insecure_registries,
                                           .ca_file = config->registry_ca_file } };
  clusterd->runtime = runtime_choice_open(&choice, error);
  if (!clusterd->runtime)
    return false;
  clusterd->pressure = read_pressure(config, error);
  if (!clusterd->pressure)
    return false;
  g_autofree char *pods_dir = g_build_filename(config->data_dir, "pods", NULL);
  g_autofree char *image_records = g_build_filename(config->data_dir, "image-use.json", NULL);
  g_autofree char *second_range = ip_ranges_of(config->pod_cidr, IP_V6);
  g_autofree char *other_ip = second_range ? machine_ip(IP_V6) : NULL;
  KubeletConfig kubelet = { .node_name = config->node_name,
                            .node_ip = clusterd->node_ip,
                            .node_other_ip = other_ip,
                            .pod_cidr = config->pod_cidr,
                            .dns_ip = config->dns_ip,
                            .dns_domain = config->dns_domain,
                            .kubernetes_version = config->kubernetes_version,
                            .pods_dir = pods_dir,
                            .logs_dir = LOGS_DIR,
                            .static_pods_dir = config->static_pods_dir,
                            .unsafe_sysctls = (const char *const *)config->unsafe_sysctls,
                            .image_records = image_records,
                            .pressure = clusterd->pressure,
                            .issue_token = issue_token,
                            .issuer = clusterd };
  clusterd->kubelet_client = client_new(clusterd->registry, "kubelet");
  clusterd->kubelet = kubelet_new(clusterd->kubelet_client, clusterd->informers, clusterd->runtime, &kubelet);
  api_server_set_node(clusterd->server, kubelet_node_access(clusterd->kubelet));
  return true;
}

void node_end(Clusterd *clusterd)
{
  api_server_set_node(clusterd->server, NULL);
  g_clear_pointer(&clusterd->kubelet, kubelet_free);
  g_clear_pointer(&clusterd->pressure, pressure_settings_free);
  g_clear_pointer(&clusterd->kubelet_client, client_free);
  if (clusterd->runtime)
    clusterd->runtime->free(clusterd->runtime);
  clusterd->runtime = NULL;
}

bool node_begin(Clusterd *clusterd, GError **error)
{
  if (!clusterd->kubelet)
    return true;
  if (!kubelet_start(clusterd->kubelet, error))
    return false;
  events_write(clusterd->events, "node", "%s", clusterd->config->node_name);
  return true;
}

/* dockerd over TCP is for the machine's owner, who has certificates for it. */
static bool has_docker_certificates(const ClusterConfig *config)
{
  g_autofree char *path = g_build_filename(config->pki_dir, "docker-ca.crt", NULL);
  return access(path, F_OK) == 0;
}

/* Before the node: a runtime may want it. */
bool docker_begin(Clusterd *clusterd, GError **error)
{
  const ClusterConfig *config = clusterd->config;
  bool is_runtime = g_str_equal(config->runtime, "docker");
  DockerActivationConfig docker = { .socket_path = DOCKER_SOCKET,
                                    .address = has_docker_certificates(config) ? "0.0.0.0" : NULL,
                                    .port = DOCKER_PORT,
                                    .pki_dir = config->pki_dir,
                                    .data_root = DOCKER_ROOT,
                                    .run_dir = RUN_DIR,
                                    .log_path = DOCKER_LOG,
                                    .keep_containers = is_runtime };
  if (!config->with_node || (is_runtime && config->runtime_endpoint))
    return true;
  clusterd->docker = docker_activation_start(&docker, error);
  return clusterd->docker != NULL;
}

void docker_end(Clusterd *clusterd)
{
  g_clear_pointer(&clusterd->docker, docker_activation_stop);
}
