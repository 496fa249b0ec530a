/* The controllers and the scheduler. Where this server has the store to itself they begin at once and share the
 * informers of the whole process; where others share it, the one that holds their lease runs them, with informers of
 * their own that live as long as its turn. */
#include "base/file.h"
#include "clusterd/certificates.h"
#include "clusterd/components.h"
#include "clusterd/node/volumes/volume_folder.h"

#define CLUSTER_BITS 16
#define SSH_PORT "22"
#define KUBELET_PORT "10250"
#define CA_MAX (64u << 10) /* bytes of the certificate every namespace is given */

/* What runs while this server leads. */
struct Turn {
  Clusterd *clusterd;
  bool schedules; /* else controls */
  InformerSet *informers;
  Controllers *controllers;
  Scheduler *scheduler;
  Leader *leader;
};

static char *issue_secret_token(void *data, const Object *account, const char *secret, GError **error)
{
  Clusterd *clusterd = data;
  return api_server_issue_secret_token(clusterd->server, account, secret, error);
}

static bool may(void *data, const Identity *identity, const char *verb, const char *group, const char *resource,
                const char *subresource)
{
  Clusterd *clusterd = data;
  return api_server_may(clusterd->server, identity, verb, group, resource, subresource);
}

/* The node's own address only serves where its packets pass the service proxy; then the ports that keep the machine
 * reachable stay its own. */
static LoadBalancerConfig balancer_config(const Clusterd *clusterd, const char *const *own_ports)
{
  const ClusterConfig *config = clusterd->config;
  if (config->balancer_address)
    return (LoadBalancerConfig){ .address = config->balancer_address,
                                 .proxied = true,
                                 .reserved_ports = (const char *const *)config->balancer_reserved };
  return (LoadBalancerConfig){ .address = config->with_proxy ? clusterd->node_ip : NULL, .reserved_ports = own_ports };
}

/* Nodes that come without a range of their own get one of the same size, next to this node's: "10.244.0.0/24" stands
 * in "10.244.0.0/16", "fd00:10:244::/64" in "fd00:10:244::/48". The caller frees the ranges' text. */
static char *node_range(const ClusterConfig *config, NodeRangeConfig *range)
{
  IpRange own[IP_FAMILIES];
  unsigned count = ip_ranges_parse(config->pod_cidr, own); /* was checked by the table of options */
  GString *text = g_string_new(NULL);
  *range = (NodeRangeConfig){ .taken = config->service_cidr };
  for (unsigned i = 0; i < count; i++) {
    unsigned bits = own[i].bits;
    range->node_bits[own[i].family] = bits;
    own[i].bits = MIN(bits, MAX(CLUSTER_BITS, bits - MIN(bits, CLUSTER_BITS)));
    g_autofree char *one = ip_range_text(&own[i]);
    g_string_append_printf(text, "%s%s", i > 0 ? "," : "", one);
  }
  range->ranges = text->str;
  return g_string_free(text, FALSE);
}

static json_t *get_metrics(void *data, const char *path_and_query, GError **error)
{
  static const char *const groups[] = { "system:serviceaccounts", "system:serviceaccounts:kube-system",
                                        "system:authenticated", NULL };
  Clusterd *clusterd = data;
  g_autoptr(Identity) autoscaler =
      identity_new("system:serviceaccount:kube-system:horizontal-pod-autoscaler", NULL, groups);
  return api_server_get(clusterd->server, autoscaler, path_and_query, error);
}

static bool start_controllers(Clusterd *clusterd, InformerSet *informers, Controllers **controllers, GError **error)
{
  g_autofree char *path = certificates_root_ca(clusterd->config);
  g_autoptr(GBytes) ca = file_read(path, CA_MAX, error);
  if (!ca)
    return false;
  g_autofree char *pem = g_strndup(g_bytes_get_data(ca, NULL), g_bytes_get_size(ca));
  HorizontalConfig horizontal = { .sync_us = clusterd->config->horizontal_sync_seconds * G_USEC_PER_SEC,
                                  .stabilization_us =
                                      clusterd->config->horizontal_stabilization_seconds * G_USEC_PER_SEC,
                                  .cpu_initialization_us =
                                      clusterd->config->horizontal_initialization_seconds * G_USEC_PER_SEC,
                                  .readiness_delay_us = clusterd->config->horizontal_readiness_seconds * G_USEC_PER_SEC,
                                  .tolerance = clusterd->config->horizontal_tolerance };
  g_autofree char *api_port = g_strdup_printf("%d", (int)clusterd->config->api_port);
  const char *const own_ports[] = { api_port, SSH_PORT, KUBELET_PORT, NULL };
  clusterd->volume_folders = (VolumeFolders){ .root = VOLUME_FOLDER_ROOT,
                                              .node_name = clusterd->config->node_name,
                                              .make = volume_folder_make,
                                              .remove = volume_folder_remove,
                                              .empty = volume_folder_empty };
  ControllersConfig config = { .volume_folders = clusterd->config->with_node ? &clusterd->volume_folders : NULL,
                               .root_ca_pem = pem,
                               .issue_secret_token = issue_secret_token,
                               .may = may,
                               .get_metrics = get_metrics,
                               .horizontal = &horizontal,
                               .issuer = clusterd,
                               .signing_cert_file = clusterd->config->signing_cert_file,
                               .signing_key_file = clusterd->config->signing_key_file,
                               .signing_lifetime_seconds = clusterd->config->signing_lifetime_seconds,
                               .balancer = balancer_config(clusterd, own_ports) };
  g_autofree char *range = node_range(clusterd->config, &config.node_range);
  *controllers = controllers_start(clusterd->registry, informers, &config);
  return true;
}

