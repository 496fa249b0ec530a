#include "clusterd/dns/lookup.h"

#include <ldns/ldns.h>
#include <string.h>
#include <time.h>

#include "base/json.h"
#include "clusterd/dns/cache.h"
#include "clusterd/dns/loop.h"
#include "clusterd/dns/merge.h"
#include "clusterd/dns/plan.h"
#include "clusterd/dns/resolv_conf.h"
#include "clusterd/dns/rewrite.h"
#include "clusterd/dns/template.h"

#define DEPTH_MAX 8 /* aliases that lead to aliases */

struct LookupSet {
  LookupConfig config;
  char *domain, *address;
  Upstream *upstream;
  ResolvConf *resolv_conf;
  Loop *loop;
  Plan *plan;
  json_t *config_map, *kube_dns; /* what the plan was made from; NULL: none */
  Cache *cache;
  GHashTable *lookups, *asked; /* all; of them, by question, those that nameservers are asked about */
  unsigned waiters;
};

typedef struct Waiter {
  LookupDone done;
  void *data;
} Waiter;

typedef struct Lookup {
  CacheKey key; /* first: it is its key among those asked */
  LookupSet *set;
  Question question; /* as it was asked */
  uint8_t name[NAME_WIRE_MAX];
  size_t length; /* of the name it is looked up under */
  bool rewritten;
  ldns_pkt *begun; /* an answer whose alias is being followed; NULL: none */
  GArray *waiters; /* Waiter */
  unsigned depth;
  Plan *plan;
  const Block *block;
  uint64_t epoch; /* of the cluster, when it began */
} Lookup;

static uint32_t now_seconds(void)
{
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
  return (uint32_t)now.tv_sec;
}

static void lookup_free(void *data)
{
  Lookup *lookup = data;
  if (lookup->begun)
    ldns_pkt_free(lookup->begun);
  lookup->set->waiters -= lookup->waiters->len;
  g_array_unref(lookup->waiters);
  plan_unref(lookup->plan);
  g_free(lookup);
}

/* Takes LOOKUP out and tells who waits for it. */
static void tell(Lookup *lookup, const Answer *answer, uint8_t rcode)
{
  LookupSet *set = lookup->set;
  if (g_hash_table_lookup(set->asked, lookup) == lookup)
    g_hash_table_remove(set->asked, lookup);
  g_hash_table_steal(set->lookups, lookup);
  for (guint i = 0; i < lookup->waiters->len; i++) {
    const Waiter *waiter = &g_array_index(lookup->waiters, Waiter, i);
    waiter->done(answer, rcode, waiter->data);
  }
  lookup_free(lookup);
}

static unsigned seconds_to_keep(const Lookup *lookup, const Answer *answer)
{
  uint8_t rcode = answer_rcode(answer);
  if (rcode != LDNS_RCODE_NOERROR && rcode != LDNS_RCODE_NXDOMAIN)
    return 0;
  return MIN(answer_ttl(answer),
             answer_is_negative(answer) ? lookup->block->denial_seconds : lookup->block->cache_seconds);
}

/* Takes PACKET, the answer to the name the lookup was under. LOCAL: it does not come from a nameserver. */
static void finish(Lookup *lookup, ldns_pkt *packet, bool local)
{
  LookupSet *set = lookup->set;
  if (lookup->rewritten)
    packet = merge_rename(packet, lookup->name, lookup->length, lookup->question.name, lookup->question.name_length);
  g_autoptr(Answer) answer = answer_new(packet);
  ldns_pkt_free(packet);
  if (!answer) {
    tell(lookup, NULL, LDNS_RCODE_SERVFAIL);
    return;
  }
  unsigned seconds = local ? 0 : seconds_to_keep(lookup, answer);
  bool current = lookup->plan == set->plan && (local || seconds > 0) && answer_rcode(answer) != LDNS_RCODE_SERVFAIL &&
                 lookup->block->cluster.pods != POD_RECORDS_VERIFIED;
  if (current)
    cache_put(set->cache, &lookup->key, answer, seconds, lookup->epoch, now_seconds());
  tell(lookup, answer, answer_rcode(answer));
}

