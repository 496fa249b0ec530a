/* A watch is one stream of all changes of all keys, so that it brings every revision there is: what is not asked for
 * only tells how far it has come. When it breaks it is begun anew, on another member, after the last change it brought;
 * when etcd has forgotten that by then, etcd_resync.c works out what happened. */
#include <string.h>

#include "base/reason.h"
#include "clusterd/store/etcd_private.h"

#define PAUSE_FIRST_US (20 * 1000)
#define PAUSE_MAX_US (1000 * 1000)
#define POLL_MS 60000 /* woken up earlier by data, and by whoever wants it to stop */

static EtcdStore *store_of(const EtcdWatch *watch)
{
  return etcd_store(watch->base.store);
}

/* --- events --------------------------------------------------------------------------------------------------------
 */

void etcd_watch_deliver(EtcdWatch *watch, StoreEvent *event)
{
  StoreEntry *entry = &event->entry;
  watch->base.handler(event, watch->base.data);
  if (event->type == STORE_DELETED) {
    g_hash_table_remove(watch->index, entry->key);
  } else {
    EtcdVersion *version = g_new(EtcdVersion, 1);
    *version = (EtcdVersion){ entry->create_revision, entry->mod_revision };
    g_hash_table_replace(watch->index, g_strdup(entry->key), version);
  }
  watch->delivered = entry->mod_revision;
}

static void take_event(EtcdWatch *watch, const Etcd__Event *received)
{
  const Etcd__KeyValue *pair = received->kv;
  g_autofree char *key = pair ? g_strndup((const char *)pair->key.data, pair->key.len) : NULL;
  if (!key || !g_str_has_prefix(key, watch->base.prefix))
    return;
  const EtcdVersion *before = g_hash_table_lookup(watch->index, key);
  bool deleted = received->type == ETCD__EVENT__TYPE__DELETE;
  StoreEvent event = { .type = deleted                                       ? STORE_DELETED
                               : pair->create_revision == pair->mod_revision ? STORE_CREATED
                                                                             : STORE_MODIFIED };
  event.entry.create_revision = !deleted ? pair->create_revision : before ? before->created : 0;
  event.entry.mod_revision = pair->mod_revision;
  event.entry.value = etcd_pending_seen(store_of(watch), key, deleted ? NULL : &pair->value,
                                        before ? before->modified : 0, pair->mod_revision);
  if (!event.entry.value && !deleted)
    event.entry.value = g_bytes_new(pair->value.data, pair->value.len);
  event.entry.key = g_steal_pointer(&key);
  etcd_watch_deliver(watch, &event);
  store_entry_clear(&event.entry);
}

/* All up to REVISION is delivered: tells the handler, if its last event did not, and whoever waits for it. */
static void reach(EtcdWatch *watch, int64_t revision)
{
  EtcdStore *store = store_of(watch);
  if (watch->delivered < revision) {
    StoreEvent event = { .type = STORE_PROGRESS, .entry.mod_revision = revision };
    watch->base.handler(&event, watch->base.data);
    watch->delivered = revision;
  }
  etcd_store_advance(store, revision);
  g_mutex_lock(&store->lock);
  watch->applied = revision;
  g_cond_broadcast(&store->changed);
  g_mutex_unlock(&store->lock);
}

/* False when the stream is over. */
static bool take_message(EtcdWatch *watch, const Etcd__WatchResponse *message, GError **error)
{
  if (message->canceled) {
    watch->expired = message->compact_revision > 0;
    g_autofree char *why = g_strndup((const char *)message->cancel_reason.data, message->cancel_reason.len);
    return reason_set(error, REASON_SERVICE_UNAVAILABLE, "etcd ended the watch: %s",
                      watch->expired ? "its history is compacted" : why);
  }
  int64_t last = 0;
  for (size_t i = 0; i < message->n_events; i++) {
    take_event(watch, message->events[i]);
    last = message->events[i]->kv ? message->events[i]->kv->mod_revision : last;
  }
  if (last)
    reach(watch, last);
  return true;
}

/* --- the stream ----------------------------------------------------------------------------------------------------
 */

typedef struct Stream {
  EtcdWatch *watch;
  CURL *handle;
  GByteArray *request;
  gsize sent;
  EtcdStatus status;
  unsigned endpoint;
  bool brought; /* something came */
} Stream;

/* The request stays open behind its only message: an end of it might be taken for the watch's. */
static size_t give_request(char *data, size_t size, size_t count, void *user)
{
  Stream *stream = user;
  gsize left = stream->request->len - stream->sent, length = MIN(left, size * count);
  if (length == 0)
    return CURL_READFUNC_PAUSE;
  memcpy(data, stream->request->data + stream->sent, length);
  stream->sent += length;
  return length;
}

