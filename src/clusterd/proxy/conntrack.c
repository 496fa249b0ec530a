#include "clusterd/proxy/conntrack.h"

#include <arpa/inet.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <netinet/in.h>
#include <netlink/attr.h>
#include <netlink/msg.h>
#include <netlink/netlink.h>

#include "base/reason.h"
#include "clusterd/proxy/host_port.h"
#include "clusterd/proxy/service_port.h"

#define KEY_MAX (IP_TEXT_MAX + 8) /* bytes of "fd00::1 65535" */

/* "ADDRESS PORT" → set of "ADDRESS PORT" of who may answer; a port of all of the node's addresses has no address but
 * its family's number. */
struct UdpTargets {
  GHashTable *answers;
};

static char *write_key(char key[KEY_MAX], const char *ip, uint16_t port)
{
  g_snprintf(key, KEY_MAX, "%s %u", ip, port);
  return key;
}

static char *write_port_key(char key[KEY_MAX], IpFamily family, uint16_t port)
{
  g_snprintf(key, KEY_MAX, "%d %u", family, port);
  return key;
}

/* The set of KEY, new the first time. What stands first counts: services are asked before host ports. */
static void add_target(UdpTargets *targets, const char *key, GHashTable *answers)
{
  if (!g_hash_table_contains(targets->answers, key))
    g_hash_table_insert(targets->answers, g_strdup(key), g_hash_table_ref(answers));
}

static void add_service(UdpTargets *targets, const ServicePort *port, IpFamily family)
{
  const GPtrArray *const lists[] = { port->cluster_ips, port->external_ips, port->load_balancer_ips };
  g_autoptr(GHashTable) answers = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
  char key[KEY_MAX];
  for (guint i = 0; i < port->endpoints->len; i++) {
    const Endpoint *endpoint = port->endpoints->pdata[i];
    g_hash_table_add(answers, g_strdup(write_key(key, endpoint->ip, endpoint->port)));
  }
  for (gsize k = 0; k < G_N_ELEMENTS(lists); k++)
    for (guint i = 0; i < lists[k]->len; i++) {
      IpAddress address;
      char text[IP_TEXT_MAX];
      if (ip_address_parse(lists[k]->pdata[i], &address))
        add_target(targets, write_key(key, ip_address_write(&address, text), port->port), answers);
    }
  if (port->node_port != 0)
    add_target(targets, write_port_key(key, family, port->node_port), answers);
}

static void add_host_port(UdpTargets *targets, const HostPort *port, IpFamily family)
{
  g_autoptr(GHashTable) answers = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
  char key[KEY_MAX];
  g_hash_table_add(answers, g_strdup(write_key(key, port->pod_ip, port->pod_port)));
  if (port->host_ip)
    add_target(targets, write_key(key, port->host_ip, port->port), answers);
  else
    add_target(targets, write_port_key(key, family, port->port), answers);
}

UdpTargets *udp_targets_new(const Ruleset *ruleset)
{
  g_autoptr(UdpTargets) targets = g_new(UdpTargets, 1);
  targets->answers = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, (GDestroyNotify)g_hash_table_unref);
  for (IpFamily family = 0; family < IP_FAMILIES; family++) {
    const FamilyRules *rules = &ruleset->of[family];
    for (guint i = 0; rules->ports && i < rules->ports->len; i++) {
      const ServicePort *port = rules->ports->pdata[i];
      if (g_str_equal(port->protocol, "udp"))
        add_service(targets, port, family);
    }
    for (guint i = 0; rules->host_ports && i < rules->host_ports->len; i++) {
      const HostPort *port = rules->host_ports->pdata[i];
      if (g_str_equal(port->protocol, "udp"))
        add_host_port(targets, port, family);
    }
  }
  return g_hash_table_size(targets->answers) > 0 ? g_steal_pointer(&targets) : NULL;
}

void udp_targets_free(UdpTargets *targets)
{
  if (!targets)
    return;
  g_hash_table_unref(targets->answers);
  g_free(targets);
}

bool udp_targets_are_stale(const UdpTargets *targets, const TrackedFlow *flow)
{
  char key[KEY_MAX], text[IP_TEXT_MAX];
  GHashTable *answers = g_hash_table_lookup(
      targets->answers, write_key(key, ip_address_write(&flow->destination, text), flow->destination_port));
  if (!answers)
    answers =
        g_hash_table_lookup(targets->answers, write_port_key(key, flow->destination.family, flow->destination_port));
  return answers &&
         !g_hash_table_contains(answers, write_key(key, ip_address_write(&flow->replier, text), flow->replier_port));
}

