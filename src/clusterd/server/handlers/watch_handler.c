/* GET …?watch=true: a stream of JSON lines. Events are written on the registry's dispatcher thread; one reaper thread
 * ends the watches whose time is over or whose peer is gone. */
#include <string.h>

#include "base/json.h"
#include "base/reason.h"
#include "base/timestamp.h"
#include "clusterd/api/table/table.h"
#include "clusterd/server/api_error.h"
#include "clusterd/server/api_request.h"

/* A watch without timeoutSeconds ends after this long, at random up to twice: clients then come back spread out. */
#define WATCH_SECONDS_MIN 1800
#define META_PACKAGE "io.k8s.apimachinery.pkg.apis.meta.v1."

typedef struct ApiWatch {
  gatomicrefcount references; /* of the set and of the stream's on_close */
  WatchSet *set;
  const ApiKind *kind;
  HttpStream *stream;
  Watch *watch; /* NULL when it could not start */
  LabelSelector *labels;
  FieldSelector *fields;
  Accept accept;
  TableInclude include;
  char *table_version;
  bool columns_sent;
  bool bookmarks;
  bool initial_events_end; /* a bookmark must say when the initial events are over */
  int64_t deadline_us;     /* monotonic */
} ApiWatch;

struct WatchSet {
  GAsyncQueue *ended; /* ApiWatch* whose peer is gone; the set itself to wake the reaper */
  GMutex lock;
  GHashTable *watches; /* ApiWatch*, under the lock */
  bool closing;
  GThread *reaper;
};

static void api_watch_unref(void *data)
{
  ApiWatch *watch = data;
  if (!g_atomic_ref_count_dec(&watch->references))
    return;
  label_selector_free(watch->labels);
  field_selector_free(watch->fields);
  g_free(watch->table_version);
  g_free(watch);
}

/* --- events --------------------------------------------------------------------------------------------------------
 */

/* Takes the reference. */
static void write_frame(ApiWatch *watch, GBytes *frame)
{
  if (!http_stream_write(watch->stream, frame)) {
    g_atomic_ref_count_inc(&watch->references);
    g_async_queue_push(watch->set->ended, watch);
  }
}

static void write_text_event(ApiWatch *watch, const char *type, const void *object, gsize length)
{
  GString *text = g_string_sized_new(length + 32);
  g_string_printf(text, "{\"type\":\"%s\",\"object\":", type);
  g_string_append_len(text, object, (gssize)length);
  g_string_append(text, "}\n");
  write_frame(watch, g_string_free_to_bytes(text));
}

/* An event whose object is VALUE, which says itself what it is; takes the reference. MESSAGE is its form in protobuf.
 */
static void write_event(ApiWatch *watch, const char *type, const ApiMessage *message, json_t *value)
{
  if (watch->accept.format == REPLY_PROTOBUF) {
    g_autoptr(GError) error = NULL;
    g_autoptr(GBytes) bytes =
        codec_encode_protobuf(message, json_str(value, "apiVersion", ""), json_str(value, "kind", ""), value, &error);
    if (bytes)
      write_frame(watch, codec_protobuf_event(type, bytes));
    else
      g_warning("watch: %s", error->message);
  } else {
    g_autofree char *text = json_text(value);
    write_text_event(watch, type, text, strlen(text));
  }
  json_decref(value);
}

static json_t *table_event(ApiWatch *watch, Object *object)
{
  g_autoptr(GPtrArray) objects = g_ptr_array_new();
  g_autoptr(json_t) metadata = json_object();
  json_object_set_new(metadata, "resourceVersion", json_sprintf("%" G_GINT64_FORMAT, object_revision(object)));
  g_ptr_array_add(objects, object);
  json_t *table = table_render(watch->kind, objects, metadata, watch->table_version, watch->include,
                               !watch->columns_sent, timestamp_now_us());
  watch->columns_sent = true;
  return table;
}

static void write_bookmark(ApiWatch *watch, int64_t revision)
{
  bool end = watch->initial_events_end;
  watch->initial_events_end = false;
  if (!end && !watch->bookmarks)
    return;
  g_autofree char *version = api_group_version(watch->kind);
  const ApiMessage *message = watch->kind->message;
  json_t *metadata =
      json_pack("{s:o, s:n}", "resourceVersion", json_sprintf("%" G_GINT64_FORMAT, revision), "creationTimestamp");
  if (end)
    json_object_set_new(metadata, "annotations", json_pack("{s:s}", "k8s.io/initial-events-end", "true"));
  json_t *object = json_pack("{s:s, s:s, s:o}", "kind", watch->kind->kind, "apiVersion", version, "metadata", metadata);
  if (watch->accept.shape == REPLY_TABLE) {
    json_object_set_new(object, "kind", json_string("Table"));
    json_object_set_new(object, "apiVersion", json_string(watch->table_version));
    json_object_set_new(object, "columnDefinitions", json_array());
    json_object_set_new(object, "rows", json_array());
  } else if (watch->accept.shape == REPLY_PARTIAL) {
    message = api_builtin_message(META_PACKAGE "PartialObjectMetadata");
    json_object_set_new(object, "kind", json_string("PartialObjectMetadata"));
    json_object_set_new(object, "apiVersion", json_string(watch->table_version));
  }
  write_event(watch, "BOOKMARK", message, object);
}

