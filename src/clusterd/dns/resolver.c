#include "clusterd/dns/resolver.h"

#include <arpa/inet.h>
#include <ldns/ldns.h>
#include <string.h>

#include "base/json.h"
#include "clusterd/dns/name.h"
#include "clusterd/dns/records.h"

#define SPEC_VERSION "1.1.0"
#define UDP_LIMIT_PLAIN 512
#define UDP_LIMIT_MAX 1232 /* what passes any path unfragmented; DNS flag day 2020 */
#define CNAME_DEPTH_MAX 8
#define ANSWERS_MAX 1000 /* endpoints of one name */

/* One question on its way to an answer. */
typedef struct Question {
  const DnsFacts *facts;
  const char *zone;
  ldns_rr_type type;
  const ldns_rdf *owner; /* what the records are called: the name as it was asked */
  ldns_pkt *answer;
  bool exists; /* the name has records of some type, or names below it */
  unsigned depth;
  char **chase;
} Question;

static bool wants(const Question *q, ldns_rr_type type)
{
  return q->type == type || q->type == LDNS_RR_TYPE_ANY;
}

static void add(Question *q, ldns_rr *rr)
{
  if (ldns_pkt_ancount(q->answer) < ANSWERS_MAX)
    ldns_pkt_push_rr(q->answer, LDNS_SECTION_ANSWER, rr);
  else
    ldns_rr_free(rr);
}

static bool is_ready(const json_t *endpoint)
{
  return json_flag(json_object_get(endpoint, "conditions"), "ready", true);
}

static const char *endpoint_ip(const json_t *endpoint)
{
  struct in_addr address;
  const char *ip = json_string_value(json_array_get(json_object_get(endpoint, "addresses"), 0));
  return ip && inet_pton(AF_INET, ip, &address) == 1 ? ip : NULL;
}

/* An endpoint's own label: its hostname, else its address with dashes. */
static char *endpoint_label(const json_t *endpoint)
{
  const char *hostname = json_str(endpoint, "hostname", "");
  return *hostname ? g_ascii_strdown(hostname, -1) : g_strdelimit(g_strdup(endpoint_ip(endpoint)), ".", '-');
}

static bool is_headless(const json_t *service)
{
  return g_str_equal(json_str(json_object_get(service, "spec"), "clusterIP", ""), "None");
}

typedef void (*EndpointVisit)(Question *q, const json_t *slice, const json_t *endpoint, void *data);

static void each_ready_endpoint(Question *q, const char *namespace_, const char *service, EndpointVisit visit,
                                void *data)
{
  g_autoptr(GPtrArray) slices = q->facts->slices(q->facts->data, namespace_, service);
  for (guint i = 0; i < slices->len; i++) {
    const json_t *endpoint;
    size_t k;
    json_array_foreach (json_object_get(slices->pdata[i], "endpoints"), k, endpoint)
      if (is_ready(endpoint) && endpoint_ip(endpoint))
        visit(q, slices->pdata[i], endpoint, data);
  }
}

static void add_endpoint_address(Question *q, const json_t *slice, const json_t *endpoint, void *data)
{
  const char *label = data; /* NULL: every endpoint */
  g_autofree char *own = endpoint_label(endpoint);
  if (label && !g_str_equal(own, label))
    return;
  q->exists = true;
  if (wants(q, LDNS_RR_TYPE_A))
    add(q, record_a(q->owner, endpoint_ip(endpoint)));
}

/* What an SRV question asks for; NULL members: any port. */
typedef struct SrvFilter {
  const char *port, *protocol;
  const char *namespace_, *service;
} SrvFilter;

static bool srv_matches(const SrvFilter *filter, const json_t *port)
{
  const char *name = json_str(port, "name", "");
  return *name && (!filter->port || (g_str_equal(name, filter->port) &&
                                     g_ascii_strcasecmp(json_str(port, "protocol", "TCP"), filter->protocol) == 0));
}

static void add_endpoint_srv(Question *q, const json_t *slice, const json_t *endpoint, void *data)
{
  const SrvFilter *filter = data;
  const json_t *port;
  size_t i;
  json_array_foreach (json_object_get(slice, "ports"), i, port) {
    if (!srv_matches(filter, port))
      continue;
    q->exists = true;
    if (!wants(q, LDNS_RR_TYPE_SRV))
      continue;
    g_autofree char *label = endpoint_label(endpoint);
    g_autofree char *target = g_strdup_printf("%s.%s.%s.svc.%s", label, filter->service, filter->namespace_, q->zone);
    add(q, record_srv(q->owner, 100, (uint16_t)json_int(port, "port", 0), target));
    ldns_rdf *name = ldns_dname_new_frm_str(target);
    if (name && ldns_pkt_arcount(q->answer) < ANSWERS_MAX)
      ldns_pkt_push_rr(q->answer, LDNS_SECTION_ADDITIONAL, record_a(name, endpoint_ip(endpoint)));
    ldns_rdf_deep_free(name);
  }
}

