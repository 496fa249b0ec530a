/* What Prometheus is told of priority and fairness, by upstream's names. */
#include "clusterd/server/flow/flow_private.h"

/* A sample for every schema of every level; VALUE gives it. */
static void append_flows(const FlowLevels *levels, GString *text, const char *name, const char *type, const char *help,
                         guint64 (*value)(const FlowCounts *counts))
{
  g_string_append_printf(text, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
  for (guint i = 0; i < levels->current->len; i++) {
    const FlowLevel *level = levels->current->pdata[i];
    GHashTableIter iterator;
    void *counts;
    g_hash_table_iter_init(&iterator, level->counts);
    while (g_hash_table_iter_next(&iterator, NULL, &counts))
      g_string_append_printf(text, "%s{flow_schema=\"%s\",priority_level=\"%s\"} %" G_GUINT64_FORMAT "\n", name,
                             ((FlowCounts *)counts)->schema, level->name, value(counts));
  }
}

static void append_levels(const FlowLevels *levels, GString *text, const char *name, const char *help,
                          unsigned (*value)(const FlowLevel *level))
{
  g_string_append_printf(text, "# HELP %s %s\n# TYPE %s gauge\n", name, help, name);
  for (guint i = 0; i < levels->current->len; i++) {
    const FlowLevel *level = levels->current->pdata[i];
    g_string_append_printf(text, "%s{priority_level=\"%s\"} %u\n", name, level->name, value(level));
  }
}

static void append_refused(const FlowLevels *levels, GString *text)
{
  static const char name[] = "apiserver_flowcontrol_rejected_requests_total";
  g_string_append_printf(text, "# HELP %s Requests refused for want of room.\n# TYPE %s counter\n", name, name);
  for (guint i = 0; i < levels->current->len; i++) {
    const FlowLevel *level = levels->current->pdata[i];
    GHashTableIter iterator;
    void *value;
    g_hash_table_iter_init(&iterator, level->counts);
    while (g_hash_table_iter_next(&iterator, NULL, &value)) {
      const FlowCounts *counts = value;
      const struct {
        const char *reason;
        guint64 count;
      } rows[] = { { "concurrency-limit", counts->limited },
                   { "queue-full", counts->full },
                   { "time-out", counts->timed_out } };
      for (gsize j = 0; j < G_N_ELEMENTS(rows); j++)
        if (rows[j].count > 0)
          g_string_append_printf(text,
                                 "%s{flow_schema=\"%s\",priority_level=\"%s\",reason=\"%s\"} %" G_GUINT64_FORMAT "\n",
                                 name, counts->schema, level->name, rows[j].reason, rows[j].count);
    }
  }
}

static void append_waits(const FlowLevel *level, const FlowCounts *counts, GString *text)
{
  static const char *const bounds[FLOW_WAIT_BUCKETS + 1] = { "0", "0.005", "0.02", "0.05", "0.1", "0.2", "0.5",
                                                             "1", "2",     "5",    "10",   "15",  "30",  "+Inf" };
  static const char name[] = "apiserver_flowcontrol_request_wait_duration_seconds";
  guint64 below = 0;
  char sum[G_ASCII_DTOSTR_BUF_SIZE];
  for (gsize i = 0; i < G_N_ELEMENTS(bounds); i++) {
    below += counts->waits[i];
    g_string_append_printf(
        text, "%s_bucket{execute=\"true\",flow_schema=\"%s\",priority_level=\"%s\",le=\"%s\"} %" G_GUINT64_FORMAT "\n",
        name, counts->schema, level->name, bounds[i], below);
  }
  g_ascii_formatd(sum, sizeof sum, "%.9g", counts->waited);
  g_string_append_printf(text, "%s_sum{execute=\"true\",flow_schema=\"%s\",priority_level=\"%s\"} %s\n", name,
                         counts->schema, level->name, sum);
  g_string_append_printf(text,
                         "%s_count{execute=\"true\",flow_schema=\"%s\",priority_level=\"%s\"} %" G_GUINT64_FORMAT "\n",
                         name, counts->schema, level->name, below);
}

static void append_all_waits(const FlowLevels *levels, GString *text)
{
  g_string_append(text, "# HELP apiserver_flowcontrol_request_wait_duration_seconds Time requests waited for a seat.\n"
                        "# TYPE apiserver_flowcontrol_request_wait_duration_seconds histogram\n");
  for (guint i = 0; i < levels->current->len; i++) {
    const FlowLevel *level = levels->current->pdata[i];
    GHashTableIter iterator;
    void *counts;
    g_hash_table_iter_init(&iterator, level->counts);
    while (g_hash_table_iter_next(&iterator, NULL, &counts))
      append_waits(level, counts, text);
  }
}

static guint64 waiting_of(const FlowCounts *counts)
{
  return counts->waiting;
}

static guint64 executing_of(const FlowCounts *counts)
{
  return counts->executing;
}

static guint64 dispatched_of(const FlowCounts *counts)
{
  return counts->dispatched;
}

static unsigned nominal_of(const FlowLevel *level)
{
  return level->limits.nominal;
}

static unsigned lower_of(const FlowLevel *level)
{
  return level->limits.nominal - MIN(level->limits.lendable, level->limits.nominal);
}

static unsigned upper_of(const FlowLevel *level)
{
  return level->limits.nominal + level->limits.borrowing;
}

/* What is used and what is waited for. */
static unsigned demand_of(const FlowLevel *level)
{
  unsigned seats = level->used;
  GHashTableIter iterator;
  void *queue;
  g_hash_table_iter_init(&iterator, level->queues);
  while (g_hash_table_iter_next(&iterator, NULL, &queue))
    for (const GList *link = ((const FlowQueue *)queue)->tickets.head; link; link = link->next)
      seats += ((const FlowTicket *)link->data)->seats;
  return seats;
}

static unsigned queued_of(const FlowLevel *level)
{
  return demand_of(level) - level->used;
}

static unsigned used_of(const FlowLevel *level)
{
  return level->used;
}

void flow_levels_append_metrics(FlowLevels *levels, GString *text)
{
  g_autoptr(GMutexLocker) held = g_mutex_locker_new(&levels->lock);
  append_flows(levels, text, "apiserver_flowcontrol_current_inqueue_requests", "gauge", "Requests that wait in queues.",
               waiting_of);
  append_flows(levels, text, "apiserver_flowcontrol_current_executing_requests", "gauge", "Requests being worked on.",
               executing_of);
  append_flows(levels, text, "apiserver_flowcontrol_dispatched_requests_total", "counter", "Requests that were let in.",
               dispatched_of);
  append_refused(levels, text);
  append_all_waits(levels, text);
  append_levels(levels, text, "apiserver_flowcontrol_nominal_limit_seats", "A level's share of the seats.", nominal_of);
  append_levels(levels, text, "apiserver_flowcontrol_lower_limit_seats", "What a level keeps when it lends.", lower_of);
  append_levels(levels, text, "apiserver_flowcontrol_upper_limit_seats", "What a level has at most.", upper_of);
  append_levels(levels, text, "apiserver_flowcontrol_current_limit_seats", "What a level could have now.",
                flow_level_limit);
  append_levels(levels, text, "apiserver_flowcontrol_current_executing_seats", "Seats taken.", used_of);
  append_levels(levels, text, "apiserver_flowcontrol_current_inqueue_seats", "Seats that are waited for.", queued_of);
}
