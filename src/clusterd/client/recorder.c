#include "clusterd/client/recorder.h"

#include <string.h>

#include "base/json.h"
#include "base/reason.h"
#include "base/timestamp.h"

/* The correlator's constants. Source: client-go tools/record/events_cache.go. */
#define SERIES_WINDOW_US ((int64_t)600 * G_USEC_PER_SEC) /* equal events this close are one */
#define SIMILAR_MAX 10                                   /* different texts of one reason before they are combined */
#define BURST_MAX 25                                     /* events about one object at once … */
#define REFILL_US ((int64_t)300 * G_USEC_PER_SEC)        /* … and one more each five minutes */
#define SERIES_MAX 4096                                  /* how many series are remembered */
#define QUEUE_MAX 1000                                   /* events not yet written; more are dropped */

/* Equal events: one Event object with a count. */
typedef struct Series {
  char *name;  /* of the Event; NULL until it was created */
  char *first; /* firstTimestamp */
  int count;
  int64_t last_us; /* monotonic */
} Series;

/* Events about one object with one reason, whatever their texts. */
typedef struct Similar {
  GHashTable *messages; /* set */
  int64_t last_us;
} Similar;

typedef struct Bucket {
  double tokens;
  int64_t last_us;
} Bucket;

struct Recorder {
  Client *client;
  char *node_name;
  GThreadPool *writer; /* one thread, which alone uses the tables below */
  GHashTable *series;  /* full key → Series* */
  GHashTable *similar; /* key without the text → Similar* */
  GHashTable *buckets; /* object's key → Bucket* */
};

typedef struct Pending {
  json_t *event; /* complete but for name, count and firstTimestamp */
  char *about;   /* key of the object */
} Pending;

static void pending_free(Pending *pending)
{
  json_decref(pending->event);
  g_free(pending->about);
  g_free(pending);
}

static void series_free(void *pointer)
{
  Series *series = pointer;
  g_free(series->name);
  g_free(series->first);
  g_free(series);
}

static void similar_free(void *pointer)
{
  Similar *similar = pointer;
  g_hash_table_destroy(similar->messages);
  g_free(similar);
}

/* False when the object has used up its events for now. */
static bool take_token(Recorder *recorder, const char *about, int64_t now_us)
{
  Bucket *bucket = g_hash_table_lookup(recorder->buckets, about);
  if (!bucket) {
    if (g_hash_table_size(recorder->buckets) >= SERIES_MAX)
      g_hash_table_remove_all(recorder->buckets);
    bucket = g_new(Bucket, 1);
    *bucket = (Bucket){ .tokens = BURST_MAX, .last_us = now_us };
    g_hash_table_insert(recorder->buckets, g_strdup(about), bucket);
  }
  bucket->tokens = MIN(BURST_MAX, bucket->tokens + (double)(now_us - bucket->last_us) / (double)REFILL_US);
  bucket->last_us = now_us;
  if (bucket->tokens < 1)
    return false;
  bucket->tokens -= 1;
  return true;
}

/* The key of the series EVENT belongs to. When one reason has come with too many texts, they become one series and the
 * event's message says so. */
static char *series_key(Recorder *recorder, const char *about, json_t *event, int64_t now_us)
{
  const char *message = json_str(event, "message", "");
  const char *path = json_str(json_object_get(event, "involvedObject"), "fieldPath", "");
  g_autofree char *kind_of =
      g_strjoin("\n", about, path, json_str(event, "type", ""), json_str(event, "reason", ""), NULL);
  Similar *similar = g_hash_table_lookup(recorder->similar, kind_of);
  if (!similar || now_us - similar->last_us > SERIES_WINDOW_US) {
    if (g_hash_table_size(recorder->similar) >= SERIES_MAX)
      g_hash_table_remove_all(recorder->similar);
    similar = g_new(Similar, 1);
    similar->messages = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    g_hash_table_insert(recorder->similar, g_strdup(kind_of), similar);
  }
  similar->last_us = now_us;
  if (g_hash_table_size(similar->messages) < SIMILAR_MAX)
    g_hash_table_add(similar->messages, g_strdup(message));
  if (g_hash_table_contains(similar->messages, message))
    return g_strjoin("\n", kind_of, message, NULL);
  g_autofree char *combined = g_strconcat("(combined from similar events): ", message, NULL);
  json_object_set_new(event, "message", json_string(combined));
  return g_steal_pointer(&kind_of);
}

