#include "clusterd/server/stream/spdy.h"

#include <string.h>
#include <zlib.h>

#include "base/reason.h"
#include "clusterd/server/stream/spdy_dictionary.h"

enum {
  HEAD_LENGTH = 8,
  CONTROL = 0x80,
  VERSION = 3,
  FLAG_FIN = 1,
  CONTROL_FRAME_MAX = 128 << 10, /* no control frame a client has reason to send comes near */
  HEADER_PAIRS_MAX = 256,
};

typedef enum FrameType {
  FRAME_SYN_STREAM = 1,
  FRAME_SYN_REPLY = 2,
  FRAME_RST_STREAM = 3,
  FRAME_PING = 6,
  FRAME_GOAWAY = 7,
  FRAME_HEADERS = 8,
} FrameType;

struct Spdy {
  GByteArray *input;
  gsize taken; /* bytes of INPUT the last event occupied */
  z_stream inflate, deflate;
  GHashTable *headers;  /* of the last event */
  uint32_t data_stream; /* the DATA frame being handed out */
  gsize data_left;
  bool data_fin;
  bool failed;
};

Spdy *spdy_new(void)
{
  Spdy *spdy = g_new0(Spdy, 1);
  spdy->input = g_byte_array_new();
  spdy->headers = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
  /* these fail only without memory, as everything of GLib does */
  if (inflateInit(&spdy->inflate) != Z_OK || deflateInit(&spdy->deflate, Z_DEFAULT_COMPRESSION) != Z_OK ||
      deflateSetDictionary(&spdy->deflate, spdy_dictionary, SPDY_DICTIONARY_LENGTH) != Z_OK)
    g_error("zlib cannot be set up");
  return spdy;
}

void spdy_free(Spdy *spdy)
{
  if (!spdy)
    return;
  inflateEnd(&spdy->inflate);
  deflateEnd(&spdy->deflate);
  g_byte_array_unref(spdy->input);
  g_hash_table_unref(spdy->headers);
  g_free(spdy);
}

void spdy_feed(Spdy *spdy, const void *data, gsize length)
{
  if (!spdy->failed && length > 0)
    g_byte_array_append(spdy->input, data, (guint)length);
}

static bool fail(Spdy *spdy, GError **error, const char *what)
{
  spdy->failed = true;
  return reason_set(error, REASON_BAD_REQUEST, "spdy: %s", what);
}

