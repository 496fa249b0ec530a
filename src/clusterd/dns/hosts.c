#include "clusterd/dns/hosts.h"

#include <arpa/inet.h>
#include <string.h>

#include "base/reason.h"
#include "clusterd/dns/name.h"
#include "clusterd/dns/records.h"
#include "clusterd/dns/resolver.h"

#define TTL_DEFAULT 3600
#define TTL_MAX 65535

struct Hosts {
  ZoneSet fall_through;
  uint32_t ttl;
  bool no_reverse;
  GHashTable *addresses; /* GBytes name → GPtrArray of char* */
  GHashTable *names;     /* address as inet_ntop writes it → GPtrArray of char* */
};

/* Takes KEY. */
static void add_to(GHashTable *table, void *key, const char *value)
{
  GPtrArray *values = g_hash_table_lookup(table, key);
  values = values ? g_ptr_array_ref(values) : g_ptr_array_new_with_free_func(g_free);
  g_ptr_array_add(values, g_strdup(value));
  g_hash_table_replace(table, key, values);
}

static char *read_ip(const char *text)
{
  struct in6_addr address;
  char canonical[INET6_ADDRSTRLEN];
  int family = strchr(text, ':') ? AF_INET6 : AF_INET;
  return inet_pton(family, text, &address) == 1 ? g_strdup(inet_ntop(family, &address, canonical, sizeof canonical))
                                                : NULL;
}

static bool add_entry(Hosts *hosts, const CorefileLine *line, GError **error)
{
  g_autofree char *ip = read_ip(line->words[0]);
  if (!ip)
    return corefile_error(error, line, "unknown property '%s'", line->words[0]);
  if (!line->words[1])
    return corefile_error(error, line, "no name for %s", ip);
  for (char **word = line->words + 1; *word; word++) {
    uint8_t name[NAME_WIRE_MAX];
    size_t length = name_from_text(*word, name);
    if (length == 0)
      return corefile_error(error, line, "%s is no name of a host", *word);
    add_to(hosts->addresses, g_bytes_new(name, length), ip);
    add_to(hosts->names, g_strdup(ip), *word);
  }
  return true;
}

static bool read_property(Hosts *hosts, const CorefileLine *line, GError **error)
{
  const char *word = line->words[0];
  guint64 ttl;
  if (g_str_equal(word, "fallthrough"))
    return zone_set_add_words(&hosts->fall_through, line->words + 1, error);
  if (g_str_equal(word, "no_reverse")) {
    hosts->no_reverse = true;
    return true;
  }
  if (g_str_equal(word, "reload"))
    return true; /* of a file, which there is none */
  if (!g_str_equal(word, "ttl"))
    return add_entry(hosts, line, error);
  if (!line->words[1] || !g_ascii_string_to_unsigned(line->words[1], 10, 1, TTL_MAX, &ttl, NULL))
    return corefile_error(error, line, "ttl needs a number from 1 to %d", TTL_MAX);
  hosts->ttl = (uint32_t)ttl;
  return true;
}

Hosts *hosts_new(const CorefileLine *line, GError **error)
{
  g_autoptr(Hosts) hosts = g_new0(Hosts, 1);
  hosts->ttl = TTL_DEFAULT;
  hosts->addresses = g_hash_table_new_full(g_bytes_hash, g_bytes_equal, (GDestroyNotify)g_bytes_unref,
                                           (GDestroyNotify)g_ptr_array_unref);
  hosts->names = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, (GDestroyNotify)g_ptr_array_unref);
  if (line->words[1])
    return corefile_error(error, line, "hosts: files are not read, write the entries into the block"), NULL;
  for (guint i = 0; line->lines && i < line->lines->len; i++)
    if (!read_property(hosts, line->lines->pdata[i], error))
      return NULL;
  return g_steal_pointer(&hosts);
}

void hosts_free(Hosts *hosts)
{
  if (!hosts)
    return;
  g_hash_table_unref(hosts->addresses);
  g_hash_table_unref(hosts->names);
  zone_set_clear(&hosts->fall_through);
  g_free(hosts);
}

static void add_records(const Hosts *hosts, ldns_pkt *answer, const GPtrArray *values, uint16_t type)
{
  const ldns_rdf *owner = ldns_rr_owner(ldns_rr_list_rr(ldns_pkt_question(answer), 0));
  for (guint i = 0; i < values->len; i++) {
    const char *value = values->pdata[i];
    bool is_ip6 = strchr(value, ':') != NULL;
    if (type == LDNS_RR_TYPE_PTR)
      ldns_pkt_push_rr(answer, LDNS_SECTION_ANSWER, record_ptr(owner, hosts->ttl, value));
    else if (type == (is_ip6 ? LDNS_RR_TYPE_AAAA : LDNS_RR_TYPE_A))
      ldns_pkt_push_rr(answer, LDNS_SECTION_ANSWER, record_address(owner, hosts->ttl, value));
  }
}

ldns_pkt *hosts_answer(const Hosts *hosts, const uint8_t *name, size_t length, uint16_t type)
{
  g_autoptr(GBytes) key = g_bytes_new(name, length);
  const GPtrArray *values = g_hash_table_lookup(hosts->addresses, key);
  g_auto(GStrv) labels = name_labels(name, length);
  g_autofree char *ip = labels && !hosts->no_reverse ? name_reverse_ip(labels) : NULL;
  if (ip)
    values = g_hash_table_lookup(hosts->names, ip);
  if (values) {
    ldns_pkt *answer = resolver_begin(name, length, type, LDNS_RCODE_NOERROR);
    ldns_pkt_set_aa(answer, true);
    if ((type == LDNS_RR_TYPE_PTR) == (ip != NULL))
      add_records(hosts, answer, values, type);
    return answer;
  }
  if (zone_set_has(&hosts->fall_through, name, length))
    return NULL;
  return resolver_begin(name, length, type, LDNS_RCODE_SERVFAIL); /* as CoreDNS, which has no SOA to deny it with */
}