static void start_at(LookupSet *set, const Question *question, unsigned depth, LookupDone done, void *data);

static void on_chased(const Answer *answer, uint8_t rcode, void *data)
{
  Lookup *lookup = data;
  ldns_pkt *begun = g_steal_pointer(&lookup->begun);
  if (answer)
    merge_chased(begun, answer);
  else
    ldns_pkt_set_rcode(begun, rcode);
  finish(lookup, begun, false);
}

/* Follows the alias of BEGUN, which is taken, to NAME. */
static void chase(Lookup *lookup, ldns_pkt *begun, const char *name)
{
  Question question = { .type = lookup->question.type,
                        .flags = lookup->question.flags,
                        .edns = lookup->question.edns,
                        .dnssec_ok = lookup->question.dnssec_ok,
                        .class_ = LDNS_RR_CLASS_IN };
  question.name_length = (uint8_t)name_from_text(name, question.name);
  if (lookup->depth >= DEPTH_MAX || question.name_length == 0) {
    finish(lookup, begun, true);
    return;
  }
  memcpy(question.asked, question.name, question.name_length);
  lookup->begun = begun;
  start_at(lookup->set, &question, lookup->depth + 1, on_chased, lookup);
}

static void on_forwarded(const uint8_t *reply, size_t length, void *data)
{
  Lookup *lookup = data;
  unsigned ttl_max = MAX(lookup->block->cache_seconds, lookup->block->denial_seconds);
  ldns_pkt *packet =
      reply ? merge_forwarded(lookup->name, lookup->length, lookup->question.type, reply, length, ttl_max) : NULL;
  if (packet) {
    finish(lookup, packet, false);
    return;
  }
  g_debug("nameservers gave no answer");
  tell(lookup, NULL, LDNS_RCODE_SERVFAIL);
}

/* The query as nameservers get it; its id is set where it is sent. */
static size_t write_query(const Lookup *lookup, uint8_t out[UDP_SIZE_PLAIN])
{
  size_t at = MESSAGE_HEADER_SIZE;
  const uint8_t opt[OPT_SIZE] = {
    0, 0, TYPE_OPT, UDP_SIZE_MAX >> 8, UDP_SIZE_MAX & 0xff, 0, 0, lookup->question.dnssec_ok ? 0x80 : 0
  };
  memset(out, 0, MESSAGE_HEADER_SIZE);
  message_put_u16(out + 2, (uint16_t)(FLAG_RD | (lookup->question.flags & FLAG_CD)));
  message_put_u16(out + 4, 1);
  message_put_u16(out + 10, 1);
  memcpy(out + at, lookup->name, lookup->length);
  at += lookup->length;
  message_put_u16(out + at, lookup->question.type);
  message_put_u16(out + at + 2, LDNS_RR_CLASS_IN);
  memcpy(out + at + 4, opt, sizeof opt);
  return at + 4 + sizeof opt;
}

/* Joins the lookup that is under way, if there is one: then LOOKUP is gone. */
static bool join(Lookup *lookup)
{
  LookupSet *set = lookup->set;
  Lookup *other = g_hash_table_lookup(set->asked, lookup);
  if (!other || other->plan != lookup->plan) {
    g_hash_table_replace(set->asked, lookup, lookup);
    return false;
  }
  set->waiters += lookup->waiters->len;
  g_array_append_vals(other->waiters, lookup->waiters->data, lookup->waiters->len);
  g_hash_table_remove(set->lookups, lookup);
  return true;
}

static void forward(Lookup *lookup)
{
  LookupSet *set = lookup->set;
  const ForwardRule *rule = block_forward(lookup->block, lookup->name, lookup->length);
  if (!rule || (lookup->block->loop && loop_is_found(set->loop, lookup->block))) {
    tell(lookup, NULL, LDNS_RCODE_SERVFAIL);
    return;
  }
  if (join(lookup))
    return;
  uint8_t query[UDP_SIZE_PLAIN];
  size_t length = write_query(lookup, query);
  ServerList *servers = rule->servers ? rule->servers : resolv_conf_servers(set->resolv_conf);
  upstream_ask(set->upstream, servers, &rule->options, query, length, on_forwarded, lookup);
}

