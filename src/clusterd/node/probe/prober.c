#include "clusterd/node/probe/prober.h"

#include "base/json.h"
#include "clusterd/node/probe/probe.h"

#define PROBES_AT_ONCE 16

typedef struct Entry {
  char *container_id, *pod_ip;
  ProbeKind kind;
  json_t *probe, *container;
  int64_t period_us, timeout_s;
  unsigned success_threshold, failure_threshold;
  unsigned successes, failures; /* in a row */
  uint64_t all_successes, all_failures;
  bool healthy, running, removed;
  gint64 due; /* monotonic */
  void *data;
  GDestroyNotify release;
} Entry;

struct Prober {
  Runtime *runtime;
  Background *background;
  ProbeReport report;
  GThread *thread;
  GThreadPool *pool;
  GMutex lock; /* guards entries and stopping */
  GCond wake;
  GPtrArray *entries; /* Entry*, few enough for a scan */
  bool stopping;
};

static void entry_free(Entry *entry)
{
  g_free(entry->container_id);
  g_free(entry->pod_ip);
  json_decref(entry->probe);
  json_decref(entry->container);
  entry->release(entry->data);
  g_free(entry);
}

/* Counts one result. True when the verdict changed. */
static bool judge(Entry *entry, bool success)
{
  entry->successes = success ? entry->successes + 1 : 0;
  entry->failures = success ? 0 : entry->failures + 1;
  *(success ? &entry->all_successes : &entry->all_failures) += 1;
  bool healthy = entry->healthy;
  if (success && entry->successes >= entry->success_threshold)
    healthy = true;
  else if (!success && entry->failures >= entry->failure_threshold)
    healthy = false;
  /* A startup or liveness probe that has failed enough must be heard even when nothing was healthy before. */
  bool changed = healthy != entry->healthy ||
                 (!success && entry->kind != PROBE_READINESS && entry->failures == entry->failure_threshold);
  entry->healthy = healthy;
  return changed;
}

static void run_entry(void *item, void *data)
{
  Entry *entry = item;
  Prober *prober = data;
  ProbeTarget target = { .runtime = prober->runtime,
                         .container_id = entry->container_id,
                         .container = entry->container,
                         .pod_ip = entry->pod_ip,
                         .background = prober->background };
  g_autofree char *output = NULL;
  bool success = probe_run(&target, entry->probe, entry->timeout_s, &output);
  g_mutex_lock(&prober->lock);
  entry->running = false;
  if (entry->removed) {
    g_mutex_unlock(&prober->lock);
    entry_free(entry);
    return;
  }
  if (background_is_called_off(prober->background)) { /* what it said tells nothing */
    g_mutex_unlock(&prober->lock);
    return;
  }
  bool changed = judge(entry, success);
  entry->due = g_get_monotonic_time() + entry->period_us;
  if (!success || changed)
    prober->report(entry->container_id, entry->kind, !success, changed, entry->healthy, output, entry->data);
  g_cond_signal(&prober->wake);
  g_mutex_unlock(&prober->lock);
}

static void *run(void *data)
{
  Prober *prober = data;
  g_mutex_lock(&prober->lock);
  while (!prober->stopping) {
    gint64 now = g_get_monotonic_time(), next = G_MAXINT64;
    for (guint i = 0; i < prober->entries->len; i++) {
      Entry *entry = prober->entries->pdata[i];
      if (entry->running)
        continue;
      if (entry->due <= now) {
        entry->running = true;
        g_thread_pool_push(prober->pool, entry, NULL);
      } else {
        next = MIN(next, entry->due);
      }
    }
    if (next == G_MAXINT64)
      g_cond_wait(&prober->wake, &prober->lock);
    else
      g_cond_wait_until(&prober->wake, &prober->lock, next);
  }
  g_mutex_unlock(&prober->lock);
  return NULL;
}