/* Lets the reaper end WATCH. */
static void end_soon(ApiWatch *watch)
{
  g_mutex_lock(&watch->set->lock);
  watch->deadline_us = 0;
  g_mutex_unlock(&watch->set->lock);
  g_async_queue_push(watch->set->ended, watch->set);
}

static void on_event(WatchType type, Object *object, Object *old, int64_t revision, void *data)
{
  static const char *const names[] = { "ADDED", "MODIFIED", "DELETED", "BOOKMARK" };
  ApiWatch *watch = data;
  if (type == WATCH_CLOSED) {
    end_soon(watch);
  } else if (type == WATCH_BOOKMARK) {
    write_bookmark(watch, revision);
  } else if (watch->accept.shape == REPLY_TABLE) {
    write_event(watch, names[type], NULL, table_event(watch, object));
  } else if (watch->accept.shape == REPLY_PARTIAL) {
    write_event(watch, names[type], api_builtin_message(META_PACKAGE "PartialObjectMetadata"),
                table_partial_metadata(object));
  } else if (watch->accept.format == REPLY_PROTOBUF) {
    write_event(watch, names[type], watch->kind->message, object_value(object));
  } else {
    gsize length;
    const void *bytes = g_bytes_get_data(object_bytes(object), &length);
    write_text_event(watch, names[type], bytes, length);
  }
}

/* --- ending --------------------------------------------------------------------------------------------------------
 */

/* On an event loop's thread. */
static void on_close(void *data)
{
  ApiWatch *watch = data;
  g_async_queue_push(watch->set->ended, watch); /* with the stream's reference */
}

/* Ends WATCH if that is not done yet. */
static void finish(WatchSet *set, ApiWatch *watch)
{
  g_mutex_lock(&set->lock);
  bool mine = g_hash_table_steal(set->watches, watch);
  g_mutex_unlock(&set->lock);
  if (!mine)
    return;
  registry_unwatch(watch->watch);
  http_stream_close(watch->stream);
  api_watch_unref(watch);
}

/* Ends what is due (everything when closing); returns when to look again, in microseconds from now. */
static int64_t reap_due(WatchSet *set)
{
  g_autoptr(GPtrArray) due = g_ptr_array_new();
  int64_t now = g_get_monotonic_time(), next = (int64_t)G_USEC_PER_SEC * 3600;
  GHashTableIter iterator;
  void *key;
  g_mutex_lock(&set->lock);
  g_hash_table_iter_init(&iterator, set->watches);
  while (g_hash_table_iter_next(&iterator, &key, NULL)) {
    const ApiWatch *watch = key;
    if (set->closing || watch->deadline_us <= now)
      g_ptr_array_add(due, key);
    else
      next = MIN(next, watch->deadline_us - now);
  }
  g_mutex_unlock(&set->lock);
  for (guint i = 0; i < due->len; i++)
    finish(set, due->pdata[i]);
  return next;
}

static void *reaper_main(void *data)
{
  WatchSet *set = data;
  for (;;) {
    int64_t wait = reap_due(set);
    void *item = g_async_queue_timeout_pop(set->ended, (guint64)wait);
    if (item && item != set) {
      finish(set, item);
      api_watch_unref(item);
    }
    g_mutex_lock(&set->lock);
    bool done = set->closing && g_hash_table_size(set->watches) == 0;
    g_mutex_unlock(&set->lock);
    if (done)
      return NULL;
  }
}

WatchSet *watch_set_new(void)
{
  WatchSet *set = g_new0(WatchSet, 1);
  g_mutex_init(&set->lock);
  set->ended = g_async_queue_new();
  set->watches = g_hash_table_new(g_direct_hash, g_direct_equal);
  set->reaper = g_thread_new("watches", reaper_main, set);
  return set;
}

void watch_set_close(WatchSet *set)
{
  g_mutex_lock(&set->lock);
  set->closing = true;
  g_mutex_unlock(&set->lock);
  g_async_queue_push(set->ended, set);
  g_thread_join(set->reaper);
}

