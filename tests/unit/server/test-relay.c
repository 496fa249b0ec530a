/* What a relay changes on the way: paths in Locations. */
#include "clusterd/server/outbound/relay.h"

#include <string.h>

#include "clusterd/server/http/html_links.h"

#define PREFIX "/api/v1/namespaces/n/pods/p/proxy"

static void test_location(void)
{
  static const struct {
    const char *location, *expected;
  } cases[] = {
    { "/login", PREFIX "/login" },
    { "/login?next=/a#b", PREFIX "/login?next=/a#b" },
    { "/", PREFIX "/" },
    { "next", "next" },
    { "../up", "../up" },
    { "", "" },
    { "http://10.1.2.3:80/login", PREFIX "/login" },
    { "http://10.1.2.3:80", "http://10.1.2.3:80" },
    { "https://server:8443/login", "https://server:8443" PREFIX "/login" },
    { "https://elsewhere/login", "https://elsewhere/login" },
    { "//elsewhere/login", "//elsewhere/login" },
    { "//10.1.2.3:80/login", PREFIX "/login" },
    { "/a//b", PREFIX "/a//b" },
    { "/go?to=http://x/y", PREFIX "/go?to=http://x/y" },
    { PREFIX "/there", PREFIX "/there" },
  };
  for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
    g_autofree char *got = relay_rewrite_location(cases[i].location, "10.1.2.3:80", "server:8443", PREFIX);
    g_assert_cmpstr(got, ==, cases[i].expected);
  }
}

static char *add_prefix(const char *url, void *data)
{
  return *url == '/' ? g_strconcat("/P", url, NULL) : g_strdup(url);
}

static void test_links(void)
{
  static const struct {
    const char *page, *expected;
  } cases[] = {
    { "<a href=\"/x\">y</a>", "<a href=\"/P/x\">y</a>" },
    { "<A CLASS=c HREF = '/x?a=b&amp;c' id=i>", "<A CLASS=c HREF = '/P/x?a=b&amp;c' id=i>" },
    { "<img src=/x.png><img\nsrc=/y.png/>", "<img src=/P/x.png><img\nsrc=/P/y.png/>" },
    { "<a href=\"x\"><a href=\"http://h/x\"><b href=\"/x\">", "<a href=\"x\"><a href=\"http://h/x\"><b href=\"/x\">" },
    { "<!-- <a href=\"/x\"> --><a href=\"/y\">", "<!-- <a href=\"/x\"> --><a href=\"/P/y\">" },
    { "<script src=\"/s.js\">if (a < b) '<a href=\"/x\">'</script><a href=\"/y\">",
      "<script src=\"/P/s.js\">if (a < b) '<a href=\"/x\">'</script><a href=\"/P/y\">" },
    { "1 < 2 <3 </a href=\"/x\"> <a href> <a href= > <a href=\"/x",
      "1 < 2 <3 </a href=\"/x\"> <a href> <a href= > <a href=\"/x" },
    { "<a href='/x' href='/y'", "<a href='/P/x' href='/P/y'" },
    { "<", "<" },
    { "<!--", "<!--" },
    { "<a", "<a" },
    { "", "" },
    { "plain", "plain" },
  };
  for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
    g_autoptr(GByteArray) made = html_rewrite_links(cases[i].page, strlen(cases[i].page), add_prefix, NULL);
    g_autofree char *text = g_strndup((const char *)made->data, made->len);
    g_assert_cmpstr(made->len ? text : "", ==, cases[i].expected);
  }
  /* bytes that are no text */
  static const char zeros[] = "<a \0 href=\"/x\"\0>\0<a href=/y\0>";
  g_autoptr(GByteArray) made = html_rewrite_links(zeros, sizeof zeros - 1, add_prefix, NULL);
  g_assert_cmpuint(made->len, >=, sizeof zeros - 1);
}

static void test_hop_headers(void)
{
  static const char *const ended[] = { "connection", "Transfer-Encoding", "upgrade", "TE", "content-length" };
  static const char *const passed[] = { "Accept", "Cookie", "X-TE", "Content-Type" };
  for (gsize i = 0; i < G_N_ELEMENTS(ended); i++)
    g_assert_true(relay_is_hop_header(ended[i]));
  for (gsize i = 0; i < G_N_ELEMENTS(passed); i++)
    g_assert_false(relay_is_hop_header(passed[i]));
}

int main(int argc, char **argv)
{
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/relay/location", test_location);
  g_test_add_func("/relay/links", test_links);
  g_test_add_func("/relay/hop-headers", test_hop_headers);
  return g_test_run();
}