static void answer_cluster_srv(Question *q, const json_t *service, const SrvFilter *filter)
{
  g_autofree char *target = g_strdup_printf("%s.%s.svc.%s", filter->service, filter->namespace_, q->zone);
  const char *ip = json_str(json_object_get(service, "spec"), "clusterIP", NULL);
  const json_t *port;
  size_t i;
  json_array_foreach (json_at(service, "spec", "ports", NULL), i, port) {
    if (!srv_matches(filter, port))
      continue;
    q->exists = true;
    if (!wants(q, LDNS_RR_TYPE_SRV))
      continue;
    add(q, record_srv(q->owner, 100, (uint16_t)json_int(port, "port", 0), target));
    ldns_rdf *name = ldns_dname_new_frm_str(target);
    if (name && ldns_pkt_arcount(q->answer) == 0)
      ldns_pkt_push_rr(q->answer, LDNS_SECTION_ADDITIONAL, record_a(name, ip));
    ldns_rdf_deep_free(name);
  }
}

static void answer_srv(Question *q, const json_t *service, SrvFilter *filter)
{
  if (is_headless(service))
    each_ready_endpoint(q, filter->namespace_, filter->service, add_endpoint_srv, filter);
  else
    answer_cluster_srv(q, service, filter);
}

static void answer_name(Question *q, const ldns_rdf *name);

static void answer_external(Question *q, const json_t *service)
{
  const char *target = json_str(json_object_get(service, "spec"), "externalName", "");
  q->exists = true;
  add(q, record_cname(q->owner, target));
  if (q->type == LDNS_RR_TYPE_CNAME || ++q->depth > CNAME_DEPTH_MAX)
    return;
  g_auto(GStrv) labels = name_split(target);
  g_auto(GStrv) zone = name_split(q->zone);
  if (name_before_zone(labels, zone) < 0) {
    *q->chase = g_strdup(target);
    return;
  }
  ldns_rdf *name = ldns_dname_new_frm_str(target);
  if (name) {
    const ldns_rdf *asked = q->owner;
    q->owner = name;
    answer_name(q, name);
    q->owner = asked;
  }
  ldns_rdf_deep_free(name);
  q->exists = true;
}

static void answer_service(Question *q, const char *name, const char *namespace_)
{
  g_autoptr(json_t) service = q->facts->service(q->facts->data, namespace_, name);
  if (!service)
    return;
  const json_t *spec = json_object_get(service, "spec");
  if (g_str_equal(json_str(spec, "type", ""), "ExternalName")) {
    answer_external(q, service);
    return;
  }
  const char *ip = json_str(spec, "clusterIP", "");
  if (is_headless(service)) {
    each_ready_endpoint(q, namespace_, name, add_endpoint_address, NULL);
  } else if (*ip) { /* else no address has been given to it yet */
    q->exists = true;
    if (wants(q, LDNS_RR_TYPE_A))
      add(q, record_a(q->owner, ip));
  }
  if (q->type == LDNS_RR_TYPE_SRV) {
    SrvFilter any = { .namespace_ = namespace_, .service = name };
    answer_srv(q, service, &any);
  }
}

/* Four labels before "svc" at most: [_port, _protocol,] or [endpoint,] in front of the service. */
static void answer_below_service(Question *q, char *const *labels, int n)
{
  const char *name = labels[n - 3], *namespace_ = labels[n - 2];
  g_autoptr(json_t) service = q->facts->service(q->facts->data, namespace_, name);
  if (!service)
    return;
  if (n == 5 && labels[0][0] == '_' && labels[1][0] == '_') {
    SrvFilter filter = { .port = labels[0] + 1, .protocol = labels[1] + 1, .namespace_ = namespace_, .service = name };
    answer_srv(q, service, &filter);
  } else if (n == 4 && labels[0][0] == '_') {
    q->exists = true; /* _tcp and _udp have names below them */
  } else if (n == 4) {
    each_ready_endpoint(q, namespace_, name, add_endpoint_address, labels[0]);
  }
}

/* "10-244-0-5.ns.pod": any address in a namespace that exists. */
static void answer_pod(Question *q, const char *label, const char *namespace_)
{
  struct in_addr address;
  g_autofree char *ip = g_strdelimit(g_strdup(label), "-", '.');
  if (inet_pton(AF_INET, ip, &address) != 1 || !q->facts->namespace_exists(q->facts->data, namespace_))
    return;
  q->exists = true;
  if (wants(q, LDNS_RR_TYPE_A))
    add(q, record_a(q->owner, ip));
}

