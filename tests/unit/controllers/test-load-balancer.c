/* The addresses of LoadBalancer services. */
#include <glib.h>
#include <string.h>

#include "base/json.h"
#include "base/reason.h"
#include "cluster.h"

#define ADDRESS "127.77.9.9"
#define FINALIZER "service.kubernetes.io/load-balancer-cleanup"

static const char *const reserved[] = { "8443", "2376", NULL };

static Cluster *make(bool proxied)
{
  ControllersConfig config = {
    .root_ca_pem = "-",
    .balancer = { .address = ADDRESS, .proxied = proxied, .reserved_ports = reserved },
  };
  return cluster_new_with(&config);
}

static void add(Cluster *cluster, const char *name, const char *ports, const char *more)
{
  g_autofree char *yaml =
      g_strdup_printf("{metadata: {name: %s}, spec: {type: LoadBalancer, ports: [%s]%s}}", name, ports, more);
  cluster_create(cluster, "v1", "services", true, yaml);
}

/* The mode of the one address NAME has, "" without one. */
static char *mode_of(Cluster *cluster, const char *name)
{
  g_autoptr(json_t) service = cluster_get(cluster, "v1", "services", true, name);
  const json_t *ingress = json_at(service, "status", "loadBalancer", "ingress", NULL),
               *first = json_array_get(ingress, 0);
  g_assert_cmpuint(json_array_size(ingress), <=, 1);
  g_assert_cmpstr(json_str(first, "ip", ADDRESS), ==, ADDRESS);
  return g_strdup(json_str(first, "ipMode", ""));
}

static bool has_mode(Cluster *cluster, const char *name, const char *mode)
{
  g_autofree char *now = mode_of(cluster, name);
  return strcmp(now, mode) == 0;
}

static bool has_finalizer(Cluster *cluster, const char *name)
{
  g_autoptr(json_t) service = cluster_get(cluster, "v1", "services", true, name);
  return json_has_text(json_at(service, "metadata", "finalizers", NULL), FINALIZER);
}

static void test_life(void)
{
  g_autoptr(Cluster) cluster = make(true);
  add(cluster, "web", "{port: 80}", "");
  cluster_wait(has_mode(cluster, "web", "Proxy"));
  g_assert_true(has_finalizer(cluster, "web"));
  cluster_wait(cluster_has_event(cluster, "web", "EnsuringLoadBalancer", "Ensuring load balancer"));
  cluster_wait(cluster_has_event(cluster, "web", "EnsuredLoadBalancer", "Ensured load balancer"));
  /* no load balancer any more: what it had goes, the service stays */
  cluster_patch(cluster, "v1", "services", "web", "{spec: {type: ClusterIP}}");
  cluster_wait(!has_finalizer(cluster, "web") && has_mode(cluster, "web", ""));
  cluster_wait(cluster_has_event(cluster, "web", "Type", "LoadBalancer -> ClusterIP"));
  cluster_wait(cluster_has_event(cluster, "web", "DeletingLoadBalancer", "Deleting load balancer"));
  cluster_wait(cluster_has_event(cluster, "web", "DeletedLoadBalancer", "Deleted load balancer"));
  cluster_patch(cluster, "v1", "services", "web", "{spec: {type: LoadBalancer}}");
  cluster_wait(has_mode(cluster, "web", "Proxy"));
  /* and with a deletion it all goes */
  cluster_delete(cluster, "v1", "services", true, "web", "Background");
  cluster_wait(!cluster_exists(cluster, "v1", "services", "web"));
}

/* Two want the same port: the second waits, sees why, and gets it when the first has gone. */
static void test_conflict(void)
{
  g_autoptr(Cluster) cluster = make(true);
  add(cluster, "first", "{port: 80}", "");
  cluster_wait(has_mode(cluster, "first", "Proxy"));
  add(cluster, "second", "{name: a, port: 81}, {name: b, port: 80}", "");
  add(cluster, "third", "{name: u, port: 80, protocol: UDP}, {name: c, port: 82}", "");
  cluster_wait(cluster_has_event(cluster, "second", "SyncLoadBalancerFailed",
                                 "Error syncing load balancer: failed to ensure load balancer: port 80/TCP of " ADDRESS
                                 " is in use by service default/first"));
  g_assert_true(has_mode(cluster, "second", ""));
  add(cluster, "fourth", "{port: 81}", ""); /* the second holds nothing meanwhile */
  cluster_wait(has_mode(cluster, "fourth", "Proxy"));
  cluster_delete(cluster, "v1", "services", true, "first", "Background");
  cluster_wait(cluster_has_event(cluster, "second", "SyncLoadBalancerFailed",
                                 "port 81/TCP of " ADDRESS " is in use by service default/fourth"));
  cluster_patch(cluster, "v1", "services", "fourth", "{spec: {ports: [{port: 90}]}}");
  cluster_wait(has_mode(cluster, "second", "Proxy"));
  /* a holder that moves to another's port loses its own address, the other keeps it */
  cluster_patch(cluster, "v1", "services", "fourth", "{spec: {ports: [{port: 81}]}}");
  cluster_wait(has_mode(cluster, "fourth", ""));
  g_assert_true(has_mode(cluster, "second", "Proxy"));
}

