#include "base/timestamp.h"

#define SECOND_US ((int64_t)1000000)

int64_t timestamp_now_us(void)
{
  return g_get_real_time();
}

static char *format(int64_t time_us, const char *fraction)
{
  g_autoptr(GDateTime) time = g_date_time_new_from_unix_utc(time_us / SECOND_US);
  g_autofree char *seconds = g_date_time_format(time, "%Y-%m-%dT%H:%M:%S");
  return g_strconcat(seconds, fraction, "Z", NULL);
}

char *timestamp_text(int64_t time_us)
{
  return format(time_us, "");
}

char *timestamp_text_micro(int64_t time_us)
{
  g_autofree char *fraction = g_strdup_printf(".%06d", (int)(time_us % SECOND_US));
  return format(time_us, fraction);
}

char *timestamp_now(void)
{
  return timestamp_text(timestamp_now_us());
}

bool timestamp_parse(const char *text, int64_t *time_us)
{
  if (!text || !g_ascii_isdigit(*text))
    return false;
  g_autoptr(GDateTime) time = g_date_time_new_from_iso8601(text, NULL);
  if (!time)
    return false;
  *time_us = g_date_time_to_unix(time) * SECOND_US + g_date_time_get_microsecond(time);
  return true;
}

/* "<big><unit>", followed by "<small><unit>" unless that is zero. */
static char *two_units(int64_t big, char big_unit, int64_t small, char small_unit)
{
  if (small == 0)
    return g_strdup_printf("%" G_GINT64_FORMAT "%c", big, big_unit);
  return g_strdup_printf("%" G_GINT64_FORMAT "%c%" G_GINT64_FORMAT "%c", big, big_unit, small, small_unit);
}

char *timestamp_human_duration(int64_t duration_us)
{
  enum { MINUTE = 60, HOUR = 3600, DAY = 24 * HOUR, YEAR = 365 * DAY };
  int64_t s = duration_us / SECOND_US;
  if (s < -1)
    return g_strdup("<invalid>");
  if (s < 0)
    return g_strdup("0s");
  if (s < 2 * MINUTE)
    return two_units(s, 's', 0, 's');
  if (s < 10 * MINUTE)
    return two_units(s / MINUTE, 'm', s % MINUTE, 's');
  if (s < 3 * HOUR)
    return two_units(s / MINUTE, 'm', 0, 's');
  if (s < 8 * HOUR)
    return two_units(s / HOUR, 'h', s / MINUTE % 60, 'm');
  if (s < 2 * DAY)
    return two_units(s / HOUR, 'h', 0, 'm');
  if (s < 8 * DAY)
    return two_units(s / DAY, 'd', s / HOUR % 24, 'h');
  if (s < 2 * YEAR)
    return two_units(s / DAY, 'd', 0, 'h');
  if (s < 8 * (int64_t)YEAR)
    return two_units(s / YEAR, 'y', s / DAY % 365, 'd');
  return two_units(s / YEAR, 'y', 0, 'd');
}
