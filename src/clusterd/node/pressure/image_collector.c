#include "clusterd/node/pressure/image_collector.h"

#include "base/json.h"
#include "base/reason.h"
#include "base/timestamp.h"
#include "clusterd/node/node_events.h"
#include "clusterd/node/pressure/image_records.h"

#define NEVER (-1)

struct ImageCollector {
  Runtime *runtime;
  const PressureSource *source;
  Recorder *recorder;
  char *node_name;
  ImagePolicy policy;
  ImageRecords *records;
  int64_t began_us, passed_us; /* monotonic; NEVER: no pass yet */
  bool failed;                 /* the last time */
};

ImageCollector *image_collector_new(Runtime *runtime, const PressureSource *source, Recorder *recorder,
                                    const char *node_name, const ImagePolicy *policy, const char *records_path)
{
  ImageCollector *collector = g_new0(ImageCollector, 1);
  *collector = (ImageCollector){ .runtime = runtime,
                                 .source = source,
                                 .recorder = recorder,
                                 .node_name = g_strdup(node_name),
                                 .policy = *policy,
                                 .records = image_records_new(records_path),
                                 .began_us = source->now_us(source->data),
                                 .passed_us = NEVER };
  return collector;
}

void image_collector_free(ImageCollector *collector)
{
  if (!collector)
    return;
  image_records_free(collector->records);
  g_free(collector->node_name);
  g_free(collector);
}

/* The ids of images that containers of pods were made from: a set. NULL with an error. */
static GHashTable *used_images(Runtime *runtime, GError **error)
{
  g_autoptr(json_t) sandboxes = runtime->list_sandboxes(runtime, error);
  if (!sandboxes)
    return NULL;
  g_autoptr(GHashTable) used = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
  const json_t *sandbox;
  size_t i;
  json_array_foreach (sandboxes, i, sandbox) {
    g_autoptr(GPtrArray) containers = runtime->list_containers(runtime, json_str(sandbox, "id", ""), NULL);
    for (guint k = 0; containers && k < containers->len; k++)
      g_hash_table_add(used, g_strdup(((const ContainerStatus *)containers->pdata[k])->image_id));
  }
  return g_steal_pointer(&used);
}

/* Looks at the images. *NOW_US is the time of the look: what has it as its last use is in use. */
static bool detect(ImageCollector *collector, int64_t *now_us, GError **error)
{
  g_autoptr(GPtrArray) images = collector->runtime->list_images(collector->runtime, error);
  g_autoptr(GHashTable) used = images ? used_images(collector->runtime, error) : NULL;
  *now_us = timestamp_now_us();
  if (used)
    image_records_update(collector->records, images, used, *now_us);
  return used != NULL;
}

static Observation image_space(const ImageCollector *collector)
{
  Observations seen = { 0 };
  collector->source->look(collector->source->data, &seen);
  return seen.of[SIGNAL_IMAGE_SPACE];
}

/* Removes one image; what the disk has more then is added to *FREED. One that somebody uses of whom the list of
 * containers does not tell, a volume or another program, was in use at NOW_US. */
static void remove_one(ImageCollector *collector, ImageRecord *record, int64_t now_us, int64_t *freed, GString *errors)
{
  Runtime *runtime = collector->runtime;
  g_autoptr(GError) error = NULL;
  int64_t before = image_space(collector).available;
  if (runtime->remove_image(runtime, record->id, &error)) {
    *freed += MAX(image_space(collector).available - before, 0);
    g_message("Image %s is removed: nobody uses it", record->id);
  } else if (reason_is(error, REASON_CONFLICT)) {
    record->used_us = now_us;
  } else {
    g_string_append_printf(errors, "%s%s", errors->len > 0 ? ", " : "", error->message);
  }
}

/* Removes images that nobody uses, those that lie unused longest first, until WANTED bytes more are free. *FREED gets
 * how many came to be. False with an error when not all could be looked at or removed. */
