#pragma once
/* WebSocket frames, server side (RFC 6455): bytes in, events out; calls in, bytes out. No I/O, one owner. */
#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#define WEBSOCKET_MESSAGE_MAX (4u << 20) /* bytes of one message, its fragments together */

typedef struct WebSocket WebSocket;

WebSocket *websocket_new(void);
void websocket_free(WebSocket *socket);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(WebSocket, websocket_free)

typedef enum WebSocketEventType {
  WEBSOCKET_NONE, /* more bytes are needed */
  WEBSOCKET_TEXT,
  WEBSOCKET_BINARY,
  WEBSOCKET_PING, /* answer with websocket_append_frame(…, WEBSOCKET_OP_PONG, data, length) */
  WEBSOCKET_PONG,
  WEBSOCKET_CLOSE,
} WebSocketEventType;

typedef struct WebSocketEvent {
  WebSocketEventType type;
  const guint8 *data; /* the whole message or the control frame's payload; valid until the next call */
  gsize length;
  uint16_t close_code; /* WEBSOCKET_CLOSE: 1005 when the peer gave none (RFC 6455 §7.1.5) */
} WebSocketEvent;

/* Adds bytes the peer sent. */
void websocket_feed(WebSocket *socket, const void *data, gsize length);

/* Takes the next event out of what was fed. False with REASON_BAD_REQUEST on a breach of the protocol: *CLOSE_CODE (may
 * be NULL) is then what to close with (1002, 1007 or 1009), and every further call fails alike. */
bool websocket_next(WebSocket *socket, WebSocketEvent *event, uint16_t *close_code, GError **error);

typedef enum WebSocketOpcode {
  WEBSOCKET_OP_CONTINUATION = 0,
  WEBSOCKET_OP_TEXT = 1,
  WEBSOCKET_OP_BINARY = 2,
  WEBSOCKET_OP_CLOSE = 8,
  WEBSOCKET_OP_PING = 9,
  WEBSOCKET_OP_PONG = 10,
} WebSocketOpcode;

/* Appends one unfragmented, unmasked frame to OUT. */
void websocket_append_frame(GByteArray *out, WebSocketOpcode opcode, const void *data, gsize length);
void websocket_append_close(GByteArray *out, uint16_t code, const char *reason);

/* The Sec-WebSocket-Accept of a Sec-WebSocket-Key; NULL when KEY is not 16 bytes in base64. The caller frees. */
char *websocket_accept_key(const char *key);
