/* How long a write takes to reach every watcher: opens N watches of one ConfigMap over TLS, changes it again and again,
 * and prints the times in milliseconds from the request's sending to the last watcher's event, as JSON.
 *
 *   watchers HOST PORT TOKEN N ROUNDS
 */
#include <event2/buffer.h>
#include <event2/bufferevent_ssl.h>
#include <event2/event.h>
#include <glib.h>
#include <openssl/ssl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PATH "/api/v1/namespaces/default/configmaps"
#define NAME "watched"
#define ROUND_TIMEOUT_SECONDS 30

typedef struct Bench {
  struct event_base *base;
  SSL_CTX *tls;
  const char *host, *token;
  int port;
  unsigned wanted, n_open, n_told, round, rounds;
  struct bufferevent *writer;
  gint64 sent_us, answered_us;
  GArray *told_ms, *after_ms; /* double: since the request was sent, since its reply came */
} Bench;

static struct bufferevent *connect_to(Bench *bench, bufferevent_data_cb on_read)
{
  SSL *ssl = SSL_new(bench->tls);
  struct bufferevent *stream =
      bufferevent_openssl_socket_new(bench->base, -1, ssl, BUFFEREVENT_SSL_CONNECTING, BEV_OPT_CLOSE_ON_FREE);
  bufferevent_setcb(stream, on_read, NULL, NULL, bench);
  bufferevent_enable(stream, EV_READ | EV_WRITE);
  if (bufferevent_socket_connect_hostname(stream, NULL, AF_INET, bench->host, bench->port) < 0) {
    fprintf(stderr, "cannot connect to %s:%d\n", bench->host, bench->port);
    exit(1);
  }
  return stream;
}

static void send_request(Bench *bench, struct bufferevent *stream, const char *method, const char *path,
                         const char *body)
{
  evbuffer_add_printf(bufferevent_get_output(stream),
                      "%s %s HTTP/1.1\r\nHost: %s\r\nAuthorization: Bearer %s\r\nContent-Type: application/json\r\n"
                      "Content-Length: %zu\r\n\r\n%s",
                      method, path, bench->host, bench->token, strlen(body), body);
}

static void change(Bench *bench)
{
  g_autofree char *filling = g_strnfill(1000, 'x');
  g_autofree char *body =
      g_strdup_printf("{\"metadata\":{\"name\":\"" NAME "\"},\"data\":{\"round\":\"round-%u.\",\"filling\":\"%s\"}}",
                      bench->round, filling);
  bench->n_told = 0;
  bench->answered_us = 0;
  bench->sent_us = g_get_monotonic_time();
  send_request(bench, bench->writer, bench->round ? "PUT" : "POST", bench->round ? PATH "/" NAME : PATH, body);
}

static void end_round(Bench *bench)
{
  gint64 now = g_get_monotonic_time();
  double told = (double)(now - bench->sent_us) / 1000;
  double after = bench->answered_us ? (double)(now - bench->answered_us) / 1000 : 0;
  if (bench->round > 0) { /* the first made it */
    g_array_append_val(bench->told_ms, told);
    g_array_append_val(bench->after_ms, after);
  }
  if (bench->round++ == bench->rounds)
    event_base_loopbreak(bench->base);
  else
    change(bench);
}

static void on_answer(struct bufferevent *stream, void *data)
{
  Bench *bench = data;
  struct evbuffer *input = bufferevent_get_input(stream);
  bench->answered_us = g_get_monotonic_time();
  evbuffer_drain(input, evbuffer_get_length(input));
}

static void on_event(struct bufferevent *stream, void *data)
{
  Bench *bench = data;
  struct evbuffer *input = bufferevent_get_input(stream);
  g_autofree char *marker = g_strdup_printf("round-%u.", bench->round);
  struct evbuffer_ptr headers = evbuffer_search(input, "\r\n\r\n", 4, NULL);
  bool told = evbuffer_search(input, marker, strlen(marker), NULL).pos >= 0;
  if (headers.pos < 0 && !told)
    return;
  evbuffer_drain(input, evbuffer_get_length(input));
  if (told && ++bench->n_told == bench->wanted)
    end_round(bench);
  else if (!told && ++bench->n_open == bench->wanted)
    change(bench);
}

static gint compare(const void *a, const void *b)
{
  const double *first = a, *second = b;
  return *first < *second ? -1 : *first > *second;
}

static void print(const char *name, GArray *values, const char *end)
{
  g_array_sort(values, compare);
  printf("\"%s\": {\"median\": %.2f, \"max\": %.2f}%s", name, g_array_index(values, double, values->len / 2),
         g_array_index(values, double, values->len - 1), end);
}

static void on_timeout(evutil_socket_t fd, short what, void *data)
{
  const Bench *bench = data;
  fprintf(stderr, "round %u: %u of %u watchers heard of it\n", bench->round, bench->n_told, bench->wanted);
  exit(1);
}

int main(int argc, char **argv)
{
  if (argc != 6) {
    fprintf(stderr, "usage: watchers HOST PORT TOKEN N ROUNDS\n");
    return 64;
  }
  Bench bench = { .base = event_base_new(),
                  .tls = SSL_CTX_new(TLS_client_method()), /* whom it talks to does not matter here */
                  .host = argv[1],
                  .port = (int)strtol(argv[2], NULL, 10),
                  .token = argv[3],
                  .wanted = (unsigned)strtoul(argv[4], NULL, 10),
                  .rounds = (unsigned)strtoul(argv[5], NULL, 10),
                  .told_ms = g_array_new(FALSE, FALSE, sizeof(double)),
                  .after_ms = g_array_new(FALSE, FALSE, sizeof(double)) };
  struct timeval patience = { ROUND_TIMEOUT_SECONDS, 0 };
  event_base_once(bench.base, -1, EV_TIMEOUT, on_timeout, &bench, &patience);
  bench.writer = connect_to(&bench, on_answer);
  for (unsigned i = 0; i < bench.wanted; i++)
    send_request(&bench, connect_to(&bench, on_event), "GET", PATH "?watch=1&fieldSelector=metadata.name%3D" NAME, "");
  event_base_dispatch(bench.base);
  printf("{");
  print("sinceRequest", bench.told_ms, ", ");
  print("sinceReply", bench.after_ms, "}\n");
  return 0;
}