static bool free_space(ImageCollector *collector, int64_t wanted, int64_t *freed, GError **error)
{
  int64_t now;
  *freed = 0;
  if (!detect(collector, &now, error))
    return false;
  g_autoptr(GPtrArray) order = image_records_in_order(collector->records);
  g_autoptr(GString) errors = g_string_new(NULL);
  for (guint i = 0; i < order->len && *freed < wanted; i++) {
    ImageRecord *record = order->pdata[i];
    if (!record->pinned && record->used_us < now && now - record->found_us >= collector->policy.minimum_age_us)
      remove_one(collector, record, now, freed, errors);
  }
  if (errors->len == 0)
    return true;
  reason_set(error, REASON_RUNTIME,
             "wanted to free %" G_GINT64_FORMAT " bytes, but freed %" G_GINT64_FORMAT
             " bytes space with errors in image deletion: [%s]",
             wanted, *freed, errors->str);
  return false;
}

/* Removes what nobody has used for the longest time allowed, once that time has been watched. */
static bool remove_old(ImageCollector *collector, GError **error)
{
  int64_t oldest = collector->policy.maximum_age_us, now, freed = 0;
  if (oldest == 0 || collector->source->now_us(collector->source->data) - collector->began_us <= oldest)
    return true;
  if (!detect(collector, &now, error))
    return false;
  g_autoptr(GPtrArray) order = image_records_in_order(collector->records);
  g_autoptr(GString) errors = g_string_new(NULL);
  for (guint i = 0; i < order->len; i++) {
    ImageRecord *record = order->pdata[i];
    if (!record->pinned && now - MAX(record->used_us, record->found_us) > oldest)
      remove_one(collector, record, now, &freed, errors);
  }
  if (errors->len > 0)
    g_warning("Images that are too old: %s", errors->str);
  return true;
}

static bool is_full(const ImageCollector *collector, const Observation *space)
{
  return space->known && space->capacity > 0 &&
         100 - (int64_t)((__int128)space->available * 100 / space->capacity) >= collector->policy.high_percent;
}

static bool collect(ImageCollector *collector, GError **error)
{
  if (!remove_old(collector, error))
    return false;
  Observation space = image_space(collector);
  if (space.known && space.capacity == 0) {
    reason_set(error, REASON_RUNTIME, "invalid capacity 0 on image filesystem");
    node_event(collector->recorder, collector->node_name, "Warning", "InvalidDiskCapacity", "%s", (*error)->message);
    return false;
  }
  if (!is_full(collector, &space))
    return true;
  int64_t goal = (int64_t)((__int128)space.capacity * (100 - collector->policy.low_percent) / 100), freed;
  int64_t wanted = MAX(goal - space.available, 0);
  if (!free_space(collector, wanted, &freed, error))
    return false;
  if (freed >= wanted)
    return true;
  reason_set(error, REASON_RUNTIME,
             "Failed to garbage collect required amount of images. Attempted to free %" G_GINT64_FORMAT
             " bytes, but only found %" G_GINT64_FORMAT " bytes eligible to free.",
             wanted, freed);
  node_event(collector->recorder, collector->node_name, "Warning", "FreeDiskSpaceFailed", "%s", (*error)->message);
  return false;
}

void image_collector_pass(ImageCollector *collector, const Observations *seen)
{
  const ImagePolicy *policy = &collector->policy;
  int64_t now = collector->source->now_us(collector->source->data), looked;
  bool due = collector->passed_us == NEVER || now - collector->passed_us >= IMAGE_PERIOD_US;
  bool filled = is_full(collector, &seen->of[SIGNAL_IMAGE_SPACE]) && !collector->failed;
  g_autoptr(GError) error = NULL;
  if (!due && !filled)
    return;
  collector->passed_us = now;
  if (due && !detect(collector, &looked, &error)) {
    g_warning("Images: %s", error->message);
    return;
  }
  bool off = policy->high_percent == 100 && policy->maximum_age_us == 0;
  if (off || collect(collector, &error)) {
    collector->failed = false;
    return;
  }
  g_warning("Images: %s", error->message);
  if (collector->failed) /* once may be chance */
    node_event(collector->recorder, collector->node_name, "Warning", "ImageGCFailed", "%s", error->message);
  collector->failed = true;
}

void image_collector_remove_unused(ImageCollector *collector)
{
  g_autoptr(GError) error = NULL;
  int64_t freed;
  if (!free_space(collector, G_MAXINT64, &freed, &error))
    g_warning("Images: %s", error->message);
}