/* The configuration --scheduler-config names; NULL: there is none, or ERROR is set. */
static SchedulerConfig *read_scheduler_config(const Clusterd *clusterd, GError **error)
{
  const char *path = clusterd->config->scheduler_config_file;
  return path ? scheduler_config_read(path, error) : NULL;
}

/* --- in turns ------------------------------------------------------------------------------------------------------
 */

static void turn_end(void *data)
{
  Turn *turn = data;
  if (turn->informers)
    informer_set_stop(turn->informers);
  g_clear_pointer(&turn->controllers, controllers_stop);
  g_clear_pointer(&turn->scheduler, scheduler_stop);
  g_clear_pointer(&turn->informers, informer_set_free);
}

static void turn_begin(void *data)
{
  Turn *turn = data;
  Clusterd *clusterd = turn->clusterd;
  g_autoptr(GError) error = NULL;
  bool ok = true;
  turn->informers = informer_set_new(clusterd->registry);
  if (turn->schedules) {
    SchedulerConfig *config = read_scheduler_config(clusterd, &error);
    ok = !error;
    if (ok)
      turn->scheduler = scheduler_start(clusterd->registry, turn->informers, config);
  } else
    ok = start_controllers(clusterd, turn->informers, &turn->controllers, &error);
  if (ok && informer_set_start(turn->informers, &error))
    return;
  g_critical("%s", error->message);
}

static Turn *turn_new(Clusterd *clusterd, bool schedules)
{
  Turn *turn = g_new0(Turn, 1);
  turn->clusterd = clusterd;
  turn->schedules = schedules;
  LeaderConfig config = {
    .lease = schedules ? "kube-scheduler" : "kube-controller-manager",
    .begin = turn_begin,
    .end = turn_end,
    .data = turn,
  };
  turn->leader = leader_start(clusterd->registry, &config);
  return turn;
}

static void turn_free(Turn *turn)
{
  leader_stop(turn->leader);
  g_free(turn);
}

/* --- components ----------------------------------------------------------------------------------------------------
 */

bool controllers_begin(Clusterd *clusterd, GError **error)
{
  if (!clusterd->config->with_controllers)
    return true;
  if (!store_is_shared(clusterd->store)) {
    bool ok = start_controllers(clusterd, clusterd->informers, &clusterd->controllers, error);
    api_server_set_component(clusterd->server, API_COMPONENT_CONTROLLERS, ok);
    return ok;
  }
  clusterd->control_turn = turn_new(clusterd, false);
  return true;
}

void controllers_end(Clusterd *clusterd)
{
  api_server_set_component(clusterd->server, API_COMPONENT_CONTROLLERS, false);
  g_clear_pointer(&clusterd->control_turn, turn_free);
  g_clear_pointer(&clusterd->controllers, controllers_stop);
}

bool scheduler_begin(Clusterd *clusterd, GError **error)
{
  if (!clusterd->config->with_scheduler)
    return true;
  g_autoptr(GError) problem = NULL;
  g_autoptr(SchedulerConfig) config = read_scheduler_config(clusterd, &problem);
  if (problem) {
    g_propagate_error(error, g_steal_pointer(&problem));
    return false;
  }
  /* Where others share the store, it is read again when this server's turn comes. */
  if (store_is_shared(clusterd->store)) {
    clusterd->schedule_turn = turn_new(clusterd, true);
    return true;
  }
  clusterd->scheduler = scheduler_start(clusterd->registry, clusterd->informers, g_steal_pointer(&config));
  api_server_set_component(clusterd->server, API_COMPONENT_SCHEDULER, true);
  return true;
}

void scheduler_end(Clusterd *clusterd)
{
  api_server_set_component(clusterd->server, API_COMPONENT_SCHEDULER, false);
  g_clear_pointer(&clusterd->schedule_turn, turn_free);
  g_clear_pointer(&clusterd->scheduler, scheduler_stop);
}