/* What the block says itself: an answer, which is the caller's, and in *ALIAS what it leads to; or NULL. */
static ldns_pkt *answer_here(const Lookup *lookup, char **alias)
{
  const Block *block = lookup->block;
  uint16_t type = lookup->question.type;
  ldns_pkt *packet = NULL;
  for (guint i = 0; i < block->templates->len && !packet; i++)
    packet = template_answer(block->templates->pdata[i], lookup->name, lookup->length, type);
  if (!packet && block->hosts)
    packet = hosts_answer(block->hosts, lookup->name, lookup->length, type);
  if (packet || !block->has_cluster || !zone_set_has(&block->cluster_zones, lookup->name, lookup->length))
    return packet;
  packet = resolver_answer(&lookup->set->config.facts, &block->cluster, lookup->name, lookup->length, type, alias);
  bool absent = !packet || ldns_pkt_get_rcode(packet) == LDNS_RCODE_NXDOMAIN;
  if (absent && zone_set_has(&block->cluster_fall_through, lookup->name, lookup->length)) {
    if (packet)
      ldns_pkt_free(packet);
    return NULL;
  }
  return packet ? packet : resolver_begin(lookup->name, lookup->length, type, LDNS_RCODE_NXDOMAIN);
}

static void answer_or_ask(Lookup *lookup)
{
  g_autofree char *alias = NULL;
  ldns_pkt *packet = answer_here(lookup, &alias);
  if (!packet)
    forward(lookup);
  else if (alias)
    chase(lookup, packet, alias);
  else
    finish(lookup, packet, true);
}

static void run(Lookup *lookup)
{
  lookup->block = plan_find(lookup->plan, lookup->name, lookup->length);
  if (!lookup->block) {
    tell(lookup, NULL, LDNS_RCODE_REFUSED);
  } else if (loop_notice(lookup->set->loop, lookup->name, lookup->length)) {
    tell(lookup, NULL, LDNS_RCODE_SERVFAIL);
  } else {
    lookup->rewritten = rewrite_apply(lookup->block->rewrites, lookup->name, &lookup->length);
    answer_or_ask(lookup);
  }
}

static void start_at(LookupSet *set, const Question *question, unsigned depth, LookupDone done, void *data)
{
  if (g_hash_table_size(set->lookups) >= LOOKUPS_MAX || set->waiters >= LOOKUP_WAITERS_MAX) {
    done(NULL, LDNS_RCODE_SERVFAIL, data);
    return;
  }
  Waiter waiter = { done, data };
  Lookup *lookup = g_new0(Lookup, 1);
  cache_key_init(&lookup->key, question);
  lookup->set = set;
  lookup->question = *question;
  lookup->length = question->name_length;
  memcpy(lookup->name, question->name, question->name_length);
  lookup->waiters = g_array_new(FALSE, FALSE, sizeof(Waiter));
  g_array_append_val(lookup->waiters, waiter);
  set->waiters++;
  lookup->depth = depth;
  lookup->plan = plan_ref(set->plan);
  lookup->epoch = set->config.facts.version(set->config.facts.data);
  g_hash_table_add(set->lookups, lookup);
  run(lookup);
}

void lookup_set_start(LookupSet *set, const Question *question, LookupDone done, void *data)
{
  start_at(set, question, 0, done, data);
}

const Answer *lookup_set_cached(LookupSet *set, const Question *question, uint32_t *age)
{
  return cache_find(set->cache, question, set->config.facts.version(set->config.facts.data), now_seconds(), age);
}

bool lookup_set_logs(const LookupSet *set, const Question *question)
{
  if (!plan_logs(set->plan))
    return false;
  const Block *block = plan_find(set->plan, question->name, question->name_length);
  return block && block->log;
}

/* Asks whether what the machine's nameservers do not know comes back here. */
static void look_for_loop(LookupSet *set)
{
  static const uint8_t root[] = { 0 };
  const Block *block = plan_find(set->plan, root, sizeof root);
  const ForwardRule *rule = block && block->loop ? block_forward(block, root, sizeof root) : NULL;
  loop_start(set->loop, block, !rule ? NULL : rule->servers ? rule->servers : resolv_conf_servers(set->resolv_conf));
}

