#include "clusterd/node/pressure/eviction.h"

#include <errno.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/json.h"
#include "clusterd/node/node_events.h"
#include "clusterd/node/resources.h"

#define CLEANUP_US (30 * (int64_t)G_USEC_PER_SEC) /* how long an evicted pod's end is waited for */
/* Looking at pods' files may take this part of the time at most. */
#define MEASURE_SHARE 50

struct Eviction {
  const PressureSettings *settings;
  const PressureSource *source;
  Recorder *recorder;
  char *node_name;
  EvictionHost host;
  GThread *thread;
  int wake_fd, stalls_fd; /* -1: the kernel tells of no stalls */
  gint stopping;
  gint waits; /* the end of a pod is waited for */

  GMutex lock; /* guards the next two */
  unsigned shown;
  uint64_t counts[SIGNAL_COUNT + 1];

  /* the thread's own */
  PressureState *state;
  ImageCollector *images;
  GHashTable *ending; /* uids of pods that were evicted and are not over yet */
  int64_t ending_until_us;
  int64_t measure_us; /* when the pods with limits are measured again; monotonic */
};

Eviction *eviction_new(const PressureSettings *settings, const EvictionParts *parts, const EvictionHost *host)
{
  Eviction *eviction = g_new0(Eviction, 1);
  eviction->settings = settings;
  eviction->source = parts->source;
  eviction->recorder = parts->recorder;
  eviction->node_name = g_strdup(parts->node_name);
  eviction->host = *host;
  eviction->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  eviction->stalls_fd = -1;
  g_mutex_init(&eviction->lock);
  eviction->state = pressure_state_new(g_array_ref(settings->thresholds), settings->transition_us);
  eviction->images = image_collector_new(parts->runtime, parts->source, parts->recorder, parts->node_name,
                                         &settings->images, parts->image_records);
  eviction->ending = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
  return eviction;
}

void eviction_free(Eviction *eviction)
{
  if (!eviction)
    return;
  eviction_stop(eviction);
  pressure_state_free(eviction->state);
  image_collector_free(eviction->images);
  g_hash_table_unref(eviction->ending);
  if (eviction->wake_fd >= 0)
    close(eviction->wake_fd);
  g_free(eviction->node_name);
  g_mutex_clear(&eviction->lock);
  g_free(eviction);
}

void eviction_wake(Eviction *eviction)
{
  const uint64_t one = 1;
  if (write(eviction->wake_fd, &one, sizeof one) < 0 && errno != EAGAIN)
    g_warning("eviction: %s", g_strerror(errno));
}

void eviction_pod_over(Eviction *eviction)
{
  if (g_atomic_int_get(&eviction->waits))
    eviction_wake(eviction);
}

bool eviction_shows(Eviction *eviction, Pressure pressure)
{
  g_mutex_lock(&eviction->lock);
  bool shows = eviction->shown & (1u << pressure);
  g_mutex_unlock(&eviction->lock);
  return shows;
}

uint64_t eviction_count(Eviction *eviction, PressureSignal signal)
{
  g_mutex_lock(&eviction->lock);
  uint64_t count = eviction->counts[signal];
  g_mutex_unlock(&eviction->lock);
  return count;
}

/* --- what may begin ------------------------------------------------------------------------------------------------
 */

static bool tolerates_memory_pressure(const json_t *pod)
{
  const json_t *toleration;
  size_t i;
  json_array_foreach (json_at(pod, "spec", "tolerations", NULL), i, toleration) {
    const char *key = json_str(toleration, "key", ""), *effect = json_str(toleration, "effect", "");
    bool exists = g_str_equal(json_str(toleration, "operator", "Equal"), "Exists");
    bool same_key = g_str_equal(key, "node.kubernetes.io/memory-pressure") || (!*key && exists);
    if (same_key && (!*effect || g_str_equal(effect, "NoSchedule")) && (exists || !*json_str(toleration, "value", "")))
      return true;
  }
  return false;
}

char *eviction_refuses(Eviction *eviction, const json_t *pod)
{
  g_mutex_lock(&eviction->lock);
  unsigned shown = eviction->shown;
  g_mutex_unlock(&eviction->lock);
  if (shown == 0 || pod_use_is_critical(pod))
    return NULL;
  if (shown == 1u << PRESSURE_MEMORY &&
      (!g_str_equal(resources_qos_class(pod), "BestEffort") || tolerates_memory_pressure(pod)))
    return NULL;
  GString *text = g_string_new("The node had condition: [");
  for (unsigned i = 0, n = 0; i < PRESSURE_COUNT; i++)
    if (shown & (1u << i))
      g_string_append_printf(text, "%s%s", n++ > 0 ? " " : "", pressure_condition(i));
  g_string_append(text, "]. ");
  return g_string_free(text, FALSE);
}

