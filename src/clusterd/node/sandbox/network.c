#include "clusterd/node/sandbox/network.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if_addr.h>
#include <net/if.h>
#include <netlink/netlink.h>
#include <netlink/route/addr.h>
#include <netlink/route/link.h>
#include <netlink/route/link/veth.h>
#include <netlink/route/neighbour.h>
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
typedef struct rtnl_neigh Neighbour;
typedef struct rtnl_route Route;
G_DEFINE_AUTOPTR_CLEANUP_FUNC(NetlinkSocket, nl_socket_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(NetlinkAddress, nl_addr_put)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(InterfaceAddress, rtnl_addr_put)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Link, rtnl_link_put)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Neighbour, rtnl_neigh_put)
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

static NetlinkAddress *netlink_address(const IpAddress *address, unsigned prefix)
{
  uint8_t bytes[16];
  ip_address_bytes(address, bytes);
  NetlinkAddress *made = nl_addr_build(ip_family_socket(address->family), bytes, ip_family_bits(address->family) / 8);
  nl_addr_set_prefixlen(made, (int)prefix);
  return made;
}

/* A hardware address that follows from the IP: the same pod address never changes its hardware address. */
static NetlinkAddress *hardware_address(const PodAddresses *addresses)
{
  uint32_t low = (uint32_t)addresses->of[0].number;
  uint8_t bytes[6] = { 0x0a, 0x58, (uint8_t)(low >> 24), (uint8_t)(low >> 16), (uint8_t)(low >> 8), (uint8_t)low };
  return nl_addr_build(AF_LLC, bytes, sizeof bytes);
}

static void set_hardware_address(Link *link, const PodAddresses *addresses)
{
  g_autoptr(NetlinkAddress) hardware = hardware_address(addresses);
  rtnl_link_set_addr(link, hardware);
}

/* An interface of the namespace SOCK was opened in. */
typedef struct Interface {
  NetlinkSocket *sock;
  const char *name;
  int index;
} Interface;

static bool find_interface(Interface *interface, GError **error)
{
  g_autoptr(Link) link = NULL;
  int code = rtnl_link_get_kernel(interface->sock, 0, interface->name, &link);
  interface->index = code == 0 ? rtnl_link_get_ifindex(link) : 0;
  return code == 0 || netlink_error(error, code, "find", interface->name);
}

static bool bring_up(const Interface *interface, GError **error)
{
  g_autoptr(Link) link = rtnl_link_alloc(), change = rtnl_link_alloc();
  rtnl_link_set_ifindex(link, interface->index);
  rtnl_link_set_flags(change, IFF_UP);
  int code = rtnl_link_change(interface->sock, link, change, 0);
  return code == 0 || netlink_error(error, code, "bring up", interface->name);
}

static bool add_address(const Interface *interface, const IpAddress *address, unsigned prefix, GError **error)
{
  g_autoptr(NetlinkAddress) local = netlink_address(address, prefix);
  g_autoptr(InterfaceAddress) entry = rtnl_addr_alloc();
  rtnl_addr_set_ifindex(entry, interface->index);
  rtnl_addr_set_local(entry, local);
  if (address->family == IP_V6)
    rtnl_addr_set_flags(entry, IFA_F_NODAD);
  int code = rtnl_addr_add(interface->sock, entry, 0);
  return code == 0 || code == -NLE_EXIST || netlink_error(error, code, "set the address of", interface->name);
}

/* VIA is the next hop, NULL: the target itself. SOURCE is the address the node takes when it sends that way, NULL: any.
 */