static Series *find_series(Recorder *recorder, const char *key, int64_t now_us)
{
  Series *series = g_hash_table_lookup(recorder->series, key);
  if (series && now_us - series->last_us <= SERIES_WINDOW_US)
    return series;
  if (g_hash_table_size(recorder->series) >= SERIES_MAX)
    g_hash_table_remove_all(recorder->series);
  series = g_new0(Series, 1);
  g_hash_table_insert(recorder->series, g_strdup(key), series);
  return series;
}

/* True when the series' Event could be brought up to date; false when it must be created. */
static bool update_series(Recorder *recorder, const Series *series, const json_t *event)
{
  if (!series->name)
    return false;
  g_autoptr(json_t) patch = json_object();
  json_object_set_new(patch, "count", json_integer(series->count));
  json_object_set(patch, "lastTimestamp", json_object_get(event, "lastTimestamp"));
  json_object_set(patch, "message", json_object_get(event, "message"));
  g_autoptr(GError) error = NULL;
  g_autoptr(Object) stored =
      client_patch(recorder->client, "v1", "events", json_str(json_object_get(event, "metadata"), "namespace", NULL),
                   series->name, NULL, PATCH_MERGE, patch, &error);
  if (error && !reason_is(error, REASON_NOT_FOUND))
    g_debug("Cannot update an event: %s", error->message);
  return stored != NULL;
}

static void create_event(Recorder *recorder, Series *series, json_t *event)
{
  json_t *metadata = json_object_get(event, "metadata");
  g_autofree char *name =
      g_strdup_printf("%s.%" G_GINT64_MODIFIER "x",
                      json_str(json_object_get(event, "involvedObject"), "name", "unknown"), timestamp_now_us() * 1000);
  json_object_set_new(metadata, "name", json_string(name));
  if (!series->first)
    series->first = g_strdup(json_str(event, "lastTimestamp", ""));
  json_object_set_new(event, "firstTimestamp", json_string(series->first));
  json_object_set_new(event, "count", json_integer(series->count));
  g_autoptr(GError) error = NULL;
  g_autoptr(Object) stored =
      client_create(recorder->client, "v1", "events", json_str(metadata, "namespace", NULL), event, &error);
  if (!stored) {
    /* Nothing new may be written into a namespace that is being deleted: that is not worth a word. */
    if (!reason_is(error, REASON_FORBIDDEN) && !reason_is(error, REASON_NOT_FOUND))
      g_info("Cannot record an event: %s", error->message);
    return;
  }
  g_free(series->name);
  series->name = g_steal_pointer(&name);
}

static void write_event(void *item, void *data)
{
  Pending *pending = item;
  Recorder *recorder = data;
  int64_t now_us = g_get_monotonic_time();
  if (take_token(recorder, pending->about, now_us)) {
    g_autofree char *key = series_key(recorder, pending->about, pending->event, now_us);
    Series *series = find_series(recorder, key, now_us);
    series->count++;
    series->last_us = now_us;
    if (!update_series(recorder, series, pending->event))
      create_event(recorder, series, pending->event);
  }
  pending_free(pending);
}

Recorder *recorder_new(Client *client, const char *node_name)
{
  Recorder *recorder = g_new0(Recorder, 1);
  recorder->client = client;
  recorder->node_name = g_strdup(node_name);
  recorder->series = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, series_free);
  recorder->similar = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, similar_free);
  recorder->buckets = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
  recorder->writer = g_thread_pool_new(write_event, recorder, 1, FALSE, NULL);
  return recorder;
}

