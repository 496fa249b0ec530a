#include "clusterd/server/metrics.h"

#include <dirent.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "base/file.h"

#define CODES_MAX 24 /* different status codes of one series */
#define STAT_MAX 8192

/* Upper bounds of the buckets, seconds; upstream's. */
static const double buckets[] = { 0.005, 0.025, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 1.0, 1.25, 1.5, 2,
                                  3,     4,     5,    6,   8,   10,  15,  20,  30,  45,   60 };

typedef struct Series {
  char *labels; /* without the brackets, in upstream's order but for code */
  uint64_t counts[G_N_ELEMENTS(buckets)];
  uint64_t timed;
  double sum;
  struct {
    int code;
    uint64_t count;
  } codes[CODES_MAX];
  unsigned n_codes;
} Series;

struct Metrics {
  GMutex lock;        /* guards the series and the attempts */
  GHashTable *series; /* key → Series */
  uint64_t attempts[3];
  gint in_flight[2]; /* reading, mutating; atomic */
  gint running;      /* atomic */
};

static const char *const results[] = { "success", "failure", "error" };

static void series_free(void *data)
{
  Series *series = data;
  g_free(series->labels);
  g_free(series);
}

Metrics *metrics_new(void)
{
  Metrics *metrics = g_new0(Metrics, 1);
  g_mutex_init(&metrics->lock);
  metrics->series = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, series_free);
  return metrics;
}

void metrics_free(Metrics *metrics)
{
  if (!metrics)
    return;
  g_hash_table_unref(metrics->series);
  g_mutex_clear(&metrics->lock);
  g_free(metrics);
}

/* --- counting ------------------------------------------------------------------------------------------------------
 */

void metrics_begin(Metrics *metrics, bool mutating)
{
  g_atomic_int_inc(&metrics->in_flight[mutating]);
}

void metrics_end(Metrics *metrics, bool mutating)
{
  g_atomic_int_add(&metrics->in_flight[mutating], -1);
}

/* How many are being worked on. */
static unsigned being_handled(Metrics *metrics, bool mutating)
{
  return (unsigned)MAX(g_atomic_int_get(&metrics->in_flight[mutating]), 0);
}

void metrics_count_running(Metrics *metrics, int change)
{
  g_atomic_int_add(&metrics->running, change);
}

static char *labels_text(const RequestLabels *labels)
{
  return g_strdup_printf("component=\"apiserver\",dry_run=\"%s\",group=\"%s\",resource=\"%s\",scope=\"%s\","
                         "subresource=\"%s\",verb=\"%s\",version=\"%s\"",
                         labels->dry_run ? "All" : "", labels->group, labels->resource, labels->scope,
                         labels->subresource, labels->verb, labels->version);
}

/* With the lock held. */
static Series *series_of(Metrics *metrics, const RequestLabels *labels)
{
  static const RequestLabels others = { "other", "", "", "", "", "", false };
  char key[256];
  g_snprintf(key, sizeof key, "%s %s %s %s %s %s %d", labels->verb, labels->group, labels->version, labels->resource,
             labels->subresource, labels->scope, labels->dry_run);
  Series *series = g_hash_table_lookup(metrics->series, key);
  if (series)
    return series;
  if (g_hash_table_size(metrics->series) >= METRICS_SERIES_MAX && labels != &others)
    return series_of(metrics, &others);
  series = g_new0(Series, 1);
  series->labels = labels_text(labels);
  g_hash_table_insert(metrics->series, g_strdup(key), series);
  return series;
}

static void count_code(Series *series, int code)
{
  unsigned i = 0;
  while (i < series->n_codes && series->codes[i].code != code)
    i++;
  if (i == CODES_MAX)
    return;
  series->n_codes = MAX(series->n_codes, i + 1);
  series->codes[i].code = code;
  series->codes[i].count++;
}

void metrics_count(Metrics *metrics, const RequestLabels *labels, int code, double seconds, bool long_running)
{
  g_autoptr(GMutexLocker) held = g_mutex_locker_new(&metrics->lock);
  Series *series = series_of(metrics, labels);
  count_code(series, code);
  if (long_running)
    return;
  series->timed++;
  series->sum += seconds;
  for (gsize i = 0; i < G_N_ELEMENTS(buckets); i++) {
    if (seconds > buckets[i])
      continue;
    series->counts[i]++; /* summed up when it is told */
    break;
  }
}

void metrics_count_authentication(Metrics *metrics, const char *result)
{
  g_autoptr(GMutexLocker) held = g_mutex_locker_new(&metrics->lock);
  for (gsize i = 0; i < G_N_ELEMENTS(results); i++)
    metrics->attempts[i] += g_str_equal(results[i], result);
}

/* --- telling -------------------------------------------------------------------------------------------------------
 */