Prober *prober_new(Runtime *runtime, Background *background, ProbeReport report)
{
  Prober *prober = g_new0(Prober, 1);
  *prober = (Prober){ .runtime = runtime, .background = background, .report = report, .entries = g_ptr_array_new() };
  g_mutex_init(&prober->lock);
  g_cond_init(&prober->wake);
  prober->pool = g_thread_pool_new(run_entry, prober, PROBES_AT_ONCE, FALSE, NULL);
  prober->thread = g_thread_new("prober", run, prober);
  return prober;
}

void prober_free(Prober *prober)
{
  if (!prober)
    return;
  g_mutex_lock(&prober->lock);
  prober->stopping = true;
  g_cond_signal(&prober->wake);
  g_mutex_unlock(&prober->lock);
  g_thread_join(prober->thread);
  g_thread_pool_free(prober->pool, FALSE, TRUE);
  for (guint i = 0; i < prober->entries->len; i++)
    entry_free(prober->entries->pdata[i]);
  g_ptr_array_unref(prober->entries);
  g_cond_clear(&prober->wake);
  g_mutex_clear(&prober->lock);
  g_free(prober);
}

static bool has(const Prober *prober, const char *container_id, ProbeKind kind)
{
  for (guint i = 0; i < prober->entries->len; i++) {
    const Entry *entry = prober->entries->pdata[i];
    if (entry->kind == kind && g_str_equal(entry->container_id, container_id))
      return true;
  }
  return false;
}

void prober_add(Prober *prober, const char *container_id, ProbeKind kind, const json_t *probe, const json_t *container,
                const char *pod_ip, bool healthy, void *data, GDestroyNotify release)
{
  Entry *entry = g_new0(Entry, 1);
  *entry = (Entry){ .container_id = g_strdup(container_id),
                    .pod_ip = g_strdup(pod_ip),
                    .kind = kind,
                    .probe = json_deep_copy(probe),
                    .container = json_deep_copy(container),
                    .period_us = MAX(json_int(probe, "periodSeconds", 10), 1) * G_USEC_PER_SEC,
                    .timeout_s = MAX(json_int(probe, "timeoutSeconds", 1), 1),
                    .success_threshold = (unsigned)MAX(json_int(probe, "successThreshold", 1), 1),
                    .failure_threshold = (unsigned)MAX(json_int(probe, "failureThreshold", 3), 1),
                    .healthy = healthy,
                    .data = data,
                    .release = release };
  entry->due = g_get_monotonic_time() + json_int(probe, "initialDelaySeconds", 0) * G_USEC_PER_SEC;
  g_mutex_lock(&prober->lock);
  bool there = has(prober, container_id, kind);
  if (!there)
    g_ptr_array_add(prober->entries, entry);
  g_cond_signal(&prober->wake);
  g_mutex_unlock(&prober->lock);
  if (there)
    entry_free(entry);
}

void prober_visit(Prober *prober,
                  void (*visit)(const char *container_id, ProbeKind kind, uint64_t successes, uint64_t failures,
                                void *data),
                  void *data)
{
  g_autoptr(GMutexLocker) held = g_mutex_locker_new(&prober->lock);
  for (guint i = 0; i < prober->entries->len; i++) {
    const Entry *entry = prober->entries->pdata[i];
    visit(entry->container_id, entry->kind, entry->all_successes, entry->all_failures, data);
  }
}

void prober_remove(Prober *prober, const char *container_id)
{
  g_autoptr(GPtrArray) idle = g_ptr_array_new_with_free_func((GDestroyNotify)entry_free);
  g_mutex_lock(&prober->lock);
  for (guint i = 0; i < prober->entries->len;) {
    Entry *entry = prober->entries->pdata[i];
    if (!g_str_equal(entry->container_id, container_id)) {
      i++;
      continue;
    }
    g_ptr_array_remove_index_fast(prober->entries, i);
    entry->removed = true;
    if (!entry->running)
      g_ptr_array_add(idle, entry);
  }
  g_mutex_unlock(&prober->lock);
}
