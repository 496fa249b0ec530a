/* The relays behind a container machine's ports, over real sockets of the loopback address. */
#include <errno.h>
#include <netinet/in.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/file.h"
#include "base/reason.h"
#include "driver/container_ports.h"
#include "driver/event_loop.h"
#include "driver/tcp_relay.h"
#include "driver/udp_relay.h"

enum { BIG = 8 * 1024 * 1024, TICK_MS = 20 };

static int listening(struct sockaddr_in *address, int type)
{
  socklen_t size = sizeof *address;
  int fd = socket(AF_INET, type | SOCK_CLOEXEC, 0);
  *address = (struct sockaddr_in){ .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
  g_assert_cmpint(bind(fd, (struct sockaddr *)address, sizeof *address), ==, 0);
  g_assert_cmpint(getsockname(fd, (struct sockaddr *)address, &size), ==, 0);
  if (type == SOCK_STREAM)
    g_assert_cmpint(listen(fd, 8), ==, 0);
  return fd;
}

static void tcp_pair(int *outer, int *inner)
{
  struct sockaddr_in address;
  int fd = listening(&address, SOCK_STREAM);
  *outer = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  g_assert_cmpint(connect(*outer, (struct sockaddr *)&address, sizeof address), ==, 0);
  *inner = accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
  g_assert_cmpint(*inner, >=, 0);
  close(fd);
}

typedef struct Pair {
  EventLoop *loop;
  int client, server; /* the ends that the test holds */
  gint closed, stop;
  GThread *thread;
} Pair;

static void on_closed(void *data)
{
  g_atomic_int_inc(&((Pair *)data)->closed);
}

static void on_tick(void *data)
{
  Pair *pair = data;
  if (g_atomic_int_get(&pair->stop))
    event_loop_quit(pair->loop);
}

static void *serve(void *data)
{
  event_loop_run(((Pair *)data)->loop, TICK_MS, on_tick, data);
  return NULL;
}

static void pair_start(Pair *pair)
{
  int a, b;
  *pair = (Pair){ .loop = event_loop_new(NULL) };
  tcp_pair(&pair->client, &a);
  tcp_pair(&pair->server, &b);
  g_assert_true(tcp_relay_start(pair->loop, a, b, on_closed, pair));
  pair->thread = g_thread_new("relay", serve, pair);
}

static void pair_end(Pair *pair)
{
  for (int i = 0; i < 200 && !g_atomic_int_get(&pair->closed); i++)
    g_usleep(10000);
  g_assert_cmpint(g_atomic_int_get(&pair->closed), ==, 1);
  g_atomic_int_set(&pair->stop, 1);
  g_thread_join(pair->thread);
  event_loop_free(pair->loop);
  file_close(&pair->client);
  file_close(&pair->server);
}

static void *send_big(void *data)
{
  char block[16384];
  int fd = GPOINTER_TO_INT(data);
  for (size_t sent = 0; sent < BIG; sent += sizeof block) {
    memset(block, (int)(sent / sizeof block), sizeof block);
    for (size_t at = 0; at < sizeof block;) {
      ssize_t put = send(fd, block + at, sizeof block - at, MSG_NOSIGNAL);
      g_assert_cmpint(put, >, 0);
      at += (size_t)put;
    }
  }
  shutdown(fd, SHUT_WR);
  return NULL;
}

static void receive_big(int fd)
{
  unsigned char block[4096];
  size_t total = 0;
  ssize_t got;
  while ((got = read(fd, block, sizeof block)) > 0)
    for (ssize_t i = 0; i < got; i++, total++)
      if (block[i] != (unsigned char)(total / 16384))
        g_error("byte %zu is wrong", total);
  g_assert_cmpint(got, ==, 0);
  g_assert_cmpuint(total, ==, BIG);
}

/* Much in both directions, one after the other: the first direction's end leaves the second open. */
static void test_half_close(void)
{
  Pair pair;
  pair_start(&pair);
  GThread *sender = g_thread_new("sender", send_big, GINT_TO_POINTER(pair.client));
  receive_big(pair.server);
  g_thread_join(sender);
  g_assert_cmpint(g_atomic_int_get(&pair.closed), ==, 0);
  sender = g_thread_new("sender", send_big, GINT_TO_POINTER(pair.server));
  receive_big(pair.client);
  g_thread_join(sender);
  pair_end(&pair);
}

static void test_both_at_once(void)
{
  Pair pair;
  pair_start(&pair);
  GThread *first = g_thread_new("first", send_big, GINT_TO_POINTER(pair.client));
  GThread *second = g_thread_new("second", send_big, GINT_TO_POINTER(pair.server));
  receive_big(pair.server);
  receive_big(pair.client);
  g_thread_join(first);
  g_thread_join(second);
  pair_end(&pair);
}

/* A broken connection is passed on as broken, not as a whole answer. */
static void test_reset(void)
{
  Pair pair;
  char byte;
  const struct linger reset = { .l_onoff = 1 };
  pair_start(&pair);
  g_assert_cmpint(write(pair.server, "x", 1), ==, 1);
  g_assert_cmpint(read(pair.client, &byte, 1), ==, 1);
  setsockopt(pair.server, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
  file_close(&pair.server);
  g_assert_cmpint(read(pair.client, &byte, 1), ==, -1);
  g_assert_cmpint(errno, ==, ECONNRESET);
  pair_end(&pair);
}

static void test_nobody_inside(void)
{
  int a;
  Pair pair = { .loop = event_loop_new(NULL), .server = -1 };
  char byte;
  tcp_pair(&pair.client, &a);
  g_assert_false(tcp_relay_start(pair.loop, a, -1, on_closed, &pair));
  g_assert_cmpint(read(pair.client, &byte, 1), ==, -1);
  g_assert_cmpint(errno, ==, ECONNRESET);
  g_assert_cmpint(pair.closed, ==, 0);
  event_loop_free(pair.loop);
  close(pair.client);
}

static struct sockaddr_in echo_address;

static int connect_echo(void *data)
{
  int fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  g_assert_cmpint(connect(fd, (struct sockaddr *)&echo_address, sizeof echo_address), ==, 0);
  return fd;
}

static void ask(int fd, int echo, const char *question, const char *reply)
{
  char text[64] = { 0 };
  struct sockaddr_in from;
  socklen_t size = sizeof from;
  g_assert_cmpint(send(fd, question, strlen(question), 0), >, 0);
  g_assert_cmpint(recvfrom(echo, text, sizeof text - 1, 0, (struct sockaddr *)&from, &size), >, 0);
  g_assert_cmpstr(text, ==, question);
  g_assert_cmpint(sendto(echo, reply, strlen(reply), 0, (struct sockaddr *)&from, size), >, 0);
  memset(text, 0, sizeof text);
  g_assert_cmpint(recv(fd, text, sizeof text - 1, 0), >, 0);
  g_assert_cmpstr(text, ==, reply);
}

/* Two clients of one port get their own answers. */
static void test_udp(void)
{
  struct sockaddr_in here;
  Pair pair = { .loop = event_loop_new(NULL), .server = -1 };
  int echo = listening(&echo_address, SOCK_DGRAM);
  int port = listening(&here, SOCK_DGRAM | SOCK_NONBLOCK);
  UdpRelay *relay = udp_relay_new(pair.loop, port, connect_echo, NULL);
  int first = socket(AF_INET, SOCK_DGRAM, 0), second = socket(AF_INET, SOCK_DGRAM, 0);
  g_assert_cmpint(connect(first, (struct sockaddr *)&here, sizeof here), ==, 0);
  g_assert_cmpint(connect(second, (struct sockaddr *)&here, sizeof here), ==, 0);
  pair.thread = g_thread_new("relay", serve, &pair);
  ask(first, echo, "one?", "one!");
  ask(second, echo, "two?", "two!");
  ask(first, echo, "more?", "more!");
  g_atomic_int_set(&pair.stop, 1);
  g_thread_join(pair.thread);
  udp_relay_forget_idle(relay, 0);
  udp_relay_free(relay);
  event_loop_free(pair.loop);
  close(first);
  close(second);
  close(port);
  close(echo);
}

int main(int argc, char **argv)
{
  signal(SIGPIPE, SIG_IGN); /* as the holder does */
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/relay/half-close", test_half_close);
  g_test_add_func("/relay/both-at-once", test_both_at_once);
  g_test_add_func("/relay/reset", test_reset);
  g_test_add_func("/relay/nobody-inside", test_nobody_inside);
  g_test_add_func("/relay/udp", test_udp);
  return g_test_run();
}