static void answer_apex(Question *q)
{
  q->exists = true;
  g_autofree char *server = g_strdup_printf("ns.dns.%s", q->zone);
  if (wants(q, LDNS_RR_TYPE_SOA))
    add(q, record_soa(q->zone));
  if (wants(q, LDNS_RR_TYPE_NS))
    add(q, record_ns(q->owner, server));
}

/* LABELS are the N before the zone. */
static void answer_labels(Question *q, char *const *labels, int n)
{
  bool is_svc = n > 0 && g_str_equal(labels[n - 1], "svc"), is_pod = n > 0 && g_str_equal(labels[n - 1], "pod");
  if (n == 0) {
    answer_apex(q);
  } else if (n == 1 && g_str_equal(labels[0], "dns-version")) {
    q->exists = true;
    if (wants(q, LDNS_RR_TYPE_TXT))
      add(q, record_txt(q->owner, SPEC_VERSION));
  } else if (!is_svc && !is_pod) {
    return;
  } else if (n == 1) {
    q->exists = true;
  } else if (n == 2) {
    q->exists = q->facts->namespace_exists(q->facts->data, labels[0]);
  } else if (is_pod) {
    if (n == 3)
      answer_pod(q, labels[0], labels[1]);
  } else if (n == 3) {
    answer_service(q, labels[0], labels[1]);
  } else if (n <= 5) {
    answer_below_service(q, labels, n);
  }
}

static void answer_name(Question *q, const ldns_rdf *name)
{
  g_auto(GStrv) labels = name_labels(name);
  g_auto(GStrv) zone = name_split(q->zone);
  int before = labels ? name_before_zone(labels, zone) : -1;
  if (before >= 0)
    answer_labels(q, labels, before);
}

static void add_reverse_endpoints(Question *q, const json_t *slice, const char *ip)
{
  const json_t *metadata = json_object_get(slice, "metadata"), *endpoint;
  const char *namespace_ = json_str(metadata, "namespace", "");
  const char *name = json_str(json_object_get(metadata, "labels"), "kubernetes.io/service-name", "");
  g_autoptr(json_t) service = q->facts->service(q->facts->data, namespace_, name);
  size_t i;
  if (!service || !is_headless(service))
    return;
  json_array_foreach (json_object_get(slice, "endpoints"), i, endpoint) {
    if (!is_ready(endpoint) || g_strcmp0(endpoint_ip(endpoint), ip) != 0)
      continue;
    g_autofree char *label = endpoint_label(endpoint);
    g_autofree char *target = g_strdup_printf("%s.%s.%s.svc.%s", label, name, namespace_, q->zone);
    q->exists = true;
    if (wants(q, LDNS_RR_TYPE_PTR))
      add(q, record_ptr(q->owner, target));
  }
}

static void answer_reverse(Question *q, const char *ip)
{
  g_autoptr(GPtrArray) services = q->facts->services_at(q->facts->data, ip);
  for (guint i = 0; i < services->len; i++) {
    const json_t *metadata = json_object_get(services->pdata[i], "metadata");
    g_autofree char *target =
        g_strdup_printf("%s.%s.svc.%s", json_str(metadata, "name", ""), json_str(metadata, "namespace", ""), q->zone);
    q->exists = true;
    if (wants(q, LDNS_RR_TYPE_PTR))
      add(q, record_ptr(q->owner, target));
  }
  if (q->exists)
    return;
  g_autoptr(GPtrArray) slices = q->facts->slices_at(q->facts->data, ip);
  for (guint i = 0; i < slices->len; i++)
    add_reverse_endpoints(q, slices->pdata[i], ip);
}

ldns_pkt *resolver_refuse(const ldns_pkt *query, uint8_t rcode)
{
  ldns_pkt *answer = ldns_pkt_new();
  ldns_pkt_set_id(answer, ldns_pkt_id(query));
  ldns_pkt_set_qr(answer, true);
  ldns_pkt_set_opcode(answer, ldns_pkt_get_opcode(query));
  ldns_pkt_set_rd(answer, ldns_pkt_rd(query));
  ldns_pkt_set_ra(answer, true);
  ldns_pkt_set_rcode(answer, rcode);
  if (ldns_pkt_qdcount(query) == 1)
    ldns_pkt_push_rr(answer, LDNS_SECTION_QUESTION, ldns_rr_clone(ldns_rr_list_rr(ldns_pkt_question(query), 0)));
  if (ldns_pkt_edns(query))
    ldns_pkt_set_edns_udp_size(answer, UDP_LIMIT_MAX);
  return answer;
}

