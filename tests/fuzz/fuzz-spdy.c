/* The SPDY decoder: whatever comes, in whatever pieces, the same events and no harm. */
#include <glib.h>
#include <string.h>

#include "clusterd/server/stream/spdy.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void log_headers(GByteArray *log, GHashTable *headers)
{
  GHashTableIter iter;
  gpointer name, value;
  guint8 sum = 0;
  g_hash_table_iter_init(&iter, headers);
  while (g_hash_table_iter_next(&iter, &name, &value)) /* their order is not defined */
    sum = (guint8)(sum + g_str_hash(name) * 31 + g_str_hash(value));
  g_byte_array_append(log, &sum, 1);
}

/* Everything the decoder tells of DATA when it comes STEP bytes at a time, pieces of data frames put together. */
static GByteArray *transcript(const uint8_t *data, size_t size, size_t step)
{
  g_autoptr(Spdy) spdy = spdy_new();
  GByteArray *log = g_byte_array_new();
  SpdyEvent event;
  bool ok = true;
  for (size_t at = 0; at < size && ok; at += step) {
    spdy_feed(spdy, data + at, MIN(step, size - at));
    while ((ok = spdy_next(spdy, &event, NULL)) && event.type != SPDY_NONE) {
      guint8 head[] = { (guint8)event.type, (guint8)event.stream, (guint8)event.status, event.fin };
      if (event.length > 0)
        g_byte_array_append(log, event.data, (guint)event.length);
      if (event.type != SPDY_DATA || event.fin) /* the end comes with the last piece */
        g_byte_array_append(log, head, sizeof head);
      if (event.headers)
        log_headers(log, event.headers);
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
