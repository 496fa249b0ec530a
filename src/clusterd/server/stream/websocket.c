#include "clusterd/server/stream/websocket.h"

#include <string.h>

#include "base/reason.h"

#define ACCEPT_GUID "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"

enum {
  FINAL = 0x80,
  RESERVED = 0x70,
  OPCODE = 0x0f,
  MASKED = 0x80,
  LENGTH = 0x7f,
  LENGTH_16 = 126,
  LENGTH_64 = 127,
  CONTROL_MAX = 125,
  CLOSE_PROTOCOL = 1002,
  CLOSE_NOT_UTF8 = 1007,
  CLOSE_TOO_LARGE = 1009,
  CLOSE_NO_STATUS = 1005,
};

struct WebSocket {
  GByteArray *input;   /* fed and not yet taken */
  gsize taken;         /* bytes of INPUT the last event occupied: dropped at the next call */
  GByteArray *message; /* the fragments so far */
  bool in_message;
  bool message_taken; /* MESSAGE was handed out */
  WebSocketOpcode message_opcode;
  uint16_t failed; /* close code; 0: none */
};

typedef struct Frame {
  WebSocketOpcode opcode;
  bool final;
  gsize header_length, length;
  const guint8 *mask;
} Frame;

WebSocket *websocket_new(void)
{
  WebSocket *socket = g_new0(WebSocket, 1);
  socket->input = g_byte_array_new();
  socket->message = g_byte_array_new();
  return socket;
}

void websocket_free(WebSocket *socket)
{
  if (!socket)
    return;
  g_byte_array_unref(socket->input);
  g_byte_array_unref(socket->message);
  g_free(socket);
}

void websocket_feed(WebSocket *socket, const void *data, gsize length)
{
  if (!socket->failed && length > 0)
    g_byte_array_append(socket->input, data, (guint)length);
}

static bool fail(WebSocket *socket, uint16_t code, GError **error, const char *what)
{
  socket->failed = code;
  return reason_set(error, REASON_BAD_REQUEST, "websocket: %s", what);
}

static uint64_t read_number(const guint8 *at, int bytes)
{
  uint64_t value = 0;
  for (int i = 0; i < bytes; i++)
    value = value << 8 | at[i];
  return value;
}

/* Reads the head of the frame at the start of the input. *COMPLETE tells whether the whole frame is there. */
static bool read_frame(WebSocket *socket, Frame *frame, bool *complete, GError **error)
{
  const guint8 *at = socket->input->data;
  gsize have = socket->input->len;
  *complete = false;
  if (have < 2)
    return true;
  frame->final = at[0] & FINAL;
  frame->opcode = at[0] & OPCODE;
  bool control = frame->opcode & 8;
  unsigned short_length = at[1] & LENGTH;
  if (at[0] & RESERVED)
    return fail(socket, CLOSE_PROTOCOL, error, "reserved bits without an extension");
  if (!(at[1] & MASKED))
    return fail(socket, CLOSE_PROTOCOL, error, "a client's frame must be masked");
  if ((frame->opcode > WEBSOCKET_OP_BINARY && !control) || frame->opcode > WEBSOCKET_OP_PONG)
    return fail(socket, CLOSE_PROTOCOL, error, "unknown opcode");
  if (control && (!frame->final || short_length > CONTROL_MAX))
    return fail(socket, CLOSE_PROTOCOL, error, "a control frame must be short and whole");
  int extra = short_length == LENGTH_16 ? 2 : short_length == LENGTH_64 ? 8 : 0;
  frame->header_length = 2 + (gsize)extra + 4;
  if (have < frame->header_length)
    return true;
  uint64_t length = extra ? read_number(at + 2, extra) : short_length;
  if (length + (control ? 0 : socket->message->len) > WEBSOCKET_MESSAGE_MAX || length > WEBSOCKET_MESSAGE_MAX)
    return fail(socket, CLOSE_TOO_LARGE, error, "message too large");
  frame->length = (gsize)length;
  frame->mask = at + 2 + extra;
  *complete = have - frame->header_length >= frame->length;
  return true;
}

static void unmask(guint8 *data, gsize length, const guint8 *mask)
{
  for (gsize i = 0; i < length; i++)
    data[i] ^= mask[i & 3];
}

static bool take_close(WebSocket *socket, WebSocketEvent *event, GError **error)
{
  event->type = WEBSOCKET_CLOSE;
  event->close_code = CLOSE_NO_STATUS;
  if (event->length == 1)
    return fail(socket, CLOSE_PROTOCOL, error, "a close frame's code has two bytes");
  if (event->length >= 2) {
    event->close_code = (uint16_t)read_number(event->data, 2);
    if (!g_utf8_validate((const char *)event->data + 2, (gssize)event->length - 2, NULL))
      return fail(socket, CLOSE_NOT_UTF8, error, "a close frame's reason must be UTF-8");
  }
  return true;
}

/* NUL is text, too, though GLib says no: the Python client's standard input comes as text that begins with channel 0.
 */