static void on_resolv_conf(void *data)
{
  LookupSet *set = data;
  cache_clear(set->cache);
  look_for_loop(set);
}

static json_t *get_config_map(const LookupSet *set, const char *name)
{
  return set->config.facts.config_map ? set->config.facts.config_map(set->config.facts.data, name) : NULL;
}

/* ERROR NULL: the ConfigMap is in force. */
static void report(const LookupSet *set, const json_t *config_map, const GError *error)
{
  g_autofree char *message = NULL;
  if (error)
    message =
        g_strdup_printf("%s; %s", error->message, set->plan ? "what was in force stays" : "the default is in force");
  if (message)
    g_warning("ConfigMap coredns: %s", message);
  if (set->config.report && config_map)
    set->config.report(set->config.report_data, config_map, message);
}

void lookup_set_reload(LookupSet *set)
{
  g_autoptr(GError) error = NULL;
  g_autoptr(json_t) config_map = get_config_map(set, "coredns");
  g_autoptr(json_t) kube_dns = get_config_map(set, "kube-dns");
  if (set->plan && config_map == set->config_map && kube_dns == set->kube_dns)
    return; /* objects do not change: the same one says the same */
  const char *text = json_str(json_object_get(config_map, "data"), "Corefile", NULL);
  bool first = !set->plan, changed = config_map != set->config_map;
  Plan *plan = plan_new(text, kube_dns, set->domain, set->address, &error);
  if (changed && (!first || error))
    report(set, config_map, error);
  if (!plan && first)
    plan = plan_new(NULL, kube_dns, set->domain, set->address, NULL);
  json_decref(set->config_map);
  json_decref(set->kube_dns);
  set->config_map = g_steal_pointer(&config_map);
  set->kube_dns = json_incref(kube_dns);
  if (!plan)
    return;
  plan_unref(set->plan);
  set->plan = plan;
  cache_clear(set->cache);
  look_for_loop(set);
}

LookupSet *lookup_set_new(struct event_base *base, const LookupConfig *config)
{
  LookupSet *set = g_new0(LookupSet, 1);
  set->config = *config;
  set->domain = g_strdup(config->domain);
  set->address = g_strdup(config->address);
  set->upstream = upstream_new(base);
  set->cache = cache_new(CACHE_ENTRIES_MAX, CACHE_BYTES_MAX);
  set->lookups = g_hash_table_new_full(NULL, NULL, lookup_free, NULL);
  set->asked = g_hash_table_new(cache_key_hash, cache_key_equal);
  set->loop = loop_new(set->upstream);
  set->resolv_conf =
      resolv_conf_new(base, config->resolv_conf, config->upstream_port, config->address, on_resolv_conf, set);
  lookup_set_reload(set);
  return set;
}

/* Aliases' lookups wait for others of the set, and go with it. */
static void refuse_all(const LookupSet *set)
{
  GHashTableIter iter;
  gpointer key;
  g_hash_table_iter_init(&iter, set->lookups);
  while (g_hash_table_iter_next(&iter, &key, NULL)) {
    const Lookup *lookup = key;
    for (guint i = 0; i < lookup->waiters->len; i++) {
      const Waiter *waiter = &g_array_index(lookup->waiters, Waiter, i);
      if (waiter->done != on_chased)
        waiter->done(NULL, LDNS_RCODE_SERVFAIL, waiter->data);
    }
  }
}

void lookup_set_free(LookupSet *set)
{
  if (!set)
    return;
  upstream_free(set->upstream);
  refuse_all(set);
  g_hash_table_unref(set->asked);
  g_hash_table_unref(set->lookups);
  loop_free(set->loop);
  resolv_conf_free(set->resolv_conf);
  plan_unref(set->plan);
  cache_free(set->cache);
  json_decref(set->config_map);
  json_decref(set->kube_dns);
  g_free(set->domain);
  g_free(set->address);
  g_free(set);
}
