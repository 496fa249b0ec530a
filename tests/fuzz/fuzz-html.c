/* Links of HTML pages: what is not rewritten stays byte for byte, whatever the page is. */
#include <glib.h>
#include <string.h>

#include "clusterd/server/http/html_links.h"
#include "clusterd/server/outbound/relay.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char *keep(const char *url, void *links)
{
  (*(unsigned *)links)++;
  return g_strdup(url);
}

static char *prefix(const char *url, void *data)
{
  return relay_rewrite_location(url, "10.1.2.3:80", "server:8443", "/proxy");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
  unsigned links = 0;
  g_autoptr(GByteArray) same = html_rewrite_links((const char *)data, size, keep, &links);
  g_assert_cmpmem(same->data, same->len, data, size);
  g_autoptr(GByteArray) rewritten = html_rewrite_links((const char *)data, size, prefix, NULL);
  g_assert_cmpuint(rewritten->len, <=, size + links * strlen("/proxy"));
  return 0;
}