static bool add_route(const Interface *interface, const IpAddress *to, unsigned prefix, const IpAddress *via,
                      const IpAddress *source, GError **error)
{
  g_autoptr(NetlinkAddress) target = netlink_address(to, prefix);
  g_autoptr(NetlinkAddress) next = via ? netlink_address(via, ip_family_bits(via->family)) : NULL;
  g_autoptr(NetlinkAddress) preferred = source ? netlink_address(source, ip_family_bits(source->family)) : NULL;
  g_autoptr(Route) route = rtnl_route_alloc();
  struct rtnl_nexthop *hop = rtnl_route_nh_alloc();
  rtnl_route_nh_set_ifindex(hop, interface->index);
  if (next)
    rtnl_route_nh_set_gateway(hop, next);
  rtnl_route_set_family(route, (uint8_t)ip_family_socket(to->family));
  rtnl_route_set_scope(route, next || to->family == IP_V6 ? RT_SCOPE_UNIVERSE : RT_SCOPE_LINK);
  rtnl_route_set_table(route, RT_TABLE_MAIN);
  rtnl_route_set_dst(route, target);
  if (preferred)
    rtnl_route_set_pref_src(route, preferred);
  rtnl_route_add_nexthop(route, hop);
  int code = rtnl_route_add(interface->sock, route, 0);
  return code == 0 || netlink_error(error, code, "add a route through", interface->name);
}

/* Who has ADDRESS behind INTERFACE, for ever. */
static bool add_neighbour(const Interface *interface, const IpAddress *address, const PodAddresses *owner,
                          GError **error)
{
  g_autoptr(NetlinkAddress) target = netlink_address(address, ip_family_bits(address->family));
  g_autoptr(NetlinkAddress) hardware = hardware_address(owner);
  g_autoptr(Neighbour) neighbour = rtnl_neigh_alloc();
  rtnl_neigh_set_ifindex(neighbour, interface->index);
  rtnl_neigh_set_dst(neighbour, target);
  rtnl_neigh_set_lladdr(neighbour, hardware);
  rtnl_neigh_set_state(neighbour, NUD_PERMANENT);
  int code = rtnl_neigh_add(interface->sock, neighbour, NLM_F_CREATE);
  return code == 0 || netlink_error(error, code, "add a neighbour behind", interface->name);
}

static void write_sysctl(const char *path, const char *value)
{
  file_autofd int fd = open(path, O_WRONLY | O_CLOEXEC);
  if (fd < 0 || write(fd, value, strlen(value)) < 0)
    g_info("%s: %s", path, g_strerror(errno));
}

/* A machine that forwards takes no more routes from the routers around it, unless it is told to: it goes on. */
static void keep_router_advertisements(void)
{
  g_autoptr(GDir) interfaces = g_dir_open("/proc/sys/net/ipv6/conf", 0, NULL);
  const char *name;
  while (interfaces && (name = g_dir_read_name(interfaces))) {
    g_autofree char *path = g_build_filename("/proc/sys/net/ipv6/conf", name, "accept_ra", NULL), *value = NULL;
    if (g_file_get_contents(path, &value, NULL, NULL) && value[0] == '1')
      write_sysctl(path, "2");
  }
}

static void let_forward(IpFamily family)
{
  if (family == IP_V6) {
    keep_router_advertisements();
    write_sysctl("/proc/sys/net/ipv6/conf/all/forwarding", "1");
    return;
  }
  write_sysctl("/proc/sys/net/ipv4/ip_forward", "1");
  /* pods reach each other through us on purpose: telling them of the short way would only be noise */
  write_sysctl("/proc/sys/net/ipv4/conf/all/send_redirects", "0");
  write_sysctl("/proc/sys/net/ipv4/conf/default/send_redirects", "0");
}

/* The bridge of that name, made where it is absent. */
static bool ensure_bridge(Interface *bridge, const IpRange *first, GError **error)
{
  if (if_nametoindex(bridge->name))
    return find_interface(bridge, error);
  const PodAddresses own = { 1, { { first->family, first->first + 1 } } };
  g_autoptr(Link) link = rtnl_link_alloc();
  rtnl_link_set_type(link, "bridge");
  rtnl_link_set_name(link, bridge->name);
  set_hardware_address(link, &own);
  int code = rtnl_link_add(bridge->sock, link, NLM_F_CREATE | NLM_F_EXCL);
  if (code < 0)
    return netlink_error(error, code, "make the bridge", bridge->name);
  return find_interface(bridge, error);
}

