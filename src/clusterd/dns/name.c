#include "clusterd/dns/name.h"

#include <arpa/inet.h>
#include <string.h>

#define LABEL_MAX 63 /* RFC 1035 section 2.3.4 */

static bool is_plain(char c)
{
  return g_ascii_isalnum(c) || c == '-' || c == '_';
}

char **name_labels(const ldns_rdf *name)
{
  const uint8_t *wire = ldns_rdf_data(name);
  size_t size = ldns_rdf_size(name), at = 0;
  g_autoptr(GStrvBuilder) labels = g_strv_builder_new();
  for (unsigned n = 0; at < size && wire[at] != 0; n++) {
    size_t length = wire[at];
    if (length > LABEL_MAX || at + 1 + length > size || n >= NAME_LABELS_MAX)
      return NULL;
    char label[LABEL_MAX + 1];
    for (size_t i = 0; i < length; i++) {
      char c = (char)wire[at + 1 + i];
      if (!is_plain(c))
        return NULL;
      label[i] = g_ascii_tolower(c);
    }
    label[length] = '\0';
    g_strv_builder_add(labels, label);
    at += 1 + length;
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

char *name_reverse_ip(char *const *name)
{
  struct in_addr address;
  if (count(name) != 6 || !g_str_equal(name[4], "in-addr") || !g_str_equal(name[5], "arpa"))
    return NULL;
  g_autofree char *ip = g_strdup_printf("%s.%s.%s.%s", name[3], name[2], name[1], name[0]);
  return inet_pton(AF_INET, ip, &address) == 1 ? g_steal_pointer(&ip) : NULL;
}
