/* The formats of strings that upstream checks in custom resources, and how values are written in texts.
 * Source: k8s.io/apiextensions-apiserver/pkg/apiserver/validation/formats.go, kube-openapi/pkg/validation/strfmt. */
#include <arpa/inet.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/timestamp.h"
#include "clusterd/api/custom/schema.h"
#include "clusterd/api/custom/schema_number.h"
#include "clusterd/api/validation.h"

#define FORMAT_TEXT_MAX 4096 /* longer texts are of no format: expressions stay cheap */

static bool is_date_time(const char *text)
{
  int64_t time_us;
  return timestamp_parse(text, &time_us);
}

static bool is_date(const char *text)
{
  g_autoptr(GDate) date = g_date_new();
  int year, month, day, used = 0;
  if (strlen(text) != 10 || sscanf(text, "%4d-%2d-%2d%n", &year, &month, &day, &used) != 3 || used != 10)
    return false;
  return year > 0 && month > 0 && day > 0 && g_date_valid_dmy((GDateDay)day, (GDateMonth)month, (GDateYear)year);
}

static bool is_ipv4(const char *text)
{
  struct in_addr address;
  return inet_pton(AF_INET, text, &address) == 1;
}

static bool is_ipv6(const char *text)
{
  struct in6_addr address;
  return inet_pton(AF_INET6, text, &address) == 1;
}

static bool is_cidr(const char *text)
{
  const char *slash = strchr(text, '/');
  if (!slash || !g_ascii_isdigit(slash[1]))
    return false;
  g_autofree char *address = g_strndup(text, (gsize)(slash - text));
  char *end;
  unsigned long bits = strtoul(slash + 1, &end, 10);
  return !*end && ((is_ipv4(address) && bits <= 32) || (is_ipv6(address) && bits <= 128));
}

static bool is_uri(const char *text)
{
  g_autoptr(GUri) uri = g_uri_parse(text, G_URI_FLAGS_NONE, NULL);
  return uri || (*text == '/' && !strchr(text, ' '));
}

static bool is_byte(const char *text)
{
  gsize length = strlen(text), padding = 0;
  while (padding < 2 && padding < length && text[length - padding - 1] == '=')
    padding++;
  for (gsize i = 0; i < length - padding; i++)
    if (!g_ascii_isalnum(text[i]) && text[i] != '+' && text[i] != '/')
      return false;
  return length % 4 == 0;
}

/* Go's durations ("1h30m", "-1.5s"), and the words strfmt knows besides ("3 days"). */
static bool is_duration(const char *text)
{
  return g_regex_match_simple("^[-+]?(0|((\\d+(\\.\\d*)?|\\.\\d+)(ns|us|µs|μs|ms|s|m|h))+)$|^(\\d+)\\s*"
                              "(ns|nanos?|nanoseconds?|us|µs|micros?|microseconds?|ms|millis?|milliseconds?|s|secs?|"
                              "seconds?|m|mins?|minutes?|h|hrs?|hours?|d|days?|w|wks?|weeks?)$",
                              text, G_REGEX_DOLLAR_ENDONLY, 0);
}

/* Formats an expression says all about. */
static const struct {
  const char *name, *pattern;
} expressions[] = {
  { "bsonobjectid", "^[0-9a-fA-F]{24}$" },
  { "creditcard", "^\\d[\\d -]{11,22}\\d$" },
  { "email", "^[^\\s@<>()]+@[^\\s@<>()]+$" },
  { "hexcolor", "^#?([0-9a-fA-F]{3}|[0-9a-fA-F]{6})$" },
  { "hostname", "^([a-zA-Z0-9_]([a-zA-Z0-9_-]{0,62})?)(\\.[a-zA-Z0-9_]([a-zA-Z0-9_-]{0,62})?)*\\.?$" },
  { "isbn", "^[\\d -]{9,17}[\\dxX]$" },
  { "isbn10", "^([\\d -]{9,12})[\\dxX]$" },
  { "isbn13", "^[\\d -]{13,17}$" },
  { "mac", "^([0-9a-fA-F]{2}[:-]){5}[0-9a-fA-F]{2}$|^([0-9a-fA-F]{4}\\.){2}[0-9a-fA-F]{4}$|"
           "^([0-9a-fA-F]{2}[:-]){7}[0-9a-fA-F]{2}$" },
  { "rgbcolor", "^rgb\\(\\s*\\d{1,3}%?\\s*,\\s*\\d{1,3}%?\\s*,\\s*\\d{1,3}%?\\s*\\)$" },
  { "ssn", "^\\d{3}[- ]?\\d{2}[- ]?\\d{4}$" },
  { "uuid", "^[0-9a-fA-F]{8}-?[0-9a-fA-F]{4}-?[0-9a-fA-F]{4}-?[0-9a-fA-F]{4}-?[0-9a-fA-F]{12}$" },
  { "uuid3", "^[0-9a-fA-F]{8}-?[0-9a-fA-F]{4}-?3[0-9a-fA-F]{3}-?[0-9a-fA-F]{4}-?[0-9a-fA-F]{12}$" },
  { "uuid4", "^[0-9a-fA-F]{8}-?[0-9a-fA-F]{4}-?4[0-9a-fA-F]{3}-?[89abAB][0-9a-fA-F]{3}-?[0-9a-fA-F]{12}$" },
  { "uuid5", "^[0-9a-fA-F]{8}-?[0-9a-fA-F]{4}-?5[0-9a-fA-F]{3}-?[89abAB][0-9a-fA-F]{3}-?[0-9a-fA-F]{12}$" },
};

