#pragma once
/* Passes the datagrams of one host port into the machine and the answers back to the client that asked. */
#include "driver/event_loop.h"

typedef struct UdpRelay UdpRelay;

/* Serves FD (bound, non-blocking, borrowed). CONNECT(DATA) makes a non-blocking socket connected to the machine's port,
 * or -1; one for each client. */
UdpRelay *udp_relay_new(EventLoop *loop, int fd, int (*connect_guest)(void *data), void *data);
void udp_relay_free(UdpRelay *relay);

/* Drops clients that were silent, in both directions, for SECONDS. */
void udp_relay_forget_idle(UdpRelay *relay, int seconds);
