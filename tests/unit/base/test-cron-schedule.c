/* Schedules in cron's notation. */
#include "base/cron_schedule.h"

#define ALL_HOURS UINT64_C(0xffffff)
#define ALL_DAYS UINT64_C(0xfffffffe)
#define ALL_MONTHS UINT64_C(0x1ffe)
#define ALL_WEEKDAYS UINT64_C(0x7f)

static void test_good(void)
{
  static const struct {
    const char *text;
    CronSchedule schedule;
  } cases[] = {
    { "*/20 * * * *",
      { (UINT64_C(1) << 0) | (UINT64_C(1) << 20) | (UINT64_C(1) << 40), ALL_HOURS, ALL_DAYS, ALL_MONTHS, ALL_WEEKDAYS,
        true, true, 0 } },
    { "5  3 1,15 JAN mon-wed", { 1 << 5, 1 << 3, (1 << 1) | (1 << 15), 1 << 1, 0xe, false, false, 0 } },
    { "0 22/1 ? * 0", { 1, (1 << 22) | (1 << 23), ALL_DAYS, ALL_MONTHS, 1, true, false, 0 } },
    { "@hourly", { 1, ALL_HOURS, ALL_DAYS, ALL_MONTHS, ALL_WEEKDAYS, true, true, 0 } },
    { "@yearly", { 1, 1, 1 << 1, 1 << 1, ALL_WEEKDAYS, false, true, 0 } },
    { "@every 1h30m", { .every_us = (int64_t)5400 * G_USEC_PER_SEC } },
  };
  for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
    const CronSchedule *want = &cases[i].schedule;
    CronSchedule got;
    g_autoptr(GError) error = NULL;
    g_assert_true(cron_schedule_parse(cases[i].text, &got, &error));
    g_assert_no_error(error);
    g_assert_cmphex(got.minutes, ==, want->minutes);
    g_assert_cmphex(got.hours, ==, want->hours);
    g_assert_cmphex(got.days, ==, want->days);
    g_assert_cmphex(got.months, ==, want->months);
    g_assert_cmphex(got.weekdays, ==, want->weekdays);
    g_assert_cmpint(got.any_day, ==, want->any_day);
    g_assert_cmpint(got.any_weekday, ==, want->any_weekday);
    g_assert_cmpint(got.every_us, ==, want->every_us);
  }
}

static void test_bad(void)
{
  static const char *const cases[][2] = {
    { "", "empty spec string" },
    { "* * *", "expected exactly 5 fields, found 3: [* * *]" },
    { "60 * * * *", "end of range (60) above maximum (59): 60" },
    { "* * 0 * *", "beginning of range (0) below minimum (1): 0" },
    { "5-2 * * * *", "beginning of range (5) beyond end of range (2): 5-2" },
    { "1-2-3 * * * *", "too many hyphens: 1-2-3" },
    { "1/2/3 * * * *", "too many slashes: 1/2/3" },
    { "*/0 * * * *", "step of range should be a positive number: */0" },
    { "x * * * *", "failed to parse int from x: strconv.Atoi: parsing \"x\": invalid syntax" },
    { "@noon", "unrecognized descriptor: @noon" },
    { "@every day", "failed to parse duration @every day: time: invalid duration \"day\"" },
  };
  for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
    CronSchedule schedule;
    g_autoptr(GError) error = NULL;
    g_assert_false(cron_schedule_parse(cases[i][0], &schedule, &error));
    g_assert_cmpstr(error->message, ==, cases[i][1]);
  }
}

int main(int argc, char **argv)
{
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/cron-schedule/good", test_good);
  g_test_add_func("/cron-schedule/bad", test_bad);
  return g_test_run();
}
