#include "clusterd/dns/dns.h"

#include "base/json.h"
#include "base/reason.h"
#include "clusterd/client/recorder.h"
#include "clusterd/dns/address.h"
#include "clusterd/dns/facts.h"
#include "clusterd/dns/plan.h"
#include "clusterd/dns/server.h"

#define DNS_PORT 53

struct Dns {
  Client *client;
  Recorder *recorder;
  char *address, *domain;
  FactSource facts;
  GMutex lock;       /* of server, which informers' threads use */
  DnsServer *server; /* NULL: not started */
};

static void on_config_changed(void *data)
{
  Dns *dns = data;
  g_mutex_lock(&dns->lock);
  if (dns->server)
    dns_server_reload(dns->server);
  g_mutex_unlock(&dns->lock);
}

Dns *dns_new(Client *client, InformerSet *informers, const DnsConfig *config)
{
  Dns *dns = g_new0(Dns, 1);
  dns->client = client;
  dns->address = g_strdup(config->address);
  dns->domain = g_strdup(config->domain);
  g_mutex_init(&dns->lock);
  dns->recorder = recorder_new(client, NULL);
  fact_source_init(&dns->facts, informers, on_config_changed, dns);
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

/* As a new cluster has it; whoever wants it otherwise edits it. */
static bool make_config_map(Dns *dns, GError **error)
{
  g_autoptr(GError) inner = NULL;
  g_auto(GStrv) parts = g_strsplit(plan_default_corefile, "%s", 2);
  g_autofree char *text = g_strconcat(parts[0], dns->domain, parts[1], NULL);
  g_autoptr(json_t) value = json_pack("{s:{s:s, s:s}, s:{s:s}}", "metadata", "name", "coredns", "namespace",
                                      "kube-system", "data", "Corefile", text);
  g_autoptr(Object) made = client_create(dns->client, "v1", "configmaps", "kube-system", value, &inner);
  if (made || reason_is(inner, REASON_ALREADY_EXISTS))
    return true;
  g_propagate_error(error, g_steal_pointer(&inner));
  return false;
}

/* What became of a ConfigMap is told where people look. */
static void report(void *data, const json_t *config_map, const char *message)
{
  const Dns *dns = data;
  if (message)
    recorder_event(dns->recorder, config_map, NULL, "Warning", "InvalidCorefile", "%s", message);
  else
    recorder_event(dns->recorder, config_map, NULL, "Normal", "CorefileLoaded", "The Corefile is in force");
}

static bool start_server(Dns *dns, GError **error)
{
  DnsServerConfig config = { .port = DNS_PORT,
                             .lookup = { .facts = fact_source_facts(&dns->facts),
                                         .domain = dns->domain,
                                         .address = dns->address,
                                         .resolv_conf = "/etc/resolv.conf",
                                         .upstream_port = DNS_PORT,
                                         .report = report,
                                         .report_data = dns } };
  DnsServer *server = dns_server_start(&config, error);
  g_mutex_lock(&dns->lock);
  dns->server = server;
  g_mutex_unlock(&dns->lock);
  if (server)
    dns_server_reload(server); /* in case something changed while it started */
  return server != NULL;
}

bool dns_start(Dns *dns, GError **error)
{
  return address_add_loopback(dns->address, error) && start_server(dns, error) && make_service(dns, error) &&
         make_config_map(dns, error);
}

void dns_free(Dns *dns)
{
  if (!dns)
    return;
  g_mutex_lock(&dns->lock);
  DnsServer *server = g_steal_pointer(&dns->server);
  g_mutex_unlock(&dns->lock);
  dns_server_free(server);
  recorder_free(dns->recorder);
  g_mutex_clear(&dns->lock);
  g_free(dns->address);
  g_free(dns->domain);
  g_free(dns);
}
