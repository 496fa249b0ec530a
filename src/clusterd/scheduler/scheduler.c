#include "clusterd/scheduler/scheduler.h"

#include <string.h>

#include "base/json.h"
#include "clusterd/scheduler/scheduler_private.h"

#define BINDERS_MAX 16 /* bindings written at the same time, so that they share one commit */

/* --- notices ---------------------------------------------------------------------------------------------------- */

static void notice_clear(Notice *notice)
{
  g_clear_pointer(&notice->old, object_unref);
  g_clear_pointer(&notice->now, object_unref);
}

void scheduler_notify(Scheduler *scheduler, Notice notice)
{
  g_mutex_lock(&scheduler->lock);
  g_queue_push_tail(&scheduler->notices, g_memdup2(&notice, sizeof notice));
  g_cond_signal(&scheduler->arrived);
  g_mutex_unlock(&scheduler->lock);
}

static void take_notice(Scheduler *scheduler, Notice *notice)
{
  if (notice->type != NOTICE_CHANGE)
    binding_note(scheduler, notice);
  else if (!scheduler->is_seeded)
    follow_seed(scheduler);
  else
    follow_change(scheduler, notice->kind, notice->old, notice->now);
  notice_clear(notice);
  g_free(notice);
}

/* Takes all notices there are; with none, waits until UNTIL_US (0: for ever). False when the scheduler stops. */
static bool take_notices(Scheduler *scheduler, bool wait, int64_t until_us)
{
  g_mutex_lock(&scheduler->lock);
  while (wait && !scheduler->stopping && g_queue_is_empty(&scheduler->notices)) {
    if (!until_us)
      g_cond_wait(&scheduler->arrived, &scheduler->lock);
    else if (!g_cond_wait_until(&scheduler->arrived, &scheduler->lock, until_us))
      break;
  }
  GQueue notices = scheduler->notices;
  g_queue_init(&scheduler->notices);
  bool stopping = scheduler->stopping;
  g_mutex_unlock(&scheduler->lock);
  Notice *notice;
  while ((notice = g_queue_pop_head(&notices)))
    take_notice(scheduler, notice);
  return !stopping;
}

typedef struct Waking {
  const Scheduler *scheduler;
  const ClusterEvent *event;
} Waking;

static bool helps(const PodInfo *pod, unsigned plugins, void *data)
{
  const Waking *waking = data;
  for (unsigned id = 0; id < PLUGINS_MAX; id++)
    if ((plugins & (1u << id)) && cluster_event_helps(waking->scheduler->state, waking->event, id, pod))
      return true;
  return false;
}

void scheduler_wake(Scheduler *scheduler, const ClusterEvent *event)
{
  Waking waking = { .scheduler = scheduler, .event = event };
  pod_queue_wake(scheduler->queue, cluster_event_plugins(event), helps, &waking, g_get_monotonic_time());
}

/* --- placing ---------------------------------------------------------------------------------------------------- */

static void refuse(Scheduler *scheduler, Cycle *cycle, const Placement *placement)
{
  g_auto(Preemption) preemption = { 0 };
  bool preempts = cycle->profile->filters[PLUGIN_PREEMPTION] && !placement->has_no_nodes;
  unsigned plugins = 0;
  for (unsigned id = 0; id < PLUGINS_MAX; id++)
    plugins |= placement->refused_by[id] ? 1u << id : 0;
  if (preempts)
    preemption_find(cycle, placement, &scheduler->next_candidate, &preemption);
  if (preemption.node)
    cluster_state_nominate(scheduler->state, cycle->pod, preemption.node);
  else if (preempts && !preemption.not_eligible)
    cluster_state_nominate(scheduler->state, cycle->pod, NULL);
  pod_queue_refused(scheduler->queue, object_uid(cycle->pod->object), plugins, g_get_monotonic_time());
  report_refusal(scheduler, cycle->pod, placement->message, preempts ? &preemption : NULL);
}

static void place_pod(Scheduler *scheduler, PodInfo *pod)
{
  const char *name = json_str(pod_info_spec(pod), "schedulerName", DEFAULT_SCHEDULER_NAME);
  g_autoptr(Cycle) cycle = cycle_new(scheduler->state, scheduler_config_find(scheduler->config, name), pod);
  g_auto(Placement) placement = { 0 };
  placement_find(cycle, &scheduler->next_node, &placement);
  if (placement.node)
    binding_begin(scheduler, cycle, placement.node);
  else
    refuse(scheduler, cycle, &placement);
}

