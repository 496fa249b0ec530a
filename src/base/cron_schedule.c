#include "base/cron_schedule.h"

#include <string.h>

#include "base/reason.h"

#define N_FIELDS 5

typedef struct FieldRule {
  unsigned low, high;
  const char *names; /* of three letters each, the first standing for LOW; NULL: numbers only */
} FieldRule;

static const FieldRule field_rules[N_FIELDS] = {
  { 0, 59, NULL },
  { 0, 23, NULL },
  { 1, 31, NULL },
  { 1, 12, "janfebmaraprmayjunjulaugsepoctnovdec" },
  { 0, 6, "sunmontuewedthufrisat" },
};

static const struct {
  const char *name, *fields;
} descriptors[] = {
  { "@yearly", "0 0 1 1 *" }, { "@annually", "0 0 1 1 *" }, { "@monthly", "0 0 1 * *" }, { "@weekly", "0 0 * * 0" },
  { "@daily", "0 0 * * *" },  { "@midnight", "0 0 * * *" }, { "@hourly", "0 * * * *" },
};

static bool parse_number(const char *text, const FieldRule *rule, unsigned *number, GError **error)
{
  g_autofree char *lower = g_ascii_strdown(text, -1);
  const char *found = rule && rule->names && strlen(lower) == 3 ? strstr(rule->names, lower) : NULL;
  guint64 value;
  if (found && (found - rule->names) % 3 == 0) {
    *number = rule->low + (unsigned)(found - rule->names) / 3;
    return true;
  }
  if (*text == '-' && g_ascii_string_to_unsigned(text + 1, 10, 0, G_MAXINT32, &value, NULL))
    return reason_set(error, REASON_INVALID, "negative number (%s) not allowed: %s", text, text);
  if (!g_ascii_string_to_unsigned(text, 10, 0, G_MAXINT32, &value, NULL))
    return reason_set(error, REASON_INVALID,
                      "failed to parse int from %s: strconv.Atoi: parsing \"%s\": invalid syntax", text, text);
  *number = (unsigned)value;
  return true;
}

/* The beginning and end of "*", "a" or "a-b". */
static bool parse_bounds(const char *text, const char *whole, const FieldRule *rule, unsigned bounds[2], GError **error)
{
  g_auto(GStrv) parts = g_strsplit(text, "-", -1);
  guint count = g_strv_length(parts);
  if (strcmp(text, "*") == 0 || strcmp(text, "?") == 0) {
    bounds[0] = rule->low;
    bounds[1] = rule->high;
    return true;
  }
  if (count > 2)
    return reason_set(error, REASON_INVALID, "too many hyphens: %s", whole);
  if (!parse_number(count > 0 ? parts[0] : "", rule, &bounds[0], error))
    return false;
  bounds[1] = bounds[0];
  return count < 2 || parse_number(parts[1], rule, &bounds[1], error);
}

static bool add_range(const char *text, const FieldRule *rule, uint64_t *bits, GError **error)
{
  g_auto(GStrv) parts = g_strsplit(text, "/", -1);
  guint count = g_strv_length(parts);
  unsigned bounds[2], step = 1;
  if (!parse_bounds(count > 0 ? parts[0] : "", text, rule, bounds, error))
    return false;
  if (count > 2)
    return reason_set(error, REASON_INVALID, "too many slashes: %s", text);
  if (count == 2) {
    if (!parse_number(parts[1], NULL, &step, error))
      return false;
    if (!strchr(parts[0], '-')) /* "a/n" means "a-end/n" */
      bounds[1] = rule->high;
  }
  if (bounds[0] < rule->low)
    return reason_set(error, REASON_INVALID, "beginning of range (%u) below minimum (%u): %s", bounds[0], rule->low,
                      text);
  if (bounds[1] > rule->high)
    return reason_set(error, REASON_INVALID, "end of range (%u) above maximum (%u): %s", bounds[1], rule->high, text);
  if (bounds[0] > bounds[1])
    return reason_set(error, REASON_INVALID, "beginning of range (%u) beyond end of range (%u): %s", bounds[0],
                      bounds[1], text);
  if (step == 0)
    return reason_set(error, REASON_INVALID, "step of range should be a positive number: %s", text);
  for (unsigned i = bounds[0]; i <= bounds[1]; i += step)
    *bits |= UINT64_C(1) << i;
  return true;
}

