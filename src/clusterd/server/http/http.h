#pragma once
/*
 * HTTP/1.1 over TLS: evhttp and bufferevent_openssl behind an interface that has no libevent in it.
 *
 * N event loops accept and parse; every request goes to the handler, on a worker thread unless the server said it is
 * quick. The handler ends each request in exactly one of three ways: http_reply, http_stream_new, http_takeover; after
 * that the HttpRequest is gone. All three may be called on any thread, also long after the handler returned.
 * Bounds: header HTTP_HEADERS_MAX, body HTTP_BODY_MAX, idle connection HTTP_IDLE_SECONDS.
 */
#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#define HTTP_BODY_MAX (3u << 20) /* upstream's limit of a request */
#define HTTP_HEADERS_MAX (64 << 10)
#define HTTP_IDLE_SECONDS 120
#define HTTP_WORKERS_MAX 48
#define HTTP_URGENT_MAX 4
/* Workers that may wait for somebody else at the same time, on top of those. */
#define HTTP_WORKERS_LENT_MAX 200
/* What may wait in memory for a peer that does not read; beyond it the connection is closed. */
#define HTTP_STREAM_BACKLOG_MAX (32u << 20)
/* A stream with less than this unsent counts as drained. */
#define HTTP_STREAM_DRAINED (64u << 10)

typedef struct HttpServer HttpServer;
typedef struct HttpRequest HttpRequest;
typedef struct HttpStream HttpStream;

typedef struct HttpServerConfig {
  const char *address;
  uint16_t port;                              /* 0: any free one */
  const char *cert_file, *key_file, *ca_file; /* CA_FILE verifies client certificates, which are optional */
  unsigned n_loops;                           /* 0: one per core */
  void (*handler)(HttpRequest *request, void *data);
  /* True when the handler never blocks on this request: it then runs on the event loop. May be NULL. */
  bool (*is_quick)(const HttpRequest *request, void *data);
  /* True when the request must be answered however many others wait: it has threads of its own, HTTP_URGENT_MAX. May be
   * NULL. */
  bool (*is_urgent)(const HttpRequest *request, void *data);
  /* True when a long body sent to PATH may be read while it comes (http_take_upload). On an event loop's thread; must
   * not block. May be NULL. */
  bool (*streams_body)(const char *path, void *data);
  /* Told on a worker when it lends its place (AWAY), and when it has it back. May be NULL. */
  void (*lends)(bool away, void *data);
  void *data;
} HttpServerConfig;

/* NULL with REASON_CONFIG (certificates) or REASON_LOCAL_NETWORK (address). */
HttpServer *http_server_start(const HttpServerConfig *config, GError **error);

/* Reads the certificates anew, for connections from now on. False, and everything stays as it was, when they cannot be
 * used. Any thread. */
bool http_server_reload(HttpServer *server, GError **error);
uint16_t http_server_port(const HttpServer *server);
/* Answers new requests with 503 and waits for the running handlers. Whoever owns streams and taken-over connections
 * ends them after this and before http_server_stop. */
void http_server_drain(HttpServer *server);
void http_server_stop(HttpServer *server);

/* Around a wait for another server (a webhook) that may itself call this one: while a worker waits, another one may run
 * in its place, so that those calls are served. False when HTTP_WORKERS_LENT_MAX wait already: the caller shall not
 * wait. Always true, and nothing, on threads that are no workers. Every true needs its http_worker_return. */
bool http_worker_lend(void);
void http_worker_return(void);

/* Runs GO_ON on a worker for a request that the handler has put off; not on the calling thread unless the server
 * drains. */
void http_resume(HttpRequest *request, void (*go_on)(HttpRequest *request, void *data), void *data);

/* The request line and headers; borrowed, valid until the request is ended. */
const char *http_method(const HttpRequest *request); /* "GET" */
const char *http_path(const HttpRequest *request);   /* as sent: still percent-encoded, without the query */
const char *http_query(const HttpRequest *request);  /* "" when there is none */
const char *http_header(const HttpRequest *request, const char *name);       /* the first one, or NULL */
char **http_header_all(const HttpRequest *request, const char *name);        /* all of that name; the caller frees */
char **http_header_prefixed(const HttpRequest *request, const char *prefix); /* names; the caller frees */
/* Calls VISIT for every header, in their order. */
void http_headers_visit(const HttpRequest *request, void (*visit)(const char *name, const char *value, void *data),
                        void *data);
GBytes *http_body(const HttpRequest *request); /* borrowed, never NULL */
/* True when the body was longer than HTTP_BODY_MAX: http_body is then empty. */
bool http_body_is_too_long(const HttpRequest *request);

