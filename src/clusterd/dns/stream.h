#pragma once
/* TCP connections of DNS clients: messages with a two-byte length in front (RFC 1035 section 4.2.2). Belongs to the DNS
 * thread's event loop. */
#include <event2/event.h>
#include <glib.h>
#include <stddef.h>
#include <stdint.h>

#define STREAMS_MAX 200

typedef struct StreamSet StreamSet;

/* STREAM is the connection's number, never used again for another. */
typedef void (*StreamMessage)(uint64_t stream, const uint8_t *message, size_t length, void *data);

/* A connection on which nothing moves for IDLE_MS is closed. */
StreamSet *stream_set_new(struct event_base *base, unsigned idle_ms, StreamMessage handler, void *data);
void stream_set_free(StreamSet *set);

/* Takes the connected, non-blocking FD. When there are STREAMS_MAX already, the one whose client has said nothing for
 * longest goes. */
void stream_set_add(StreamSet *set, int fd);

/* Sends MESSAGE on the connection; dropped when that is gone. */
void stream_set_send(StreamSet *set, uint64_t stream, const uint8_t *message, size_t length);