static void *run(void *data)
{
  Scheduler *scheduler = data;
  bool wait = true;
  int64_t next_us = 0;
  while (take_notices(scheduler, wait, next_us)) {
    int64_t now_us = g_get_monotonic_time(), deadline_us = binding_next_deadline(scheduler);
    if (deadline_us && deadline_us <= now_us) {
      binding_check_volumes(scheduler, now_us);
      deadline_us = binding_next_deadline(scheduler);
    }
    PodInfo *pod = pod_queue_take(scheduler->queue, now_us, &next_us);
    wait = !pod;
    if (deadline_us && (!next_us || deadline_us < next_us))
      next_us = deadline_us;
    if (!pod)
      continue;
    place_pod(scheduler, pod);
    pod_info_unref(scheduler->state->tally, pod);
  }
  return NULL;
}

/* --- life ------------------------------------------------------------------------------------------------------- */

Recorder *scheduler_recorder(const Scheduler *scheduler, const char *scheduler_name)
{
  return g_hash_table_lookup(scheduler->recorders, scheduler_name);
}

static void free_recorder(void *recorder)
{
  recorder_free(recorder);
}

static void free_client(void *client)
{
  client_free(client);
}

/* Events are said by the scheduler a pod asked for. */
static void open_recorders(Scheduler *scheduler, Registry *registry)
{
  scheduler->recorders = g_hash_table_new_full(g_str_hash, g_str_equal, NULL, free_recorder);
  scheduler->clients = g_ptr_array_new_with_free_func(free_client);
  for (unsigned i = 0; i < scheduler->config->profiles->len; i++) {
    const SchedulerProfile *profile = g_ptr_array_index(scheduler->config->profiles, i);
    Client *client = client_new(registry, profile->name);
    g_ptr_array_add(scheduler->clients, client);
    g_hash_table_insert(scheduler->recorders, profile->name, recorder_new(client, NULL));
  }
}

Scheduler *scheduler_start(Registry *registry, InformerSet *informers, SchedulerConfig *config)
{
  Scheduler *scheduler = g_new0(Scheduler, 1);
  scheduler->client = client_new(registry, DEFAULT_SCHEDULER_NAME);
  scheduler->config = config ? config : scheduler_config_new();
  open_recorders(scheduler, registry);
  g_mutex_init(&scheduler->lock);
  g_cond_init(&scheduler->arrived);
  g_queue_init(&scheduler->notices);
  scheduler->state = cluster_state_new();
  scheduler->queue =
      pod_queue_new(scheduler->state->tally, scheduler->config->backoff_first_us, scheduler->config->backoff_most_us);
  scheduler->waiting = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
  scheduler->binders = g_thread_pool_new(binding_write, scheduler, BINDERS_MAX, FALSE, NULL);
  scheduler->reporter = g_thread_pool_new(report_write, scheduler, 1, FALSE, NULL);
  follow_start(scheduler, informers);
  scheduler->thread = g_thread_new("scheduler", run, scheduler);
  return scheduler;
}

static void drop_notices(Scheduler *scheduler)
{
  Notice *notice;
  while ((notice = g_queue_pop_head(&scheduler->notices))) {
    binding_free(notice->binding);
    notice_clear(notice);
    g_free(notice);
  }
}

static void drop_waiting(Scheduler *scheduler)
{
  GHashTableIter iter;
  void *binding;
  g_hash_table_iter_init(&iter, scheduler->waiting);
  while (g_hash_table_iter_next(&iter, NULL, &binding))
    binding_free(binding);
  g_hash_table_destroy(scheduler->waiting);
}

void scheduler_stop(Scheduler *scheduler)
{
  if (!scheduler)
    return;
  g_mutex_lock(&scheduler->lock);
  scheduler->stopping = true;
  g_cond_signal(&scheduler->arrived);
  g_mutex_unlock(&scheduler->lock);
  g_thread_join(scheduler->thread);
  g_thread_pool_free(scheduler->binders, FALSE, TRUE);
  g_thread_pool_free(scheduler->reporter, FALSE, TRUE);
  drop_notices(scheduler);
  drop_waiting(scheduler);
  g_hash_table_destroy(scheduler->recorders);
  g_ptr_array_free(scheduler->clients, TRUE);
  g_ptr_array_free(scheduler->followed, TRUE);
  pod_queue_free(scheduler->queue);
  cluster_state_free(scheduler->state);
  g_cond_clear(&scheduler->arrived);
  g_mutex_clear(&scheduler->lock);
  scheduler_config_free(scheduler->config);
  client_free(scheduler->client);
  g_free(scheduler);
}