static void append_head(GString *text, const char *name, const char *type, const char *help)
{
  g_string_append_printf(text, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

/* A number as Prometheus takes it, whatever the locale. */
static void append_value(GString *text, double value)
{
  char number[G_ASCII_DTOSTR_BUF_SIZE];
  bool whole = floor(value) == value && fabs(value) < 1e15;
  g_ascii_formatd(number, sizeof number, whole ? "%.0f" : "%.9g", value);
  g_string_append_printf(text, " %s\n", number);
}

void metrics_append_one(GString *text, const char *name, const char *type, const char *help, const char *labels,
                        double value)
{
  append_head(text, name, type, help);
  g_string_append_printf(text, "%s%s", name, labels);
  append_value(text, value);
}

static void append_histogram(GString *text, const char *name, const Series *series)
{
  uint64_t below = 0;
  char bound[G_ASCII_DTOSTR_BUF_SIZE];
  if (series->timed == 0)
    return;
  for (gsize i = 0; i < G_N_ELEMENTS(buckets); i++) {
    below += series->counts[i];
    g_ascii_formatd(bound, sizeof bound, "%.9g", buckets[i]);
    g_string_append_printf(text, "%s_bucket{%s,le=\"%s\"} %" G_GUINT64_FORMAT "\n", name, series->labels, bound, below);
  }
  g_string_append_printf(text, "%s_bucket{%s,le=\"+Inf\"} %" G_GUINT64_FORMAT "\n", name, series->labels,
                         series->timed);
  g_string_append_printf(text, "%s_sum{%s}", name, series->labels);
  append_value(text, series->sum);
  g_string_append_printf(text, "%s_count{%s} %" G_GUINT64_FORMAT "\n", name, series->labels, series->timed);
}

static void append_requests(Metrics *metrics, GString *text)
{
  static const char duration[] = "apiserver_request_duration_seconds";
  g_autoptr(GMutexLocker) held = g_mutex_locker_new(&metrics->lock);
  GHashTableIter iter;
  void *value;
  append_head(text, "apiserver_request_total", "counter", "Requests answered, by what they were and how it went.");
  g_hash_table_iter_init(&iter, metrics->series);
  while (g_hash_table_iter_next(&iter, NULL, &value)) {
    const Series *series = value;
    for (unsigned i = 0; i < series->n_codes; i++)
      g_string_append_printf(text, "apiserver_request_total{code=\"%d\",%s} %" G_GUINT64_FORMAT "\n",
                             series->codes[i].code, series->labels, series->codes[i].count);
  }
  append_head(text, duration, "histogram", "Time from a request to its answer.");
  g_hash_table_iter_init(&iter, metrics->series);
  while (g_hash_table_iter_next(&iter, NULL, &value))
    append_histogram(text, duration, value);
  append_head(text, "authentication_attempts", "counter", "Requests whose sender was asked for.");
  for (gsize i = 0; i < G_N_ELEMENTS(results); i++)
    g_string_append_printf(text, "authentication_attempts{result=\"%s\"} %" G_GUINT64_FORMAT "\n", results[i],
                           metrics->attempts[i]);
}

void metrics_append(Metrics *metrics, GString *text)
{
  append_requests(metrics, text);
  append_head(text, "apiserver_current_inflight_requests", "gauge", "Requests being worked on.");
  g_string_append_printf(text,
                         "apiserver_current_inflight_requests{request_kind=\"mutating\"} %u\n"
                         "apiserver_current_inflight_requests{request_kind=\"readOnly\"} %u\n",
                         being_handled(metrics, true), being_handled(metrics, false));
  metrics_append_one(text, "apiserver_longrunning_requests", "gauge", "Watches, logs and other streams that are open.",
                     "", g_atomic_int_get(&metrics->running));
}

/* --- the process ---------------------------------------------------------------------------------------------------
 */

static unsigned count_files(void)
{
  unsigned count = 0;
  DIR *dir = opendir("/proc/self/fd");
  while (dir && readdir(dir))
    count++;
  if (dir)
    closedir(dir);
  return count > 3 ? count - 3 : 0; /* ".", ".." and the folder itself */
}

/* Seconds since 1970; proc(5), field 22, counts ticks since the machine started. */
static double start_time(void)
{
  g_autoptr(GBytes) content = file_read("/proc/self/stat", STAT_MAX, NULL);
  g_autofree char *text = content ? g_strndup(g_bytes_get_data(content, NULL), g_bytes_get_size(content)) : NULL;
  const char *name_end = text ? strrchr(text, ')') : NULL;
  g_auto(GStrv) fields = g_strsplit(name_end ? name_end + 2 : "", " ", -1);
  struct timespec since_boot, now;
  if (g_strv_length(fields) < 20)
    return 0;
  clock_gettime(CLOCK_BOOTTIME, &since_boot);
  clock_gettime(CLOCK_REALTIME, &now);
  double started = (double)g_ascii_strtoull(fields[19], NULL, 10) / (double)sysconf(_SC_CLK_TCK);
  return (double)now.tv_sec - (double)since_boot.tv_sec + started;
}

static void memory(double *virtual_bytes, double *resident_bytes)
{
  g_autoptr(GBytes) content = file_read("/proc/self/statm", STAT_MAX, NULL);
  g_autofree char *text =
      content ? g_strndup(g_bytes_get_data(content, NULL), g_bytes_get_size(content)) : g_strdup("");
  char *end;
  double page = (double)sysconf(_SC_PAGESIZE);
  *virtual_bytes = (double)g_ascii_strtoull(text, &end, 10) * page;
  *resident_bytes = (double)g_ascii_strtoull(end, NULL, 10) * page;
}

void metrics_append_process(GString *text)
{
  struct rusage usage;
  struct rlimit files;
  double virtual_bytes, resident_bytes;
  getrusage(RUSAGE_SELF, &usage);
  getrlimit(RLIMIT_NOFILE, &files);
  memory(&virtual_bytes, &resident_bytes);
  metrics_append_one(text, "process_cpu_seconds_total", "counter", "Total user and system CPU time spent in seconds.",
                     "",
                     (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
                         (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6);
  metrics_append_one(text, "process_open_fds", "gauge", "Number of open file descriptors.", "", count_files());
  metrics_append_one(text, "process_max_fds", "gauge", "Maximum number of open file descriptors.", "",
                     (double)files.rlim_cur);
  metrics_append_one(text, "process_resident_memory_bytes", "gauge", "Resident memory size in bytes.", "",
                     resident_bytes);
  metrics_append_one(text, "process_virtual_memory_bytes", "gauge", "Virtual memory size in bytes.", "", virtual_bytes);
  metrics_append_one(text, "process_start_time_seconds", "gauge",
                     "Start time of the process since unix epoch in seconds.", "", start_time());
}
