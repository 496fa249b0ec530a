#include "clusterd/proxy/conntrack.h"

#include <arpa/inet.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <netinet/in.h>
#include <netlink/attr.h>
#include <netlink/msg.h>
#include <netlink/netlink.h>

#include "base/reason.h"
#include "clusterd/proxy/service_port.h"

static bool is_address(const char *text, uint32_t address)
{
  struct in_addr parsed;
  return inet_pton(AF_INET, text, &parsed) == 1 && parsed.s_addr == address;
}

static bool has_address(const GPtrArray *addresses, uint32_t address)
{
  for (guint i = 0; i < addresses->len; i++)
    if (is_address(addresses->pdata[i], address))
      return true;
  return false;
}

static bool is_reached_by(const ServicePort *port, const TrackedFlow *flow)
{
  if (port->node_port != 0 && port->node_port == flow->destination_port)
    return true;
  return port->port == flow->destination_port &&
         (has_address(port->cluster_ips, flow->destination) || has_address(port->external_ips, flow->destination) ||
          has_address(port->load_balancer_ips, flow->destination));
}

static bool is_served_by(const ServicePort *port, const TrackedFlow *flow)
{
  for (guint i = 0; i < port->endpoints->len; i++) {
    const Endpoint *endpoint = port->endpoints->pdata[i];
    if (endpoint->port == flow->replier_port && is_address(endpoint->ip, flow->replier))
      return true;
  }
  return false;
}

bool conntrack_is_stale(const GPtrArray *ports, const TrackedFlow *flow)
{
  for (guint i = 0; i < ports->len; i++) {
    const ServicePort *port = ports->pdata[i];
    if (g_str_equal(port->protocol, "udp") && is_reached_by(port, flow))
      return !is_served_by(port, flow);
  }
  return false;
}

/* The stale ones of a dump, to be deleted after it: a socket does one thing at a time. */
typedef struct Sweep {
  const GPtrArray *ports;
  GPtrArray *tuples; /* struct nl_msg* ready to send */
} Sweep;

/* One direction of a connection; false when it is not UDP over IPv4. */
static bool read_tuple(struct nlattr *attribute, uint32_t *source, uint32_t *destination, uint16_t *source_port,
                       uint16_t *destination_port)
{
  struct nlattr *parts[CTA_TUPLE_MAX + 1], *ip[CTA_IP_MAX + 1], *proto[CTA_PROTO_MAX + 1];
  if (!attribute || nla_parse_nested(parts, CTA_TUPLE_MAX, attribute, NULL) != 0 || !parts[CTA_TUPLE_IP] ||
      !parts[CTA_TUPLE_PROTO] || nla_parse_nested(ip, CTA_IP_MAX, parts[CTA_TUPLE_IP], NULL) != 0 ||
      nla_parse_nested(proto, CTA_PROTO_MAX, parts[CTA_TUPLE_PROTO], NULL) != 0)
    return false;
  if (!ip[CTA_IP_V4_SRC] || !ip[CTA_IP_V4_DST] || !proto[CTA_PROTO_NUM] ||
      nla_get_u8(proto[CTA_PROTO_NUM]) != IPPROTO_UDP || !proto[CTA_PROTO_SRC_PORT] || !proto[CTA_PROTO_DST_PORT])
    return false;
  *source = nla_get_u32(ip[CTA_IP_V4_SRC]);
  *destination = nla_get_u32(ip[CTA_IP_V4_DST]);
  *source_port = ntohs(nla_get_u16(proto[CTA_PROTO_SRC_PORT]));
  *destination_port = ntohs(nla_get_u16(proto[CTA_PROTO_DST_PORT]));
  return true;
}

static struct nl_msg *message(int type, int flags)
{
  struct nfgenmsg head = { .nfgen_family = AF_INET, .version = NFNETLINK_V0 };
  struct nl_msg *msg = nlmsg_alloc_simple(NFNL_SUBSYS_CTNETLINK << 8 | type, flags);
  nlmsg_append(msg, &head, sizeof head, NLMSG_ALIGNTO);
  return msg;
}

static int on_connection(struct nl_msg *msg, void *data)
{
  Sweep *sweep = data;
  struct nlattr *attributes[CTA_MAX + 1];
  TrackedFlow flow;
  uint32_t client, back;
  uint16_t client_port, back_port;
  if (nlmsg_parse(nlmsg_hdr(msg), sizeof(struct nfgenmsg), attributes, CTA_MAX, NULL) != 0 ||
      !read_tuple(attributes[CTA_TUPLE_ORIG], &client, &flow.destination, &client_port, &flow.destination_port) ||
      !read_tuple(attributes[CTA_TUPLE_REPLY], &flow.replier, &back, &flow.replier_port, &back_port) ||
      !conntrack_is_stale(sweep->ports, &flow))
    return NL_OK;
  struct nl_msg *removal = message(IPCTNL_MSG_CT_DELETE, NLM_F_REQUEST | NLM_F_ACK);
  const struct nlattr *tuple = attributes[CTA_TUPLE_ORIG];
  nla_put(removal, CTA_TUPLE_ORIG | NLA_F_NESTED, nla_len(tuple), nla_data(tuple));
  g_ptr_array_add(sweep->tuples, removal);
  return NL_OK;
}

static bool any_udp(const GPtrArray *ports)
{
  for (guint i = 0; i < ports->len; i++)
    if (g_str_equal(((const ServicePort *)ports->pdata[i])->protocol, "udp"))
      return true;
  return false;
}

static int sweep_with(struct nl_sock *socket, Sweep *sweep)
{
  struct nl_msg *dump = message(IPCTNL_MSG_CT_GET, NLM_F_REQUEST | NLM_F_DUMP);
  int result = nl_connect(socket, NETLINK_NETFILTER);
  nl_socket_modify_cb(socket, NL_CB_VALID, NL_CB_CUSTOM, on_connection, sweep);
  if (result == 0)
    result = nl_send_auto(socket, dump);
  nlmsg_free(dump);
  if (result >= 0)
    result = nl_recvmsgs_default(socket);
  for (guint i = 0; result >= 0 && i < sweep->tuples->len; i++) {
    result = nl_send_auto(socket, sweep->tuples->pdata[i]);
    if (result >= 0)
      nl_wait_for_ack(socket); /* that it ended meanwhile is just as well */
  }
  return result;
}

bool conntrack_delete_stale(const GPtrArray *ports, GError **error)
{
  Sweep sweep = { .ports = ports };
  if (!any_udp(ports))
    return true;
  struct nl_sock *socket = nl_socket_alloc();
  sweep.tuples = g_ptr_array_new_with_free_func((GDestroyNotify)nlmsg_free);
  int result = sweep_with(socket, &sweep);
  if (result >= 0 && sweep.tuples->len > 0)
    g_info("%u UDP connections to endpoints that are no more were forgotten", sweep.tuples->len);
  g_ptr_array_unref(sweep.tuples);
  nl_socket_free(socket);
  return result >= 0 || reason_set(error, REASON_LOCAL_NETWORK, "conntrack: %s", nl_geterror(result));
}