static bool parse_field(const char *text, const FieldRule *rule, uint64_t *bits, GError **error)
{
  g_auto(GStrv) ranges = g_strsplit(text, ",", -1);
  *bits = 0;
  for (char **range = ranges; *range; range++) {
    if (**range && !add_range(*range, rule, bits, error))
      return false;
  }
  return true;
}

/* The words of TEXT; blanks of any number between them. */
static GPtrArray *split_words(const char *text)
{
  GPtrArray *words = g_ptr_array_new_with_free_func(g_free);
  g_auto(GStrv) parts = g_strsplit_set(text, " \t\n", -1);
  for (char **part = parts; *part; part++) {
    if (**part)
      g_ptr_array_add(words, g_strdup(*part));
  }
  return words;
}

static bool is_any(const char *field)
{
  return *field == '*' || *field == '?';
}

static bool parse_fields(const char *text, CronSchedule *schedule, GError **error)
{
  g_autoptr(GPtrArray) words = split_words(text);
  uint64_t *const bits[N_FIELDS] = { &schedule->minutes, &schedule->hours, &schedule->days, &schedule->months,
                                     &schedule->weekdays };
  if (words->len != N_FIELDS) {
    g_autoptr(GString) shown = g_string_new(NULL);
    for (guint i = 0; i < words->len; i++)
      g_string_append_printf(shown, "%s%s", i ? " " : "", (char *)words->pdata[i]);
    return reason_set(error, REASON_INVALID, "expected exactly %d fields, found %u: [%s]", N_FIELDS, words->len,
                      shown->str);
  }
  for (guint i = 0; i < N_FIELDS; i++) {
    if (!parse_field(words->pdata[i], &field_rules[i], bits[i], error))
      return false;
  }
  schedule->any_day = is_any(words->pdata[2]);
  schedule->any_weekday = is_any(words->pdata[4]);
  return true;
}

/* "1h30m", "90s": whole numbers with units, as Go writes durations. */
static bool parse_every(const char *text, int64_t *every_us)
{
  static const struct {
    const char *unit;
    int64_t us;
  } units[] = { { "h", (int64_t)3600 * G_USEC_PER_SEC },
                { "m", (int64_t)60 * G_USEC_PER_SEC },
                { "s", G_USEC_PER_SEC } };
  *every_us = 0;
  while (g_ascii_isdigit(*text)) {
    char *end;
    guint64 number = g_ascii_strtoull(text, &end, 10);
    size_t i = 0;
    while (i < G_N_ELEMENTS(units) && *units[i].unit != *end)
      i++;
    if (i == G_N_ELEMENTS(units) || number > 1000000)
      return false;
    *every_us += (int64_t)number * units[i].us;
    text = end + 1;
  }
  return *text == '\0' && *every_us > 0;
}

bool cron_schedule_parse(const char *text, CronSchedule *schedule, GError **error)
{
  *schedule = (CronSchedule){ .minutes = 0 };
  if (!*text)
    return reason_set(error, REASON_INVALID, "empty spec string");
  if (*text != '@')
    return parse_fields(text, schedule, error);
  for (size_t i = 0; i < G_N_ELEMENTS(descriptors); i++) {
    if (strcmp(text, descriptors[i].name) == 0)
      return parse_fields(descriptors[i].fields, schedule, error);
  }
  if (!g_str_has_prefix(text, "@every "))
    return reason_set(error, REASON_INVALID, "unrecognized descriptor: %s", text);
  if (parse_every(text + strlen("@every "), &schedule->every_us))
    return true;
  return reason_set(error, REASON_INVALID, "failed to parse duration %s: time: invalid duration \"%s\"", text,
                    text + strlen("@every "));
}
