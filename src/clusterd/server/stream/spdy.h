#pragma once
/* SPDY/3.1 frames (draft-mbelshe-httpbis-spdy-00, as github.com/moby/spdystream speaks it): bytes in, events out; calls
 * in, bytes out. No I/O, one owner. Flow control is not enforced: the clients of Kubernetes neither send nor obey
 * WINDOW_UPDATE. The codec is the same for both ends; streams a client opens have odd numbers. */
#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#define SPDY_HEADERS_MAX (64u << 10)   /* bytes of one header block, inflated */
#define SPDY_DATA_MAX ((1u << 24) - 1) /* what the length field can say */

typedef struct Spdy Spdy;

Spdy *spdy_new(void);
void spdy_free(Spdy *spdy);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Spdy, spdy_free)

typedef enum SpdyEventType {
  SPDY_NONE, /* more bytes are needed */
  SPDY_SYN_STREAM,
  SPDY_SYN_REPLY,
  SPDY_HEADERS,
  SPDY_DATA,
  SPDY_RST_STREAM,
  SPDY_PING, /* answer a ping the peer began with spdy_append_ping */
  SPDY_GOAWAY,
  SPDY_OTHER, /* SETTINGS, WINDOW_UPDATE and unknown control frames: nothing to do */
} SpdyEventType;

typedef struct SpdyEvent {
  SpdyEventType type;
  uint32_t stream;     /* PING: its id; GOAWAY: the last stream accepted */
  bool fin;            /* the peer will send no more on STREAM */
  uint32_t status;     /* RST_STREAM, GOAWAY */
  GHashTable *headers; /* lower-case name → value, strings; valid until the next call */
  const guint8 *data;  /* DATA: a piece of at most one frame; valid until the next call */
  gsize length;
} SpdyEvent;

enum { SPDY_RST_PROTOCOL_ERROR = 1, SPDY_RST_INVALID_STREAM = 2, SPDY_RST_REFUSED = 3, SPDY_RST_CANCEL = 5 };

/* Adds bytes the peer sent. */
void spdy_feed(Spdy *spdy, const void *data, gsize length);

/* Takes the next event out of what was fed. DATA frames are handed out piecemeal as they come, FIN with the last piece.
 * False with REASON_BAD_REQUEST on a breach of the protocol: the session is lost. */
bool spdy_next(Spdy *spdy, SpdyEvent *event, GError **error);

/* Append one frame to OUT. HEADERS is a NULL-terminated list name, value, name, value… (NULL: none). DATA of any length
 * is cut into frames. */
void spdy_append_syn_stream(Spdy *spdy, GByteArray *out, uint32_t stream, bool fin, const char *const *headers);
void spdy_append_syn_reply(Spdy *spdy, GByteArray *out, uint32_t stream, bool fin, const char *const *headers);
void spdy_append_data(GByteArray *out, uint32_t stream, bool fin, const void *data, gsize length);
void spdy_append_rst(GByteArray *out, uint32_t stream, uint32_t status);
void spdy_append_ping(GByteArray *out, uint32_t id);
void spdy_append_goaway(GByteArray *out, uint32_t last_stream, uint32_t status);
