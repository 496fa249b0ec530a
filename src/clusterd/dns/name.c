#include "clusterd/dns/name.h"

#include <arpa/inet.h>
#include <ldns/ldns.h>
#include <string.h>

#define LABEL_MAX 63 /* RFC 1035 section 2.3.4 */

size_t name_from_text(const char *text, uint8_t wire[NAME_WIRE_MAX])
{
  ldns_rdf *rdf = NULL;
  if (!*text || ldns_str2rdf_dname(&rdf, text) != LDNS_STATUS_OK)
    return 0;
  size_t length = ldns_rdf_size(rdf);
  if (length <= NAME_WIRE_MAX)
    for (size_t i = 0; i < length; i++)
      wire[i] = (uint8_t)g_ascii_tolower((char)ldns_rdf_data(rdf)[i]); /* lengths are below 'A' */
  ldns_rdf_deep_free(rdf);
  return length <= NAME_WIRE_MAX ? length : 0;
}

char *name_to_text(const uint8_t *wire, size_t length)
{
  ldns_rdf *rdf = ldns_rdf_new_frm_data(LDNS_RDF_TYPE_DNAME, length, wire);
  char *text = ldns_rdf2str(rdf), *copy = g_strdup(text ? text : "");
  free(text);
  ldns_rdf_deep_free(rdf);
  return copy;
}

bool name_in_zone(const uint8_t *name, size_t length, const uint8_t *zone, size_t zone_length)
{
  size_t at = 0;
  while (length - at > zone_length)
    at += 1u + name[at];
  return length - at == zone_length && memcmp(name + at, zone, zone_length) == 0;
}

static bool is_plain(uint8_t c)
{
  return g_ascii_isalnum(c) || c == '-' || c == '_';
}

char **name_labels(const uint8_t *name, size_t length)
{
  g_autoptr(GStrvBuilder) labels = g_strv_builder_new();
  for (size_t at = 0; at < length && name[at] != 0; at += 1u + name[at]) {
    char label[LABEL_MAX + 1];
    size_t size = name[at];
    if (size > LABEL_MAX || at + size >= length)
      return NULL;
    for (size_t i = 0; i < size; i++)
      if (!is_plain(name[at + 1 + i]))
        return NULL;
    memcpy(label, name + at + 1, size);
    label[size] = '\0';
    g_strv_builder_add(labels, label);
  }
  return g_strv_builder_end(labels);
}

char **name_split(const char *text)
{
  g_autofree char *lower = g_ascii_strdown(text, -1);
  size_t length = strlen(lower);
  if (length > 0 && lower[length - 1] == '.')
    lower[length - 1] = '\0';
  return *lower ? g_strsplit(lower, ".", NAME_LABELS_MAX) : g_new0(char *, 1);
}

static int count(char *const *labels)
{
  int n = 0;
  while (labels[n])
    n++;
  return n;
}

int name_before_zone(char *const *name, char *const *zone)
{
  int before = count(name) - count(zone);
  if (before < 0)
    return -1;
  for (int i = 0; zone[i]; i++)
    if (!g_str_equal(name[before + i], zone[i]))
      return -1;
  return before;
}

static char *reverse_ip4(char *const *name)
{
  struct in_addr address;
  g_autofree char *ip = g_strdup_printf("%s.%s.%s.%s", name[3], name[2], name[1], name[0]);
  return inet_pton(AF_INET, ip, &address) == 1 ? g_steal_pointer(&ip) : NULL;
}

static char *reverse_ip6(char *const *name)
{
  struct in6_addr address = { 0 };
  char text[INET6_ADDRSTRLEN];
  for (unsigned i = 0; i < 32; i++) {
    int digit = g_ascii_xdigit_value(name[i][0]);
    if (digit < 0 || name[i][1] != '\0')
      return NULL;
    unsigned at = 31 - i;
    address.s6_addr[at / 2] |= (uint8_t)(at % 2 ? digit : digit << 4);
  }
  return g_strdup(inet_ntop(AF_INET6, &address, text, sizeof text));
}

char *name_reverse_ip(char *const *name)
{
  int n = count(name);
  if (n == 6 && g_str_equal(name[4], "in-addr") && g_str_equal(name[5], "arpa"))
    return reverse_ip4(name);
  if (n == 34 && g_str_equal(name[32], "ip6") && g_str_equal(name[33], "arpa"))
    return reverse_ip6(name);
  return NULL;
}