static size_t take_data(char *data, size_t size, size_t count, void *user)
{
  GByteArray *buffer = ((Stream *)user)->watch->buffer;
  if (size * count > ETCD_MESSAGE_MAX + 1024 - buffer->len)
    return 0;
  g_byte_array_append(buffer, (const guint8 *)data, (guint)(size * count));
  return size * count;
}

static void stream_open(Stream *stream)
{
  EtcdWatch *watch = stream->watch;
  static const char everything[] = ""; /* from the zero byte on, without an end */
  Etcd__WatchCreate create = ETCD__WATCH_CREATE__INIT;
  Etcd__WatchRequest request = ETCD__WATCH_REQUEST__INIT;
  create.key = create.range_end = etcd_bytes(everything, 1);
  create.start_revision = watch->delivered + 1;
  create.fragment = true;
  request.request_case = ETCD__WATCH_REQUEST__REQUEST_CREATE;
  request.create = &create;
  stream->request = etcd_frame(&request.base);
  stream->status.code = -1;
  stream->handle = curl_easy_init();
  etcd_transport_prepare(store_of(watch)->transport, stream->handle, ETCD_WATCH, &stream->status, &stream->endpoint);
  curl_easy_setopt(stream->handle, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)-1);
  curl_easy_setopt(stream->handle, CURLOPT_READFUNCTION, give_request);
  curl_easy_setopt(stream->handle, CURLOPT_READDATA, stream);
  curl_easy_setopt(stream->handle, CURLOPT_WRITEFUNCTION, take_data);
  curl_easy_setopt(stream->handle, CURLOPT_WRITEDATA, stream);
  curl_multi_add_handle(watch->multi, stream->handle);
  g_byte_array_set_size(watch->buffer, 0);
}

static void stream_close(Stream *stream)
{
  curl_multi_remove_handle(stream->watch->multi, stream->handle);
  curl_easy_cleanup(stream->handle);
  g_byte_array_unref(stream->request);
  etcd_status_clear(&stream->status);
}

/* All whole messages that have come. */
static bool stream_read(Stream *stream, GError **error)
{
  for (;;) {
    void *message = NULL;
    int whole = etcd_unframe(stream->watch->buffer, &etcd__watch_response__descriptor, &message, error);
    if (whole <= 0)
      return whole == 0;
    stream->brought = true;
    bool more = take_message(stream->watch, message, error);
    etcd__watch_response__free_unpacked(message, NULL);
    if (!more)
      return false;
  }
}

/* Whether it shall end: stopped, or begun anew because it brings nothing. */
static bool is_unwanted(EtcdWatch *watch)
{
  g_autoptr(GMutexLocker) held = g_mutex_locker_new(&store_of(watch)->lock);
  return watch->stop || watch->again;
}

static bool stream_ended(Stream *stream, GError **error)
{
  int left = 0;
  const CURLMsg *message = curl_multi_info_read(stream->watch->multi, &left);
  if (!message || message->msg != CURLMSG_DONE)
    return false;
  if (message->data.result != CURLE_OK)
    reason_set(error, REASON_SERVICE_UNAVAILABLE, "etcd at %s: %s",
               etcd_transport_url(store_of(stream->watch)->transport, stream->endpoint),
               curl_easy_strerror(message->data.result));
  else if (etcd_status_outcome(&stream->status, error) == ETCD_DONE)
    reason_set(error, REASON_SERVICE_UNAVAILABLE, "etcd ended the watch");
  return true;
}

/* Runs until the stream ends, for whatever reason. True when it had brought something. */
static bool stream_run(EtcdWatch *watch, GError **error)
{
  Stream stream = { .watch = watch };
  stream_open(&stream);
  int running;
  while (!is_unwanted(watch)) {
    curl_multi_perform(watch->multi, &running);
    if (!stream_read(&stream, error) || stream_ended(&stream, error))
      break;
    curl_multi_poll(watch->multi, NULL, 0, POLL_MS, NULL);
  }
  etcd_transport_leave(store_of(watch)->transport, stream.endpoint);
  stream_close(&stream);
  return stream.brought;
}

/* Waits a growing while for the next attempt; false when the watch is to stop. */
static bool pause_or_stop(EtcdWatch *watch, unsigned failures)
{
  EtcdStore *store = store_of(watch);
  int64_t pause = failures < 2 ? 0 : MIN((int64_t)PAUSE_FIRST_US << MIN(failures, 10u), PAUSE_MAX_US);
  int64_t until = g_get_monotonic_time() + pause;
  g_autoptr(GMutexLocker) held = g_mutex_locker_new(&store->lock);
  watch->again = false;
  while (!watch->stop && g_get_monotonic_time() < until)
    g_cond_wait_until(&store->changed, &store->lock, until);
  return !watch->stop;
}

