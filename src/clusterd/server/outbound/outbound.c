#include "clusterd/server/outbound/outbound.h"

#include <string.h>

#include "clusterd/server/outbound/outbound_transfer.h"

/* libcurl has no "for ever" */
#define FOREVER_MS (24 * 3600 * 1000)

typedef struct Task {
  void (*function)(void *data);
  void *data;
} Task;

struct Outbound {
  GMutex lock;
  GThread *thread; /* under the lock; NULL until the first task */
  bool closed;     /* under the lock */
  bool stopping;   /* under the lock: the thread ends when there is nothing left to do */
  CURLM *multi;
  GAsyncQueue *tasks;  /* Task* */
  GHashTable *running; /* OutboundTransfer*, the thread's */
};

Outbound *outbound_new(void)
{
  static gsize once;
  if (g_once_init_enter(&once)) {
    curl_global_init(CURL_GLOBAL_DEFAULT);
    g_once_init_leave(&once, 1);
  }
  Outbound *outbound = g_new0(Outbound, 1);
  g_mutex_init(&outbound->lock);
  outbound->tasks = g_async_queue_new();
  outbound->running = g_hash_table_new(g_direct_hash, g_direct_equal);
  return outbound;
}

/* --- the thread ----------------------------------------------------------------------------------------------------
 */

static void finish(Outbound *outbound, OutboundTransfer *transfer, CURLcode code)
{
  g_autofree char *text = code == CURLE_OK ? NULL : outbound_failure(transfer, code);
  curl_easy_getinfo(transfer->easy, CURLINFO_RESPONSE_CODE, &transfer->status);
  g_hash_table_remove(outbound->running, transfer);
  curl_multi_remove_handle(outbound->multi, transfer->easy);
  outbound_transfer_clear(transfer);
  transfer->done(transfer, code, text);
}

void outbound_cancel(Outbound *outbound, OutboundTransfer *transfer)
{
  if (g_hash_table_contains(outbound->running, transfer))
    finish(outbound, transfer, CURLE_ABORTED_BY_CALLBACK);
}

static void finish_ended(Outbound *outbound)
{
  CURLMsg *message;
  int left;
  while ((message = curl_multi_info_read(outbound->multi, &left))) {
    OutboundTransfer *transfer = NULL;
    if (message->msg == CURLMSG_DONE &&
        curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &transfer) == CURLE_OK && transfer)
      finish(outbound, transfer, message->data.result);
  }
}

static bool is_stopping(Outbound *outbound)
{
  g_autoptr(GMutexLocker) held = g_mutex_locker_new(&outbound->lock);
  return outbound->stopping;
}

static void *outbound_main(void *data)
{
  Outbound *outbound = data;
  do {
    int running;
    Task *task;
    while ((task = g_async_queue_try_pop(outbound->tasks))) {
      task->function(task->data);
      g_free(task);
    }
    curl_multi_perform(outbound->multi, &running);
    finish_ended(outbound);
    if (g_async_queue_length(outbound->tasks) <= 0 && !is_stopping(outbound))
      curl_multi_poll(outbound->multi, NULL, 0, FOREVER_MS, NULL);
  } while (!is_stopping(outbound) || g_async_queue_length(outbound->tasks) > 0);
  return NULL;
}

/* With the lock held. */
static void start_thread(Outbound *outbound)
{
  if (outbound->thread)
    return;
  outbound->multi = curl_multi_init();
  curl_multi_setopt(outbound->multi, CURLMOPT_MAXCONNECTS, (long)OUTBOUND_IDLE_CONNECTIONS_MAX);
  outbound->thread = g_thread_new("outbound", outbound_main, outbound);
}

void outbound_run(Outbound *outbound, void (*function)(void *data), void *data)
{
  Task *task = g_new(Task, 1);
  *task = (Task){ function, data };
  g_mutex_lock(&outbound->lock);
  start_thread(outbound);
  g_async_queue_push(outbound->tasks, task);
  curl_multi_wakeup(outbound->multi);
  g_mutex_unlock(&outbound->lock);
}

/* --- transfers -----------------------------------------------------------------------------------------------------
 */

typedef struct Start {
  Outbound *outbound;
  OutboundTransfer *transfer;
} Start;

static bool is_closed(Outbound *outbound)
{
  g_autoptr(GMutexLocker) held = g_mutex_locker_new(&outbound->lock);
  return outbound->closed;
}

static void start_transfer(void *data)
{
  g_autofree Start *start = data;
  Outbound *outbound = start->outbound;
  g_hash_table_add(outbound->running, start->transfer);
  if (is_closed(outbound) || curl_multi_add_handle(outbound->multi, start->transfer->easy) != CURLM_OK)
    finish(outbound, start->transfer, CURLE_ABORTED_BY_CALLBACK);
}

