#include "clusterd/dns/resolver.h"

#include <arpa/inet.h>
#include <string.h>

#include "base/json.h"
#include "clusterd/dns/records.h"
#include "clusterd/dns/resolution.h"

#define SPEC_VERSION "1.1.0"
#define CNAME_DEPTH_MAX 8
#define SERVICE_NAME "kube-dns.kube-system.svc" /* of this server, below the zone */

bool resolution_wants(const Resolution *r, ldns_rr_type type)
{
  return r->type == type;
}

void resolution_add(Resolution *r, ldns_rr *rr)
{
  if (rr && ldns_pkt_ancount(r->answer) < ANSWERS_MAX)
    ldns_pkt_push_rr(r->answer, LDNS_SECTION_ANSWER, rr);
  else
    ldns_rr_free(rr);
}

static void add_target_address(Resolution *r, const char *target, const char *ip)
{
  ldns_rdf *name = ldns_dname_new_frm_str(target);
  ldns_rr *rr = name && ldns_pkt_arcount(r->answer) < ANSWERS_MAX ? record_address(name, r->zone->ttl, ip) : NULL;
  if (rr)
    ldns_pkt_push_rr(r->answer, LDNS_SECTION_ADDITIONAL, rr);
  ldns_rdf_deep_free(name);
}

bool resolution_note(Resolution *r, char *key)
{
  if (!r->noted)
    r->noted = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
  return g_hash_table_add(r->noted, key);
}

void resolution_add_address(Resolution *r, const char *ip)
{
  r->exists = true;
  if (resolution_wants(r, strchr(ip, ':') ? LDNS_RR_TYPE_AAAA : LDNS_RR_TYPE_A) && resolution_note(r, g_strdup(ip)))
    resolution_add(r, record_address(r->owner, r->zone->ttl, ip));
}

void resolution_add_srv(Resolution *r, uint16_t port, const char *target, const char *ip)
{
  if (resolution_note(r, g_strdup_printf("%u %s", port, target)))
    resolution_add(r, record_srv(r->owner, r->zone->ttl, 1, port, target));
  if (resolution_note(r, g_strdup_printf("%s %s", ip, target)))
    add_target_address(r, target, ip);
}

void resolution_even_weights(Resolution *r)
{
  ldns_rr_list *list = ldns_pkt_answer(r->answer);
  size_t n = ldns_rr_list_rr_count(list);
  for (size_t i = 0; i < n; i++) {
    ldns_rdf *weight = ldns_native2rdf_int16(LDNS_RDF_TYPE_INT16, (uint16_t)MAX(100 / n, 1));
    ldns_rdf_deep_free(ldns_rr_set_rdf(ldns_rr_list_rr(list, i), weight, 1));
  }
}

static bool is_headless(const json_t *service)
{
  return g_str_equal(json_str(json_object_get(service, "spec"), "clusterIP", ""), "None");
}

bool srv_matches(const SrvFilter *filter, const json_t *port)
{
  const char *name = json_str(port, "name", "");
  return *name && (!filter->port || (g_ascii_strcasecmp(name, filter->port) == 0 &&
                                     g_ascii_strcasecmp(json_str(port, "protocol", "TCP"), filter->protocol) == 0));
}

/* The addresses of a service: of both families, or none yet. */
static const char *service_address(const json_t *service, size_t i)
{
  const json_t *spec = json_object_get(service, "spec"), *list = json_object_get(spec, "clusterIPs");
  if (json_array_size(list) > 0)
    return json_string_value(json_array_get(list, i));
  const char *ip = json_str(spec, "clusterIP", "");
  return i == 0 && *ip ? ip : NULL;
}

static void add_cluster_srv(Resolution *r, const json_t *service, const SrvFilter *filter)
{
  g_autofree char *target = g_strdup_printf("%s.%s.svc.%s", filter->service, filter->namespace_, r->zone->name);
  const json_t *port;
  const char *ip;
  size_t i;
  json_array_foreach (json_at(service, "spec", "ports", NULL), i, port) {
    if (!srv_matches(filter, port))
      continue;
    r->exists = true;
    for (size_t k = 0; resolution_wants(r, LDNS_RR_TYPE_SRV) && (ip = service_address(service, k)); k++)
      resolution_add_srv(r, (uint16_t)json_int(port, "port", 0), target, ip);
  }
}

static void add_srv(Resolution *r, const json_t *service, const SrvFilter *filter)
{
  if (is_headless(service))
    endpoints_add_srv(r, filter);
  else
    add_cluster_srv(r, service, filter);
  if (resolution_wants(r, LDNS_RR_TYPE_SRV))
    resolution_even_weights(r);
}

static void answer_name(Resolution *r, const uint8_t *name, size_t length);

