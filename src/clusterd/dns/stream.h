#pragma once
/* TCP connections of DNS clients: messages with a two-byte length in front (RFC 1035 section 4.2.2). Belongs to the DNS
 * thread's event loop. */
#include <event2/event.h>
#include <glib.h>
#include <stddef.h>
#include <stdint.h>

typedef struct StreamSet StreamSet;

/* STREAM is the connection's number, never used again for another. */
typedef void (*StreamMessage)(uint64_t stream, const uint8_t *message, size_t length, void *data);

StreamSet *stream_set_new(struct event_base *base, StreamMessage handler, void *data);
void stream_set_free(StreamSet *set);

/* Takes the connected, non-blocking FD; closes it at once when there are too many. Closed by the client, or idle 10 s.
 */
void stream_set_add(StreamSet *set, int fd);

/* Sends MESSAGE on the connection; dropped when that is gone. */
void stream_set_send(StreamSet *set, uint64_t stream, const uint8_t *message, size_t length);
