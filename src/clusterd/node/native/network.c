#include "clusterd/node/native/network.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <netlink/netlink.h>
#include <netlink/route/addr.h>
#include <netlink/route/link.h>
#include <netlink/route/link/veth.h>
#include <netlink/route/nexthop.h>
#include <netlink/route/route.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/reason.h"

typedef struct nl_sock NetlinkSocket;
typedef struct nl_addr NetlinkAddress;
typedef struct rtnl_addr InterfaceAddress;
typedef struct rtnl_link Link;
typedef struct rtnl_route Route;
G_DEFINE_AUTOPTR_CLEANUP_FUNC(NetlinkSocket, nl_socket_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(NetlinkAddress, nl_addr_put)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(InterfaceAddress, rtnl_addr_put)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Link, rtnl_link_put)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Route, rtnl_route_put)

static bool netlink_error(GError **error, int code, const char *what, const char *name)
{
  return reason_set(error, REASON_RUNTIME, "Cannot %s %s: %s", what, name, nl_geterror(code));
}

struct nl_sock *network_socket_open(GError **error)
{
  struct nl_sock *sock = nl_socket_alloc();
  int code = sock ? nl_connect(sock, NETLINK_ROUTE) : -NLE_NOMEM;
  if (code == 0)
    return sock;
  if (sock)
    nl_socket_free(sock);
  netlink_error(error, code, "open", "a netlink socket");
  return NULL;
}

static NetlinkAddress *ipv4(uint32_t address, unsigned prefix)
{
  uint32_t wire = htonl(address);
  NetlinkAddress *made = nl_addr_build(AF_INET, &wire, sizeof wire);
  nl_addr_set_prefixlen(made, (int)prefix);
  return made;
}

/* A hardware address that follows from the IP: the same pod address never changes its hardware address. */
static void set_hardware_address(Link *link, uint32_t address)
{
  uint8_t bytes[6] = {
    0x0a, 0x58, (uint8_t)(address >> 24), (uint8_t)(address >> 16), (uint8_t)(address >> 8), (uint8_t)address
  };
  g_autoptr(NetlinkAddress) hardware = nl_addr_build(AF_LLC, bytes, sizeof bytes);
  rtnl_link_set_addr(link, hardware);
}

static bool bring_up(NetlinkSocket *sock, const char *name, GError **error)
{
  g_autoptr(Link) link = rtnl_link_alloc(), change = rtnl_link_alloc();
  rtnl_link_set_ifindex(link, (int)if_nametoindex(name));
  rtnl_link_set_flags(change, IFF_UP);
  int code = rtnl_link_change(sock, link, change, 0);
  return code == 0 || netlink_error(error, code, "bring up", name);
}

static bool add_address(NetlinkSocket *sock, const char *name, uint32_t address, unsigned prefix, GError **error)
{
  g_autoptr(NetlinkAddress) local = ipv4(address, prefix);
  g_autoptr(InterfaceAddress) entry = rtnl_addr_alloc();
  rtnl_addr_set_ifindex(entry, (int)if_nametoindex(name));
  rtnl_addr_set_local(entry, local);
  int code = rtnl_addr_add(sock, entry, 0);
  return code == 0 || code == -NLE_EXIST || netlink_error(error, code, "set the address of", name);
}

static bool add_route(NetlinkSocket *sock, const char *name, uint32_t to, unsigned prefix, uint32_t gateway,
                      GError **error)
{
  g_autoptr(NetlinkAddress) target = ipv4(to, prefix);
  g_autoptr(NetlinkAddress) via = ipv4(gateway, 32);
  g_autoptr(Route) route = rtnl_route_alloc();
  struct rtnl_nexthop *hop = rtnl_route_nh_alloc();
  rtnl_route_nh_set_ifindex(hop, (int)if_nametoindex(name));
  if (gateway)
    rtnl_route_nh_set_gateway(hop, via);
  rtnl_route_set_family(route, AF_INET);
  rtnl_route_set_scope(route, gateway ? RT_SCOPE_UNIVERSE : RT_SCOPE_LINK);
  rtnl_route_set_table(route, RT_TABLE_MAIN);
  rtnl_route_set_dst(route, target);
  rtnl_route_add_nexthop(route, hop);
  int code = rtnl_route_add(sock, route, 0);
  return code == 0 || netlink_error(error, code, "add a route through", name);
}

