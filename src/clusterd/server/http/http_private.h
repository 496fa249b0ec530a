#pragma once
/* What http.c (requests and replies), http_loop.c (threads and TLS) and http_worker.c and http_relay.c (takeover)
 * share. */
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/bufferevent_ssl.h>
#include <event2/event.h>
#include <event2/http.h>
#include <event2/http_struct.h>
#include <event2/keyvalq_struct.h>
#include <openssl/ssl.h>

#include "clusterd/server/http/http.h"

/* One event loop. Everything of libevent's that belongs to it is touched by its thread alone; others post tasks. */
typedef struct HttpLoop {
  HttpServer *server;
  struct event_base *base;
  struct evhttp *http;
  struct event *wake;
  GAsyncQueue *tasks; /* HttpTask* */
  GThread *thread;
} HttpLoop;

typedef struct HttpTask {
  void (*run)(void *data);
  void *data;
} HttpTask;

struct HttpServer {
  HttpServerConfig config;
  GMutex tls_lock;
  SSL_CTX *tls; /* under tls_lock: connections take it, a reload replaces it */
  int listener;
  uint16_t port;
  HttpLoop *loops;
  unsigned n_loops;
  GMutex workers_lock;
  GThreadPool *workers; /* NULL when draining */
  GThreadPool *urgent;  /* for what cannot wait for them; NULL when draining */
  int lent;             /* workers that wait, under the lock */
};

typedef struct HttpLocal HttpLocal; /* http_local.c */

struct HttpRequest {
  HttpLoop *loop;   /* NULL with LOCAL */
  HttpLocal *local; /* who waits in this process; NULL: it came over a connection */
  struct evhttp_request *request;
  char *path, *query;
  const char *method;
  GBytes *body;
  bool body_too_long;
  bool urgent;
  HttpUpload *upload; /* NULL: the body is whole */
  char *peer;
  void (*go_on)(HttpRequest *request, void *data); /* in place of the handler; NULL: not put off */
  void *go_on_data;
  void (*done)(bool gone, void *data); /* the loop's; NULL when nobody waits */
  void *done_data;
  const HttpObserver *observer; /* may be NULL */
  void *observer_data;
  /* the reply, on its way to the loop */
  int status;
  char *content_type;
  GBytes *reply;
  HttpStream *stream;
  char *head;
  int relay_fd;
};

struct HttpStream {
  const HttpObserver *observer; /* may be NULL */
  void *observer_data;
  gatomicrefcount references; /* of the writer and of the loop */
  HttpLoop *loop;
  struct evhttp_request *request; /* the loop's; NULL once ended */
  void (*on_close)(void *data);
  void *data;
  GMutex lock;
  GQueue pieces; /* GBytes*, under the lock */
  gsize backlog; /* bytes queued or in libevent's buffer */
  bool posted;   /* a flush is on its way to the loop */
  bool gone;     /* the peer, or too slow */
  bool too_slow; /* what waits for it is thrown away */
  bool closing;  /* the writer is done */
  bool aborted;  /* and the body is not whole */
  /* the loop's: told when the output has drained; NULL when nobody waits */
  void (*ready)(void *data);
  void *ready_data;
};

/* Runs RUN on the loop's thread (at once when called there). */
void http_loop_run(HttpLoop *loop, void (*run)(void *data), void *data);
bool http_loop_is_current(const HttpLoop *loop);

/* Handles an HttpRequest of the HttpServer DATA; a GThreadPool's function. */
void http_worker_run(void *request, void *data);

/* Hands REQUEST to a worker. False when the server is draining. */
bool http_loop_dispatch(HttpServer *server, HttpRequest *request);

/* A new connection's request, from evhttp; called on the loop's thread. */
void http_request_arrived(struct evhttp_request *request, void *loop);
void http_request_free(HttpRequest *request);

/* http_resume of a request of this process itself. */
void http_local_resume(HttpRequest *request, void (*go_on)(HttpRequest *request, void *data), void *data);

/* The answer to a request of this process itself: ends it. Takes the reference to BODY. */
void http_local_replied(HttpRequest *request, int status, GBytes *body);

/* Stops watching the peer of REQUEST, which is to be ended; on its loop. */
void http_peer_unwatch(HttpRequest *request);

/* Makes the reply to REQUEST the last of its connection when the gate does not look at what comes next there: the other
 * protocol that was asked for did not come. */
void http_close_if_open(HttpRequest *request);

/* Appends BYTES to BUFFER without a copy. */
void http_bytes_append(struct evbuffer *buffer, GBytes *bytes);

/* Joins an HTTP connection and the socket FD until either ends. */
void http_relay_start(HttpLoop *loop, struct evhttp_request *request, const char *head, int fd);