static void answer_external(Resolution *r, const json_t *service)
{
  const char *target = json_str(json_object_get(service, "spec"), "externalName", "");
  uint8_t name[NAME_WIRE_MAX], zone[NAME_WIRE_MAX];
  size_t length = name_from_text(target, name), zone_length = name_from_text(r->zone->name, zone);
  if (length == 0)
    return;
  r->exists = true;
  resolution_add(r, record_cname(r->owner, r->zone->ttl, target));
  if (r->type == LDNS_RR_TYPE_CNAME || ++r->depth > CNAME_DEPTH_MAX)
    return;
  if (!name_in_zone(name, length, zone, zone_length)) {
    *r->chase = g_strdup(target);
    return;
  }
  ldns_rdf *owner = ldns_rdf_new_frm_data(LDNS_RDF_TYPE_DNAME, length, name);
  const ldns_rdf *asked = r->owner;
  r->owner = owner;
  answer_name(r, name, length);
  r->owner = asked;
  ldns_rdf_deep_free(owner);
  r->exists = true;
}

static void answer_service(Resolution *r, const char *name, const char *namespace_)
{
  g_autoptr(json_t) service = r->facts->service(r->facts->data, namespace_, name);
  const char *ip;
  if (!service)
    return;
  if (g_str_equal(json_str(json_object_get(service, "spec"), "type", ""), "ExternalName")) {
    answer_external(r, service);
    return;
  }
  if (is_headless(service))
    endpoints_add_addresses(r, namespace_, name, NULL);
  else
    for (size_t i = 0; (ip = service_address(service, i)); i++)
      resolution_add_address(r, ip);
  if (r->type == LDNS_RR_TYPE_SRV) {
    SrvFilter any = { .namespace_ = namespace_, .service = name };
    add_srv(r, service, &any);
  }
}

/* Four labels before "svc" at most: [_port, _protocol,] or [endpoint,] in front of the service. */
static void answer_below_service(Resolution *r, char *const *labels, int n)
{
  const char *name = labels[n - 3], *namespace_ = labels[n - 2];
  g_autoptr(json_t) service = r->facts->service(r->facts->data, namespace_, name);
  if (!service || g_str_equal(json_str(json_object_get(service, "spec"), "type", ""), "ExternalName"))
    return;
  if (n == 5 && labels[0][0] == '_' && labels[1][0] == '_') {
    SrvFilter filter = { .port = labels[0] + 1, .protocol = labels[1] + 1, .namespace_ = namespace_, .service = name };
    add_srv(r, service, &filter);
  } else if (n == 4 && labels[0][0] == '_') {
    r->exists = true; /* _tcp and _udp have names below them */
  } else if (n == 4) {
    endpoints_add_addresses(r, namespace_, name, labels[0]);
  }
}

/* "10-244-0-5" or "fd00--5": *IP gets the address. False when it is none. */
static bool read_pod_label(const char *label, char **ip)
{
  struct in6_addr address;
  char text[INET6_ADDRSTRLEN];
  g_autofree char *ip4 = g_strdelimit(g_strdup(label), "-", '.');
  g_autofree char *ip6 = g_strdelimit(g_strdup(label), "-", ':');
  bool is_ip4 = inet_pton(AF_INET, ip4, &address) == 1;
  if (!is_ip4 && inet_pton(AF_INET6, ip6, &address) != 1)
    return false;
  *ip = g_strdup(inet_ntop(is_ip4 ? AF_INET : AF_INET6, &address, text, sizeof text));
  return true;
}

static void answer_pod(Resolution *r, const char *label, const char *namespace_)
{
  g_autofree char *ip = NULL;
  if (!read_pod_label(label, &ip) || !r->facts->namespace_exists(r->facts->data, namespace_))
    return;
  if (r->zone->pods == POD_RECORDS_INSECURE || r->facts->pod_at(r->facts->data, namespace_, ip))
    resolution_add_address(r, ip);
}

static void answer_apex(Resolution *r)
{
  r->exists = true;
  if (resolution_wants(r, LDNS_RR_TYPE_SOA))
    resolution_add(r, record_soa(r->zone->name, r->zone->ttl));
  if (!resolution_wants(r, LDNS_RR_TYPE_NS))
    return;
  g_autofree char *server = g_strdup_printf(SERVICE_NAME ".%s", r->zone->name);
  resolution_add(r, record_ns(r->owner, r->zone->ttl, server));
  if (r->zone->address)
    add_target_address(r, server, r->zone->address);
}

