/* A DNS query from the network: whatever comes, an answer of ours is a message within its limit. */
#include <glib.h>
#include <ldns/ldns.h>

#include "clusterd/dns/resolver.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static json_t *service(void *data, const char *namespace_, const char *name)
{
  return json_pack("{s:{s:s, s:[{s:s, s:i, s:s}]}}", "spec", "clusterIP", name[0] == 'h' ? "None" : "10.96.0.5",
                   "ports", "name", "p", "port", 80, "protocol", "TCP");
}

static GPtrArray *slices(void *data, const char *a, const char *b)
{
  GPtrArray *found = g_ptr_array_new_with_free_func((GDestroyNotify)json_decref);
  g_ptr_array_add(found, json_pack("{s:{s:s, s:{s:s}}, s:[{s:s, s:i}], s:[{s:[s]}]}", "metadata", "namespace", "n",
                                   "labels", "kubernetes.io/service-name", "h", "ports", "name", "p", "port", 80,
                                   "endpoints", "addresses", "10.244.0.7"));
  return found;
}

static GPtrArray *slices_at(void *data, const char *ip)
{
  return slices(data, NULL, NULL);
}

static GPtrArray *services_at(void *data, const char *ip)
{
  return g_ptr_array_new();
}

static bool namespace_exists(void *data, const char *namespace_)
{
  return namespace_[0] != 'x';
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
  const DnsFacts facts = { .service = service,
                           .slices = slices,
                           .namespace_exists = namespace_exists,
                           .services_at = services_at,
                           .slices_at = slices_at };
  uint8_t rcode;
  g_autofree char *chase = NULL;
  ldns_pkt *query = resolver_parse(data, size, &rcode);
  if (!query)
    return 0;
  ldns_pkt *answer =
      rcode == 0 ? resolver_answer(&facts, "cluster.local", query, &chase) : resolver_refuse(query, rcode);
  if (answer) {
    g_autoptr(GBytes) wire = resolver_pack(answer, resolver_udp_limit(query));
    g_assert_cmpuint(g_bytes_get_size(wire), <=, 1232);
    ldns_pkt_free(answer);
  }
  ldns_pkt_free(query);
  return 0;
}
