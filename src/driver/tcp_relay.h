#pragma once
/* Joins two TCP connections until both directions have ended. */
#include "driver/event_loop.h"

/* Takes over both descriptors (non-blocking; B may still be connecting; either may be -1: then the other is reset). The
 * bytes go through pipes by splice(2); an end of file in one direction is passed on and leaves the other open.
 * CLOSED(DATA) is called once when the pair has ended. False when nothing was started (then CLOSED is not called). */
bool tcp_relay_start(EventLoop *loop, int a, int b, void (*closed)(void *data), void *data);