/* The stale ones of a dump, to be deleted after it: a socket does one thing at a time. */
typedef struct Sweep {
  const UdpTargets *targets;
  GPtrArray *tuples; /* struct nl_msg* ready to send */
} Sweep;

static bool read_address(struct nlattr *attribute, IpFamily family, IpAddress *address)
{
  unsigned length = ip_family_bits(family) / 8;
  if (!attribute || nla_len(attribute) != (int)length)
    return false;
  const uint8_t *bytes = nla_data(attribute);
  *address = (IpAddress){ .family = family };
  for (unsigned i = 0; i < length; i++)
    address->number = address->number << 8 | bytes[i];
  return true;
}

/* One direction of a connection; false when it is not UDP. */
static bool read_tuple(struct nlattr *attribute, IpAddress *source, IpAddress *destination, uint16_t *source_port,
                       uint16_t *destination_port)
{
  struct nlattr *parts[CTA_TUPLE_MAX + 1], *ip[CTA_IP_MAX + 1], *proto[CTA_PROTO_MAX + 1];
  if (!attribute || nla_parse_nested(parts, CTA_TUPLE_MAX, attribute, NULL) != 0 || !parts[CTA_TUPLE_IP] ||
      !parts[CTA_TUPLE_PROTO] || nla_parse_nested(ip, CTA_IP_MAX, parts[CTA_TUPLE_IP], NULL) != 0 ||
      nla_parse_nested(proto, CTA_PROTO_MAX, parts[CTA_TUPLE_PROTO], NULL) != 0)
    return false;
  if (!proto[CTA_PROTO_NUM] || nla_get_u8(proto[CTA_PROTO_NUM]) != IPPROTO_UDP || !proto[CTA_PROTO_SRC_PORT] ||
      !proto[CTA_PROTO_DST_PORT])
    return false;
  bool v4 = read_address(ip[CTA_IP_V4_SRC], IP_V4, source) && read_address(ip[CTA_IP_V4_DST], IP_V4, destination);
  if (!v4 && !(read_address(ip[CTA_IP_V6_SRC], IP_V6, source) && read_address(ip[CTA_IP_V6_DST], IP_V6, destination)))
    return false;
  *source_port = ntohs(nla_get_u16(proto[CTA_PROTO_SRC_PORT]));
  *destination_port = ntohs(nla_get_u16(proto[CTA_PROTO_DST_PORT]));
  return true;
}

/* FAMILY AF_UNSPEC asks for all. */
static struct nl_msg *message(int type, int flags, int family)
{
  struct nfgenmsg head = { .nfgen_family = (uint8_t)family, .version = NFNETLINK_V0 };
  struct nl_msg *msg = nlmsg_alloc_simple(NFNL_SUBSYS_CTNETLINK << 8 | type, flags);
  nlmsg_append(msg, &head, sizeof head, NLMSG_ALIGNTO);
  return msg;
}

static int on_connection(struct nl_msg *msg, void *data)
{
  Sweep *sweep = data;
  struct nlattr *attributes[CTA_MAX + 1];
  TrackedFlow flow;
  IpAddress client, back;
  uint16_t client_port, back_port;
  if (nlmsg_parse(nlmsg_hdr(msg), sizeof(struct nfgenmsg), attributes, CTA_MAX, NULL) != 0 ||
      !read_tuple(attributes[CTA_TUPLE_ORIG], &client, &flow.destination, &client_port, &flow.destination_port) ||
      !read_tuple(attributes[CTA_TUPLE_REPLY], &flow.replier, &back, &flow.replier_port, &back_port) ||
      !udp_targets_are_stale(sweep->targets, &flow))
    return NL_OK;
  struct nl_msg *removal =
      message(IPCTNL_MSG_CT_DELETE, NLM_F_REQUEST | NLM_F_ACK, ip_family_socket(flow.destination.family));
  const struct nlattr *tuple = attributes[CTA_TUPLE_ORIG];
  nla_put(removal, CTA_TUPLE_ORIG | NLA_F_NESTED, nla_len(tuple), nla_data(tuple));
  g_ptr_array_add(sweep->tuples, removal);
  return NL_OK;
}

static int sweep_with(struct nl_sock *socket, Sweep *sweep)
{
  struct nl_msg *dump = message(IPCTNL_MSG_CT_GET, NLM_F_REQUEST | NLM_F_DUMP, AF_UNSPEC);
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

bool conntrack_delete_stale(const Ruleset *ruleset, GError **error)
{
  g_autoptr(UdpTargets) targets = udp_targets_new(ruleset);
  Sweep sweep = { .targets = targets };
  if (!targets)
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