static uint32_t read_u32(const guint8 *at)
{
  return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

static uint32_t read_u24(const guint8 *at)
{
  return (uint32_t)at[0] << 16 | (uint32_t)at[1] << 8 | at[2];
}

/* Inflates one header block to its end; the stream of compressed bytes goes on over all blocks of the connection. */
static GByteArray *inflate_block(Spdy *spdy, const guint8 *data, gsize length, GError **error)
{
  g_autoptr(GByteArray) plain = g_byte_array_new();
  guint8 chunk[4096];
  z_stream *stream = &spdy->inflate;
  stream->next_in = (Bytef *)(uintptr_t)data;
  stream->avail_in = (uInt)length;
  do {
    stream->next_out = chunk;
    stream->avail_out = sizeof chunk;
    int result = inflate(stream, Z_SYNC_FLUSH);
    if (result == Z_NEED_DICT)
      result = inflateSetDictionary(stream, spdy_dictionary, SPDY_DICTIONARY_LENGTH);
    if (result != Z_OK && result != Z_BUF_ERROR) {
      fail(spdy, error, "header block cannot be inflated");
      return NULL;
    }
    g_byte_array_append(plain, chunk, (guint)(sizeof chunk - stream->avail_out));
    if (plain->len > SPDY_HEADERS_MAX) {
      fail(spdy, error, "header block too large");
      return NULL;
    }
    if (result == Z_BUF_ERROR)
      break;
  } while (stream->avail_in > 0 || stream->avail_out == 0);
  return g_steal_pointer(&plain);
}

/* Reads a string with its length before it at *AT. NULL when it runs over END. */
static char *read_string(const guint8 **at, const guint8 *end)
{
  if (end - *at < 4)
    return NULL;
  uint32_t length = read_u32(*at);
  *at += 4;
  if ((gsize)(end - *at) < length)
    return NULL;
  char *text = g_strndup((const char *)*at, length);
  *at += length;
  return text;
}

/* Several values of a name are separated by NUL; the first is kept, which is all these protocols use. */
static bool read_headers(Spdy *spdy, const guint8 *data, gsize length, GError **error)
{
  g_autoptr(GByteArray) plain = inflate_block(spdy, data, length, error);
  if (!plain)
    return false;
  if (plain->len < 4)
    return fail(spdy, error, "header block too short");
  const guint8 *at = plain->data + 4, *end = plain->data + plain->len;
  uint32_t pairs = read_u32(plain->data);
  if (pairs > HEADER_PAIRS_MAX)
    return fail(spdy, error, "too many headers");
  for (uint32_t i = 0; i < pairs; i++) {
    g_autofree char *name = read_string(&at, end);
    char *value = name ? read_string(&at, end) : NULL;
    if (!value)
      return fail(spdy, error, "header block cut short");
    g_hash_table_replace(spdy->headers, g_ascii_strdown(name, -1), value);
  }
  return true;
}

/* How many bytes of fixed fields a control frame of TYPE begins with. */
static gsize fixed_length(unsigned type)
{
  static const guint8 lengths[] = {
    [FRAME_SYN_STREAM] = 10, [FRAME_SYN_REPLY] = 4, [FRAME_RST_STREAM] = 8,
    [FRAME_PING] = 4,        [FRAME_GOAWAY] = 8,    [FRAME_HEADERS] = 4,
  };
  return type < G_N_ELEMENTS(lengths) ? lengths[type] : 0;
}

static bool take_control(Spdy *spdy, const guint8 *frame, gsize length, SpdyEvent *event, GError **error)
{
  static const SpdyEventType events[] = {
    [FRAME_SYN_STREAM] = SPDY_SYN_STREAM, [FRAME_SYN_REPLY] = SPDY_SYN_REPLY,
    [FRAME_RST_STREAM] = SPDY_RST_STREAM, [FRAME_PING] = SPDY_PING,
    [FRAME_GOAWAY] = SPDY_GOAWAY,         [FRAME_HEADERS] = SPDY_HEADERS,
  };
  unsigned version = (frame[0] & 0x7fu) << 8 | frame[1], type = (unsigned)frame[2] << 8 | frame[3];
  const guint8 *body = frame + HEAD_LENGTH;
  gsize fixed = fixed_length(type);
  event->type = SPDY_OTHER;
  if (version != VERSION)
    return fail(spdy, error, "not version 3");
  if (fixed == 0)
    return true;
  if (length < fixed)
    return fail(spdy, error, "control frame too short");
  event->type = events[type];
  event->stream = type == FRAME_PING ? read_u32(body) : read_u32(body) & 0x7fffffffu;
  event->status = fixed == 8 ? read_u32(body + 4) : 0;
  if (type != FRAME_SYN_STREAM && type != FRAME_SYN_REPLY && type != FRAME_HEADERS)
    return true;
  event->fin = frame[4] & FLAG_FIN;
  event->headers = spdy->headers;
  if (event->stream == 0)
    return fail(spdy, error, "stream 0");
  return read_headers(spdy, body + fixed, length - fixed, error);
}

/* Hands out what there is of the current DATA frame. */
static void take_data(Spdy *spdy, SpdyEvent *event)
{
  gsize piece = MIN(spdy->data_left, spdy->input->len);
  if (piece == 0 && spdy->data_left > 0)
    return;
  spdy->data_left -= piece;
  spdy->taken = piece;
  *event = (SpdyEvent){ .type = SPDY_DATA, .stream = spdy->data_stream, .data = spdy->input->data, .length = piece };
  event->fin = spdy->data_fin && spdy->data_left == 0;
  if (spdy->data_left == 0)
    spdy->data_stream = 0;
}

bool spdy_next(Spdy *spdy, SpdyEvent *event, GError **error)
{
  *event = (SpdyEvent){ .type = SPDY_NONE };
  if (spdy->failed)
    return fail(spdy, error, "the connection has failed");
  if (spdy->taken > 0)
    g_byte_array_remove_range(spdy->input, 0, (guint)spdy->taken);
  spdy->taken = 0;
  g_hash_table_remove_all(spdy->headers);
  if (spdy->data_stream == 0) {
    const guint8 *frame = spdy->input->data;
    if (spdy->input->len < HEAD_LENGTH)
      return true;
    gsize length = read_u24(frame + 5);
    if (frame[0] & CONTROL) {
      if (length > CONTROL_FRAME_MAX)
        return fail(spdy, error, "control frame too large");
      if (spdy->input->len - HEAD_LENGTH < length)
        return true;
      spdy->taken = HEAD_LENGTH + length;
      return take_control(spdy, frame, length, event, error);
    }
    spdy->data_stream = read_u32(frame);
    spdy->data_left = length;
    spdy->data_fin = frame[4] & FLAG_FIN;
    if (spdy->data_stream == 0)
      return fail(spdy, error, "stream 0");
    g_byte_array_remove_range(spdy->input, 0, HEAD_LENGTH);
  }
  take_data(spdy, event);
  return true;
}

static void append_u32(GByteArray *out, uint32_t value)
{
  guint8 bytes[] = { (guint8)(value >> 24), (guint8)(value >> 16), (guint8)(value >> 8), (guint8)value };
  g_byte_array_append(out, bytes, sizeof bytes);
}

static void append_control(GByteArray *out, FrameType type, guint8 flags, gsize length)
{
  append_u32(out, (uint32_t)(CONTROL << 8 | VERSION) << 16 | type);
  append_u32(out, (uint32_t)flags << 24 | (uint32_t)length);
}

static void append_text(GByteArray *out, const char *text)
{
  append_u32(out, (uint32_t)strlen(text));
  g_byte_array_append(out, (const guint8 *)text, (guint)strlen(text));
}

static GByteArray *deflate_headers(Spdy *spdy, const char *const *headers)
{
  g_autoptr(GByteArray) plain = g_byte_array_new();
  GByteArray *packed = g_byte_array_new();
  guint length = headers ? g_strv_length((char **)(uintptr_t)headers) : 0;
  append_u32(plain, length / 2);
  for (guint i = 0; i < length; i++)
    append_text(plain, headers[i]);
  guint8 chunk[4096];
  spdy->deflate.next_in = plain->data;
  spdy->deflate.avail_in = plain->len;
  do {
    spdy->deflate.next_out = chunk;
    spdy->deflate.avail_out = sizeof chunk;
    deflate(&spdy->deflate, Z_SYNC_FLUSH);
    g_byte_array_append(packed, chunk, (guint)(sizeof chunk - spdy->deflate.avail_out));
  } while (spdy->deflate.avail_out == 0);
  return packed;
}

void spdy_append_syn_stream(Spdy *spdy, GByteArray *out, uint32_t stream, bool fin, const char *const *headers)
{
  static const guint8 priority_and_slot[2] = { 0 };
  g_autoptr(GByteArray) block = deflate_headers(spdy, headers);
  append_control(out, FRAME_SYN_STREAM, fin ? FLAG_FIN : 0, 10 + (gsize)block->len);
  append_u32(out, stream);
  append_u32(out, 0);
  g_byte_array_append(out, priority_and_slot, sizeof priority_and_slot);
  g_byte_array_append(out, block->data, block->len);
}

void spdy_append_syn_reply(Spdy *spdy, GByteArray *out, uint32_t stream, bool fin, const char *const *headers)
{
  g_autoptr(GByteArray) block = deflate_headers(spdy, headers);
  append_control(out, FRAME_SYN_REPLY, fin ? FLAG_FIN : 0, 4 + (gsize)block->len);
  append_u32(out, stream);
  g_byte_array_append(out, block->data, block->len);
}

void spdy_append_data(GByteArray *out, uint32_t stream, bool fin, const void *data, gsize length)
{
  const guint8 *at = data;
  do {
    gsize piece = MIN(length, SPDY_DATA_MAX);
    length -= piece;
    append_u32(out, stream);
    append_u32(out, (uint32_t)(fin && length == 0 ? FLAG_FIN : 0) << 24 | (uint32_t)piece);
    if (piece > 0)
      g_byte_array_append(out, at, (guint)piece);
    at += piece;
  } while (length > 0);
}

void spdy_append_rst(GByteArray *out, uint32_t stream, uint32_t status)
{
  append_control(out, FRAME_RST_STREAM, 0, 8);
  append_u32(out, stream);
  append_u32(out, status);
}

void spdy_append_ping(GByteArray *out, uint32_t id)
{
  append_control(out, FRAME_PING, 0, 4);
  append_u32(out, id);
}

void spdy_append_goaway(GByteArray *out, uint32_t last_stream, uint32_t status)
{
  append_control(out, FRAME_GOAWAY, 0, 8);
  append_u32(out, last_stream);
  append_u32(out, status);
}
