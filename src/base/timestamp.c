#include "base/timestamp.h"

#define SECOND_US ((int64_t)1000000)

int64_t timestamp_now_us(void)
{
  return g_get_real_time();
}

/* What RFC 3339 can write: the years 1 to 9999. */
#define TIME_MIN_S ((int64_t)-62135596800)
#define TIME_MAX_S ((int64_t)253402300799)

/* The whole seconds in TIME_US, rounded down also before 1970. */
static int64_t whole_seconds(int64_t time_us)
{
  return time_us / SECOND_US - (time_us % SECOND_US < 0);
}

static char *format(int64_t time_us, const char *fraction)
{
  int64_t seconds = CLAMP(whole_seconds(time_us), TIME_MIN_S, TIME_MAX_S);
  g_autoptr(GDateTime) time = g_date_time_new_from_unix_utc(seconds);
  g_autofree char *rest = g_date_time_format(time, "-%m-%dT%H:%M:%S");
  return g_strdup_printf("%04d%s%sZ", g_date_time_get_year(time), rest, fraction);
}

char *timestamp_text(int64_t time_us)
{
  return format(time_us, "");
}

char *timestamp_text_micro(int64_t time_us)
{
  g_autofree char *fraction = g_strdup_printf(".%06d", (int)(time_us - whole_seconds(time_us) * SECOND_US));
  return format(time_us, fraction);
}

char *timestamp_now(void)
{
  return timestamp_text(timestamp_now_us());
}

/* GLib's parser also takes ISO 8601's other forms (week dates, no separators): RFC 3339 has this one alone. */
static bool is_rfc3339(const char *text)
{
  static const char shape[] = "dddd-dd-ddTdd:dd:dd", zone[] = "dd:dd";
  for (const char *c = shape; *c; c++, text++) {
    if (*c == 'd' ? !g_ascii_isdigit(*text) : *text != *c)
      return false;
  }
  if (*text == '.' && g_ascii_isdigit(text[1])) {
    for (text++; g_ascii_isdigit(*text);)
      text++;
  }
  if (*text == 'Z')
    return text[1] == '\0';
  if (*text != '+' && *text != '-')
    return false;
  text++;
  for (const char *c = zone; *c; c++, text++) {
    if (*c == 'd' ? !g_ascii_isdigit(*text) : *text != *c)
      return false;
  }
  return *text == '\0';
}

bool timestamp_parse(const char *text, int64_t *time_us)
{
  if (!text || !is_rfc3339(text))
    return false;
  g_autoptr(GDateTime) time = g_date_time_new_from_iso8601(text, NULL);
  int64_t seconds = time ? g_date_time_to_unix(time) : INT64_MIN;
  if (seconds < TIME_MIN_S || seconds > TIME_MAX_S)
    return false;
  *time_us = seconds * SECOND_US + g_date_time_get_microsecond(time);
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

char *timestamp_go_duration(int64_t duration_us)
{
  bool small = duration_us > 0 && duration_us < G_USEC_PER_SEC;
  int64_t unit = small ? (duration_us < 1000 ? 1 : 1000) : G_USEC_PER_SEC;
  int64_t minutes = duration_us / (60 * G_USEC_PER_SEC), rest = duration_us % (60 * G_USEC_PER_SEC);
  GString *text = g_string_new(NULL);
  if (minutes >= 60)
    g_string_append_printf(text, "%" G_GINT64_FORMAT "h", minutes / 60);
  if (minutes > 0)
    g_string_append_printf(text, "%" G_GINT64_FORMAT "m", minutes % 60);
  g_string_append_printf(text, "%" G_GINT64_FORMAT, rest / unit);
  if (rest % unit)
    g_string_append_printf(text, small ? ".%03d" : ".%06d", (int)(rest % unit));
  while (rest % unit && text->str[text->len - 1] == '0')
    g_string_truncate(text, text->len - 1);
  g_string_append(text, !small ? "s" : unit == 1 ? "\u00b5s" : "ms");
  return g_string_free(text, FALSE);
}
