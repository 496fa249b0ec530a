#include "clusterd/dns/upstream.h"

#include <ldns/packet.h>
#include <string.h>

#include "clusterd/dns/exchange.h"
#include "clusterd/dns/question.h"

#define DEADLINE_US (5 * G_USEC_PER_SEC)
#define PASSES_MAX 2 /* each server is asked this often when answers do not come */

#define PROBE_MS_MIN 500
#define PROBE_MS_MAX 16000

struct Upstream {
  struct event_base *base;
  GHashTable *pending, *probes; /* sets of Ask*, of Probe* */
};

typedef struct Ask {
  Upstream *upstream;
  ServerList *servers;
  UpstreamOptions options;
  GBytes *query;
  unsigned order[NAMESERVERS_MAX], count, turn;
  bool timed_out; /* some server gave no answer, which it may do when asked again */
  gint64 deadline;
  GByteArray *worse; /* the reply of a server that failed; empty: none */
  Exchange *exchange;
  UpstreamReply reply;
  void *data;
} Ask;

/* A server that is down, asked now and then until it answers. */
typedef struct Probe {
  Upstream *upstream;
  ServerList *servers;
  unsigned server, wait_ms;
  struct event *timer;
  Exchange *exchange;
} Probe;

static void ask_free(Ask *ask)
{
  exchange_free(ask->exchange);
  server_list_unref(ask->servers);
  g_bytes_unref(ask->query);
  g_byte_array_unref(ask->worse);
  g_free(ask);
}

static void probe_free(Probe *probe)
{
  exchange_free(probe->exchange);
  event_free(probe->timer);
  server_list_unref(probe->servers);
  g_free(probe);
}

Upstream *upstream_new(struct event_base *base)
{
  Upstream *upstream = g_new0(Upstream, 1);
  upstream->base = base;
  upstream->pending = g_hash_table_new_full(NULL, NULL, (GDestroyNotify)ask_free, NULL);
  upstream->probes = g_hash_table_new_full(NULL, NULL, (GDestroyNotify)probe_free, NULL);
  return upstream;
}

void upstream_free(Upstream *upstream)
{
  if (!upstream)
    return;
  g_hash_table_unref(upstream->pending);
  g_hash_table_unref(upstream->probes);
  g_free(upstream);
}

static void probe_later(Probe *probe)
{
  const struct timeval wait = { probe->wait_ms / 1000, (suseconds_t)(probe->wait_ms % 1000) * 1000 };
  event_add(probe->timer, &wait);
}

static void on_probed(const uint8_t *reply, size_t length, bool timed_out, void *data)
{
  Probe *probe = data;
  NameServer *server = &probe->servers->server[probe->server];
  if (!reply && server->down) {
    probe->wait_ms = MIN(probe->wait_ms * 2, PROBE_MS_MAX);
    g_clear_pointer(&probe->exchange, exchange_free);
    probe_later(probe);
    return;
  }
  server->down = false;
  server->failures = 0;
  g_hash_table_remove(probe->upstream->probes, probe);
}

/* Asks who serves the root, as CoreDNS does: every resolver knows. */
static void on_probe_time(evutil_socket_t fd, short what, void *data)
{
  static const uint8_t query[] = { 0, 0, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, LDNS_RR_TYPE_NS, 0, 1 };
  Probe *probe = data;
  const NameServer *server = &probe->servers->server[probe->server];
  if (probe->servers->references == 1) { /* nobody uses the list any more */
    g_hash_table_remove(probe->upstream->probes, probe);
    return;
  }
  probe->exchange = exchange_start(probe->upstream->base, (const struct sockaddr *)&server->at, server->size, query,
                                   sizeof query, false, on_probed, probe);
  if (!probe->exchange)
    on_probed(NULL, 0, false, probe);
}

static void note_failure(Ask *ask, unsigned at)
{
  NameServer *server = &ask->servers->server[at];
  server->failures++;
  if (server->down || ask->options.max_failures == 0 || server->failures < ask->options.max_failures)
    return;
  server->down = true;
  Probe *probe = g_new0(Probe, 1);
  *probe = (Probe){ .upstream = ask->upstream, .servers = server_list_ref(ask->servers), .server = at };
  probe->wait_ms = PROBE_MS_MIN;
  probe->timer = evtimer_new(ask->upstream->base, on_probe_time, probe);
  g_hash_table_add(ask->upstream->probes, probe);
  probe_later(probe);
}

static void finish(Ask *ask, const uint8_t *message, size_t length)
{
  UpstreamReply reply = ask->reply;
  void *data = ask->data;
  g_hash_table_steal(ask->upstream->pending, ask);
  if (!message && ask->worse->len > 0)
    reply(ask->worse->data, ask->worse->len, data);
  else
    reply(message, length, data);
  ask_free(ask); /* last: MESSAGE is its exchange's */
}

static void try_server(Ask *ask);

static void on_reply(const uint8_t *message, size_t length, bool timed_out, void *data)
{
  Ask *ask = data;
  unsigned at = ask->order[ask->turn % ask->count];
  if (message) {
    uint16_t rcode = message_u16(message + 2) & FLAG_RCODE;
    ask->servers->server[at].failures = 0;
    ask->servers->server[at].down = false;
    if ((rcode != LDNS_RCODE_SERVFAIL && rcode != LDNS_RCODE_REFUSED) || ask->turn + 1 >= ask->count) {
      finish(ask, message, length);
      return;
    }
    g_byte_array_set_size(ask->worse, 0);
    g_byte_array_append(ask->worse, message, (guint)length);
  } else {
    ask->timed_out |= timed_out;
    note_failure(ask, at);
  }
  g_clear_pointer(&ask->exchange, exchange_free);
  ask->turn++;
  try_server(ask);
}

/* The next one in turn; a second time round only when it may help. */
static void try_server(Ask *ask)
{
  for (; ask->turn < ask->count * PASSES_MAX && g_get_monotonic_time() < ask->deadline; ask->turn++) {
    if (ask->turn >= ask->count && !ask->timed_out)
      break;
    unsigned at = ask->order[ask->turn % ask->count];
    const NameServer *server = &ask->servers->server[at];
    gsize length;
    const uint8_t *query = g_bytes_get_data(ask->query, &length);
    ask->exchange = exchange_start(ask->upstream->base, (const struct sockaddr *)&server->at, server->size, query,
                                   length, ask->options.tcp, on_reply, ask);
    if (ask->exchange)
      return;
    note_failure(ask, at);
  }
  finish(ask, NULL, 0);
}

void upstream_ask(Upstream *upstream, ServerList *servers, const UpstreamOptions *options, const uint8_t *query,
                  size_t length, UpstreamReply reply, void *data)
{
  if (servers->count == 0 || g_hash_table_size(upstream->pending) >= UPSTREAM_PENDING_MAX) {
    reply(NULL, 0, data);
    return;
  }
  Ask *ask = g_new0(Ask, 1);
  *ask = (Ask){ .upstream = upstream, .options = *options, .reply = reply, .data = data };
  ask->servers = server_list_ref(servers);
  ask->query = g_bytes_new(query, length);
  ask->worse = g_byte_array_new();
  ask->count = server_list_order(servers, options->policy, ask->order);
  ask->deadline = g_get_monotonic_time() + DEADLINE_US;
  g_hash_table_add(upstream->pending, ask);
  try_server(ask);
}
