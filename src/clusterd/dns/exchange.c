#include "clusterd/dns/exchange.h"

#include <errno.h>
#include <glib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "base/file.h"
#include "clusterd/dns/question.h"

static const struct timeval answer_timeout = { .tv_sec = 2 };

struct Exchange {
  struct event_base *base;
  struct sockaddr_storage to;
  socklen_t size;
  uint8_t *query; /* two bytes of length, as TCP wants them, and the message */
  size_t length;  /* of both */
  uint16_t id;
  bool tcp;
  int fd;
  struct event *event;
  size_t sent;          /* TCP */
  GByteArray *received; /* TCP */
  ExchangeDone done;
  void *data;
};

static void stop(Exchange *exchange)
{
  if (exchange->event)
    event_free(exchange->event);
  exchange->event = NULL;
  file_close(&exchange->fd);
}

void exchange_free(Exchange *exchange)
{
  if (!exchange)
    return;
  stop(exchange);
  g_byte_array_unref(exchange->received);
  g_free(exchange->query);
  g_free(exchange);
}

/* The length of the question section of a message that has one question; 0: it has not. */
static size_t question_length(const uint8_t *message, size_t length)
{
  if (length < MESSAGE_HEADER_SIZE || message_u16(message + 4) != 1)
    return 0;
  size_t end = message_skip_name(message, length, MESSAGE_HEADER_SIZE);
  return end == 0 || end + 4 > length ? 0 : end + 4 - MESSAGE_HEADER_SIZE;
}

bool exchange_is_reply(const uint8_t *query, size_t query_length, uint16_t id, const uint8_t *message, size_t length)
{
  if (length < MESSAGE_HEADER_SIZE || message_u16(message) != id || !(message_u16(message + 2) & FLAG_QR))
    return false;
  if (message_u16(message + 4) == 0)
    return (message_u16(message + 2) & FLAG_RCODE) != 0; /* a server that could not read it */
  size_t asked = question_length(query, query_length);
  if (asked == 0 || question_length(message, length) != asked)
    return false;
  for (size_t i = MESSAGE_HEADER_SIZE; i < MESSAGE_HEADER_SIZE + asked; i++)
    if (g_ascii_tolower((char)query[i]) != g_ascii_tolower((char)message[i]))
      return false;
  return true;
}

static bool is_reply(const Exchange *exchange, const uint8_t *message, size_t length)
{
  return exchange_is_reply(exchange->query + 2, exchange->length - 2, exchange->id, message, length);
}

static void fail(Exchange *exchange, bool timed_out)
{
  stop(exchange);
  exchange->done(NULL, 0, timed_out, exchange->data);
}

static bool start(Exchange *exchange);

static void on_udp(evutil_socket_t fd, short what, void *data)
{
  Exchange *exchange = data;
  uint8_t buffer[MESSAGE_MAX];
  if (!(what & EV_READ)) {
    fail(exchange, true);
    return;
  }
  ssize_t n = recv(fd, buffer, sizeof buffer, 0);
  if (n < 0 && errno != EAGAIN && errno != EINTR) {
    fail(exchange, false); /* refused */
  } else if (n >= 0 && is_reply(exchange, buffer, (size_t)n)) {
    stop(exchange);
    if (!(message_u16(buffer + 2) & FLAG_TC)) {
      exchange->done(buffer, (size_t)n, false, exchange->data);
      return;
    }
    exchange->tcp = true;
    if (!start(exchange))
      fail(exchange, false);
  }
}

static bool send_tcp(Exchange *exchange)
{
  while (exchange->sent < exchange->length) {
    ssize_t n = send(exchange->fd, exchange->query + exchange->sent, exchange->length - exchange->sent, MSG_NOSIGNAL);
    if (n < 0)
      return errno == EAGAIN || errno == EINTR;
    exchange->sent += (size_t)n;
  }
  return true;
}

static void read_tcp(Exchange *exchange)
{
  uint8_t buffer[4096];
  ssize_t n = recv(exchange->fd, buffer, sizeof buffer, 0);
  if (n <= 0) {
    if (n == 0 || (errno != EAGAIN && errno != EINTR))
      fail(exchange, false);
    return;
  }
  g_byte_array_append(exchange->received, buffer, (guint)n);
  const uint8_t *got = exchange->received->data;
  if (exchange->received->len < 2 || exchange->received->len < 2u + message_u16(got))
    return;
  size_t length = message_u16(got);
  stop(exchange);
  if (is_reply(exchange, got + 2, length))
    exchange->done(got + 2, length, false, exchange->data);
  else
    fail(exchange, false);
}

static void on_tcp(evutil_socket_t fd, short what, void *data)
{
  Exchange *exchange = data;
  if (what & EV_TIMEOUT) {
    fail(exchange, true);
  } else if ((what & EV_WRITE) && !send_tcp(exchange)) {
    fail(exchange, false);
  } else if ((what & EV_WRITE) && exchange->sent == exchange->length) {
    event_free(exchange->event);
    exchange->event = event_new(exchange->base, fd, EV_READ | EV_PERSIST, on_tcp, exchange);
    event_add(exchange->event, &answer_timeout);
  } else if (what & EV_READ) {
    read_tcp(exchange);
  }
}

static bool start(Exchange *exchange)
{
  int type = exchange->tcp ? SOCK_STREAM : SOCK_DGRAM;
  exchange->fd = socket(exchange->to.ss_family, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (exchange->fd < 0)
    return false;
  if (connect(exchange->fd, (const struct sockaddr *)&exchange->to, exchange->size) != 0 && errno != EINPROGRESS)
    return false;
  size_t length = exchange->length - 2;
  if (!exchange->tcp && send(exchange->fd, exchange->query + 2, length, MSG_NOSIGNAL) != (ssize_t)length)
    return false;
  short what = exchange->tcp ? EV_WRITE | EV_PERSIST : EV_READ | EV_PERSIST;
  exchange->event = event_new(exchange->base, exchange->fd, what, exchange->tcp ? on_tcp : on_udp, exchange);
  event_add(exchange->event, &answer_timeout);
  return true;
}

Exchange *exchange_start(struct event_base *base, const struct sockaddr *to, socklen_t size, const uint8_t *query,
                         size_t length, bool tcp, ExchangeDone done, void *data)
{
  Exchange *exchange = g_new0(Exchange, 1);
  *exchange = (Exchange){ .base = base, .size = size, .tcp = tcp, .fd = -1, .done = done, .data = data };
  memcpy(&exchange->to, to, size);
  exchange->length = length + 2;
  exchange->query = g_malloc(exchange->length);
  exchange->received = g_byte_array_new();
  message_put_u16(exchange->query, (uint16_t)length);
  memcpy(exchange->query + 2, query, length);
  /* An id nobody can guess, beside the kernel's random source port (RFC 5452). */
  if (getrandom(&exchange->id, sizeof exchange->id, 0) != (ssize_t)sizeof exchange->id)
    exchange->id = (uint16_t)g_random_int();
  message_put_u16(exchange->query + 2, exchange->id);
  if (start(exchange))
    return exchange;
  exchange_free(exchange);
  return NULL;
}
