#include "clusterd/dns/block.h"

#include <string.h>

#include "base/reason.h"
#include "clusterd/dns/rewrite.h"
#include "clusterd/dns/template.h"

#define DNS_PORT 53
#define FAILURES_DEFAULT 2 /* of a server, as CoreDNS */
#define STUB_CACHE_SECONDS 30

typedef bool (*PluginRead)(Block *block, const CorefileLine *line, GError **error);

static bool read_number(const CorefileLine *line, const char *word, guint64 max, guint64 *number, GError **error)
{
  if (word && g_ascii_string_to_unsigned(word, 10, 0, max, number, NULL))
    return true;
  return corefile_error(error, line, "'%s' is no number from 0 to %" G_GUINT64_FORMAT, word ? word : "", max);
}

/* Puts the line in front of the message. */
static bool with_line(bool done, const CorefileLine *line, GError **error)
{
  if (!done && error && *error)
    g_prefix_error(error, "Corefile:%u: ", line->number);
  return done;
}

/* What has no effect here, as the server does it always, or has no address to do it at. */
static bool read_nothing(Block *block, const CorefileLine *line, GError **error)
{
  return true;
}

static bool read_log(Block *block, const CorefileLine *line, GError **error)
{
  return block->log = true;
}

static bool read_loop(Block *block, const CorefileLine *line, GError **error)
{
  return block->loop = true;
}

static bool read_rewrite(Block *block, const CorefileLine *line, GError **error)
{
  Rewrite *rewrite = rewrite_new(line, error);
  if (rewrite)
    g_ptr_array_add(block->rewrites, rewrite);
  return rewrite != NULL;
}

static bool read_template(Block *block, const CorefileLine *line, GError **error)
{
  Template *template_ = template_new(line, error);
  if (template_)
    g_ptr_array_add(block->templates, template_);
  return template_ != NULL;
}

static bool read_hosts(Block *block, const CorefileLine *line, GError **error)
{
  if (block->hosts)
    return corefile_error(error, line, "this plugin can only be used once per Server Block");
  block->hosts = hosts_new(line, error);
  return block->hosts != NULL;
}

/* `success` and `denial` CAPACITY [TTL [MINIMUM]]; what is kept longer, or ahead of time, is not done here. */
static bool read_cache_property(Block *block, const CorefileLine *line, GError **error)
{
  static const char *const ignored[] = { "prefetch", "serve_stale", "servfail", "keepttl", NULL };
  const char *word = line->words[0];
  unsigned *seconds = g_str_equal(word, "success")  ? &block->cache_seconds
                      : g_str_equal(word, "denial") ? &block->denial_seconds
                                                    : NULL;
  guint64 number = 0;
  if (g_str_equal(word, "disable")) {
    if (!g_strcmp0(line->words[1], "success"))
      block->cache_seconds = 0;
    else
      block->denial_seconds = 0;
    return true;
  }
  if (!seconds)
    return g_strv_contains(ignored, word) || corefile_error(error, line, "unknown property '%s'", word);
  if (!line->words[1] || !line->words[2])
    return true;
  if (!read_number(line, line->words[2], CACHE_SECONDS_MAX, &number, error))
    return false;
  *seconds = (unsigned)number;
  return true;
}

static bool read_cache(Block *block, const CorefileLine *line, GError **error)
{
  guint64 number = CACHE_SECONDS_MAX;
  const char *word = line->words[1];
  if (word && g_ascii_isdigit(*word) && !strchr(word, '.') &&
      !read_number(line, word, CACHE_SECONDS_MAX, &number, error))
    return false;
  block->cache_seconds = (unsigned)number;
  block->denial_seconds = MIN((unsigned)number, CACHE_DENIAL_SECONDS_MAX);
  for (guint i = 0; line->lines && i < line->lines->len; i++)
    if (!read_cache_property(block, line->lines->pdata[i], error))
      return false;
  return true;
}

static bool read_pods(Block *block, const CorefileLine *line, GError **error)
{
  static const char *const modes[] = { "insecure", "verified", "disabled", NULL };
  for (unsigned i = 0; line->words[1] && modes[i]; i++) {
    if (g_str_equal(line->words[1], modes[i])) {
      block->cluster.pods = i;
      return true;
    }
  }
  return corefile_error(error, line, "wrong value for pods: %s, must be one of: disabled, verified, insecure",
                        line->words[1] ? line->words[1] : "");
}