static void test_udp_beside_tcp(void)
{
  g_autoptr(Cluster) cluster = make(true);
  add(cluster, "tcp", "{port: 53}", "");
  add(cluster, "udp", "{port: 53, protocol: UDP}", "");
  cluster_wait(has_mode(cluster, "tcp", "Proxy") && has_mode(cluster, "udp", "Proxy"));
}

static void test_refused(void)
{
  g_autoptr(Cluster) cluster = make(true);
  cluster_create(cluster, "v1", "services", true,
                 "{metadata: {name: open}, spec: {type: NodePort, ports: [{port: 1, nodePort: 30111}]}}");
  add(cluster, "api", "{port: 8443}", "");
  cluster_wait(cluster_has_event(cluster, "api", "SyncLoadBalancerFailed",
                                 "port 8443/TCP of " ADDRESS " is in use by the cluster itself"));
  add(cluster, "bare", "{port: 80}", ", allocateLoadBalancerNodePorts: false");
  cluster_wait(cluster_has_event(cluster, "bare", "SyncLoadBalancerFailed", "port 80/TCP has no node port"));
  add(cluster, "sctp", "{port: 80, protocol: SCTP}", "");
  cluster_wait(cluster_has_event(cluster, "sctp", "SyncLoadBalancerFailed", "only TCP and UDP"));
  add(cluster, "same", "{port: 30111}", "");
  cluster_wait(cluster_has_event(cluster, "same", "SyncLoadBalancerFailed",
                                 "port 30111/TCP of " ADDRESS " is the node port of service default/open"));
  g_assert_true(has_mode(cluster, "api", "") && has_mode(cluster, "bare", "") && has_mode(cluster, "sctp", "") &&
                has_mode(cluster, "same", ""));
}

/* Another controller's class is left alone, deletion included. */
static void test_class(void)
{
  g_autoptr(Cluster) cluster = make(true);
  add(cluster, "other", "{port: 80}", ", loadBalancerClass: example.com/other");
  add(cluster, "ours", "{port: 80}", "");
  cluster_wait(has_mode(cluster, "ours", "Proxy"));
  g_assert_true(has_mode(cluster, "other", "") && !has_finalizer(cluster, "other"));
  g_assert_false(cluster_has_event(cluster, "other", "EnsuringLoadBalancer", ""));
}

/* The node's own address: the service proxy takes the packets, no node port is needed. */
static void test_own_address(void)
{
  g_autoptr(Cluster) cluster = make(false);
  add(cluster, "web", "{port: 80}", ", allocateLoadBalancerNodePorts: false");
  cluster_wait(has_mode(cluster, "web", "VIP"));
}

/* Without an address services stay pending, without a word; what an earlier configuration left behind is let go. */
static void test_no_address(void)
{
  g_autoptr(Cluster) cluster = cluster_new();
  cluster_create(cluster, "v1", "services", true,
                 "{metadata: {name: web, finalizers: [" FINALIZER
                 "]}, spec: {type: LoadBalancer, ports: [{port: 80}]}}");
  cluster_create(cluster, "v1", "services", true, "{metadata: {name: later}, spec: {ports: [{port: 80}]}}");
  cluster_patch(cluster, "v1", "services", "later", "{spec: {type: LoadBalancer}}");
  cluster_wait(cluster_has_event(cluster, "later", "Type", "ClusterIP -> LoadBalancer"));
  g_assert_true(has_mode(cluster, "web", "") && has_mode(cluster, "later", ""));
  cluster_delete(cluster, "v1", "services", true, "web", "Background");
  cluster_wait(!cluster_exists(cluster, "v1", "services", "web"));
}

/* Who had the port when the controllers ended has it when they begin again, however the others are called. */
static void test_restart(void)
{
  g_autoptr(Cluster) cluster = make(true);
  add(cluster, "z", "{port: 80}", "");
  cluster_wait(has_mode(cluster, "z", "Proxy"));
  cluster_stop(cluster);
  add(cluster, "a", "{port: 80}", "");
  cluster_resume(cluster);
  cluster_wait(cluster_has_event(cluster, "a", "SyncLoadBalancerFailed", "in use by service default/z"));
  g_assert_true(has_mode(cluster, "z", "Proxy"));
  /* deleted while nobody looked */
  cluster_stop(cluster);
  cluster_delete(cluster, "v1", "services", true, "z", "Background");
  cluster_resume(cluster);
  cluster_wait(!cluster_exists(cluster, "v1", "services", "z"));
  cluster_wait(has_mode(cluster, "a", "Proxy"));
}

int main(int argc, char **argv)
{
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/load-balancer/life", test_life);
  g_test_add_func("/load-balancer/conflict", test_conflict);
  g_test_add_func("/load-balancer/udp-beside-tcp", test_udp_beside_tcp);
  g_test_add_func("/load-balancer/refused", test_refused);
  g_test_add_func("/load-balancer/class", test_class);
  g_test_add_func("/load-balancer/own-address", test_own_address);
  g_test_add_func("/load-balancer/no-address", test_no_address);
  g_test_add_func("/load-balancer/restart", test_restart);
  return g_test_run();
}
