/* What a relay changes on the way: paths in Locations. */
#include "clusterd/server/relay.h"

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
  g_test_add_func("/relay/hop-headers", test_hop_headers);
  return g_test_run();
}
