#pragma once
/* The ports of a container machine: listens on the profile's address on the host and connects inside the machine's
 * network namespace, without a rule or an address added to the host. TCP by splice(2), half-closes passed on; UDP by
 * datagram, a client forgotten after a minute's silence. One thread: the event loop's. */
#include "driver/driver.h"
#include "driver/event_loop.h"

#define CONTAINER_ADDRESS "10.0.2.100" /* slirp4netns gives it to tap0 */
#define PORTS_TCP_CONNECTIONS_MAX 4096 /* of one machine; more wait in the listen queue */
#define PORTS_UDP_CLIENTS_MAX 1024     /* of one port; the longest silent one makes place */
#define PORTS_UDP_IDLE_S 60

typedef struct PortServer PortServer;

/* ADDRESS: dotted IPv4, where to listen. */
PortServer *port_server_new(EventLoop *loop, const char *address);
void port_server_free(PortServer *server);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(PortServer, port_server_free)

/* Connections go into this network namespace from now on; those before are refused. NAMESPACE is taken over. */
void port_server_set_target(PortServer *server, int network_namespace);

/* Opens or closes one; already so is success. Closing leaves existing connections alone. DRIVER_CONFLICT when the port
 * is taken, by another process or with another guest port. */
bool port_server_open(PortServer *server, DriverPort port, GError **error);
void port_server_close(PortServer *server, DriverPort port);

/* Forgets silent UDP clients. To be called every PORTS_UDP_IDLE_S / 2. */
void port_server_tick(PortServer *server);