static void *watch_main(void *data)
{
  EtcdWatch *watch = data;
  unsigned failures = 0;
  do {
    g_autoptr(GError) error = NULL;
    bool good = false;
    if (watch->expired) {
      good = etcd_watch_resync(watch, &error);
      if (good)
        reach(watch, watch->delivered);
      watch->expired = !good;
    } else {
      good = stream_run(watch, &error);
    }
    failures = good ? 0 : failures + 1;
    if (error && failures < 2) /* told once, not with every attempt while etcd is away */
      g_message("the watch of the store goes on after: %s", error->message);
  } while (pause_or_stop(watch, failures));
  return NULL;
}

/* --- calls ---------------------------------------------------------------------------------------------------------
 */

/* The slowest watch has come to; the newest revision when there is none. Called with the lock held. */
static int64_t slowest(const EtcdStore *store)
{
  int64_t applied = G_MAXINT64;
  for (guint i = 0; i < store->watches->len; i++)
    applied = MIN(applied, ((const EtcdWatch *)store->watches->pdata[i])->applied);
  return applied;
}

/* Called with the lock held. */
static void begin_anew(EtcdStore *store, int64_t revision)
{
  for (guint i = 0; i < store->watches->len; i++) {
    EtcdWatch *watch = store->watches->pdata[i];
    if (watch->applied >= revision)
      continue;
    watch->again = true;
    curl_multi_wakeup(watch->multi);
  }
}

bool etcd_wait_delivered(EtcdStore *store, int64_t revision, int64_t until_us, GError **error)
{
  const int64_t patience = ETCD_STALL_SECONDS * G_USEC_PER_SEC;
  g_autoptr(GMutexLocker) held = g_mutex_locker_new(&store->lock);
  int64_t last = slowest(store), stalled = g_get_monotonic_time() + patience;
  while (slowest(store) < revision) {
    int64_t now = g_get_monotonic_time(), reached = slowest(store);
    if (reached > last) {
      last = reached;
      stalled = now + patience;
    }
    if (now >= until_us || store->closing)
      return reason_set(error, REASON_TIMEOUT,
                        "etcdserver: request timed out: its watch is at %" G_GINT64_FORMAT
                        ", not yet at %" G_GINT64_FORMAT,
                        reached, revision);
    if (now >= stalled) {
      begin_anew(store, revision);
      stalled = now + patience;
    }
    g_cond_wait_until(&store->changed, &store->lock, MIN(until_us, stalled));
  }
  return true;
}

/* What was there at FROM, to compare with after a gap. */
static bool load_index(EtcdWatch *watch, int64_t from, GError **error)
{
  g_autoptr(GError) problem = NULL;
  g_autoptr(GPtrArray) entries =
      etcd_list_all(store_of(watch), watch->base.prefix, MAX(from, 1), true, &watch->delivered, &problem);
  if (!entries && reason_is(problem, REASON_EXPIRED))
    return store_fail_compacted_watch(from, store_of(watch)->revision, error);
  if (!entries) {
    g_propagate_error(error, g_steal_pointer(&problem));
    return false;
  }
  for (guint i = 0; i < entries->len; i++) {
    const StoreEntry *entry = entries->pdata[i];
    EtcdVersion *version = g_new(EtcdVersion, 1);
    *version = (EtcdVersion){ entry->create_revision, entry->mod_revision };
    g_hash_table_insert(watch->index, g_strdup(entry->key), version);
  }
  watch->applied = watch->delivered;
  return true;
}

static void watch_free(EtcdWatch *watch)
{
  curl_multi_cleanup(watch->multi);
  g_hash_table_unref(watch->index);
  g_byte_array_unref(watch->buffer);
  g_free(watch->base.prefix);
  g_free(watch);
}

StoreWatch *etcd_watch(Store *base, const char *prefix, int64_t from, StoreHandler handler, void *data, GError **error)
{
  EtcdStore *store = etcd_store(base);
  EtcdWatch *watch = g_new0(EtcdWatch, 1);
  watch->base = (StoreWatch){ base, g_strdup(prefix), handler, data };
  watch->multi = curl_multi_init();
  watch->index = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
  watch->buffer = g_byte_array_new();
  if (!load_index(watch, from, error)) {
    watch_free(watch);
    return NULL;
  }
  g_mutex_lock(&store->lock);
  g_ptr_array_add(store->watches, watch);
  g_mutex_unlock(&store->lock);
  watch->thread = g_thread_new("etcd-watch", watch_main, watch);
  if (store_sync(base, error)) /* what happened until now is delivered */
    return &watch->base;
  etcd_unwatch(&watch->base);
  return NULL;
}

void etcd_unwatch(StoreWatch *base)
{
  EtcdWatch *watch = (EtcdWatch *)(void *)base;
  EtcdStore *store = store_of(watch);
  g_mutex_lock(&store->lock);
  watch->stop = true;
  g_ptr_array_remove_fast(store->watches, watch);
  g_cond_broadcast(&store->changed);
  g_mutex_unlock(&store->lock);
  curl_multi_wakeup(watch->multi);
  g_thread_join(watch->thread);
  watch_free(watch);
}
