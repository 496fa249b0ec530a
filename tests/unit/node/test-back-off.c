/* The numbers of back-off, with a clock that the test turns. */
#include <glib.h>

#include "clusterd/node/pod/back_off.h"

#define SECOND ((int64_t)G_USEC_PER_SEC)
#define START (1000 * SECOND)

/* The first failure is tried again at once, then after 10 seconds, twice as long each time, 300 at most. */
static void test_doubles(void)
{
  static const struct {
    int64_t seconds;
    const char *text;
  } rows[] = { { 0, "0s" },     { 10, "10s" },    { 20, "20s" },   { 40, "40s" },
               { 80, "1m20s" }, { 160, "2m40s" }, { 300, "5m0s" }, { 300, "5m0s" } };
  BackOff back_off = { 0 };
  int64_t now = START;
  for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
    g_autofree char *text = back_off_text(&back_off);
    g_assert_cmpstr(text, ==, rows[i].text);
    int64_t until = back_off_until(&back_off, now);
    g_assert_cmpint(until, ==, now + rows[i].seconds * SECOND);
    back_off_grow(&back_off, until);
    now = until + SECOND; /* runs for a second */
  }
}

/* What ran for ten minutes begins anew; a little less does not. */
static void test_forgets(void)
{
  static const struct {
    int64_t ran, delay; /* seconds */
  } rows[] = { { 599, 40 }, { 600, 40 }, { 601, 0 }, { 100000, 0 } };
  for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
    BackOff back_off = { 0 };
    for (int k = 0; k < 3; k++)
      back_off_grow(&back_off, START);
    int64_t failed = START + rows[i].ran * SECOND;
    g_assert_cmpint(back_off_until(&back_off, failed), ==, failed + rows[i].delay * SECOND);
  }
  BackOff back_off = { .delay_us = 300 * SECOND, .set_us = START };
  back_off_until(&back_off, START + 601 * SECOND);
  back_off_grow(&back_off, START + 601 * SECOND);
  g_assert_cmpint(back_off.delay_us, ==, 10 * SECOND);
}

int main(int argc, char **argv)
{
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/back-off/doubles", test_doubles);
  g_test_add_func("/back-off/forgets", test_forgets);
  return g_test_run();
}
