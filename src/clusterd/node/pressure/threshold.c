#include "clusterd/node/pressure/threshold.h"

#include <string.h>

#include "base/reason.h"

#define NANO 1000000000

static const struct SignalInfo {
  const char *name, *resource;
} signals[SIGNAL_COUNT] = {
  [SIGNAL_MEMORY] = { "memory.available", "memory" },
  [SIGNAL_ALLOCATABLE_MEMORY] = { "allocatableMemory.available", "memory" },
  [SIGNAL_NODE_SPACE] = { "nodefs.available", "ephemeral-storage" },
  [SIGNAL_NODE_INODES] = { "nodefs.inodesFree", "inodes" },
  [SIGNAL_IMAGE_SPACE] = { "imagefs.available", "ephemeral-storage" },
  [SIGNAL_IMAGE_INODES] = { "imagefs.inodesFree", "inodes" },
  [SIGNAL_PROCESSES] = { "pid.available", "pids" },
};

/* Those whose thresholds follow from other ones. */
static const char *const derived[] = { "containerfs.available", "containerfs.inodesFree", NULL };

const char *signal_name(PressureSignal signal)
{
  return signals[signal].name;
}

const char *signal_resource(PressureSignal signal)
{
  return signals[signal].resource;
}

/* --- reading -------------------------------------------------------------------------------------------------------
 */

/* One flag being read. */
typedef struct Flag {
  const char *name;
  char separator;
  GArray *thresholds;
  GError **error;
} Flag;

static bool refuse(const Flag *flag, const char *format, ...) G_GNUC_PRINTF(2, 3);
static bool refuse(const Flag *flag, const char *format, ...)
{
  va_list args;
  va_start(args, format);
  g_autofree char *text = g_strdup_vprintf(format, args);
  va_end(args);
  return reason_set(flag->error, REASON_CONFIG, "--%s: %s", flag->name, text);
}

/* "10%" as 0.1; false when it is none. */
static bool parse_part(const char *text, float *part)
{
  g_autofree char *number = g_strndup(text, strlen(text) - 1);
  char *end;
  double value = g_ascii_strtod(number, &end);
  if (!*number || *end || value != value)
    return false;
  *part = (float)value / 100;
  return true;
}

/* Reads SIGNAL<AMOUNT. *IGNORED: it says nothing. */
static bool parse_value(const Flag *flag, const char *signal, const char *text, ThresholdAmount *amount, bool *ignored)
{
  *ignored = g_str_equal(text, "0%") || g_str_equal(text, "100%");
  if (*ignored)
    return true;
  if (g_str_has_suffix(text, "%")) {
    if (!parse_part(text, &amount->part))
      return refuse(flag, "\"%s\" is no percentage", text);
    if (amount->part < 0)
      return refuse(flag, "eviction percentage threshold %s must be >= 0%%: %s", signal, text);
    if (amount->part > 1)
      return refuse(flag, "eviction percentage threshold %s must be <= 100%%: %s", signal, text);
    *ignored = !(amount->part > 0);
    return true;
  }
  g_autoptr(GError) error = NULL;
  if (!quantity_parse(text, &amount->quantity, &error))
    return refuse(flag, "%s", error->message);
  if (amount->quantity.nano <= 0)
    return refuse(flag, "eviction threshold %s must be positive: %s", signal, text);
  return true;
}

static bool parse_reclaim(const Flag *flag, const char *signal, const char *text, ThresholdAmount *amount)
{
  if (g_str_has_suffix(text, "%")) {
    if (!parse_part(text, &amount->part))
      return refuse(flag, "\"%s\" is no percentage", text);
    return (amount->part > 0 && amount->part <= 1) ||
           refuse(flag, "eviction percentage minimum reclaim %s must be positive: %s", signal, text);
  }
  g_autoptr(GError) error = NULL;
  if (!quantity_parse(text, &amount->quantity, &error))
    return refuse(flag, "%s", error->message);
  return amount->quantity.nano >= 0 || refuse(flag, "negative eviction minimum reclaim specified for %s", signal);
}

/* A duration as Go reads it: "1m30s", "1.5h", "500ms". False when it is none or longer than allowed. */
static bool parse_duration(const char *text, int64_t *duration_us)
{
  static const struct {
    const char *unit;
    double us;
  } units[] = { { "ms", 1e3 }, { "us", 1 }, { "ns", 1e-3 }, { "h", 3600e6 }, { "m", 60e6 }, { "s", 1e6 } };
  double total = 0;
  if (g_str_equal(text, "0"))
    text = "0s";
  if (!*text)
    return false;
  while (*text) {
    char *end = NULL;
    gsize i = 0;
    double number = g_ascii_isdigit(*text) ? g_ascii_strtod(text, &end) : -1;
    while (number >= 0 && i < G_N_ELEMENTS(units) && !g_str_has_prefix(end, units[i].unit))
      i++;
    if (number < 0 || i == G_N_ELEMENTS(units))
      return false;
    total += number * units[i].us;
    text = end + strlen(units[i].unit);
  }
  if (!(total <= (double)THRESHOLD_GRACE_MAX_US))
    return false;
  *duration_us = (int64_t)total;
  return true;
}

