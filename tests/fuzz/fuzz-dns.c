/* A DNS query from the network: whatever comes, an answer of ours is a message within its limit. */
#include <glib.h>
#include <ldns/ldns.h>

#include "clusterd/dns/answer.h"
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

static ldns_pkt *resolve(const Question *question)
{
  const DnsFacts facts = { .service = service,
                           .slices = slices,
                           .namespace_exists = namespace_exists,
                           .services_at = services_at,
                           .slices_at = slices_at };
  char name[] = "cluster.local";
  const ClusterZone zone = { .name = name, .ttl = 30, .address = "10.96.0.10" };
  g_autofree char *chase = NULL;
  return resolver_answer(&facts, &zone, question->name, question->name_length, question->type, &chase);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
  Question question;
  uint8_t out[UDP_SIZE_MAX];
  int rcode = question_read(&question, data, size);
  if (rcode == QUESTION_DROP)
    return 0;
  ldns_pkt *packet = rcode == 0 ? resolve(&question) : NULL;
  g_autoptr(Answer) answer = packet ? answer_new(packet) : NULL;
  size_t length = answer ? answer_write(answer, &question, 3, question_udp_limit(&question), out)
                         : answer_refuse(&question, (uint8_t)rcode, out);
  g_assert_cmpuint(length, <=, question_udp_limit(&question));
  if (packet)
    ldns_pkt_free(packet);
  packet = NULL;
  g_assert_cmpint(ldns_wire2pkt(&packet, out, length), ==, LDNS_STATUS_OK);
  ldns_pkt_free(packet);
  return 0;
}