static void write_sysctl(const char *path, const char *value)
{
  file_autofd int fd = open(path, O_WRONLY | O_CLOEXEC);
  if (fd < 0 || write(fd, value, strlen(value)) < 0)
    g_info("%s: %s", path, g_strerror(errno));
}

static void let_forward(const char *bridge)
{
  g_autofree char *redirects = g_strdup_printf("/proc/sys/net/ipv4/conf/%s/send_redirects", bridge);
  write_sysctl("/proc/sys/net/ipv4/ip_forward", "1");
  /* pods reach each other through us on purpose: telling them of the short way would only be noise */
  write_sysctl("/proc/sys/net/ipv4/conf/all/send_redirects", "0");
  write_sysctl(redirects, "0");
}

bool network_make_bridge(const char *name, uint32_t gateway, unsigned prefix, GError **error)
{
  g_autoptr(NetlinkSocket) sock = network_socket_open(error);
  if (!sock)
    return false;
  if (!if_nametoindex(name)) {
    g_autoptr(Link) bridge = rtnl_link_alloc();
    rtnl_link_set_type(bridge, "bridge");
    rtnl_link_set_name(bridge, name);
    set_hardware_address(bridge, gateway);
    int code = rtnl_link_add(sock, bridge, NLM_F_CREATE | NLM_F_EXCL);
    if (code < 0)
      return netlink_error(error, code, "make the bridge", name);
  }
  if (!add_address(sock, name, gateway, prefix, error) || !bring_up(sock, name, error))
    return false;
  let_forward(name);
  return true;
}

/* One request makes the pair, puts the pod's end into the calling thread's namespace and the other on the bridge. */
static bool add_pair(NetlinkSocket *host, unsigned bridge, const NetworkPort *port, GError **error)
{
  file_autofd int here = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
  g_autoptr(Link) pair = rtnl_link_veth_alloc();
  g_autoptr(Link) peer = rtnl_link_veth_get_peer(pair);
  rtnl_link_set_name(peer, "eth0");
  rtnl_link_set_ns_fd(peer, here);
  set_hardware_address(peer, port->address);
  rtnl_link_set_name(pair, port->host_name);
  rtnl_link_set_master(pair, (int)bridge);
  rtnl_link_set_flags(pair, IFF_UP);
  int code = here < 0 ? -NLE_FAILURE : rtnl_link_add(host, pair, NLM_F_CREATE | NLM_F_EXCL);
  return code == 0 || netlink_error(error, code, "make the link", port->host_name);
}

static unsigned bridge_index(NetlinkSocket *host, const char *name, GError **error)
{
  struct rtnl_link *link = NULL;
  int code = rtnl_link_get_kernel(host, 0, name, &link);
  unsigned index = code == 0 ? (unsigned)rtnl_link_get_ifindex(link) : 0;
  if (link)
    rtnl_link_put(link);
  if (!index)
    netlink_error(error, code, "find the bridge", name);
  return index;
}

bool network_attach(struct nl_sock *host, const NetworkPort *port, GError **error)
{
  unsigned bridge = bridge_index(host, port->bridge, error);
  g_autoptr(NetlinkSocket) here = bridge ? network_socket_open(error) : NULL;
  return here && bring_up(here, "lo", error) && add_pair(host, bridge, port, error) &&
         add_address(here, "eth0", port->address, 32, error) && bring_up(here, "eth0", error) &&
         add_route(here, "eth0", port->gateway, 32, 0, error) && add_route(here, "eth0", 0, 0, port->gateway, error);
}
