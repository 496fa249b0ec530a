/* WebSocket frames: what a client sends, whole and byte by byte, and what the server writes. */
#include <glib.h>
#include <string.h>

#include "base/reason.h"
#include "clusterd/server/stream/websocket.h"

/* A client's frame: masked with MASK. */
static void append_client(GByteArray *out, guint8 first, const char *payload, gsize length)
{
  static const guint8 mask[4] = { 0x37, 0xfa, 0x21, 0x3d };
  guint8 head[4] = { first, (guint8)(0x80 | (length < 126 ? length : 126)), (guint8)(length >> 8), (guint8)length };
  g_byte_array_append(out, head, length < 126 ? 2 : 4);
  g_byte_array_append(out, mask, 4);
  for (gsize i = 0; i < length; i++) {
    guint8 byte = (guint8)payload[i] ^ mask[i & 3];
    g_byte_array_append(out, &byte, 1);
  }
}

static void assert_event(WebSocket *socket, WebSocketEventType type, const char *payload)
{
  WebSocketEvent event;
  g_autoptr(GError) error = NULL;
  g_assert_true(websocket_next(socket, &event, NULL, &error));
  g_assert_no_error(error);
  g_assert_cmpint(event.type, ==, type);
  g_assert_cmpmem(event.data, event.length, payload, strlen(payload));
}

static void test_rfc_examples(void)
{
  /* RFC 6455 §5.7 and §1.3 */
  static const guint8 hello[] = { 0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58 };
  g_autoptr(WebSocket) socket = websocket_new();
  websocket_feed(socket, hello, sizeof hello);
  assert_event(socket, WEBSOCKET_TEXT, "Hello");
  assert_event(socket, WEBSOCKET_NONE, "");
  g_autofree char *accept = websocket_accept_key("dGhlIHNhbXBsZSBub25jZQ==");
  g_assert_cmpstr(accept, ==, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
  g_assert_null(websocket_accept_key("short"));
  g_assert_null(websocket_accept_key(NULL));
}

static void test_split_everywhere(void)
{
  g_autoptr(GByteArray) bytes = g_byte_array_new();
  g_autofree char *big = g_strnfill(300, 'x');
  append_client(bytes, 0x82, "one", 3);
  append_client(bytes, 0x01, "fr", 2);
  append_client(bytes, 0x89, "ping", 4); /* control frames may come between fragments */
  append_client(bytes, 0x00, "ag", 2);
  append_client(bytes, 0x80, "ment", 4);
  append_client(bytes, 0x82, big, 300);
  append_client(bytes, 0x88,
                "\x03\xe8"
                "bye",
                5);
  for (guint cut = 0; cut <= bytes->len; cut++) {
    g_autoptr(WebSocket) socket = websocket_new();
    WebSocketEvent event;
    GString *seen = g_string_new(NULL);
    for (int half = 0; half < 2; half++) {
      websocket_feed(socket, bytes->data + (half ? cut : 0), half ? bytes->len - cut : cut);
      while (websocket_next(socket, &event, NULL, NULL) && event.type != WEBSOCKET_NONE)
        g_string_append_printf(seen, "%d:%zu:%d ", event.type, event.length, event.close_code);
    }
    g_autofree char *text = g_string_free(seen, FALSE);
    g_assert_cmpstr(text, ==, "2:3:0 3:4:0 1:8:0 2:300:0 5:5:1000 ");
  }
}

static void test_breaches(void)
{
  static const struct {
    const char *bytes;
    gsize length;
    uint16_t code;
  } cases[] = {
    { "\x81\x01x", 3, 1002 },                                         /* not masked */
    { "\xc1\x80\0\0\0\0", 6, 1002 },                                  /* reserved bit */
    { "\x83\x80\0\0\0\0", 6, 1002 },                                  /* unknown opcode */
    { "\x8b\x80\0\0\0\0", 6, 1002 },                                  /* unknown control opcode */
    { "\x09\x80\0\0\0\0", 6, 1002 },                                  /* fragmented ping */
    { "\x89\xfe\x01\x00\0\0\0\0", 8, 1002 },                          /* long ping */
    { "\x80\x80\0\0\0\0", 6, 1002 },                                  /* continuation of nothing */
    { "\x01\x80\0\0\0\0\x81\x80\0\0\0\0", 12, 1002 },                 /* a new message inside another */
    { "\x81\x81\0\0\0\0\xff", 7, 1007 },                              /* not UTF-8 */
    { "\x82\xff\xff\xff\xff\xff\xff\xff\xff\xff\0\0\0\0", 14, 1009 }, /* 2^64-1 bytes */
    { "\x88\x81\0\0\0\0x", 7, 1002 },                                 /* half a close code */
  };
  for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
    g_autoptr(WebSocket) socket = websocket_new();
    g_autoptr(GError) error = NULL;
    WebSocketEvent event;
    uint16_t code = 0;
    websocket_feed(socket, cases[i].bytes, cases[i].length);
    bool ok = websocket_next(socket, &event, &code, &error);
    g_assert_false(ok);
    g_assert_true(reason_is(error, REASON_BAD_REQUEST));
    g_assert_cmpint(code, ==, cases[i].code);
    g_assert_false(websocket_next(socket, &event, NULL, NULL));
  }
}

/* A channel's number is the first byte of a text, and the first channel is 0. */
static void test_text_with_nul(void)
{
  static const char frame[] = "\x81\x84\0\0\0\0\0h\0i";
  g_autoptr(WebSocket) socket = websocket_new();
  WebSocketEvent event;
  websocket_feed(socket, frame, sizeof frame - 1);
  g_assert_true(websocket_next(socket, &event, NULL, NULL));
  g_assert_cmpint(event.type, ==, WEBSOCKET_TEXT);
  g_assert_cmpmem(event.data, event.length, "\0h\0i", 4);
}

static void test_writing(void)
{
  static const struct {
    gsize length, head;
    const char *bytes;
  } cases[] = {
    { 5, 2, "\x82\x05" },
    { 126, 4, "\x82\x7e\x00\x7e" },
    { 65536, 10, "\x82\x7f\0\0\0\0\0\x01\0\0" },
  };
  for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
    g_autoptr(GByteArray) out = g_byte_array_new();
    g_autofree char *payload = g_strnfill(cases[i].length, 'x');
    websocket_append_frame(out, WEBSOCKET_OP_BINARY, payload, cases[i].length);
    g_assert_cmpuint(out->len, ==, cases[i].head + cases[i].length);
    g_assert_cmpmem(out->data, cases[i].head, cases[i].bytes, cases[i].head);
  }
  g_autoptr(GByteArray) out = g_byte_array_new();
  websocket_append_close(out, 1000, "ok");
  g_assert_cmpmem(out->data, out->len, "\x88\x04\x03\xe8ok", 6);
}

int main(int argc, char **argv)
{
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/websocket/rfc-examples", test_rfc_examples);
  g_test_add_func("/websocket/split-everywhere", test_split_everywhere);
  g_test_add_func("/websocket/breaches", test_breaches);
  g_test_add_func("/websocket/text-with-nul", test_text_with_nul);
  g_test_add_func("/websocket/writing", test_writing);
  return g_test_run();
}
