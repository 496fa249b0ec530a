#pragma once
/*
 * A request of a client passed on to another server, and what that says passed back: proxy subresources and API
 * aggregation. Bodies stream both ways with the slower side setting the pace. Upgrades (WebSocket, SPDY) become a
 * tunnel. Source: what upstream's proxies pass on and what not (apimachinery/pkg/util/proxy).
 */
#include "clusterd/server/http/http.h"
#include "clusterd/server/outbound/outbound.h"
#include "clusterd/server/stream/session_set.h"

#define RELAY_HEADERS_MAX (64u << 10) /* bytes of a reply's head */
#define RELAY_HEAD_SECONDS 30         /* for the reply to an upgrade */
#define RELAY_BACKLOG_MAX (256u << 10)
#define RELAY_PAGE_MAX (2u << 20)

typedef struct RelayRequest {
  OutboundTarget target;      /* with the whole URL */
  const char *const *headers; /* "Name: value", sent besides or in place of the client's; NULL-terminated */
  const char *hidden_prefix;  /* client's headers that begin so are not passed on ("X-Remote-"); NULL: none */
  /* What stands before a path of the other server's to make it one of this server's: Locations and the links of HTML
   * pages of at most RELAY_PAGE_MAX are rewritten, and headers for other origins (CORS) dropped. NULL: nothing of it.
   */
  const char *path_prefix;
  bool keep_host; /* the client's Host is passed on, not that of the URL */
  /* Ends HTTP when there is no reply, with TEXT saying why, in upstream's words. */
  void (*fail)(HttpRequest *http, const char *text);
} RelayRequest;

/* Passes HTTP on; takes it and copies REQUEST. Returns at once. */
void relay_start(Outbound *outbound, HttpRequest *http, const RelayRequest *request);

/* True when the client asks for another protocol on its connection. */
bool relay_is_upgrade(const HttpRequest *http);

/* As relay_start for such a request: blocks (on a worker) until the other server has answered, then tunnels in a
 * session of SESSIONS. */
void relay_start_upgrade(SessionSet *sessions, HttpRequest *http, const RelayRequest *request);

/* --- shared by the two --- */

/* True for headers that end at each hop (RFC 9110, 7.6.1), and those the transport itself writes. */
bool relay_is_hop_header(const char *name);

/* The client's headers and REQUEST's as "Name: value" lines. The caller frees. */
char **relay_headers(const HttpRequest *http, const RelayRequest *request);

/* LOCATION of a reply to a request sent to HOST ("10.1.2.3:80") by a client that calls this server CLIENT_HOST, as a
 * path below PREFIX. The caller frees. */
char *relay_rewrite_location(const char *location, const char *host, const char *client_host, const char *prefix);