void recorder_free(Recorder *recorder)
{
  if (!recorder)
    return;
  g_thread_pool_free(recorder->writer, FALSE, TRUE);
  g_hash_table_destroy(recorder->buckets);
  g_hash_table_destroy(recorder->similar);
  g_hash_table_destroy(recorder->series);
  g_free(recorder->node_name);
  g_free(recorder);
}

static void set_text(json_t *value, const char *key, const char *text)
{
  if (text && *text)
    json_object_set_new(value, key, json_string(text));
}

static json_t *reference_to(const json_t *object, const char *field_path)
{
  const json_t *metadata = json_object_get(object, "metadata");
  json_t *reference = json_object();
  set_text(reference, "kind", json_str(object, "kind", NULL));
  set_text(reference, "namespace", json_str(metadata, "namespace", NULL));
  set_text(reference, "name", json_str(metadata, "name", NULL));
  set_text(reference, "uid", json_str(metadata, "uid", NULL));
  set_text(reference, "apiVersion", json_str(object, "apiVersion", NULL));
  set_text(reference, "resourceVersion", json_str(metadata, "resourceVersion", NULL));
  set_text(reference, "fieldPath", field_path);
  return reference;
}

static json_t *make_event(const Recorder *recorder, const json_t *object, const char *field_path, const char *type,
                          const char *reason, const char *message)
{
  const char *component = client_component(recorder->client);
  g_autofree char *now = timestamp_now();
  json_t *event = json_object();
  json_t *metadata = json_ensure_object(event, "metadata", NULL);
  /* Events about cluster-scoped objects live in the namespace default. */
  json_object_set_new(metadata, "namespace",
                      json_string(json_str(json_object_get(object, "metadata"), "namespace", "default")));
  json_object_set_new(event, "involvedObject", reference_to(object, field_path));
  json_object_set_new(event, "reason", json_string(reason));
  json_object_set_new(event, "message", json_string(message));
  json_t *source = json_ensure_object(event, "source", NULL);
  set_text(source, "component", component);
  set_text(source, "host", recorder->node_name);
  json_object_set_new(event, "lastTimestamp", json_string(now));
  json_object_set_new(event, "type", json_string(type));
  set_text(event, "reportingComponent", component);
  set_text(event, "reportingInstance", recorder->node_name);
  return event;
}

/* Has EVENT, about OBJECT, written; takes the reference. */
static void push(Recorder *recorder, const json_t *object, json_t *event)
{
  const json_t *metadata = json_object_get(object, "metadata");
  Pending *pending = g_new(Pending, 1);
  pending->event = event;
  pending->about = g_strjoin("\n", json_str(object, "kind", ""), json_str(metadata, "namespace", ""),
                             json_str(metadata, "name", ""), json_str(metadata, "uid", ""), NULL);
  g_thread_pool_push(recorder->writer, pending, NULL);
}

void recorder_event(Recorder *recorder, const json_t *object, const char *field_path, const char *type,
                    const char *reason, const char *format, ...)
{
  if (g_thread_pool_unprocessed(recorder->writer) >= QUEUE_MAX)
    return;
  va_list arguments;
  va_start(arguments, format);
  g_autofree char *text = g_strdup_vprintf(format, arguments);
  va_end(arguments);
  g_autofree char *message = g_utf8_make_valid(text, -1);
  push(recorder, object, make_event(recorder, object, field_path, type, reason, message));
}

void recorder_event_annotated(Recorder *recorder, const json_t *object, const json_t *annotations, const char *type,
                              const char *reason, const char *message)
{
  if (g_thread_pool_unprocessed(recorder->writer) >= QUEUE_MAX)
    return;
  json_t *event = make_event(recorder, object, NULL, type, reason, message);
  if (json_object_size(annotations) > 0)
    json_object_set_new(json_object_get(event, "metadata"), "annotations", json_deep_copy(annotations));
  push(recorder, object, event);
}
