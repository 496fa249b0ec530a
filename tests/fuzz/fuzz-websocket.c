/* The WebSocket decoder: whatever comes, in whatever pieces, the same events and no harm. */
#include <glib.h>

#include "clusterd/server/stream/websocket.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Everything the decoder tells of DATA when it comes STEP bytes at a time. */
static GByteArray *transcript(const uint8_t *data, size_t size, size_t step)
{
  g_autoptr(WebSocket) socket = websocket_new();
  GByteArray *log = g_byte_array_new();
  WebSocketEvent event;
  bool ok = true;
  for (size_t at = 0; at < size && ok; at += step) {
    websocket_feed(socket, data + at, MIN(step, size - at));
    while ((ok = websocket_next(socket, &event, NULL, NULL)) && event.type != WEBSOCKET_NONE) {
      guint8 head[] = { (guint8)event.type, (guint8)event.close_code, (guint8)event.length };
      g_byte_array_append(log, head, sizeof head);
      if (event.length > 0)
        g_byte_array_append(log, event.data, (guint)event.length);
    }
  }
  guint8 end = ok;
  return g_byte_array_append(log, &end, 1);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
  g_autoptr(GByteArray) whole = transcript(data, size, MAX(size, 1));
  g_autoptr(GByteArray) pieces = transcript(data, size, 1 + size % 7);
  g_assert_cmpmem(whole->data, whole->len, pieces->data, pieces->len);
  return 0;
}
