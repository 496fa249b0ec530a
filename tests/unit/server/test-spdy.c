/* SPDY/3.1 frames: the dictionary, round trips split at every byte, and breaches. */
#include <glib.h>
#include <string.h>
#include <zlib.h>

#include "base/reason.h"
#include "clusterd/server/stream/spdy.h"
#include "clusterd/server/stream/spdy_dictionary.h"

static void test_dictionary(void)
{
  /* every SPDY/3 header stream begins 78 bb e3 c6 a7 c2: zlib's head and this checksum */
  g_assert_cmpuint(SPDY_DICTIONARY_LENGTH, ==, 1423);
  g_assert_cmphex(adler32(adler32(0, NULL, 0), spdy_dictionary, SPDY_DICTIONARY_LENGTH), ==, 0xe3c6a7c2);
}

/* One text line per event. */
static void describe(GString *text, const SpdyEvent *event)
{
  const char *kind = event->headers ? g_hash_table_lookup(event->headers, "streamtype") : NULL;
  if (event->type == SPDY_DATA) {
    g_string_append_len(text, (const char *)event->data, (gssize)event->length);
    if (event->fin)
      g_string_append_printf(text, "|%u fin ", event->stream);
    return;
  }
  g_string_append_printf(text, "%d:%u:%u:%s%s ", event->type, event->stream, event->status, kind ? kind : "-",
                         event->fin ? ":fin" : "");
}

static void test_round_trip(void)
{
  static const char *const error_stream[] = { "streamType", "error", "port", "80", NULL };
  static const char *const data_stream[] = { "streamtype", "data", "port", "80", NULL };
  g_autoptr(Spdy) writer = spdy_new();
  g_autoptr(GByteArray) bytes = g_byte_array_new();
  spdy_append_syn_stream(writer, bytes, 1, true, error_stream);
  spdy_append_syn_stream(writer, bytes, 3, false, data_stream);
  spdy_append_syn_reply(writer, bytes, 3, false, NULL);
  spdy_append_data(bytes, 3, false, "hello", 5);
  spdy_append_ping(bytes, 7);
  spdy_append_data(bytes, 3, true, NULL, 0);
  spdy_append_rst(bytes, 3, SPDY_RST_CANCEL);
  spdy_append_goaway(bytes, 3, 0);
  g_assert_cmpmem(bytes->data + 18, 6, "\x78\xbb\xe3\xc6\xa7\xc2", 6);
  for (guint cut = 0; cut <= bytes->len; cut++) {
    g_autoptr(Spdy) reader = spdy_new();
    g_autoptr(GString) seen = g_string_new(NULL);
    SpdyEvent event;
    for (int half = 0; half < 2; half++) {
      spdy_feed(reader, bytes->data + (half ? cut : 0), half ? bytes->len - cut : cut);
      while (spdy_next(reader, &event, NULL) && event.type != SPDY_NONE)
        describe(seen, &event);
    }
    g_assert_cmpstr(seen->str, ==, "1:1:0:error:fin 1:3:0:data 2:3:0:- hello6:7:0:- |3 fin 5:3:5:- 7:3:0:- ");
  }
}

static void test_large_data(void)
{
  gsize size = SPDY_DATA_MAX + 10;
  g_autofree char *data = g_strnfill(size, 'x');
  g_autoptr(GByteArray) bytes = g_byte_array_new();
  g_autoptr(Spdy) reader = spdy_new();
  spdy_append_data(bytes, 5, true, data, size);
  spdy_feed(reader, bytes->data, bytes->len);
  SpdyEvent event;
  gsize got = 0;
  bool fin = false;
  while (spdy_next(reader, &event, NULL) && event.type != SPDY_NONE) {
    g_assert_false(fin);
    got += event.length;
    fin = event.fin;
  }
  g_assert_true(fin);
  g_assert_cmpuint(got, ==, size);
}

static void assert_breach(const void *bytes, gsize length)
{
  g_autoptr(Spdy) reader = spdy_new();
  g_autoptr(GError) error = NULL;
  SpdyEvent event;
  spdy_feed(reader, bytes, length);
  g_assert_false(spdy_next(reader, &event, &error));
  g_assert_true(reason_is(error, REASON_BAD_REQUEST));
  g_assert_false(spdy_next(reader, &event, NULL));
}

static void test_breaches(void)
{
  assert_breach("\x80\x02\x00\x06\0\0\0\4\0\0\0\1", 12);                       /* version 2 */
  assert_breach("\x80\x03\x00\x03\0\0\0\4\0\0\0\1", 12);                       /* short RST_STREAM */
  assert_breach("\x80\x03\x00\x06\0\xff\xff\xff", 8);                          /* huge control frame */
  assert_breach("\0\0\0\0\0\0\0\0", 8);                                        /* data on stream 0 */
  assert_breach("\x80\x03\x00\x01\0\0\0\x0c\0\0\0\1\0\0\0\0\0\0\x12\x34", 20); /* garbage for headers */
  /* a block of a few bytes that swells beyond the limit */
  g_autoptr(Spdy) writer = spdy_new();
  g_autoptr(GByteArray) bomb = g_byte_array_new();
  g_autofree char *zeros = g_strnfill(SPDY_HEADERS_MAX + 1, '0');
  const char *const headers[] = { "x", zeros, NULL };
  spdy_append_syn_stream(writer, bomb, 1, false, headers);
  g_assert_cmpuint(bomb->len, <, 4096);
  assert_breach(bomb->data, bomb->len);
}

static void test_unknown_frames(void)
{
  static const char settings[] = "\x80\x03\x00\x04\0\0\0\4\0\0\0\0";
  static const char update[] = "\x80\x03\x00\x09\0\0\0\x08\0\0\0\1\0\0\1\0";
  g_autoptr(Spdy) reader = spdy_new();
  SpdyEvent event;
  spdy_feed(reader, settings, sizeof settings - 1);
  spdy_feed(reader, update, sizeof update - 1);
  for (int i = 0; i < 2; i++) {
    g_assert_true(spdy_next(reader, &event, NULL));
    g_assert_cmpint(event.type, ==, SPDY_OTHER);
  }
  g_assert_true(spdy_next(reader, &event, NULL));
  g_assert_cmpint(event.type, ==, SPDY_NONE);
}

int main(int argc, char **argv)
{
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/spdy/dictionary", test_dictionary);
  g_test_add_func("/spdy/round-trip", test_round_trip);
  g_test_add_func("/spdy/large-data", test_large_data);
  g_test_add_func("/spdy/breaches", test_breaches);
  g_test_add_func("/spdy/unknown-frames", test_unknown_frames);
  return g_test_run();
}