static bool is_utf8(const char *text, gsize length)
{
  for (const char *end = text + length; text < end;) {
    const char *stop = memchr(text, 0, (gsize)(end - text));
    const char *piece_end = stop ? stop : end;
    if (piece_end > text && !g_utf8_validate(text, piece_end - text, NULL))
      return false;
    text = stop ? stop + 1 : end;
  }
  return true;
}

/* Adds a data frame to the message; the last one makes the event. */
static bool take_data(WebSocket *socket, const Frame *frame, WebSocketEvent *event, GError **error)
{
  if ((frame->opcode == WEBSOCKET_OP_CONTINUATION) != socket->in_message)
    return fail(socket, CLOSE_PROTOCOL, error, "fragments out of order");
  if (frame->opcode != WEBSOCKET_OP_CONTINUATION)
    socket->message_opcode = frame->opcode;
  socket->in_message = !frame->final;
  bool text = socket->message_opcode == WEBSOCKET_OP_TEXT;
  if (!frame->final || frame->opcode == WEBSOCKET_OP_CONTINUATION) {
    g_byte_array_append(socket->message, event->data, (guint)event->length);
    if (!frame->final)
      return true;
    event->data = socket->message->data;
    event->length = socket->message->len;
    socket->message_taken = true;
  }
  if (text && event->length > 0 && !is_utf8((const char *)event->data, event->length))
    return fail(socket, CLOSE_NOT_UTF8, error, "text must be UTF-8");
  event->type = text ? WEBSOCKET_TEXT : WEBSOCKET_BINARY;
  return true;
}

static void drop_taken(WebSocket *socket)
{
  if (socket->taken > 0)
    g_byte_array_remove_range(socket->input, 0, (guint)socket->taken);
  socket->taken = 0;
  if (socket->message_taken)
    g_byte_array_set_size(socket->message, 0);
  socket->message_taken = false;
}

bool websocket_next(WebSocket *socket, WebSocketEvent *event, uint16_t *close_code, GError **error)
{
  bool ok = true;
  *event = (WebSocketEvent){ .type = WEBSOCKET_NONE };
  if (socket->failed)
    ok = fail(socket, socket->failed, error, "the connection has failed");
  while (ok && event->type == WEBSOCKET_NONE) {
    Frame frame;
    bool complete;
    drop_taken(socket);
    ok = read_frame(socket, &frame, &complete, error);
    if (!ok || !complete)
      break;
    guint8 *payload = socket->input->data + frame.header_length;
    unmask(payload, frame.length, frame.mask);
    socket->taken = frame.header_length + frame.length;
    event->data = payload;
    event->length = frame.length;
    if (frame.opcode == WEBSOCKET_OP_CLOSE)
      ok = take_close(socket, event, error);
    else if (frame.opcode == WEBSOCKET_OP_PING || frame.opcode == WEBSOCKET_OP_PONG)
      event->type = frame.opcode == WEBSOCKET_OP_PING ? WEBSOCKET_PING : WEBSOCKET_PONG;
    else
      ok = take_data(socket, &frame, event, error);
  }
  if (!ok && close_code)
    *close_code = socket->failed;
  return ok;
}

void websocket_append_frame(GByteArray *out, WebSocketOpcode opcode, const void *data, gsize length)
{
  guint8 head[10] = { (guint8)(FINAL | opcode) };
  int extra = length > G_MAXUINT16 ? 8 : length > CONTROL_MAX ? 2 : 0;
  head[1] = (guint8)(extra == 8 ? LENGTH_64 : extra == 2 ? LENGTH_16 : length);
  for (int i = 0; i < extra; i++)
    head[2 + i] = (guint8)((uint64_t)length >> (8 * (extra - 1 - i)));
  g_byte_array_append(out, head, (guint)(2 + extra));
  if (length > 0)
    g_byte_array_append(out, data, (guint)length);
}

void websocket_append_close(GByteArray *out, uint16_t code, const char *reason)
{
  guint8 payload[CONTROL_MAX] = { (guint8)(code >> 8), (guint8)code };
  gsize length = MIN(strlen(reason), sizeof payload - 2);
  memcpy(payload + 2, reason, length);
  websocket_append_frame(out, WEBSOCKET_OP_CLOSE, payload, length + 2);
}

char *websocket_accept_key(const char *key)
{
  gsize length;
  if (!key || strlen(key) != 24)
    return NULL;
  g_autofree guchar *nonce = g_base64_decode(key, &length);
  if (length != 16)
    return NULL;
  guint8 digest[20];
  gsize digest_length = sizeof digest;
  g_autoptr(GChecksum) sum = g_checksum_new(G_CHECKSUM_SHA1);
  g_checksum_update(sum, (const guchar *)key, (gssize)strlen(key));
  g_checksum_update(sum, (const guchar *)ACCEPT_GUID, (gssize)strlen(ACCEPT_GUID));
  g_checksum_get_digest(sum, digest, &digest_length);
  return g_base64_encode(digest, digest_length);
}
