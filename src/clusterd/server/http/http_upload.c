/* A request's body that is read while it comes. The reader sets the pace: what waits for it is bounded. */
#include "clusterd/server/http/http_gate.h"

/* The connection is not read while so much waits. */
#define WAITING_MAX (256u << 10)

struct HttpUpload {
  gatomicrefcount references; /* of the gate, of the reader, of tasks under way */
  HttpLoop *loop;
  HttpGate *gate; /* the loop's; NULL once the gate is done with it */
  gint64 length;
  GMutex lock;
  /* under the lock */
  struct evbuffer *waiting;
  bool whole, broken; /* nothing more comes */
  bool paused;        /* the connection is not read */
  void (*ready)(void *data);
  void *ready_data;
};

HttpUpload *http_upload_new(HttpLoop *loop, HttpGate *gate, gint64 length)
{
  HttpUpload *upload = g_new0(HttpUpload, 1);
  g_atomic_ref_count_init(&upload->references);
  g_mutex_init(&upload->lock);
  upload->loop = loop;
  upload->gate = gate;
  upload->length = length;
  upload->waiting = evbuffer_new();
  return upload;
}

HttpUpload *http_upload_ref(HttpUpload *upload)
{
  g_atomic_ref_count_inc(&upload->references);
  return upload;
}

static void unref(HttpUpload *upload)
{
  if (!g_atomic_ref_count_dec(&upload->references))
    return;
  evbuffer_free(upload->waiting);
  g_mutex_clear(&upload->lock);
  g_free(upload);
}

/* With the lock held, which it gives up: the reader may go on. */
static void unlock_and_tell(HttpUpload *upload)
{
  void (*ready)(void *data) = g_steal_pointer(&upload->ready);
  void *data = upload->ready_data;
  g_mutex_unlock(&upload->lock);
  if (ready)
    ready(data);
}

void http_upload_push(HttpUpload *upload, struct evbuffer *from, gsize length)
{
  g_mutex_lock(&upload->lock);
  evbuffer_remove_buffer(from, upload->waiting, length);
  bool pause = !upload->paused && evbuffer_get_length(upload->waiting) > WAITING_MAX;
  upload->paused = upload->paused || pause;
  unlock_and_tell(upload);
  if (pause)
    http_gate_read(upload->gate, false);
}

void http_upload_end(HttpUpload *upload, bool whole)
{
  upload->gate = NULL;
  g_mutex_lock(&upload->lock);
  upload->whole = whole;
  upload->broken = !whole;
  unlock_and_tell(upload);
  unref(upload);
}

gint64 http_upload_length(const HttpUpload *upload)
{
  return upload->length;
}

static void resume(void *data)
{
  HttpUpload *upload = data;
  if (upload->gate)
    http_gate_read(upload->gate, true);
  unref(upload);
}

gssize http_upload_read(HttpUpload *upload, void *data, gsize size)
{
  g_mutex_lock(&upload->lock);
  gssize length = evbuffer_remove(upload->waiting, data, size);
  bool end = upload->whole, broken = upload->broken;
  bool go_on = upload->paused && evbuffer_get_length(upload->waiting) < WAITING_MAX / 2;
  upload->paused = upload->paused && !go_on;
  g_mutex_unlock(&upload->lock);
  if (go_on)
    http_loop_run(upload->loop, resume, http_upload_ref(upload));
  if (length > 0)
    return length;
  return end ? 0 : broken ? HTTP_UPLOAD_BROKEN : HTTP_UPLOAD_WAIT;
}

void http_upload_when_ready(HttpUpload *upload, void (*ready)(void *data), void *data)
{
  g_mutex_lock(&upload->lock);
  upload->ready = ready;
  upload->ready_data = data;
  if (evbuffer_get_length(upload->waiting) > 0 || upload->whole || upload->broken)
    unlock_and_tell(upload);
  else
    g_mutex_unlock(&upload->lock);
}

static void forget(void *data)
{
  HttpUpload *upload = data;
  if (upload->gate)
    http_gate_forget(upload->gate, upload);
  unref(upload);
}

void http_upload_close(HttpUpload *upload)
{
  if (upload)
    http_loop_run(upload->loop, forget, upload);
}
