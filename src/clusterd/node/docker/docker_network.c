#include "clusterd/node/docker/docker_network.h"

#include <net/if.h>
#include <netlink/socket.h>

#include "clusterd/node/sandbox/namespace.h"
#include "clusterd/node/sandbox/network.h"

/* One look into a namespace, on a thread of its own. */
typedef struct Visit {
  char *path;
  const NetworkPort *port; /* NULL: only look */
  bool good;
  GError **error;
} Visit;

static void attach(void *data)
{
  Visit *visit = data;
  struct nl_sock *host = network_socket_open(visit->error);
  visit->good = host && namespace_enter(visit->path, visit->error) && network_attach(host, visit->port, visit->error);
  if (host)
    nl_socket_free(host);
}

static void look(void *data)
{
  Visit *visit = data;
  visit->good = namespace_enter(visit->path, NULL) && if_nametoindex("eth0") != 0;
}

bool docker_network_attach(DockerRuntime *docker, const char *id, int pid, const PodAddresses *addresses,
                           GError **error)
{
  g_autofree char *host_name = g_strdup_printf("pod%.10s", id);
  g_autofree char *path = g_strdup_printf("/proc/%d/ns/net", pid);
  NetworkPort port = { .host_name = host_name, .addresses = *addresses };
  Visit visit = { .path = path, .port = &port, .error = error };
  address_pool_gateways(docker->addresses, &port.gateways);
  namespace_run(attach, &visit);
  return visit.good;
}

bool docker_network_attached(int pid)
{
  g_autofree char *path = g_strdup_printf("/proc/%d/ns/net", pid);
  Visit visit = { .path = path };
  namespace_run(look, &visit);
  return visit.good;
}
