#pragma once
/*
 * Calls from the API server to other servers: webhooks, extension API servers, what stands behind proxy subresources.
 *
 * All transfers run on one thread of their own (libcurl's multi interface), which starts with the first; connections
 * are kept and used again. TLS 1.2 or newer, HTTP/1.1, no redirects, no proxies. Every function is thread-safe.
 */
#include <glib.h>
#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#define OUTBOUND_REPLY_MAX (16u << 20) /* bytes of a reply to outbound_post_json */
#define OUTBOUND_TIMEOUT_MAX 30        /* seconds; upstream's limit of a webhook's timeoutSeconds */
#define OUTBOUND_CONNECT_TIMEOUT 30    /* seconds until a connection stands */
#define OUTBOUND_IDLE_CONNECTIONS_MAX 64
#define OUTBOUND_ADDRESS_MAX 512 /* bytes of a host and port */

typedef struct Outbound Outbound;

/* Starts nothing yet. */
Outbound *outbound_new(void);
/* Ends all calls, whose callers see an error, and refuses new ones. */
void outbound_close(Outbound *outbound);
/* Closes and frees. No call may still wait. */
void outbound_free(Outbound *outbound);

/* Whom to call. Everything is borrowed until the call has ended, except by outbound_start. */
typedef struct OutboundTarget {
  const char *url;        /* https://HOST[:PORT]/PATH[?QUERY] or http://…; HOST is what the certificate must be for */
  const char *connect_to; /* "10.1.2.3:443": where it connects to; NULL: what URL says */
  const char *ca_pem;     /* who may have signed the certificate; NULL: whom this machine trusts */
  bool insecure;          /* any certificate will do */
  const char *client_cert; /* PEM; NULL: none */
  const char *client_key;  /* PEM */
} OutboundTarget;

/* Sends BODY by POST, waits at most TIMEOUT_SECONDS, and returns the reply (new reference). `timeout=Ns` is added to
 * the URL's query, as upstream does. May be called on a worker of the HTTP server (http_worker_lend), never on an event
 * loop's thread. NULL with the text that upstream's client gives: REASON_TIMEOUT, REASON_TOO_MANY_REQUESTS (too many
 * workers wait), else REASON_INTERNAL. */
json_t *outbound_post_json(Outbound *outbound, const OutboundTarget *target, const json_t *body,
                           unsigned timeout_seconds, GError **error);

/* The same in two steps, for who calls several at once: such a caller lends its worker itself. POST is never NULL.
 * Between the two BODY and TARGET may go. */
typedef struct OutboundPost OutboundPost;
OutboundPost *outbound_post_start(Outbound *outbound, const OutboundTarget *target, const json_t *body,
                                  unsigned timeout_seconds);
json_t *outbound_post_finish(OutboundPost *post, GError **error);
/* Ends the call when it still runs. */
void outbound_post_free(OutboundPost *post);

/* What upstream's client makes of a STATUS that is no success, with BODY: REASON_INTERNAL. Returns false. */
bool outbound_status_failure(GError **error, long status, const char *body);

/* Upstream's refusal of more requests than may be under way: REASON_TOO_MANY_REQUESTS. Returns false. */
bool outbound_too_many(GError **error);

/* GET in the same two steps. HEADERS ("Name: value", NULL-terminated) may be NULL. The finish returns the body whatever
 * *STATUS is; NULL with `Get "URL": …` when there was no reply. */
OutboundPost *outbound_get_start(Outbound *outbound, const OutboundTarget *target, const char *const *headers,
                                 unsigned timeout_seconds);
GBytes *outbound_get_finish(OutboundPost *get, long *status, GError **error);
