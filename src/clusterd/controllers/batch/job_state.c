#include "clusterd/controllers/batch/job_state.h"

#include <string.h>

#include "base/json.h"
#include "base/timestamp.h"
#include "clusterd/api/object.h"
#include "clusterd/client/conditions.h"
#include "clusterd/client/pod.h"

#define BACKOFF_FIRST_US ((int64_t)10 * G_USEC_PER_SEC)
#define BACKOFF_MAX_US ((int64_t)600 * G_USEC_PER_SEC)
#define INDEXES_MAX 100000

bool job_is_indexed(const json_t *job)
{
  return strcmp(json_str(json_object_get(job, "spec"), "completionMode", ""), "Indexed") == 0;
}

static int compare_indexes(const void *left, const void *right)
{
  int a = *(const int *)left, b = *(const int *)right;
  return a < b ? -1 : a > b;
}

char *job_indexes_text(GHashTable *indexes)
{
  g_autoptr(GArray) sorted = g_array_new(FALSE, FALSE, sizeof(int));
  GHashTableIter iter;
  void *key;
  g_hash_table_iter_init(&iter, indexes);
  while (g_hash_table_iter_next(&iter, &key, NULL)) {
    int index = GPOINTER_TO_INT(key);
    g_array_append_val(sorted, index);
  }
  g_array_sort(sorted, compare_indexes);
  g_autoptr(GString) text = g_string_new(NULL);
  for (unsigned i = 0; i < sorted->len;) {
    int first = g_array_index(sorted, int, i), last = first;
    while (++i < sorted->len && g_array_index(sorted, int, i) == last + 1)
      last++;
    g_string_append_printf(text, last > first ? "%s%d-%d" : "%s%d", text->len ? "," : "", first, last);
  }
  return g_string_free(g_steal_pointer(&text), FALSE);
}

GHashTable *job_indexes_parse(const char *text)
{
  GHashTable *indexes = g_hash_table_new(NULL, NULL);
  g_auto(GStrv) parts = g_strsplit(text, ",", -1);
  for (char **part = parts; *part; part++) {
    char *end;
    gint64 first = g_ascii_strtoll(*part, &end, 10), last = first;
    if (end == *part)
      continue;
    if (*end == '-')
      last = g_ascii_strtoll(end + 1, NULL, 10);
    for (gint64 i = MAX(first, 0); i <= MIN(last, INDEXES_MAX); i++)
      g_hash_table_add(indexes, GINT_TO_POINTER((int)i));
  }
  return indexes;
}

static int index_of(const json_t *pod)
{
  const char *text = json_str(json_at(pod, "metadata", "annotations", NULL), JOB_INDEX, NULL);
  return text ? (int)g_ascii_strtoll(text, NULL, 10) : -1;
}

bool job_pod_is_tracked(const json_t *pod)
{
  return json_has_text(json_at(pod, "metadata", "finalizers", NULL), JOB_FINALIZER);
}

/* Uids of pods whose end the status counts already, though their finalizer may still be there. */
static bool is_counted(const json_t *job, const char *uid)
{
  const json_t *uncounted = json_at(job, "status", "uncountedTerminatedPods", NULL);
  return json_has_text(json_object_get(uncounted, "succeeded"), uid) ||
         json_has_text(json_object_get(uncounted, "failed"), uid);
}

static int64_t end_of(const json_t *pod)
{
  int64_t latest_us = 0, time_us;
  size_t i;
  json_t *container;
  json_array_foreach (json_at(pod, "status", "containerStatuses", NULL), i, container)
    if (timestamp_parse(json_str(json_at(container, "state", "terminated", NULL), "finishedAt", NULL), &time_us))
      latest_us = MAX(latest_us, time_us);
  return latest_us ? latest_us : timestamp_now_us();
}

static void count_finished(JobState *state, const json_t *job, Object *object)
{
  const json_t *pod = object_json(object);
  bool well = strcmp(pod_phase(pod), "Succeeded") == 0;
  if (!well)
    state->last_failure_us = MAX(state->last_failure_us, end_of(pod));
  if (!job_pod_is_tracked(pod))
    return;
  g_ptr_array_add(state->finished, object);
  if (is_counted(job, object_uid(object)))
    return;
  if (well && job_is_indexed(job)) {
    g_hash_table_add(state->done, GINT_TO_POINTER(index_of(pod)));
    return;
  }
  state->succeeded += well;
  state->failed += !well;
}

/* Somebody deletes a pod that had not finished: a failure, as it may never come to say so itself. */
static void count_deleted(JobState *state, const json_t *job, Object *object)
{
  state->terminating++;
  if (job_pod_is_tracked(object_json(object)))
    count_finished(state, job, object);
}

static void count_active(JobState *state, Object *object)
{
  const json_t *pod = object_json(object);
  g_ptr_array_add(state->active, object);
  state->ready += pod_is_ready(pod);
  state->restarts += pod_restarts(pod);
  g_hash_table_add(state->busy, GINT_TO_POINTER(index_of(pod)));
}

JobState *job_state_new(const json_t *job, GPtrArray *pods)
{
  const json_t *status = json_object_get(job, "status");
  JobState *state = g_new0(JobState, 1);
  state->active = g_ptr_array_new();
  state->finished = g_ptr_array_new();
  state->done = job_indexes_parse(json_str(status, "completedIndexes", ""));
  state->busy = g_hash_table_new(NULL, NULL);
  state->succeeded = json_int(status, "succeeded", 0);
  state->failed = json_int(status, "failed", 0);
  for (unsigned i = 0; i < pods->len; i++) {
    Object *pod = g_ptr_array_index(pods, i);
    if (pod_is_finished(object_json(pod)))
      count_finished(state, job, pod);
    else if (pod_is_deleting(object_json(pod)))
      count_deleted(state, job, pod);
    else
      count_active(state, pod);
  }
  if (job_is_indexed(job))
    state->succeeded = g_hash_table_size(state->done);
  return state;
}

void job_state_free(JobState *state)
{
  if (!state)
    return;
  g_ptr_array_free(state->active, TRUE);
  g_ptr_array_free(state->finished, TRUE);
  g_hash_table_destroy(state->done);
  g_hash_table_destroy(state->busy);
  g_free(state);
}

int64_t job_wanted(const json_t *job, const JobState *state)
{
  const json_t *spec = json_object_get(job, "spec");
  int64_t parallelism = json_int(spec, "parallelism", 1);
  if (json_flag(spec, "suspend", false))
    return 0;
  if (json_object_get(spec, "completions"))
    return MIN(parallelism, MAX(json_int(spec, "completions", 1) - state->succeeded, 0));
  /* A work queue: once one pod says that it is empty, no new ones. */
  return state->succeeded > 0 ? MIN(parallelism, (int64_t)state->active->len) : parallelism;
}

bool job_is_complete(const json_t *job, const JobState *state)
{
  const json_t *spec = json_object_get(job, "spec");
  if (json_object_get(spec, "completions"))
    return state->succeeded >= json_int(spec, "completions", 1);
  return state->succeeded > 0 && state->active->len == 0;
}

int64_t job_backoff_us(const JobState *state, int64_t now_us)
{
  if (state->failed == 0 || state->last_failure_us == 0)
    return 0;
  int64_t delay_us = state->failed > 7 ? BACKOFF_MAX_US : MIN(BACKOFF_FIRST_US << (state->failed - 1), BACKOFF_MAX_US);
  return MAX(state->last_failure_us + delay_us - now_us, 0);
}
