#include "driver/udp_relay.h"

#include <errno.h>
#include <netinet/in.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "base/file.h"
#include "driver/container_ports.h"

enum { DATAGRAM_MAX = 65536, BATCH = 64 };

typedef struct Client {
  EventSource source;
  UdpRelay *relay;
  struct sockaddr_in address;
  int fd; /* connected to the machine's port */
  gint64 last_used;
} Client;

struct UdpRelay {
  EventSource *source;
  EventLoop *loop;
  int fd;
  int (*connect_guest)(void *data);
  void *data;
  GHashTable *clients; /* gint64 of address and port → Client */
};

typedef struct HostSource {
  EventSource source;
  UdpRelay *relay;
} HostSource;

static gint64 client_key(const struct sockaddr_in *address)
{
  return (gint64)((guint64)address->sin_addr.s_addr << 16 | address->sin_port);
}

static void client_free(void *data)
{
  Client *client = data;
  file_close(&client->fd);
  event_loop_retire(client->relay->loop, &client->source);
}

static void on_guest_ready(EventSource *source, uint32_t events)
{
  char datagram[DATAGRAM_MAX];
  Client *client = (Client *)source;
  for (int i = 0; i < BATCH; i++) {
    ssize_t got = recv(client->fd, datagram, sizeof datagram, 0);
    if (got < 0)
      return; /* nothing left, or the machine's port is closed, which UDP clients learn by silence */
    client->last_used = g_get_monotonic_time();
    sendto(client->relay->fd, datagram, (size_t)got, MSG_NOSIGNAL, (struct sockaddr *)&client->address,
           sizeof client->address);
  }
}

static void forget_oldest(UdpRelay *relay)
{
  GHashTableIter iterator;
  void *value;
  Client *oldest = NULL;
  g_hash_table_iter_init(&iterator, relay->clients);
  while (g_hash_table_iter_next(&iterator, NULL, &value)) {
    Client *client = value;
    if (!oldest || client->last_used < oldest->last_used)
      oldest = client;
  }
  if (oldest) {
    gint64 key = client_key(&oldest->address);
    g_hash_table_remove(relay->clients, &key);
  }
}

static Client *client_of(UdpRelay *relay, const struct sockaddr_in *address)
{
  gint64 key = client_key(address);
  Client *client = g_hash_table_lookup(relay->clients, &key);
  if (client)
    return client;
  if (g_hash_table_size(relay->clients) >= PORTS_UDP_CLIENTS_MAX)
    forget_oldest(relay);
  int fd = relay->connect_guest(relay->data);
  if (fd < 0)
    return NULL;
  client = g_new0(Client, 1);
  *client = (Client){ .source.ready = on_guest_ready, .relay = relay, .address = *address, .fd = fd };
  if (!event_loop_watch(relay->loop, fd, EPOLLIN, &client->source)) {
    client_free(client);
    return NULL;
  }
  g_hash_table_insert(relay->clients, g_memdup2(&key, sizeof key), client);
  return client;
}

static void on_host_ready(EventSource *source, uint32_t events)
{
  char datagram[DATAGRAM_MAX];
  UdpRelay *relay = ((HostSource *)source)->relay;
  for (int i = 0; i < BATCH; i++) {
    struct sockaddr_in from;
    socklen_t size = sizeof from;
    ssize_t got = recvfrom(relay->fd, datagram, sizeof datagram, 0, (struct sockaddr *)&from, &size);
    if (got < 0)
      return;
    Client *client = client_of(relay, &from);
    if (!client)
      continue;
    client->last_used = g_get_monotonic_time();
    send(client->fd, datagram, (size_t)got, MSG_NOSIGNAL);
  }
}

UdpRelay *udp_relay_new(EventLoop *loop, int fd, int (*connect_guest)(void *data), void *data)
{
  UdpRelay *relay = g_new0(UdpRelay, 1);
  HostSource *host = g_new0(HostSource, 1);
  *host = (HostSource){ .source.ready = on_host_ready, .relay = relay };
  *relay = (UdpRelay){ .source = &host->source, .loop = loop, .fd = fd, .connect_guest = connect_guest, .data = data };
  relay->clients = g_hash_table_new_full(g_int64_hash, g_int64_equal, g_free, client_free);
  if (!event_loop_watch(loop, fd, EPOLLIN, &host->source))
    g_warning("cannot serve a UDP port: %s", g_strerror(errno));
  return relay;
}

void udp_relay_free(UdpRelay *relay)
{
  if (!relay)
    return;
  g_hash_table_destroy(relay->clients);
  event_loop_retire(relay->loop, relay->source);
  g_free(relay);
}

static gboolean is_idle(void *key, void *value, void *data)
{
  return ((Client *)value)->last_used < *(gint64 *)data;
}

void udp_relay_forget_idle(UdpRelay *relay, int seconds)
{
  gint64 limit = g_get_monotonic_time() - (gint64)seconds * G_USEC_PER_SEC;
  g_hash_table_foreach_remove(relay->clients, is_idle, &limit);
}