static const struct {
  const char *name;
  bool (*matches)(const char *text);
} checks[] = {
  { "byte", is_byte },           { "cidr", is_cidr },          { "date", is_date },
  { "date-time", is_date_time }, { "datetime", is_date_time }, { "duration", is_duration },
  { "ipv4", is_ipv4 },           { "ipv6", is_ipv6 },          { "uri", is_uri },
};

bool schema_format_matches(const char *format, const char *text)
{
  for (gsize i = 0; i < G_N_ELEMENTS(checks); i++)
    if (strcmp(checks[i].name, format) == 0)
      return strlen(text) <= FORMAT_TEXT_MAX && checks[i].matches(text);
  for (gsize i = 0; i < G_N_ELEMENTS(expressions); i++)
    if (strcmp(expressions[i].name, format) == 0)
      return strlen(text) <= FORMAT_TEXT_MAX &&
             g_regex_match_simple(expressions[i].pattern, text, G_REGEX_DOLLAR_ENDONLY, 0);
  return true;
}

/* --- texts ---------------------------------------------------------------------------------------------------------
 */

bool schema_number_exceeds(double number, double limit, bool upper, bool exclusive)
{
  if (number == limit)
    return exclusive;
  return upper ? number > limit : number < limit;
}

char *schema_number_text(double number, bool as_integer)
{
  enum { DIGITS_MAX = 17, PLAIN_EXPONENT_MAX = 6, EXPONENT_MIN = -4 };
  char text[40], *end;
  if (as_integer && fabs(number) < 9e18 && floor(number) == number)
    return g_strdup_printf("%" G_GINT64_FORMAT, (int64_t)number);
  int digits = 0;
  do
    g_snprintf(text, sizeof text, "%.*e", digits, number);
  while (strtod(text, NULL) != number && ++digits < DIGITS_MAX);
  const char *e = strchr(text, 'e');
  long exponent = e ? strtol(e + 1, &end, 10) : 0;
  if (!e || exponent < EXPONENT_MIN || exponent >= PLAIN_EXPONENT_MAX)
    return g_strdup(text);
  return g_strdup_printf("%.*f", (int)MAX(digits - exponent, 0), number);
}

static int compare_names(gconstpointer a, gconstpointer b)
{
  return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static void append_go(GString *text, const json_t *value);

static void append_go_map(GString *text, const json_t *value)
{
  g_autoptr(GPtrArray) names = g_ptr_array_new();
  const char *name;
  json_t *member;
  json_object_foreach ((json_t *)(uintptr_t)value, name, member)
    g_ptr_array_add(names, (gpointer)(uintptr_t)name);
  g_ptr_array_sort(names, compare_names);
  g_string_append(text, "map[string]interface {}{");
  for (guint i = 0; i < names->len; i++) {
    g_string_append_printf(text, "%s\"%s\":", i ? ", " : "", (char *)names->pdata[i]);
    append_go(text, json_object_get(value, names->pdata[i]));
  }
  g_string_append_c(text, '}');
}

static void append_go(GString *text, const json_t *value)
{
  if (json_is_object(value)) {
    append_go_map(text, value);
  } else if (json_is_array(value)) {
    g_string_append(text, "[]interface {}{");
    for (size_t i = 0; i < json_array_size(value); i++) {
      g_string_append(text, i ? ", " : "");
      append_go(text, json_array_get(value, i));
    }
    g_string_append_c(text, '}');
  } else if (json_is_real(value)) {
    g_autofree char *number = schema_number_text(json_real_value(value), false);
    g_string_append(text, number);
  } else {
    g_autofree char *plain = json_is_null(value) ? g_strdup("interface {}(nil)") : json_text(value);
    g_string_append(text, plain);
  }
}

char *schema_go_text(const json_t *value)
{
  GString *text = g_string_new(NULL);
  append_go(text, value);
  return g_string_free(text, FALSE);
}
