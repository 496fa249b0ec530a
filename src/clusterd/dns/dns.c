#include "clusterd/dns/dns.h"

#include "base/json.h"
#include "base/reason.h"
#include "clusterd/dns/address.h"
#include "clusterd/dns/facts.h"
#include "clusterd/dns/server.h"

#define DNS_PORT 53

struct Dns {
  Client *client;
  char *address, *domain;
  FactSource facts;
  DnsServer *server;
};

Dns *dns_new(Client *client, InformerSet *informers, const DnsConfig *config)
{
  Dns *dns = g_new0(Dns, 1);
  dns->client = client;
  dns->address = g_strdup(config->address);
  dns->domain = g_strdup(config->domain);
  fact_source_init(&dns->facts, informers);
  return dns;
}

/* As upstream's kube-dns Service looks, by which people and programs find DNS. */
static json_t *service_value(const Dns *dns)
{
  return json_pack("{s:{s:s, s:s, s:{s:s, s:s, s:s}}, s:{s:s, s:[s], s:{s:s}, s:[{s:s, s:i, s:s, s:i}, {s:s, s:i, s:s, "
                   "s:i}]}}",
                   "metadata", "name", "kube-dns", "namespace", "kube-system", "labels", "k8s-app", "kube-dns",
                   "kubernetes.io/cluster-service", "true", "kubernetes.io/name", "CoreDNS", "spec", "clusterIP",
                   dns->address, "clusterIPs", dns->address, "selector", "k8s-app", "kube-dns", "ports", "name", "dns",
                   "port", DNS_PORT, "protocol", "UDP", "targetPort", DNS_PORT, "name", "dns-tcp", "port", DNS_PORT,
                   "protocol", "TCP", "targetPort", DNS_PORT);
}

static bool make_service(Dns *dns, GError **error)
{
  g_autoptr(json_t) value = service_value(dns);
  g_autoptr(GError) inner = NULL;
  g_autoptr(Object) made = client_create(dns->client, "v1", "services", "kube-system", value, &inner);
  if (made || reason_is(inner, REASON_ALREADY_EXISTS))
    return true;
  /* A Service of this address that exists already is refused as an allocated address, not as a name. */
  g_autoptr(Object) there = client_get(dns->client, "v1", "services", "kube-system", "kube-dns", NULL);
  if (there)
    return true;
  g_propagate_error(error, g_steal_pointer(&inner));
  return false;
}

bool dns_start(Dns *dns, GError **error)
{
  DnsServerConfig config = { .address = dns->address,
                             .port = DNS_PORT,
                             .zone = dns->domain,
                             .facts = fact_source_facts(&dns->facts),
                             .resolv_conf = "/etc/resolv.conf",
                             .upstream_port = DNS_PORT };
  if (!address_add_loopback(dns->address, error))
    return false;
  dns->server = dns_server_start(&config, error);
  return dns->server && make_service(dns, error);
}

void dns_free(Dns *dns)
{
  if (!dns)
    return;
  dns_server_free(dns->server);
  g_free(dns->address);
  g_free(dns->domain);
  g_free(dns);
}