/* --- ending pods ---------------------------------------------------------------------------------------------------
 */

/* False when the pod is spared, or is no more. ANNOTATIONS, of the event, may be NULL. */
static bool evict(Eviction *eviction, const json_t *pod, int64_t grace_seconds, const char *message,
                  const json_t *annotations, PressureSignal signal)
{
  const char *uid = json_str(json_object_get(pod, "metadata"), "uid", "");
  bool disruption = signal != SIGNAL_COUNT; /* else it broke a limit of its own */
  if (pod_use_is_critical(pod))
    return false;
  recorder_event_annotated(eviction->recorder, pod, annotations, "Warning", EVICTION_REASON, message);
  if (!eviction->host.evict(eviction->host.data, uid, grace_seconds, message, disruption))
    return false;
  g_message("Pod %s is evicted: %s", uid, message);
  g_hash_table_add(eviction->ending, g_strdup(uid));
  g_atomic_int_set(&eviction->waits, 1);
  eviction->ending_until_us = eviction->source->now_us(eviction->source->data) + CLEANUP_US;
  g_mutex_lock(&eviction->lock);
  eviction->counts[signal]++;
  g_mutex_unlock(&eviction->lock);
  return true;
}

/* Whether the end of a pod is still waited for: what it gives back may be enough. */
static bool is_ending(Eviction *eviction, const GPtrArray *pods, int64_t now_us)
{
  bool any = false;
  for (guint i = 0; i < pods->len && now_us < eviction->ending_until_us; i++)
    any = any ||
          g_hash_table_contains(eviction->ending, json_str(json_object_get(pods->pdata[i], "metadata"), "uid", ""));
  if (!any)
    g_hash_table_remove_all(eviction->ending);
  g_atomic_int_set(&eviction->waits, any);
  return any;
}

static PodUse *measure(Eviction *eviction, json_t *pod, bool with_disk)
{
  PodUse *use = pod_use_new(pod);
  eviction->source->measure(eviction->source->data, use, with_disk);
  return use;
}

/* Ends the pods that keep more on the disk than they may. False: there are none. */
static bool enforce_limits(Eviction *eviction, const GPtrArray *pods, const Observations *seen, int64_t now_us)
{
  bool any = false;
  if (now_us < eviction->measure_us)
    return false;
  for (guint i = 0; i < pods->len && !g_atomic_int_get(&eviction->stopping); i++) {
    if (pod_use_is_critical(pods->pdata[i]) || !pod_use_has_disk_limit(pods->pdata[i]))
      continue;
    g_autoptr(PodUse) use = measure(eviction, pods->pdata[i], true);
    g_autofree char *message = pod_use_over_limit(use, seen->images_apart);
    any = (message && evict(eviction, use->pod, EVICTION_HARD_GRACE_SECONDS, message, NULL, SIGNAL_COUNT)) || any;
  }
  int64_t took = eviction->source->now_us(eviction->source->data) - now_us;
  eviction->measure_us = now_us + took * MEASURE_SHARE;
  return any;
}

/* --- pressure ------------------------------------------------------------------------------------------------------
 */

/* Takes away what nobody needs. True when that was enough. */
static bool reclaim(Eviction *eviction, const Threshold *worst, bool images_apart)
{
  bool image_signal = worst->signal == SIGNAL_IMAGE_SPACE || worst->signal == SIGNAL_IMAGE_INODES;
  bool node_signal = worst->signal == SIGNAL_NODE_SPACE || worst->signal == SIGNAL_NODE_INODES;
  if (!image_signal && !(node_signal && !images_apart))
    return false;
  eviction->host.free_containers(eviction->host.data);
  image_collector_remove_unused(eviction->images);
  Observations seen = { 0 };
  eviction->source->look(eviction->source->data, &seen);
  return !pressure_state_short(eviction->state, &seen);
}

