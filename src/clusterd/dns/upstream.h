#pragma once
/* Questions that are passed on: to one nameserver after the other, first those known to answer. Belongs to the DNS
 * thread's event loop. */
#include <event2/event.h>
#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#include "clusterd/dns/server_list.h"

#define UPSTREAM_PENDING_MAX 1000

typedef struct Upstream Upstream;

typedef struct UpstreamOptions {
  ServerPolicy policy;
  unsigned max_failures; /* in a row, before a server is left out until it answers again; 0: never */
  bool tcp;              /* UDP is not tried */
} UpstreamOptions;

Upstream *upstream_new(struct event_base *base);
/* Drops questions still on their way without calling back. */
void upstream_free(Upstream *upstream);

/* REPLY is the message, borrowed, with an id that is not the client's; NULL when nobody answered in time (five seconds
 * altogether). */
typedef void (*UpstreamReply)(const uint8_t *reply, size_t length, void *data);

/* Sends QUERY. An answer that says no more than that the server failed or refused counts only when no other server
 * knows better. May call back at once. */
void upstream_ask(Upstream *upstream, ServerList *servers, const UpstreamOptions *options, const uint8_t *query,
                  size_t length, UpstreamReply reply, void *data);
