#include "base/base64url.h"

#include <string.h>

char *base64url_encode(const void *data, gsize length)
{
  char *text = g_base64_encode(data, length);
  for (char *c = text; *c; c++)
    *c = *c == '+' ? '-' : *c == '/' ? '_' : *c;
  text[strcspn(text, "=")] = '\0';
  return text;
}

GBytes *base64url_decode(const char *text)
{
  gsize length = strlen(text);
  if (length % 4 == 1)
    return NULL;
  g_autoptr(GString) plain = g_string_sized_new(length + 4);
  for (const char *c = text; *c; c++) {
    if (!g_ascii_isalnum(*c) && *c != '-' && *c != '_')
      return NULL;
    g_string_append_c(plain, *c == '-' ? '+' : *c == '_' ? '/' : *c);
  }
  while (plain->len % 4)
    g_string_append_c(plain, '=');
  gsize size = 0;
  guchar *bytes = g_base64_decode(plain->str, &size);
  return g_bytes_new_take(bytes, size);
}
