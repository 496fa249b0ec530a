#include "base/quantity.h"

#include <math.h>
#include <string.h>

#include "base/reason.h"

#define NANO ((__int128)1000000000)
#define NANO_MAX ((__int128)INT64_MAX * NANO)

typedef struct Suffix {
  const char *text;
  QuantityFormat format;
  int power; /* of ten, or of 1024 for the binary ones */
} Suffix;

static const Suffix suffixes[] = {
  { "", QUANTITY_DECIMAL_SI, 0 },   { "n", QUANTITY_DECIMAL_SI, -9 }, { "u", QUANTITY_DECIMAL_SI, -6 },
  { "m", QUANTITY_DECIMAL_SI, -3 }, { "k", QUANTITY_DECIMAL_SI, 3 },  { "M", QUANTITY_DECIMAL_SI, 6 },
  { "G", QUANTITY_DECIMAL_SI, 9 },  { "T", QUANTITY_DECIMAL_SI, 12 }, { "P", QUANTITY_DECIMAL_SI, 15 },
  { "E", QUANTITY_DECIMAL_SI, 18 }, { "Ki", QUANTITY_BINARY_SI, 1 },  { "Mi", QUANTITY_BINARY_SI, 2 },
  { "Gi", QUANTITY_BINARY_SI, 3 },  { "Ti", QUANTITY_BINARY_SI, 4 },  { "Pi", QUANTITY_BINARY_SI, 5 },
  { "Ei", QUANTITY_BINARY_SI, 6 },
};

static __int128 saturate(__int128 value)
{
  return value > NANO_MAX ? NANO_MAX : value < -NANO_MAX ? -NANO_MAX : value;
}

/* VALUE × FACTOR, saturating; VALUE is not negative. */
static __int128 times(__int128 value, __int128 factor)
{
  return value > NANO_MAX / factor ? NANO_MAX : value * factor;
}

/* Reads digits[.digits] at *TEXT into units of 1e-9 × SCALE, rounding the remainder up. */
static bool read_number(const char **text, __int128 scale, __int128 *nano)
{
  __int128 whole = 0, fraction = 0, unit = 1;
  const char *at = *text;
  int digits = 0;
  bool lost = false;
  for (; g_ascii_isdigit(*at); at++, digits++)
    whole = times(whole, 10) + (*at - '0');
  if (*at == '.')
    for (at++; g_ascii_isdigit(*at); at++, digits++) {
      if (unit < NANO * NANO / 10) {
        fraction = fraction * 10 + (*at - '0');
        unit *= 10;
      } else if (*at != '0') {
        lost = true;
      }
    }
  *text = at;
  __int128 part = 0;
  for (__int128 left = unit, scaled = scale; fraction > 0;) {
    /* fraction × scale / unit without overflow: cancel factors of two and ten first */
    while (left % 2 == 0 && scaled % 2 == 0)
      left /= 2, scaled /= 2;
    while (left % 5 == 0 && scaled % 5 == 0)
      left /= 5, scaled /= 5;
    __int128 product = times(fraction, scaled);
    part = product / left;
    lost = lost || product % left != 0;
    break;
  }
  *nano = saturate(times(whole, scale) + part + (lost ? 1 : 0));
  return digits > 0;
}

static __int128 power_of(__int128 base, int exponent)
{
  __int128 result = 1;
  while (exponent-- > 0)
    result = times(result, base);
  return result;
}

/* The scale in nano units of the suffix or exponent at TEXT. */
static bool read_scale(const char *text, __int128 *scale, __int128 *divisor, QuantityFormat *format)
{
  *divisor = 1;
  if ((*text == 'e' || *text == 'E') && text[1]) {
    char *end;
    gint64 exponent = g_ascii_strtoll(text + 1, &end, 10);
    if (*end || end == text + 1 || exponent < -30 || exponent > 30)
      return false;
    *format = QUANTITY_DECIMAL_EXPONENT;
    *scale = exponent >= -9 ? power_of(10, (int)exponent + 9) : 1;
    *divisor = exponent >= -9 ? 1 : power_of(10, (int)-exponent - 9);
    return true;
  }
  for (size_t i = 0; i < G_N_ELEMENTS(suffixes); i++)
    if (strcmp(text, suffixes[i].text) == 0) {
      *format = suffixes[i].format;
      *scale = *format == QUANTITY_BINARY_SI ? times(NANO, power_of(1024, suffixes[i].power))
                                             : power_of(10, suffixes[i].power + 9);
      return true;
    }
  return false;
}

