#include "clusterd/server/http/gzip.h"

#include <stdint.h>
#include <zlib.h>

#define WINDOW_BITS_GZIP (MAX_WBITS + 16) /* zlib's way to ask for gzip's header */
#define MEMORY_LEVEL 8

GBytes *gzip_compress(GBytes *bytes)
{
  gsize length;
  const void *data = g_bytes_get_data(bytes, &length);
  z_stream stream = { 0 };
  if (length > G_MAXUINT32 ||
      deflateInit2(&stream, Z_BEST_SPEED, Z_DEFLATED, WINDOW_BITS_GZIP, MEMORY_LEVEL, Z_DEFAULT_STRATEGY) != Z_OK)
    return NULL;
  gsize room = deflateBound(&stream, length);
  g_autofree Bytef *out = g_malloc(room);
  stream.next_in = (Bytef *)(uintptr_t)data;
  stream.avail_in = (uInt)length;
  stream.next_out = out;
  stream.avail_out = (uInt)room;
  int end = deflate(&stream, Z_FINISH);
  gsize size = stream.total_out;
  deflateEnd(&stream);
  return end == Z_STREAM_END ? g_bytes_new(out, size) : NULL;
}