/* Splits "SIGNAL<VALUE"; *SIGNAL is SIGNAL_COUNT for one that is left out. VALUE is borrowed, NAME the caller's. */
static bool split(const Flag *flag, const char *item, char **name, PressureSignal *signal, const char **value)
{
  const char *at = strchr(item, flag->separator);
  if (!at)
    return refuse(flag, "malformed pair \"%s\", expect signal%cvalue", item, flag->separator);
  g_autofree char *text = g_strndup(item, (gsize)(at - item));
  g_strstrip(text);
  *value = at + 1;
  for (*signal = 0; *signal < SIGNAL_COUNT && !g_str_equal(signals[*signal].name, text);)
    ++*signal;
  if (*signal == SIGNAL_COUNT && !g_strv_contains(derived, text))
    return refuse(flag, "unsupported eviction signal %s", text);
  *name = g_steal_pointer(&text);
  return true;
}

static Threshold *find(GArray *thresholds, PressureSignal signal, bool soft)
{
  for (guint i = 0; i < thresholds->len; i++) {
    Threshold *threshold = &g_array_index(thresholds, Threshold, i);
    if (threshold->signal == signal && (threshold->grace_us != 0) == soft)
      return threshold;
  }
  return NULL;
}

/* Adds the thresholds of one flag; SOFT ones get a grace of -1 until it is read. */
static bool add_values(Flag *flag, const char *const *items, bool soft)
{
  for (; items && *items; items++) {
    g_autofree char *name = NULL;
    Threshold threshold = { .grace_us = soft ? -1 : 0 };
    const char *value;
    bool ignored;
    if (!split(flag, *items, &name, &threshold.signal, &value) ||
        !parse_value(flag, name, value, &threshold.value, &ignored))
      return false;
    if (ignored || threshold.signal == SIGNAL_COUNT)
      continue;
    if (flag->thresholds->len >= THRESHOLDS_MAX || find(flag->thresholds, threshold.signal, soft))
      return refuse(flag, "%s is given twice", name);
    g_array_append_val(flag->thresholds, threshold);
  }
  return true;
}

static bool add_graces(Flag *flag, const char *const *items)
{
  for (; items && *items; items++) {
    g_autofree char *name = NULL;
    PressureSignal signal;
    const char *value;
    int64_t grace_us;
    if (!split(flag, *items, &name, &signal, &value))
      return false;
    if (!parse_duration(value, &grace_us))
      return refuse(flag, "invalid eviction grace period specified: %s, must be a positive value of at most 24h",
                    value);
    Threshold *threshold = signal < SIGNAL_COUNT ? find(flag->thresholds, signal, true) : NULL;
    if (threshold)
      threshold->grace_us = grace_us;
  }
  for (guint i = 0; i < flag->thresholds->len; i++) {
    const Threshold *threshold = &g_array_index(flag->thresholds, Threshold, i);
    if (threshold->grace_us < 0)
      return refuse(flag, "grace period must be specified for the soft eviction threshold %s",
                    signal_name(threshold->signal));
  }
  return true;
}

static bool add_reclaims(Flag *flag, const char *const *items)
{
  for (; items && *items; items++) {
    g_autofree char *name = NULL;
    PressureSignal signal;
    const char *value;
    ThresholdAmount amount = { .part = 0 };
    if (!split(flag, *items, &name, &signal, &value) || !parse_reclaim(flag, name, value, &amount))
      return false;
    for (guint i = 0; i < flag->thresholds->len; i++) {
      Threshold *threshold = &g_array_index(flag->thresholds, Threshold, i);
      if (threshold->signal == signal)
        threshold->reclaim = amount;
    }
  }
  return true;
}

/* What holds for the node's memory holds for what pods may use of it. */
static void add_allocatable(GArray *thresholds)
{
  const Threshold *memory = find(thresholds, SIGNAL_MEMORY, false);
  if (!memory || find(thresholds, SIGNAL_ALLOCATABLE_MEMORY, false))
    return;
  Threshold threshold = *memory;
  threshold.signal = SIGNAL_ALLOCATABLE_MEMORY;
  g_array_append_val(thresholds, threshold);
}

GArray *thresholds_parse(const ThresholdTexts *texts, GError **error)
{
  g_autoptr(GArray) thresholds = g_array_new(FALSE, TRUE, sizeof(Threshold));
  Flag hard = { "eviction-hard", '<', thresholds, error }, soft = { "eviction-soft", '<', thresholds, error };
  Flag grace = { "eviction-soft-grace-period", '=', thresholds, error };
  Flag reclaim = { "eviction-minimum-reclaim", '=', thresholds, error };
  if (!add_values(&hard, texts->hard, false))
    return NULL;
  add_allocatable(thresholds);
  if (!add_values(&soft, texts->soft, true) || !add_graces(&grace, texts->soft_grace) ||
      !add_reclaims(&reclaim, texts->reclaim))
    return NULL;
  return g_steal_pointer(&thresholds);
}

/* --- comparing -----------------------------------------------------------------------------------------------------
 */

Quantity threshold_quantity(const ThresholdAmount *amount, int64_t capacity)
{
  if (!(amount->part > 0))
    return amount->quantity;
  int64_t units = (int64_t)((double)capacity * (double)amount->part);
  return (Quantity){ .nano = (__int128)units * NANO, .format = QUANTITY_BINARY_SI };
}

bool threshold_is_met(const Threshold *threshold, const Observations *seen, bool with_reclaim)
{
  const Observation *one = &seen->of[threshold->signal];
  if (!one->known)
    return false;
  Quantity limit = threshold_quantity(&threshold->value, one->capacity);
  if (with_reclaim)
    limit.nano += threshold_quantity(&threshold->reclaim, one->capacity).nano;
  return limit.nano > (__int128)one->available * NANO;
}