bool quantity_parse(const char *text, Quantity *quantity, GError **error)
{
  const char *at = text + (*text == '-' || *text == '+');
  const char *suffix = at + strspn(at, "0123456789.");
  __int128 scale, divisor, nano;
  QuantityFormat format;
  if (!read_scale(suffix, &scale, &divisor, &format) || !read_number(&at, scale, &nano) || at != suffix)
    return reason_set(error, REASON_BAD_REQUEST,
                      "quantities must match the regular expression "
                      "'^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'");
  nano = (nano + divisor - 1) / divisor;
  quantity->nano = *text == '-' ? -nano : nano;
  quantity->format = format;
  return true;
}

static char *text_with(__int128 number, const char *suffix)
{
  return g_strdup_printf("%" G_GINT64_FORMAT "%s", (gint64)number, suffix);
}

char *quantity_text(Quantity quantity)
{
  __int128 nano = quantity.nano;
  if (nano == 0)
    return g_strdup("0");
  if (quantity.format == QUANTITY_BINARY_SI && (nano > 1024 * NANO || nano < -1024 * NANO || nano == 1024 * NANO) &&
      nano % NANO == 0) {
    __int128 value = nano / NANO;
    int power = 0;
    while (power < 6 && value % 1024 == 0)
      value /= 1024, power++;
    static const char *const binary[] = { "", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei" };
    return text_with(value, binary[power]);
  }
  int exponent = -9;
  while (exponent < 18 && nano % 1000 == 0)
    nano /= 1000, exponent += 3;
  if (quantity.format == QUANTITY_DECIMAL_EXPONENT)
    return exponent ? g_strdup_printf("%" G_GINT64_FORMAT "e%d", (gint64)nano, exponent) : text_with(nano, "");
  static const char *const decimal[] = { "n", "u", "m", "", "k", "M", "G", "T", "P", "E" };
  return text_with(nano, decimal[(exponent + 9) / 3]);
}

static int64_t rounded_up(__int128 nano, __int128 unit)
{
  __int128 value = nano / unit + (nano % unit > 0 ? 1 : 0);
  return value > INT64_MAX ? INT64_MAX : value < INT64_MIN ? INT64_MIN : (int64_t)value;
}

int64_t quantity_value(Quantity quantity)
{
  return rounded_up(quantity.nano, NANO);
}

int64_t quantity_milli(Quantity quantity)
{
  return rounded_up(quantity.nano, NANO / 1000);
}

int quantity_compare(Quantity a, Quantity b)
{
  return a.nano < b.nano ? -1 : a.nano > b.nano;
}

bool quantity_parse_mebibytes(const char *flag, const char *text, int64_t *mebibytes, GError **error)
{
  static const struct {
    const char *unit;
    double mebibytes;
  } units[] = { { "", 1 },
                { "b", 1.0 / 1048576 },
                { "k", 1.0 / 1024 },
                { "kb", 1.0 / 1024 },
                { "kib", 1.0 / 1024 },
                { "m", 1 },
                { "mb", 1 },
                { "mib", 1 },
                { "g", 1024 },
                { "gb", 1024 },
                { "gib", 1024 },
                { "t", 1048576 },
                { "tb", 1048576 },
                { "tib", 1048576 } };
  char *end;
  double number = g_ascii_strtod(text, &end);
  g_autofree char *unit = g_ascii_strdown(end, -1);
  if (end != text && isfinite(number) && number >= 0)
    for (size_t i = 0; i < G_N_ELEMENTS(units); i++)
      if (strcmp(unit, units[i].unit) == 0 && number * units[i].mebibytes < 1e12) {
        *mebibytes = (int64_t)ceil(number * units[i].mebibytes);
        return true;
      }
  return reason_set(error, REASON_USAGE,
                    "--%s: \"%s\" is not a size: give a number of MiB, or a number with b, k, m or g (for example 4g)",
                    flag, text);
}
