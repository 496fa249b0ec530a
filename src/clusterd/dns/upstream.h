#pragma once
/* Questions that are passed on to the resolvers of the machine. Belongs to the DNS thread's event loop. */
#include <event2/event.h>
#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#include "clusterd/dns/forwarding.h"

typedef struct Upstream Upstream;

/* RESOLV_CONF's IPv4 nameservers, without OWN_ADDRESS. */
Upstream *upstream_new(struct event_base *base, const char *resolv_conf, uint16_t port, const char *own_address);
/* Drops questions still on their way without calling back. */
void upstream_free(Upstream *upstream);

/* REPLY is the answer's wire form with the question's own id, NULL when nobody answered in time. */
typedef void (*UpstreamReply)(GBytes *reply, void *data);

/* Sends QUERY over TCP or UDP to one nameserver after the other until one answers: to SERVERS (copied), or when they
 * are NULL to the machine's. May call back at once. */
void upstream_ask(Upstream *upstream, const NameServers *servers, GBytes *query, bool tcp, UpstreamReply reply,
                  void *data);
