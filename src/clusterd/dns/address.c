#include "clusterd/dns/address.h"

#include <net/if.h>
#include <netlink/netlink.h>
#include <netlink/route/addr.h>
#include <sys/socket.h>

#include "base/reason.h"

bool address_add_loopback(const char *address, GError **error)
{
  struct nl_sock *socket = nl_socket_alloc();
  struct nl_addr *local = NULL;
  struct rtnl_addr *entry = rtnl_addr_alloc();
  int result = nl_connect(socket, NETLINK_ROUTE);
  if (result == 0)
    result = nl_addr_parse(address, AF_INET, &local);
  if (result == 0) {
    rtnl_addr_set_ifindex(entry, (int)if_nametoindex("lo"));
    rtnl_addr_set_local(entry, local);
    rtnl_addr_set_prefixlen(entry, 32);
    result = rtnl_addr_add(socket, entry, 0);
  }
  nl_addr_put(local);
  rtnl_addr_put(entry);
  nl_socket_free(socket);
  if (result == 0 || result == -NLE_EXIST)
    return true;
  return reason_set(error, REASON_LOCAL_NETWORK, "address %s on lo: %s", address, nl_geterror(result));
}