static bool read_cluster_property(Block *block, const CorefileLine *line, GError **error)
{
  /* How CoreDNS reaches the API, or what of it it reads: the server here is part of it. */
  static const char *const ignored[] = { "endpoint", "tls", "kubeconfig", "noendpoints", NULL };
  const char *word = line->words[0];
  guint64 number = 0;
  if (g_str_equal(word, "pods"))
    return read_pods(block, line, error);
  if (g_str_equal(word, "endpoint_pod_names"))
    return block->cluster.endpoint_pod_names = true;
  if (g_str_equal(word, "fallthrough"))
    return with_line(zone_set_add_words(&block->cluster_fall_through, line->words + 1, error), line, error);
  if (!g_str_equal(word, "ttl"))
    return g_strv_contains(ignored, word) || corefile_error(error, line, "unknown property '%s'", word);
  if (!read_number(line, line->words[1], CLUSTER_TTL_MAX, &number, error))
    return false;
  block->cluster.ttl = (uint32_t)number;
  return true;
}

static bool is_reverse(const char *zone)
{
  g_autofree char *lower = g_ascii_strdown(zone, -1);
  return g_str_has_suffix(lower, ".arpa") || g_str_has_suffix(lower, ".arpa.");
}

static bool read_kubernetes(Block *block, const CorefileLine *line, GError **error)
{
  if (block->has_cluster)
    return corefile_error(error, line, "this plugin can only be used once per Server Block");
  block->has_cluster = true;
  for (char **word = line->words + 1; *word; word++) {
    if (!with_line(zone_set_add(&block->cluster_zones, *word, error), line, error))
      return false;
    if (is_reverse(*word))
      continue;
    if (block->cluster.name)
      return corefile_error(error, line, "kubernetes: one zone can be served, not %s as well", *word);
    block->cluster.name = g_ascii_strdown(*word, -1);
    if (g_str_has_suffix(block->cluster.name, "."))
      block->cluster.name[strlen(block->cluster.name) - 1] = '\0';
  }
  if (!block->cluster.name)
    return corefile_error(error, line, "kubernetes needs the cluster's zone");
  for (guint i = 0; line->lines && i < line->lines->len; i++)
    if (!read_cluster_property(block, line->lines->pdata[i], error))
      return false;
  return true;
}

static bool read_policy(ForwardRule *rule, const CorefileLine *line, GError **error)
{
  static const char *const policies[] = { "random", "round_robin", "sequential", NULL };
  for (unsigned i = 0; line->words[1] && policies[i]; i++) {
    if (g_str_equal(line->words[1], policies[i])) {
      rule->options.policy = i;
      return true;
    }
  }
  return corefile_error(error, line, "unknown policy '%s'", line->words[1] ? line->words[1] : "");
}

static bool read_forward_property(ForwardRule *rule, const CorefileLine *line, GError **error)
{
  static const char *const ignored[] = { "prefer_udp", "expire",   "health_check", "max_concurrent",
                                         "failover",   "failfast", "next",         NULL };
  const char *word = line->words[0];
  guint64 number = 0;
  if (g_str_equal(word, "except")) {
    if (!line->words[1])
      return corefile_error(error, line, "except needs zones");
    return with_line(zone_set_add_words(&rule->except, line->words + 1, error), line, error);
  }
  if (g_str_equal(word, "policy"))
    return read_policy(rule, line, error);
  if (g_str_equal(word, "force_tcp"))
    return rule->options.tcp = true;
  if (!g_str_equal(word, "max_fails"))
    return g_strv_contains(ignored, word) || corefile_error(error, line, "unknown property '%s'", word);
  if (!read_number(line, line->words[1], G_MAXUINT16, &number, error))
    return false;
  rule->options.max_failures = (unsigned)number;
  return true;
}

static void forward_rule_free(ForwardRule *rule)
{
  zone_set_clear(&rule->zones);
  zone_set_clear(&rule->except);
  server_list_unref(rule->servers);
  g_free(rule);
}

/* TO: addresses, or /etc/resolv.conf for the machine's. */
static bool read_servers(ForwardRule *rule, const CorefileLine *line, GError **error)
{
  g_autoptr(ServerList) servers = server_list_new();
  if (!line->words[1] || !line->words[2])
    return corefile_error(error, line, "forward needs a zone and where to");
  for (char **word = line->words + 2; *word; word++) {
    const char *to = g_str_has_prefix(*word, "dns://") ? *word + strlen("dns://") : *word;
    if (g_str_equal(to, "/etc/resolv.conf")) {
      if (line->words[3])
        return corefile_error(error, line, "/etc/resolv.conf stands alone or not at all");
      return true;
    }
    if (!with_line(server_list_add(servers, to, DNS_PORT, error), line, error))
      return false;
  }
  rule->servers = g_steal_pointer(&servers);
  return true;
}