bool network_make_bridge(const char *name, const IpRange *ranges, unsigned n_ranges, GError **error)
{
  g_autoptr(NetlinkSocket) sock = network_socket_open(error);
  Interface bridge = { sock, name, 0 };
  if (!sock || !ensure_bridge(&bridge, &ranges[0], error))
    return false;
  for (unsigned i = 0; i < n_ranges; i++) {
    const IpAddress own = { ranges[i].family, ranges[i].first + 1 };
    if (own.family == IP_V6) {
      g_autofree char *off = g_strdup_printf("/proc/sys/net/ipv6/conf/%s/disable_ipv6", name);
      write_sysctl(off, "0");
    }
    if (!add_address(&bridge, &own, ranges[i].bits, error))
      return false;
    let_forward(own.family);
  }
  return bring_up(&bridge, error);
}

/* One request makes the pair and puts the pod's end into the calling thread's namespace. */
static bool add_pair(NetlinkSocket *host, const NetworkPort *port, GError **error)
{
  file_autofd int here = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
  g_autoptr(Link) pair = rtnl_link_veth_alloc();
  g_autoptr(Link) peer = rtnl_link_veth_get_peer(pair);
  rtnl_link_set_name(peer, "eth0");
  rtnl_link_set_ns_fd(peer, here);
  set_hardware_address(peer, &port->addresses);
  rtnl_link_set_name(pair, port->host_name);
  set_hardware_address(pair, &port->gateways);
  rtnl_link_set_flags(pair, IFF_UP);
  int code = here < 0 ? -NLE_FAILURE : rtnl_link_add(host, pair, NLM_F_CREATE | NLM_F_EXCL);
  return code == 0 || netlink_error(error, code, "make the link", port->host_name);
}

/* The pod's end: its addresses, and the way out. */
static bool set_up_pod(NetlinkSocket *here, const NetworkPort *port, GError **error)
{
  Interface loopback = { here, "lo", 0 }, eth0 = { here, "eth0", 0 };
  if (!find_interface(&loopback, error) || !bring_up(&loopback, error) || !find_interface(&eth0, error))
    return false;
  for (unsigned i = 0; i < port->addresses.count; i++)
    if (!add_address(&eth0, &port->addresses.of[i], ip_family_bits(port->addresses.of[i].family), error))
      return false;
  if (!bring_up(&eth0, error))
    return false;
  for (unsigned i = 0; i < port->gateways.count; i++) {
    const IpAddress *gateway = &port->gateways.of[i], everything = { gateway->family, 0 };
    if (!add_neighbour(&eth0, gateway, &port->gateways, error) ||
        !add_route(&eth0, gateway, ip_family_bits(gateway->family), NULL, NULL, error) ||
        !add_route(&eth0, &everything, 0, gateway, NULL, error))
      return false;
  }
  return true;
}

/* The node's end: the way to the pod. All of it goes with the pair. */
static bool set_up_node(NetlinkSocket *host, const NetworkPort *port, GError **error)
{
  Interface end = { host, port->host_name, 0 };
  if (!find_interface(&end, error))
    return false;
  for (unsigned i = 0; i < port->addresses.count; i++) {
    const IpAddress *address = &port->addresses.of[i];
    if (!add_neighbour(&end, address, &port->addresses, error) ||
        !add_route(&end, address, ip_family_bits(address->family), NULL, &port->gateways.of[i], error))
      return false;
  }
  return true;
}

/* What eth0 is to be like, told before it is there. */
static void prepare_ipv6(const PodAddresses *addresses)
{
  for (unsigned i = 0; i < addresses->count; i++)
    if (addresses->of[i].family == IP_V6) {
      write_sysctl("/proc/sys/net/ipv6/conf/default/disable_ipv6", "0");
      write_sysctl("/proc/sys/net/ipv6/conf/default/accept_dad", "0");
    }
}

bool network_attach(struct nl_sock *host, const NetworkPort *port, GError **error)
{
  g_autoptr(NetlinkSocket) here = network_socket_open(error);
  prepare_ipv6(&port->addresses);
  return here && add_pair(host, port, error) && set_up_pod(here, port, error) && set_up_node(host, port, error);
}
