/* Which pods a job wants more, and which less. */
#include "base/json.h"
#include "clusterd/api/object.h"
#include "clusterd/client/pod.h"
#include "clusterd/controllers/batch/job_state.h"
#include "clusterd/controllers/pods/pod_rank.h"

int64_t job_wanted(const JobState *state)
{
  int64_t parallelism = json_int(json_object_get(state->job, "spec"), "parallelism", 1);
  int64_t completions = job_completions(state->job);
  if (job_is_suspended(state->job))
    return 0;
  if (completions >= 0)
    return CLAMP(completions - state->succeeded, 0, parallelism);
  /* A work queue: once one pod says that it is empty, no new ones, and those that run may end. */
  return state->succeeded > 0 ? state->active->len : parallelism;
}

static void add_indexes_of(JobIndexes *indexes, const JobState *state, GPtrArray *pods, bool leaving)
{
  for (unsigned i = 0; i < pods->len; i++) {
    const json_t *pod = object_json(pods->pdata[i]);
    int64_t index = job_pod_index(pod, state->job);
    if (index >= 0 && (!leaving || (pod_is_deleting(pod) && !pod_is_finished(pod))))
      job_indexes_add(indexes, index, index);
  }
}

/* When INDEX may have its next pod. */
static int64_t due_of(const JobState *state, int64_t index)
{
  const Object *last = g_hash_table_lookup(state->replaced, GINT_TO_POINTER((int)index));
  if (!last)
    return 0;
  const json_t *pod = object_json(last);
  return job_backoff_due_us(
      (JobBackoff){ .failures = job_pod_count(pod, JOB_INDEX_FAILURES) + job_pod_count(pod, JOB_INDEX_IGNORED) + 1,
                    .last_failure_us = job_pod_end_us(pod) });
}

GArray *job_pending_indexes(const JobState *state, int64_t count, int64_t now_us, int64_t *next_us)
{
  GArray *pending = g_array_new(FALSE, FALSE, sizeof(int64_t));
  JobIndexes *taken = job_indexes_copy(state->done);
  add_indexes_of(taken, state, state->active, false);
  if (job_replaces_only_failed(state->job))
    add_indexes_of(taken, state, state->pods, true);
  if (state->lost)
    job_indexes_add_all(taken, state->lost);
  *next_us = 0;
  unsigned range = 0;
  for (int64_t index = 0; count > 0 && index < job_completions(state->job); index++) {
    while (range < taken->len && g_array_index(taken, JobRange, range).last < index)
      range++;
    if (range < taken->len && g_array_index(taken, JobRange, range).first <= index) {
      index = g_array_index(taken, JobRange, range).last;
      continue;
    }
    int64_t due_us = due_of(state, index);
    if (due_us <= now_us)
      g_array_append_val(pending, index);
    else
      *next_us = *next_us ? MIN(*next_us, due_us) : due_us;
    count--;
  }
  job_indexes_free(taken);
  return pending;
}

static void unref_object(void *object)
{
  object_unref(object);
}

/* The active pods to go for their indexes alone; the others are added to REST. */
static GPtrArray *misplaced(const JobState *state, GPtrArray *rest, int64_t now_us)
{
  GPtrArray *rm = g_ptr_array_new_with_free_func(unref_object);
  g_autoptr(GHashTable) by_index = g_hash_table_new_full(NULL, NULL, NULL, (GDestroyNotify)g_ptr_array_unref);
  for (unsigned i = 0; i < state->active->len; i++) {
    Object *object = state->active->pdata[i];
    int64_t index = job_pod_index(object_json(object), state->job);
    if (index < 0) {
      g_ptr_array_add(rm, object_ref(object));
      continue;
    }
    GPtrArray *same = g_hash_table_lookup(by_index, GINT_TO_POINTER((int)index));
    if (!same)
      g_hash_table_insert(by_index, GINT_TO_POINTER((int)index), same = g_ptr_array_new());
    g_ptr_array_add(same, object);
  }
  GHashTableIter iter;
  void *value;
  g_hash_table_iter_init(&iter, by_index);
  while (g_hash_table_iter_next(&iter, NULL, &value)) {
    g_autoptr(GPtrArray) ranked = pod_rank_victims(value, value, ((GPtrArray *)value)->len, now_us);
    for (unsigned i = 0; i + 1 < ranked->len; i++)
      g_ptr_array_add(rm, object_ref(ranked->pdata[i]));
    g_ptr_array_add(rest, object_ref(ranked->pdata[ranked->len - 1]));
  }
  return rm;
}

GPtrArray *job_surplus(const JobState *state, int64_t count, int64_t now_us)
{
  if (!job_is_indexed(state->job))
    return pod_rank_victims(state->active, state->active, (unsigned)CLAMP(count, 0, state->active->len), now_us);
  g_autoptr(GPtrArray) rest = g_ptr_array_new_with_free_func(unref_object);
  GPtrArray *surplus = misplaced(state, rest, now_us);
  if (surplus->len >= count)
    return surplus;
  g_autoptr(GPtrArray) more = pod_rank_victims(rest, rest, (unsigned)(count - surplus->len), now_us);
  for (unsigned i = 0; i < more->len; i++)
    g_ptr_array_add(surplus, object_ref(more->pdata[i]));
  return surplus;
}
