#pragma once
/* The channels of a remote command in either framing: SPDY streams, or the first byte of WebSocket messages. Bytes in,
 * events out; calls in, bytes in OUT. No I/O, one owner. */
#include <glib.h>
#include <stdbool.h>

#include "clusterd/server/stream/stream_session.h"

typedef enum StreamChannel {
  CHANNEL_STDIN,
  CHANNEL_STDOUT,
  CHANNEL_STDERR,
  CHANNEL_ERROR,
  CHANNEL_RESIZE,
  N_CHANNELS,
} StreamChannel;

typedef struct StreamChannels StreamChannels;

/* WANTED has a bit 1 << channel for each one the request asked for. */
StreamChannels *stream_channels_new(const StreamHandshake *handshake, unsigned wanted);
void stream_channels_free(StreamChannels *channels);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(StreamChannels, stream_channels_free)

/* What is to be sent to the peer; the caller takes bytes from its front. */
GByteArray *stream_channels_out(StreamChannels *channels);

/* True when every wanted channel is open. */
bool stream_channels_ready(const StreamChannels *channels);

typedef enum ChannelEventType { CHANNEL_NONE, CHANNEL_DATA, CHANNEL_END, CHANNEL_CLOSED } ChannelEventType;

typedef struct ChannelEvent {
  ChannelEventType type; /* CLOSED: the peer wants no more of the connection */
  StreamChannel channel;
  const guint8 *data; /* valid until the next call */
  gsize length;
} ChannelEvent;

void stream_channels_feed(StreamChannels *channels, const void *data, gsize length);
/* The next event; a breach of the protocol is CHANNEL_CLOSED. */
void stream_channels_next(StreamChannels *channels, ChannelEvent *event);

void stream_channels_write(StreamChannels *channels, StreamChannel channel, const void *data, gsize length);
/* The server will write no more on CHANNEL. */
void stream_channels_end(StreamChannels *channels, StreamChannel channel);
/* Says good-bye. */
void stream_channels_close(StreamChannels *channels);