bool outbound_start(Outbound *outbound, OutboundTransfer *transfer)
{
  if (is_closed(outbound))
    return false;
  Start *start = g_new(Start, 1);
  *start = (Start){ outbound, transfer };
  outbound_run(outbound, start_transfer, start);
  return true;
}

static void close_all(void *data)
{
  Outbound *outbound = data;
  g_autoptr(GList) transfers = g_hash_table_get_keys(outbound->running);
  for (GList *item = transfers; item; item = item->next)
    outbound_cancel(outbound, item->data);
}

void outbound_close(Outbound *outbound)
{
  g_mutex_lock(&outbound->lock);
  bool started = outbound->thread != NULL;
  outbound->closed = true;
  g_mutex_unlock(&outbound->lock);
  if (started)
    outbound_run(outbound, close_all, outbound);
}

void outbound_free(Outbound *outbound)
{
  if (!outbound)
    return;
  outbound_close(outbound);
  g_mutex_lock(&outbound->lock);
  outbound->stopping = true;
  if (outbound->thread)
    curl_multi_wakeup(outbound->multi);
  g_mutex_unlock(&outbound->lock);
  if (outbound->thread)
    g_thread_join(outbound->thread);
  curl_multi_cleanup(outbound->multi);
  g_hash_table_unref(outbound->running);
  g_async_queue_unref(outbound->tasks);
  g_mutex_clear(&outbound->lock);
  g_free(outbound);
}

/* --- options -------------------------------------------------------------------------------------------------------
 */

static void set_blob(CURL *easy, CURLoption option, const char *pem)
{
  struct curl_blob blob = { (void *)(uintptr_t)pem, strlen(pem), CURL_BLOB_COPY };
  curl_easy_setopt(easy, option, &blob);
}

/* HOST:PORT of URL; the caller frees. */
static char *address_of(const char *url)
{
  g_autoptr(GUri) uri = g_uri_parse(url, G_URI_FLAGS_ENCODED, NULL);
  if (!uri || !g_uri_get_host(uri))
    return g_strdup("");
  int port = g_uri_get_port(uri);
  if (port < 0)
    port = g_str_equal(g_uri_get_scheme(uri), "https") ? 443 : 80;
  const char *host = g_uri_get_host(uri);
  return strchr(host, ':') ? g_strdup_printf("[%s]:%d", host, port) : g_strdup_printf("%s:%d", host, port);
}

static void set_tls(CURL *easy, const OutboundTarget *target)
{
  curl_easy_setopt(easy, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
  if (target->insecure) {
    curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, 0L);
    curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, 0L);
  }
  if (target->ca_pem) {
    /* not in addition to the machine's roots but in their place */
    curl_easy_setopt(easy, CURLOPT_CAINFO, NULL);
    curl_easy_setopt(easy, CURLOPT_CAPATH, NULL);
    set_blob(easy, CURLOPT_CAINFO_BLOB, target->ca_pem);
  }
  if (target->client_cert && target->client_key) {
    set_blob(easy, CURLOPT_SSLCERT_BLOB, target->client_cert);
    set_blob(easy, CURLOPT_SSLKEY_BLOB, target->client_key);
  }
}

CURL *outbound_easy_new(OutboundTransfer *transfer, const OutboundTarget *target)
{
  CURL *easy = transfer->easy = curl_easy_init();
  if (!easy)
    return NULL;
  transfer->address = target->connect_to ? g_strdup(target->connect_to) : address_of(target->url);
  curl_easy_setopt(easy, CURLOPT_PRIVATE, transfer);
  curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, transfer->error);
  curl_easy_setopt(easy, CURLOPT_URL, target->url);
  curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
  curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
  curl_easy_setopt(easy, CURLOPT_PATH_AS_IS, 1L);
  curl_easy_setopt(easy, CURLOPT_PROXY, "");
  curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(easy, CURLOPT_TCP_KEEPALIVE, 1L);
  curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT, (long)OUTBOUND_CONNECT_TIMEOUT);
  if (target->connect_to) {
    g_autofree char *rule = g_strdup_printf("::%s", target->connect_to);
    transfer->connect_to = curl_slist_append(NULL, rule);
    curl_easy_setopt(easy, CURLOPT_CONNECT_TO, transfer->connect_to);
  }
  set_tls(easy, target);
  return easy;
}

void outbound_transfer_clear(OutboundTransfer *transfer)
{
  g_clear_pointer(&transfer->easy, curl_easy_cleanup);
  g_clear_pointer(&transfer->connect_to, curl_slist_free_all);
  g_clear_pointer(&transfer->address, g_free);
}