/* Clients take the first address: which one that is should change. */
static void shuffle(ldns_rr_list *list)
{
  size_t n = list ? ldns_rr_list_rr_count(list) : 0;
  for (size_t i = n; i > 1; i--) {
    size_t k = g_random_int() % i;
    if (ldns_rr_get_type(ldns_rr_list_rr(list, i - 1)) != LDNS_RR_TYPE_A ||
        ldns_rr_get_type(ldns_rr_list_rr(list, k)) != LDNS_RR_TYPE_A)
      continue;
    ldns_rr *other = ldns_rr_list_set_rr(list, ldns_rr_list_rr(list, k), i - 1);
    ldns_rr_list_set_rr(list, other, k);
  }
}

ldns_pkt *resolver_answer(const DnsFacts *facts, const char *zone, const ldns_pkt *query, char **chase)
{
  const ldns_rr *question = ldns_rr_list_rr(ldns_pkt_question(query), 0);
  Question q = {
    .facts = facts, .zone = zone, .type = ldns_rr_get_type(question), .owner = ldns_rr_owner(question), .chase = chase
  };
  g_auto(GStrv) labels = name_labels(q.owner);
  g_auto(GStrv) zone_labels = name_split(zone);
  *chase = NULL;
  if (!labels || ldns_rr_get_class(question) != LDNS_RR_CLASS_IN)
    return NULL;
  g_autofree char *ip = name_reverse_ip(labels);
  bool in_zone = name_before_zone(labels, zone_labels) >= 0;
  if (!in_zone && !ip)
    return NULL;
  q.answer = resolver_refuse(query, LDNS_RCODE_NOERROR);
  ldns_pkt_set_aa(q.answer, true);
  if (in_zone)
    answer_name(&q, q.owner);
  else
    answer_reverse(&q, ip);
  if (!in_zone && !q.exists) {
    ldns_pkt_free(q.answer);
    return NULL; /* somebody else's address */
  }
  if (!q.exists)
    ldns_pkt_set_rcode(q.answer, LDNS_RCODE_NXDOMAIN);
  if (ldns_pkt_ancount(q.answer) == 0)
    ldns_pkt_push_rr(q.answer, LDNS_SECTION_AUTHORITY, record_soa(zone));
  shuffle(ldns_pkt_answer(q.answer));
  return q.answer;
}

ldns_pkt *resolver_parse(const uint8_t *wire, size_t length, uint8_t *rcode)
{
  ldns_pkt *query = NULL;
  *rcode = LDNS_RCODE_NOERROR;
  if (length < LDNS_HEADER_SIZE || LDNS_QR_WIRE(wire))
    return NULL; /* answering an answer would loop */
  if (ldns_wire2pkt(&query, wire, length) != LDNS_STATUS_OK) {
    query = ldns_pkt_new();
    ldns_pkt_set_id(query, (uint16_t)(wire[0] << 8 | wire[1]));
    *rcode = LDNS_RCODE_FORMERR;
  } else if (ldns_pkt_get_opcode(query) != LDNS_PACKET_QUERY) {
    *rcode = LDNS_RCODE_NOTIMPL;
  } else if (ldns_pkt_qdcount(query) != 1 || ldns_rr_list_rr_count(ldns_pkt_question(query)) != 1) {
    *rcode = LDNS_RCODE_FORMERR;
  }
  return query;
}

static GBytes *pack_once(const ldns_pkt *answer)
{
  uint8_t *wire = NULL;
  size_t size = 0;
  if (ldns_pkt2wire(&wire, answer, &size) != LDNS_STATUS_OK)
    return g_bytes_new(NULL, 0);
  return g_bytes_new_with_free_func(wire, size, free, wire);
}

static bool drop_last(ldns_pkt *answer, ldns_pkt_section section)
{
  ldns_rr_list *list = section == LDNS_SECTION_ANSWER ? ldns_pkt_answer(answer) : ldns_pkt_additional(answer);
  ldns_rr *last = list ? ldns_rr_list_pop_rr(list) : NULL;
  if (!last)
    return false;
  ldns_rr_free(last);
  ldns_pkt_set_section_count(answer, section, (uint16_t)ldns_rr_list_rr_count(list));
  return true;
}

GBytes *resolver_pack(ldns_pkt *answer, size_t limit)
{
  GBytes *bytes = pack_once(answer);
  while (g_bytes_get_size(bytes) > limit) {
    if (!drop_last(answer, LDNS_SECTION_ADDITIONAL)) {
      ldns_pkt_set_tc(answer, true);
      if (!drop_last(answer, LDNS_SECTION_ANSWER))
        break;
    }
    g_bytes_unref(bytes);
    bytes = pack_once(answer);
  }
  return bytes;
}

size_t resolver_udp_limit(const ldns_pkt *query)
{
  size_t said = ldns_pkt_edns(query) ? ldns_pkt_edns_udp_size(query) : 0;
  return CLAMP(said, UDP_LIMIT_PLAIN, UDP_LIMIT_MAX);
}