/* A body that is read while it comes, without a bound of its length. Thread-safe; one reader. */
typedef struct HttpUpload HttpUpload;
/* That of REQUEST: http_body is then empty. The caller closes it, at any time. NULL: it has none. */
HttpUpload *http_take_upload(HttpRequest *request);
/* Its length in bytes; -1 when the client did not say. */
gint64 http_upload_length(const HttpUpload *upload);
#define HTTP_UPLOAD_WAIT (-1)   /* there is more to come */
#define HTTP_UPLOAD_BROKEN (-2) /* the client left in the middle */
/* Reads up to SIZE bytes and returns how many; 0 at its end. Does not block. */
gssize http_upload_read(HttpUpload *upload, void *data, gsize size);
/* Calls READY once, on any thread, when http_upload_read has something else to say than HTTP_UPLOAD_WAIT; it must not
 * block. One call at a time. */
void http_upload_when_ready(HttpUpload *upload, void (*ready)(void *data), void *data);
/* What still comes is thrown away. A READY that is waited for may be called until then, or never. */
void http_upload_close(HttpUpload *upload);

const char *http_peer_address(const HttpRequest *request);

/* The port the server listens on, that the request came to. */
uint16_t http_local_port(const HttpRequest *request);

/* The subject of a verified client certificate. False when the peer sent none. *VALID is false when it sent one that
 * this server's CA does not vouch for. *FINGERPRINT is the certificate's SHA-256 in hexadecimal. */
bool http_peer_subject(const HttpRequest *request, bool *valid, char **common_name, char ***organizations,
                       char **fingerprint);

/* Who is told of the answer, on whatever thread makes it. STARTED once with its status, and whether it goes on as a
 * stream; ENDED once, after the last byte was handed over, a stream ended, or the connection was taken over. */
typedef struct HttpObserver {
  void (*started)(int status, bool streams, void *data);
  void (*ended)(bool streamed, void *data);
} HttpObserver;
void http_observe(HttpRequest *request, const HttpObserver *observer, void *data);

/* Adds a header to the reply (any number, before it is sent). */
void http_add_header(HttpRequest *request, const char *name, const char *value);

/* For who keeps a request waiting for long: calls DONE once on an event loop's thread, with GONE true when the peer
 * went before the request was ended (which must still be done), false when it was ended. DONE must not block. */
void http_when_done(HttpRequest *request, void (*done)(bool gone, void *data), void *data);

/* Answers and ends the request. Takes the reference to BODY (NULL: empty). */
void http_reply(HttpRequest *request, int status, const char *content_type, GBytes *body);

/* Answers with a body that is written piece by piece: chunked, unless a Content-Length was added. CONTENT_TYPE may be
 * NULL. ON_CLOSE (may be NULL) is called once, on an event loop's
 * thread, when the peer has gone or the stream was closed; it must not block and must not close the stream. */
HttpStream *http_stream_new(HttpRequest *request, int status, const char *content_type, void (*on_close)(void *data),
                            void *data);
/* Queues a piece; takes the reference. False when the peer is gone or reads too slowly. Thread-safe. */
bool http_stream_write(HttpStream *stream, GBytes *piece);
/* Calls READY once, on an event loop's thread, when less than HTTP_STREAM_DRAINED is unsent or the peer is gone; it
 * must not block. One call at a time. Thread-safe. */
void http_stream_when_drained(HttpStream *stream, void (*ready)(void *data), void *data);
/* Bytes not sent yet; never less than there are. Thread-safe. */
gsize http_stream_backlog(HttpStream *stream);
/* Ends the body and frees the stream: no call on it may follow. Thread-safe. */
void http_stream_close(HttpStream *stream);
/* As http_stream_close, for a body that did not come to its end: the connection is cut so that the peer can tell. */
void http_stream_abort(HttpStream *stream);

/* A GET of this process itself, on no connection, without a body, asking for JSON: calls SERVE with it, on this thread,
 * waits for the answer and returns its body (new reference). Whoever serves it ends it by http_reply, on any thread,
 * never by http_stream_new or http_takeover. */
GBytes *http_local_get(const char *path_and_query, const char *user_agent,
                       void (*serve)(HttpRequest *request, void *data), void *data, int *status);
bool http_is_local(const HttpRequest *request);

/* Sends HEAD (status line and headers with the empty line) and hands the raw connection over: the result is a blocking
 * stream socket that carries the connection's bytes both ways, TLS removed; closing it closes the connection. -1 when
 * no socket can be made (the request is then answered with 500). */
int http_takeover(HttpRequest *request, const char *head);