static void relieve(Eviction *eviction, const Threshold *worst, GPtrArray *pods, const Observations *seen)
{
  const char *resource = signal_resource(worst->signal);
  bool with_disk = !g_str_equal(resource, "memory") && !g_str_equal(resource, "pids");
  node_event(eviction->recorder, eviction->node_name, "Warning", "EvictionThresholdMet", "Attempting to reclaim %s",
             resource);
  if (reclaim(eviction, worst, seen->images_apart))
    return;
  g_autoptr(GPtrArray) uses = g_ptr_array_new_with_free_func((GDestroyNotify)pod_use_free);
  for (guint i = 0; i < pods->len; i++)
    g_ptr_array_add(uses, measure(eviction, pods->pdata[i], with_disk));
  pod_use_rank(uses, worst->signal, seen->images_apart);
  const Threshold *told = pressure_state_told(eviction->state, resource, seen);
  int64_t grace = worst->grace_us == 0 ? EVICTION_HARD_GRACE_SECONDS : eviction->settings->max_pod_grace_seconds;
  for (guint i = 0; i < uses->len; i++) {
    const PodUse *use = uses->pdata[i];
    g_autofree char *message = pod_use_message(use, resource, told, seen);
    g_autoptr(json_t) annotations = pod_use_annotations(use, resource);
    if (evict(eviction, use->pod, grace, message, annotations, worst->signal))
      return; /* one at a time */
  }
  g_warning("The node is short of %s, and there is no pod to evict", resource);
}

static void show(Eviction *eviction, unsigned shown)
{
  g_mutex_lock(&eviction->lock);
  bool changed = eviction->shown != shown;
  eviction->shown = shown;
  g_mutex_unlock(&eviction->lock);
  if (changed)
    eviction->host.shown(eviction->host.data);
}

/* Looks at the node alone; the time of the look. */
static int64_t look_at_node(Eviction *eviction, Observations *seen)
{
  int64_t now = eviction->source->now_us(eviction->source->data);
  *seen = (Observations){ 0 };
  eviction->source->look(eviction->source->data, seen);
  show(eviction, pressure_state_update(eviction->state, seen, now));
  return now;
}

static void look(Eviction *eviction)
{
  Observations seen;
  int64_t now = look_at_node(eviction, &seen);
  image_collector_pass(eviction->images, &seen);
  g_autoptr(GPtrArray) pods = eviction->host.pods(eviction->host.data);
  if (is_ending(eviction, pods, now) || enforce_limits(eviction, pods, &seen, now))
    return;
  const Threshold *worst = pressure_state_worst(eviction->state);
  if (worst)
    relieve(eviction, worst, pods, &seen);
}

/* --- the thread ----------------------------------------------------------------------------------------------------
 */

/* Sleeps until there is something to look at. */
static void wait(Eviction *eviction)
{
  int64_t now = eviction->source->now_us(eviction->source->data);
  int64_t left = MIN(eviction->settings->interval_us, MAX(pressure_state_deadline_us(eviction->state) - now, 0));
  struct pollfd fds[] = { { .fd = eviction->wake_fd, .events = POLLIN },
                          { .fd = eviction->stalls_fd, .events = POLLPRI } };
  uint64_t count;
  int ready = poll(fds, G_N_ELEMENTS(fds), (int)((left + 999) / 1000));
  if (ready > 0 && fds[1].revents & POLLERR) { /* the kernel has taken the trigger away */
    close(eviction->stalls_fd);
    eviction->stalls_fd = -1;
  }
  if (ready > 0 && fds[0].revents && read(eviction->wake_fd, &count, sizeof count) < 0)
    g_warning("eviction: %s", g_strerror(errno));
}

static void *run(void *data)
{
  Eviction *eviction = data;
  eviction->stalls_fd = pressure_source_open_stalls();
  for (wait(eviction); !g_atomic_int_get(&eviction->stopping); wait(eviction))
    look(eviction);
  if (eviction->stalls_fd >= 0)
    close(eviction->stalls_fd);
  return NULL;
}

void eviction_look(Eviction *eviction)
{
  Observations seen;
  look_at_node(eviction, &seen);
}

void eviction_start(Eviction *eviction)
{
  eviction->thread = g_thread_new("eviction", run, eviction);
}

void eviction_stop(Eviction *eviction)
{
  if (!eviction->thread)
    return;
  g_atomic_int_set(&eviction->stopping, 1);
  eviction_wake(eviction);
  g_thread_join(g_steal_pointer(&eviction->thread));
}
