#include "clusterd/dns/plan.h"

#include <string.h>

#include "base/json.h"
#include "base/reason.h"
#include "clusterd/dns/block.h"
#include "clusterd/dns/corefile.h"

#define DNS_PORT 53

const char plan_default_corefile[] = ".:53 {\n"
                                     "    errors\n"
                                     "    health {\n"
                                     "       lameduck 5s\n"
                                     "    }\n"
                                     "    ready\n"
                                     "    kubernetes %s in-addr.arpa ip6.arpa {\n"
                                     "       pods insecure\n"
                                     "       fallthrough in-addr.arpa ip6.arpa\n"
                                     "       ttl 30\n"
                                     "    }\n"
                                     "    prometheus :9153\n"
                                     "    forward . /etc/resolv.conf {\n"
                                     "       max_concurrent 1000\n"
                                     "    }\n"
                                     "    cache 30\n"
                                     "    loop\n"
                                     "    reload\n"
                                     "    loadbalance\n"
                                     "}\n";

struct Plan {
  unsigned references;
  GPtrArray *blocks; /* Block* */
  GHashTable *zones; /* GBytes, a name in wire form → Block* */
  bool logs;
};

Plan *plan_ref(Plan *plan)
{
  plan->references++;
  return plan;
}

void plan_unref(Plan *plan)
{
  if (!plan || --plan->references > 0)
    return;
  g_hash_table_unref(plan->zones);
  g_ptr_array_unref(plan->blocks);
  g_free(plan);
}

static Plan *plan_empty(void)
{
  Plan *plan = g_new0(Plan, 1);
  plan->references = 1;
  plan->blocks = g_ptr_array_new_with_free_func((GDestroyNotify)block_free);
  plan->zones = g_hash_table_new_full(g_bytes_hash, g_bytes_equal, (GDestroyNotify)g_bytes_unref, NULL);
  return plan;
}

/* "consul.local:53", "dns://.", "." as a name; NULL when it is none or of another port. */
static GBytes *read_zone(const CorefileLine *line, const char *word, GError **error)
{
  uint8_t name[NAME_WIRE_MAX];
  const char *text = g_str_has_prefix(word, "dns://") ? word + strlen("dns://") : word;
  const char *colon = strchr(text, ':');
  guint64 port = DNS_PORT;
  g_autofree char *zone = colon ? g_strndup(text, (gsize)(colon - text)) : g_strdup(text);
  if (colon && (!g_ascii_string_to_unsigned(colon + 1, 10, 1, G_MAXUINT16, &port, NULL) || port != DNS_PORT))
    return corefile_error(error, line, "%s: only port %d is served", word, DNS_PORT), NULL;
  size_t length = strchr(zone, '/') ? 0 : name_from_text(*zone ? zone : ".", name);
  if (length == 0)
    return corefile_error(error, line, "%s is no name of a zone", word), NULL;
  return g_bytes_new(name, length);
}

static bool add_block(Plan *plan, const CorefileLine *line, const char *address, GError **error)
{
  Block *block = block_new(line, address, error);
  if (!block)
    return false;
  g_ptr_array_add(plan->blocks, block);
  plan->logs |= block->log;
  if (plan->blocks->len > BLOCKS_MAX)
    return corefile_error(error, line, "more than %d server blocks", BLOCKS_MAX);
  for (char **word = line->words; *word; word++) {
    GBytes *zone = read_zone(line, *word, error);
    if (!zone)
      return false;
    if (!g_hash_table_insert(plan->zones, zone, block))
      return corefile_error(error, line, "cannot serve dns://%s - it is already defined", *word);
  }
  return true;
}

static void add_servers(ServerList *servers, const json_t *list)
{
  size_t i;
  const json_t *item;
  json_array_foreach (list, i, item) {
    g_autoptr(GError) error = NULL;
    const char *text = json_string_value(item);
    if (!text)
      g_warning("ConfigMap kube-dns: a nameserver that is not text");
    else if (!server_list_add(servers, text, DNS_PORT, &error))
      g_warning("ConfigMap kube-dns: nameserver %s", error->message);
  }
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

/* stubDomains {"acme.local": ["1.2.3.4", "1.2.3.5:5353"]}; a zone of the Corefile stays that. */
static void add_stubs(Plan *plan, json_t *stubs)
{
  const char *domain;
  const json_t *list;
  json_object_foreach (stubs, domain, list) {
    uint8_t name[NAME_WIRE_MAX];
    size_t length = name_from_text(domain, name);
    g_autoptr(ServerList) servers = server_list_new();
    g_autoptr(GBytes) zone = g_bytes_new(name, length);
    add_servers(servers, list);
    if (length <= 1 || servers->count == 0 || plan->blocks->len >= BLOCKS_MAX ||
        g_hash_table_contains(plan->zones, zone))
      continue;
    Block *block = block_new_stub(servers);
    g_ptr_array_add(plan->blocks, block);
    g_hash_table_insert(plan->zones, g_bytes_ref(zone), block);
  }
}

static void add_kube_dns(Plan *plan, const json_t *kube_dns)
{
  g_autoptr(json_t) stubs = read_key(kube_dns, "stubDomains");
  g_autoptr(json_t) upstream = read_key(kube_dns, "upstreamNameservers");
  g_autoptr(ServerList) servers = server_list_new();
  add_servers(servers, upstream);
  for (guint i = 0; servers->count > 0 && i < plan->blocks->len; i++)
    block_replace_machine_servers(plan->blocks->pdata[i], servers);
  add_stubs(plan, stubs);
}

Plan *plan_new(const char *corefile, const json_t *kube_dns, const char *domain, const char *address, GError **error)
{
  g_autoptr(Plan) plan = plan_empty();
  g_autofree char *text = NULL;
  if (!corefile) {
    g_auto(GStrv) parts = g_strsplit(plan_default_corefile, "%s", 2);
    corefile = text = g_strconcat(parts[0], domain, parts[1], NULL);
  }
  g_autoptr(GPtrArray) lines = corefile_read(corefile, error);
  if (!lines)
    return NULL;
  for (guint i = 0; i < lines->len; i++)
    if (!add_block(plan, lines->pdata[i], address, error))
      return NULL;
  add_kube_dns(plan, kube_dns);
  return g_steal_pointer(&plan);
}

const Block *plan_find(const Plan *plan, const uint8_t *name, size_t length)
{
  for (size_t at = 0; at < length; at += 1u + name[at]) {
    g_autoptr(GBytes) zone = g_bytes_new_static(name + at, length - at);
    const Block *block = g_hash_table_lookup(plan->zones, zone);
    if (block)
      return block;
  }
  return NULL;
}

bool plan_logs(const Plan *plan)
{
  return plan->logs;
}