static bool read_forward(Block *block, const CorefileLine *line, GError **error)
{
  ForwardRule *rule = g_new0(ForwardRule, 1);
  rule->options.max_failures = FAILURES_DEFAULT;
  g_ptr_array_add(block->forwards, rule);
  if (!read_servers(rule, line, error))
    return false;
  if (!with_line(zone_set_add(&rule->zones, line->words[1], error), line, error))
    return false;
  for (guint i = 0; line->lines && i < line->lines->len; i++)
    if (!read_forward_property(rule, line->lines->pdata[i], error))
      return false;
  return true;
}

static const struct {
  const char *name;
  PluginRead read;
} plugins[] = {
  { "bufsize", read_nothing },    { "cache", read_cache },           { "cancel", read_nothing },
  { "debug", read_nothing },      { "errors", read_nothing },        { "forward", read_forward },
  { "health", read_nothing },     { "hosts", read_hosts },           { "log", read_log },
  { "loop", read_loop },          { "loadbalance", read_nothing },   { "metadata", read_nothing },
  { "ready", read_nothing },      { "reload", read_nothing },        { "rewrite", read_rewrite },
  { "prometheus", read_nothing }, { "kubernetes", read_kubernetes }, { "template", read_template },
};

static bool read_plugin(Block *block, const CorefileLine *line, GError **error)
{
  for (gsize i = 0; i < G_N_ELEMENTS(plugins); i++)
    if (g_str_equal(line->words[0], plugins[i].name)) {
      if (plugins[i].read(block, line, error))
        return true;
      return error && *error && !g_str_has_prefix((*error)->message, "Corefile:") ? with_line(false, line, error)
                                                                                  : false;
    }
  return corefile_error(error, line, "Unknown directive '%s'", line->words[0]);
}

static Block *block_empty(void)
{
  Block *block = g_new0(Block, 1);
  block->rewrites = g_ptr_array_new_with_free_func((GDestroyNotify)rewrite_free);
  block->templates = g_ptr_array_new_with_free_func((GDestroyNotify)template_free);
  block->forwards = g_ptr_array_new_with_free_func((GDestroyNotify)forward_rule_free);
  block->cluster.ttl = CLUSTER_TTL_DEFAULT;
  block->cluster.pods = POD_RECORDS_DISABLED;
  return block;
}

Block *block_new(const CorefileLine *line, const char *address, GError **error)
{
  g_autoptr(Block) block = block_empty();
  block->cluster.address = address;
  for (guint i = 0; line->lines && i < line->lines->len; i++)
    if (!read_plugin(block, line->lines->pdata[i], error))
      return NULL;
  return g_steal_pointer(&block);
}

Block *block_new_stub(ServerList *servers)
{
  Block *block = block_empty();
  ForwardRule *rule = g_new0(ForwardRule, 1);
  block->cache_seconds = block->denial_seconds = STUB_CACHE_SECONDS;
  rule->options = (UpstreamOptions){ .policy = SERVER_SEQUENTIAL, .max_failures = FAILURES_DEFAULT };
  rule->servers = server_list_ref(servers);
  zone_set_add(&rule->zones, ".", NULL);
  g_ptr_array_add(block->forwards, rule);
  return block;
}

void block_replace_machine_servers(Block *block, ServerList *servers)
{
  for (guint i = 0; i < block->forwards->len; i++) {
    ForwardRule *rule = block->forwards->pdata[i];
    if (!rule->servers)
      rule->servers = server_list_ref(servers);
  }
}

void block_free(Block *block)
{
  if (!block)
    return;
  g_ptr_array_unref(block->rewrites);
  g_ptr_array_unref(block->templates);
  g_ptr_array_unref(block->forwards);
  hosts_free(block->hosts);
  g_free(block->cluster.name);
  zone_set_clear(&block->cluster_zones);
  zone_set_clear(&block->cluster_fall_through);
  g_free(block);
}

const ForwardRule *block_forward(const Block *block, const uint8_t *name, size_t length)
{
  for (guint i = 0; i < block->forwards->len; i++) {
    const ForwardRule *rule = block->forwards->pdata[i];
    if (zone_set_has(&rule->zones, name, length) && !zone_set_has(&rule->except, name, length))
      return rule;
  }
  return NULL;
}