void watch_set_free(WatchSet *set)
{
  void *item;
  while ((item = g_async_queue_try_pop(set->ended)))
    if (item != set)
      api_watch_unref(item);
  g_async_queue_unref(set->ended);
  g_hash_table_unref(set->watches);
  g_mutex_clear(&set->lock);
  g_free(set);
}

/* --- the request ---------------------------------------------------------------------------------------------------
 */

/* From which revision the watch begins; 0: with everything there is. */
static bool start_revision(const ApiRequest *request, int64_t *from, GError **error)
{
  *from = 0;
  const char *initial = query_get(request->query, "sendInitialEvents");
  const char *version = query_get(request->query, "resourceVersion");
  guint64 number = 0;
  if (version && *version && !g_ascii_string_to_unsigned(version, 10, 0, G_MAXINT64, &number, NULL))
    /* here upstream says the resource where it says the kind elsewhere */
    return api_error_invalid(error, request->kind->plural, request->kind->group, "", "FieldValueInvalid",
                             "resourceVersion", "\"%s\": strconv.ParseUint: parsing \"%s\": invalid syntax", version,
                             version);
  *from = (int64_t)number;
  if (initial && query_flag(request->query, "sendInitialEvents"))
    *from = 0;
  else if (initial && *from == 0)
    *from = registry_revision(request->registry);
  return true;
}

static ApiWatch *api_watch_new(ApiRequest *request, int64_t timeout_seconds)
{
  ApiWatch *watch = g_new0(ApiWatch, 1);
  const char *include = query_get(request->query, "includeObject");
  g_atomic_ref_count_init(&watch->references);
  g_atomic_ref_count_inc(&watch->references);
  watch->set = api_server_watches(request->server);
  watch->kind = request->kind;
  watch->accept = request->accept;
  watch->table_version = g_strconcat("meta.k8s.io/", request->accept.shape_version, NULL);
  watch->include = g_strcmp0(include, "Object") == 0 ? TABLE_INCLUDE_OBJECT
                   : g_strcmp0(include, "None") == 0 ? TABLE_INCLUDE_NONE
                                                     : TABLE_INCLUDE_METADATA;
  watch->bookmarks = query_flag(request->query, "allowWatchBookmarks");
  watch->initial_events_end = query_flag(request->query, "sendInitialEvents");
  watch->deadline_us = g_get_monotonic_time() + timeout_seconds * G_USEC_PER_SEC;
  return watch;
}

/* Opens the stream, then the watch: what cannot be watched is told by an event, as upstream does. */
static void start(ApiRequest *request, ApiWatch *watch, const ListOptions *options, int64_t from)
{
  WatchSet *set = watch->set;
  g_autoptr(GError) error = NULL;
  Caller caller = { .identity = request->identity };
  Target target = { request->kind, request->info->namespace_, request->info->name, NULL };
  const char *type =
      watch->accept.format == REPLY_PROTOBUF ? "application/vnd.kubernetes.protobuf;stream=watch" : "application/json";
  respond_warnings(request);
  http_add_header(request->http, "Cache-Control", "no-cache, private");
  /* the reaper must not see the watch half made */
  g_mutex_lock(&set->lock);
  watch->stream = http_stream_new(g_steal_pointer(&request->http), 200, type, on_close, watch);
  watch->watch = registry_watch(request->registry, &caller, &target, options, from, on_event, watch, &error);
  if (!watch->watch) {
    write_event(watch, "ERROR", api_builtin_message(META_PACKAGE "Status"), status_of_error(error));
    watch->deadline_us = 0;
  }
  g_hash_table_add(set->watches, watch);
  g_mutex_unlock(&set->lock);
  g_async_queue_push(set->ended, set); /* the reaper looks at the new deadline */
}

void handle_watch(ApiRequest *request)
{
  ListOptions options = { 0 };
  g_autoptr(GError) error = NULL;
  g_autoptr(LabelSelector) labels = NULL;
  g_autoptr(FieldSelector) fields = NULL;
  int64_t from = 0, timeout = 0;
  bool ok = (request->kind->verbs & API_VERB_WATCH) || api_error_method(&error);
  ok = ok && request_list_options(request, &options, &labels, &fields, &error) &&
       start_revision(request, &from, &error) && query_integer(request->query, "timeoutSeconds", &timeout, &error);
  if (!ok) {
    respond_error(request, error);
    return;
  }
  if (timeout <= 0)
    timeout = WATCH_SECONDS_MIN + g_random_int_range(0, WATCH_SECONDS_MIN);
  ApiWatch *watch = api_watch_new(request, timeout);
  watch->labels = g_steal_pointer(&labels);
  watch->fields = g_steal_pointer(&fields);
  start(request, watch, &options, from);
}