/* The one or two labels before the zone that are no service's or pod's. */
static void answer_special(Resolution *r, char *const *labels, int n)
{
  if (n == 1 && g_str_equal(labels[0], "dns-version")) {
    r->exists = true;
    if (resolution_wants(r, LDNS_RR_TYPE_TXT))
      resolution_add(r, record_txt(r->owner, r->zone->ttl, SPEC_VERSION));
  } else if (n == 1 && g_str_equal(labels[0], "dns")) {
    r->exists = true; /* the name server's is below it */
  } else if (n == 2 && g_str_equal(labels[1], "dns") && g_str_equal(labels[0], "ns") && r->zone->address) {
    resolution_add_address(r, r->zone->address);
  }
}

/* LABELS are the N before the zone. */
static void answer_labels(Resolution *r, char *const *labels, int n)
{
  bool is_svc = n > 0 && g_str_equal(labels[n - 1], "svc"), is_pod = n > 0 && g_str_equal(labels[n - 1], "pod");
  if (n == 0) {
    answer_apex(r);
  } else if (is_pod && r->zone->pods == POD_RECORDS_DISABLED) {
    return;
  } else if (!is_svc && !is_pod) {
    answer_special(r, labels, n);
  } else if (n == 1) {
    r->exists = true;
  } else if (n == 2) {
    r->exists = r->facts->namespace_exists(r->facts->data, labels[0]);
  } else if (is_pod) {
    if (n == 3)
      answer_pod(r, labels[0], labels[1]);
  } else if (n == 3) {
    answer_service(r, labels[0], labels[1]);
  } else if (n <= 5) {
    answer_below_service(r, labels, n);
  }
}

static void answer_name(Resolution *r, const uint8_t *name, size_t length)
{
  g_auto(GStrv) labels = name_labels(name, length);
  g_auto(GStrv) zone = name_split(r->zone->name);
  int before = labels ? name_before_zone(labels, zone) : -1;
  if (before >= 0)
    answer_labels(r, labels, before);
}

static void answer_reverse(Resolution *r, const char *ip)
{
  g_autoptr(GPtrArray) services = r->facts->services_at(r->facts->data, ip);
  for (guint i = 0; i < services->len; i++) {
    const json_t *metadata = json_object_get(services->pdata[i], "metadata");
    g_autofree char *target = g_strdup_printf("%s.%s.svc.%s", json_str(metadata, "name", ""),
                                              json_str(metadata, "namespace", ""), r->zone->name);
    r->exists = true;
    if (resolution_wants(r, LDNS_RR_TYPE_PTR))
      resolution_add(r, record_ptr(r->owner, r->zone->ttl, target));
  }
  if (!r->exists)
    endpoints_add_names(r, ip);
}

ldns_pkt *resolver_begin(const uint8_t *name, size_t length, uint16_t type, uint8_t rcode)
{
  ldns_pkt *answer = ldns_pkt_new();
  ldns_rr *question = ldns_rr_new();
  ldns_rr_set_question(question, true);
  ldns_rr_set_owner(question, ldns_rdf_new_frm_data(LDNS_RDF_TYPE_DNAME, length, name));
  ldns_rr_set_type(question, type);
  ldns_rr_set_class(question, LDNS_RR_CLASS_IN);
  ldns_pkt_push_rr(answer, LDNS_SECTION_QUESTION, question);
  ldns_pkt_set_qr(answer, true);
  ldns_pkt_set_ra(answer, true);
  ldns_pkt_set_rcode(answer, rcode);
  return answer;
}

ldns_pkt *resolver_answer(const DnsFacts *facts, const ClusterZone *zone, const uint8_t *name, size_t length,
                          uint16_t type, char **chase)
{
  uint8_t apex[NAME_WIRE_MAX];
  size_t apex_length = name_from_text(zone->name, apex);
  g_auto(GStrv) labels = name_labels(name, length);
  g_autofree char *ip = labels ? name_reverse_ip(labels) : NULL;
  bool in_zone = name_in_zone(name, length, apex, apex_length);
  *chase = NULL;
  if (!in_zone && !ip)
    return NULL;
  Resolution r = { .facts = facts, .zone = zone, .type = type, .chase = chase };
  r.answer = resolver_begin(name, length, type, LDNS_RCODE_NOERROR);
  r.owner = ldns_rr_owner(ldns_rr_list_rr(ldns_pkt_question(r.answer), 0));
  ldns_pkt_set_aa(r.answer, true);
  if (in_zone)
    answer_name(&r, name, length);
  else
    answer_reverse(&r, ip);
  g_clear_pointer(&r.noted, g_hash_table_unref);
  if (!in_zone && !r.exists) {
    ldns_pkt_free(r.answer);
    return NULL; /* somebody else's address */
  }
  if (!r.exists)
    ldns_pkt_set_rcode(r.answer, LDNS_RCODE_NXDOMAIN);
  if (ldns_pkt_ancount(r.answer) == 0)
    ldns_pkt_push_rr(r.answer, LDNS_SECTION_AUTHORITY, record_soa(zone->name, zone->ttl));
  return r.answer;
}
