/* Addresses and ranges of both families. */
#include <glib.h>

#include "base/ip_address.h"

static void test_addresses(void)
{
  static const struct {
    const char *text, *written; /* NULL: refused */
    IpFamily family;
  } rows[] = { { "10.0.0.1", "10.0.0.1", IP_V4 },
               { "255.255.255.255", "255.255.255.255", IP_V4 },
               { "::", "::", IP_V6 },
               { "FD00:0:0:0::1", "fd00::1", IP_V6 },
               { "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", IP_V6 },
               { "::ffff:1.2.3.4", "::ffff:1.2.3.4", IP_V6 },
               { "10.0.0", NULL, IP_V4 },
               { "10.0.0.256", NULL, IP_V4 },
               { "fe80::1%eth0", NULL, IP_V6 },
               { "", NULL, IP_V4 } };
  IpAddress address;
  g_assert_false(ip_address_parse(NULL, &address));
  for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
    g_test_message("%s", rows[i].text);
    g_assert_cmpint(ip_address_parse(rows[i].text, &address), ==, rows[i].written != NULL);
    if (!rows[i].written)
      continue;
    g_autofree char *written = ip_address_text(&address);
    g_assert_cmpstr(written, ==, rows[i].written);
    g_assert_cmpint(address.family, ==, rows[i].family);
    g_assert_true(ip_address_is(rows[i].text, rows[i].family));
    g_assert_false(ip_address_is(rows[i].text, 1 - rows[i].family));
  }
}

static void test_ranges(void)
{
  static const struct {
    const char *text, *written, *last;
  } rows[] = { { "10.1.2.3/8", "10.0.0.0/8", "10.255.255.255" },
               { "0.0.0.0/0", "0.0.0.0/0", "255.255.255.255" },
               { "10.0.0.1/32", "10.0.0.1/32", "10.0.0.1" },
               { "fd00:10::9/64", "fd00:10::/64", "fd00:10::ffff:ffff:ffff:ffff" },
               { "::/0", "::/0", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff" },
               { "::1/128", "::1/128", "::1" },
               { "10.0.0.0/33", NULL, NULL },
               { "fd00::/129", NULL, NULL },
               { "10.0.0.0", NULL, NULL },
               { "10.0.0.0/", NULL, NULL },
               { "/8", NULL, NULL } };
  IpRange range;
  for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
    g_test_message("%s", rows[i].text);
    g_assert_cmpint(ip_range_parse(rows[i].text, &range), ==, rows[i].written != NULL);
    if (!rows[i].written)
      continue;
    const IpAddress end = { range.family, range.last };
    g_autofree char *written = ip_range_text(&range), *last = ip_address_text(&end);
    g_assert_cmpstr(written, ==, rows[i].written);
    g_assert_cmpstr(last, ==, rows[i].last);
  }
}

static void test_lists(void)
{
  static const struct {
    const char *list;
    unsigned count;
    const char *v4, *v6;
  } rows[] = { { "10.0.0.0/8", 1, "10.0.0.0/8", NULL },
               { "fd00::/64", 1, NULL, "fd00::/64" },
               { "10.0.0.0/8,fd00::/64", 2, "10.0.0.0/8", "fd00::/64" },
               { "fd00::/64,10.0.0.0/8", 2, "10.0.0.0/8", "fd00::/64" },
               { "10.0.0.0/8,11.0.0.0/8", 0, NULL, NULL },
               { "10.0.0.0/8,", 0, NULL, NULL },
               { "10.0.0.0/8,fd00::/64,fd01::/64", 0, NULL, NULL },
               { "", 0, NULL, NULL } };
  for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
    IpRange ranges[IP_FAMILIES];
    g_test_message("%s", rows[i].list);
    g_assert_cmpuint(ip_ranges_parse(rows[i].list, ranges), ==, rows[i].count);
    g_autofree char *v4 = ip_ranges_of(rows[i].list, IP_V4), *v6 = ip_ranges_of(rows[i].list, IP_V6);
    g_assert_cmpstr(v4, ==, rows[i].v4);
    g_assert_cmpstr(v6, ==, rows[i].v6);
  }
}

int main(int argc, char **argv)
{
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/ip-address/addresses", test_addresses);
  g_test_add_func("/ip-address/ranges", test_ranges);
  g_test_add_func("/ip-address/lists", test_lists);
  return g_test_run();
}
