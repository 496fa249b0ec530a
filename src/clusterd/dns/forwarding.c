#include "clusterd/dns/forwarding.h"

#include <arpa/inet.h>
#include <string.h>

#include "base/json.h"

#define DNS_PORT 53

struct Forwarding {
  GHashTable *stubs; /* lower-case domain without a dot at its end → NameServers* */
  NameServers upstream;
};

/* "1.2.3.4" or "1.2.3.4:5353". */
static bool read_server(const char *text, struct sockaddr_in *at)
{
  const char *colon = text ? strchr(text, ':') : NULL;
  guint64 port = DNS_PORT;
  if (!text || (colon && !g_ascii_string_to_unsigned(colon + 1, 10, 1, UINT16_MAX, &port, NULL)))
    return false;
  g_autofree char *address = colon ? g_strndup(text, (gsize)(colon - text)) : g_strdup(text);
  *at = (struct sockaddr_in){ .sin_family = AF_INET, .sin_port = htons((uint16_t)port) };
  return inet_pton(AF_INET, address, &at->sin_addr) == 1;
}

static void read_servers(NameServers *servers, const json_t *list)
{
  size_t i;
  const json_t *item;
  json_array_foreach (list, i, item) {
    if (servers->count == NAMESERVERS_MAX)
      return;
    if (read_server(json_string_value(item), &servers->at[servers->count]))
      servers->count++;
    else
      g_warning("ConfigMap kube-dns: %s is no IPv4 address of a nameserver",
                json_is_string(item) ? json_string_value(item) : "a nameserver that is not text");
  }
}

/* The domain as it is looked up: no dot at the end, lower case. The caller frees. */
static char *plain_name(const char *name)
{
  char *plain = g_ascii_strdown(name, -1);
  gsize length = strlen(plain);
  if (length > 0 && plain[length - 1] == '.')
    plain[length - 1] = '\0';
  return plain;
}

static json_t *read_key(const json_t *config_map, const char *key)
{
  g_autoptr(GError) error = NULL;
  const char *text = json_str(json_object_get(config_map, "data"), key, NULL);
  json_t *value = text ? json_parse(text, strlen(text), false, &error) : NULL;
  if (error)
    g_warning("ConfigMap kube-dns, %s: %s", key, error->message);
  return value;
}

Forwarding *forwarding_new(const json_t *config_map)
{
  Forwarding *forwarding = g_new0(Forwarding, 1);
  g_autoptr(json_t) stubs = read_key(config_map, "stubDomains");
  g_autoptr(json_t) upstream = read_key(config_map, "upstreamNameservers");
  const char *domain;
  json_t *list;
  forwarding->stubs = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
  json_object_foreach (stubs, domain, list) {
    NameServers servers = { .count = 0 };
    read_servers(&servers, list);
    if (servers.count > 0 && *domain && g_hash_table_size(forwarding->stubs) < STUB_DOMAINS_MAX)
      g_hash_table_insert(forwarding->stubs, plain_name(domain), g_memdup2(&servers, sizeof servers));
  }
  read_servers(&forwarding->upstream, upstream);
  return forwarding;
}

void forwarding_free(Forwarding *forwarding)
{
  if (!forwarding)
    return;
  g_hash_table_unref(forwarding->stubs);
  g_free(forwarding);
}

const NameServers *forwarding_find(const Forwarding *forwarding, const char *name)
{
  g_autofree char *plain = plain_name(name);
  const NameServers *servers = NULL;
  for (const char *rest = plain; rest && !servers; rest = strchr(rest, '.') ? strchr(rest, '.') + 1 : NULL)
    servers = g_hash_table_lookup(forwarding->stubs, rest);
  if (servers)
    return servers;
  return forwarding->upstream.count > 0 ? &forwarding->upstream : NULL;
}
