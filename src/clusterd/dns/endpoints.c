/* The records of endpoints. */
#include <arpa/inet.h>
#include <string.h>

#include "base/json.h"
#include "clusterd/dns/records.h"
#include "clusterd/dns/resolution.h"

static bool is_ready(const json_t *endpoint)
{
  return json_flag(json_object_get(endpoint, "conditions"), "ready", true);
}

static const char *endpoint_ip(const json_t *endpoint)
{
  return json_string_value(json_array_get(json_object_get(endpoint, "addresses"), 0));
}

/* An endpoint's own label: its hostname, its pod's name where the zone says so, else its address with dashes. */
static char *endpoint_label(const Resolution *r, const json_t *endpoint)
{
  const char *hostname = json_str(endpoint, "hostname", "");
  if (*hostname)
    return g_ascii_strdown(hostname, -1);
  const char *pod = json_str(json_object_get(endpoint, "targetRef"), "name", "");
  if (r->zone->endpoint_pod_names && *pod)
    return g_strdup(pod);
  return g_strdelimit(g_strdup(endpoint_ip(endpoint)), ".:", '-');
}

typedef void (*EndpointVisit)(Resolution *r, const json_t *slice, const json_t *endpoint, const void *data);

static void each_ready_endpoint(Resolution *r, const char *namespace_, const char *service, EndpointVisit visit,
                                const void *data)
{
  g_autoptr(GPtrArray) slices = r->facts->slices(r->facts->data, namespace_, service);
  for (guint i = 0; i < slices->len; i++) {
    const json_t *endpoint;
    size_t k;
    if (g_str_equal(json_str(slices->pdata[i], "addressType", "IPv4"), "FQDN"))
      continue;
    json_array_foreach (json_object_get(slices->pdata[i], "endpoints"), k, endpoint)
      if (is_ready(endpoint) && endpoint_ip(endpoint))
        visit(r, slices->pdata[i], endpoint, data);
  }
}

static void add_address(Resolution *r, const json_t *slice, const json_t *endpoint, const void *data)
{
  const char *label = data;
  if (label) {
    g_autofree char *own = endpoint_label(r, endpoint);
    if (!g_str_equal(own, label))
      return;
  }
  resolution_add_address(r, endpoint_ip(endpoint));
}

void endpoints_add_addresses(Resolution *r, const char *namespace_, const char *service, const char *label)
{
  each_ready_endpoint(r, namespace_, service, add_address, label);
}

static void add_srv(Resolution *r, const json_t *slice, const json_t *endpoint, const void *data)
{
  const SrvFilter *filter = data;
  const json_t *port;
  size_t i;
  json_array_foreach (json_object_get(slice, "ports"), i, port) {
    if (!srv_matches(filter, port))
      continue;
    r->exists = true;
    if (!resolution_wants(r, LDNS_RR_TYPE_SRV))
      continue;
    g_autofree char *label = endpoint_label(r, endpoint);
    g_autofree char *target =
        g_strdup_printf("%s.%s.%s.svc.%s", label, filter->service, filter->namespace_, r->zone->name);
    resolution_add_srv(r, (uint16_t)json_int(port, "port", 0), target, endpoint_ip(endpoint));
  }
}

void endpoints_add_srv(Resolution *r, const SrvFilter *filter)
{
  each_ready_endpoint(r, filter->namespace_, filter->service, add_srv, filter);
}

static bool is_same_ip(const char *text, const char *ip)
{
  struct in6_addr a, b;
  int family = strchr(ip, ':') ? AF_INET6 : AF_INET;
  size_t size = family == AF_INET6 ? sizeof a : sizeof(struct in_addr);
  return text && inet_pton(family, text, &a) == 1 && inet_pton(family, ip, &b) == 1 && memcmp(&a, &b, size) == 0;
}

static void add_names(Resolution *r, const json_t *slice, const char *ip)
{
  const json_t *metadata = json_object_get(slice, "metadata"), *endpoint;
  const char *namespace_ = json_str(metadata, "namespace", "");
  const char *name = json_str(json_object_get(metadata, "labels"), "kubernetes.io/service-name", "");
  g_autoptr(json_t) service = r->facts->service(r->facts->data, namespace_, name);
  size_t i;
  if (!service)
    return;
  json_array_foreach (json_object_get(slice, "endpoints"), i, endpoint) {
    if (!is_ready(endpoint) || !is_same_ip(endpoint_ip(endpoint), ip))
      continue;
    g_autofree char *label = endpoint_label(r, endpoint);
    g_autofree char *target = g_strdup_printf("%s.%s.%s.svc.%s", label, name, namespace_, r->zone->name);
    r->exists = true;
    if (resolution_wants(r, LDNS_RR_TYPE_PTR) && resolution_note(r, g_strdup(target)))
      resolution_add(r, record_ptr(r->owner, r->zone->ttl, target));
  }
}

void endpoints_add_names(Resolution *r, const char *ip)
{
  g_autoptr(GPtrArray) slices = r->facts->slices_at(r->facts->data, ip);
  for (guint i = 0; i < slices->len; i++)
    add_names(r, slices->pdata[i], ip);
}
