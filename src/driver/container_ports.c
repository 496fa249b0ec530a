#include "driver/container_ports.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/file.h"
#include "base/reason.h"
#include "driver/tcp_relay.h"
#include "driver/udp_relay.h"

enum { LISTEN_QUEUE = 512, ACCEPT_BATCH = 64 };

typedef struct Listener {
  EventSource source;
  PortServer *server;
  DriverPort port;
  int fd;
  UdpRelay *udp; /* NULL for TCP */
} Listener;

struct PortServer {
  EventLoop *loop;
  struct in_addr address;
  int host_namespace, guest_namespace;
  GHashTable *listeners; /* port key → Listener */
  guint connections;
};

static void *port_key(DriverPort port)
{
  return GUINT_TO_POINTER((guint)port.host << 1 | (port.udp ? 1 : 0));
}

static void listener_free(void *data)
{
  Listener *listener = data;
  udp_relay_free(listener->udp);
  file_close(&listener->fd);
  event_loop_retire(listener->server->loop, &listener->source);
}

PortServer *port_server_new(EventLoop *loop, const char *address)
{
  PortServer *server = g_new0(PortServer, 1);
  server->loop = loop;
  server->host_namespace = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
  server->guest_namespace = -1;
  if (inet_pton(AF_INET, address, &server->address) != 1)
    server->address.s_addr = htonl(INADDR_LOOPBACK);
  server->listeners = g_hash_table_new_full(NULL, NULL, NULL, listener_free);
  return server;
}

void port_server_free(PortServer *server)
{
  if (!server)
    return;
  g_hash_table_destroy(server->listeners);
  file_close(&server->host_namespace);
  file_close(&server->guest_namespace);
  g_free(server);
}

void port_server_set_target(PortServer *server, int network_namespace)
{
  file_close(&server->guest_namespace);
  server->guest_namespace = network_namespace;
}

/* A socket of the machine's namespace, connected (or on its way) to PORT. A socket stays in the namespace it was made
 * in, so the thread only visits. */
static int connect_inside(PortServer *server, uint16_t port, bool udp)
{
  struct sockaddr_in target = { .sin_family = AF_INET, .sin_port = htons(port) };
  inet_pton(AF_INET, CONTAINER_ADDRESS, &target.sin_addr);
  if (server->guest_namespace < 0 || setns(server->guest_namespace, CLONE_NEWNET) < 0)
    return -1;
  file_autofd int fd = socket(AF_INET, (udp ? SOCK_DGRAM : SOCK_STREAM) | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (setns(server->host_namespace, CLONE_NEWNET) < 0)
    g_error("cannot come back from the machine's network namespace: %s", g_strerror(errno));
  if (fd < 0 || (connect(fd, (struct sockaddr *)&target, sizeof target) < 0 && errno != EINPROGRESS))
    return -1;
  int connected = fd;
  fd = -1;
  return connected;
}

static int connect_udp(void *data)
{
  Listener *listener = data;
  return connect_inside(listener->server, listener->port.guest, true);
}

static void listeners_pause(PortServer *server, bool paused)
{
  GHashTableIter iterator;
  void *value;
  g_hash_table_iter_init(&iterator, server->listeners);
  while (g_hash_table_iter_next(&iterator, NULL, &value)) {
    Listener *listener = value;
    if (!listener->udp)
      event_loop_rewatch(server->loop, listener->fd, paused ? 0 : EPOLLIN, &listener->source);
  }
}

static void on_connection_closed(void *data)
{
  PortServer *server = data;
  if (server->connections-- == PORTS_TCP_CONNECTIONS_MAX)
    listeners_pause(server, false);
}

static void on_listener_ready(EventSource *source, uint32_t events)
{
  Listener *listener = (Listener *)source;
  PortServer *server = listener->server;
  for (int i = 0; i < ACCEPT_BATCH && server->connections < PORTS_TCP_CONNECTIONS_MAX; i++) {
    int client = accept4(listener->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (client < 0)
      return;
    int inside = connect_inside(server, listener->port.guest, false);
    if (tcp_relay_start(server->loop, client, inside, on_connection_closed, server))
      server->connections++;
  }
  if (server->connections == PORTS_TCP_CONNECTIONS_MAX)
    listeners_pause(server, true);
}

static int listen_on(PortServer *server, DriverPort port)
{
  const int one = 1;
  struct sockaddr_in here = { .sin_family = AF_INET, .sin_port = htons(port.host), .sin_addr = server->address };
  file_autofd int fd = socket(AF_INET, (port.udp ? SOCK_DGRAM : SOCK_STREAM) | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0)
    return -1;
  if (!port.udp) /* connections of a machine just stopped must not keep the port */
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
  if (bind(fd, (struct sockaddr *)&here, sizeof here) < 0 || (!port.udp && listen(fd, LISTEN_QUEUE) < 0))
    return -1;
  int listening = fd;
  fd = -1;
  return listening;
}

static bool refuse(GError **error, PortServer *server, DriverPort port, int code)
{
  char text[INET_ADDRSTRLEN];
  inet_ntop(AF_INET, &server->address, text, sizeof text);
  if (code == EADDRINUSE)
    return reason_set(error, REASON_DRIVER_CONFLICT, "The port %s:%u/%s is taken on this host", text, port.host,
                      port.udp ? "udp" : "tcp");
  return reason_set_errno(error, REASON_DRIVER, code, "Cannot open the port %s:%u", text, port.host);
}

bool port_server_open(PortServer *server, DriverPort port, GError **error)
{
  Listener *present = g_hash_table_lookup(server->listeners, port_key(port));
  if (present)
    return present->port.guest == port.guest || refuse(error, server, port, EADDRINUSE);
  if (g_hash_table_size(server->listeners) >= DRIVER_PORTS_MAX)
    return reason_set(error, REASON_DRIVER, "The machine has %d open ports, which is the most", DRIVER_PORTS_MAX);
  int fd = listen_on(server, port);
  if (fd < 0)
    return refuse(error, server, port, errno);
  Listener *listener = g_new0(Listener, 1);
  *listener = (Listener){ .source.ready = on_listener_ready, .server = server, .port = port, .fd = fd };
  if (port.udp)
    listener->udp = udp_relay_new(server->loop, fd, connect_udp, listener);
  else if (!event_loop_watch(server->loop, fd, EPOLLIN, &listener->source)) {
    int code = errno;
    listener_free(listener);
    return refuse(error, server, port, code);
  }
  g_hash_table_insert(server->listeners, port_key(port), listener);
  return true;
}

void port_server_close(PortServer *server, DriverPort port)
{
  g_hash_table_remove(server->listeners, port_key(port));
}

void port_server_tick(PortServer *server)
{
  GHashTableIter iterator;
  void *value;
  g_hash_table_iter_init(&iterator, server->listeners);
  while (g_hash_table_iter_next(&iterator, NULL, &value)) {
    Listener *listener = value;
    if (listener->udp)
      udp_relay_forget_idle(listener->udp, PORTS_UDP_IDLE_S);
  }
}
