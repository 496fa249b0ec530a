#include "clusterd/dns/stream.h"

#include <event2/buffer.h>
#include <event2/bufferevent.h>

#define OUTPUT_MAX (1u << 20) /* bytes a client may leave unread */

struct StreamSet {
  struct event_base *base;
  StreamMessage handler;
  void *data;
  uint64_t last;
  struct timeval idle;
  GHashTable *streams; /* number → Stream */
  GQueue use;          /* Stream*, the one heard of last first */
};

typedef struct Stream {
  StreamSet *set;
  uint64_t number;
  struct bufferevent *connection;
  GList link; /* in the queue of use */
} Stream;

static void stream_free(Stream *stream)
{
  g_queue_unlink(&stream->set->use, &stream->link);
  bufferevent_free(stream->connection);
  g_free(stream);
}

StreamSet *stream_set_new(struct event_base *base, unsigned idle_ms, StreamMessage handler, void *data)
{
  StreamSet *set = g_new0(StreamSet, 1);
  *set = (StreamSet){ .base = base, .handler = handler, .data = data };
  set->idle = (struct timeval){ idle_ms / 1000, (suseconds_t)(idle_ms % 1000) * 1000 };
  set->streams = g_hash_table_new_full(g_int64_hash, g_int64_equal, NULL, (GDestroyNotify)stream_free);
  return set;
}

void stream_set_free(StreamSet *set)
{
  g_hash_table_unref(set->streams);
  g_free(set);
}

static void on_read(struct bufferevent *connection, void *data)
{
  Stream *stream = data;
  struct evbuffer *input = bufferevent_get_input(connection);
  uint8_t head[2];
  g_queue_unlink(&stream->set->use, &stream->link);
  g_queue_push_head_link(&stream->set->use, &stream->link);
  while (evbuffer_copyout(input, head, sizeof head) == sizeof head) {
    size_t length = (size_t)(head[0] << 8 | head[1]);
    if (evbuffer_get_length(input) < length + sizeof head)
      return;
    evbuffer_drain(input, sizeof head);
    g_autofree uint8_t *message = g_malloc(MAX(length, 1));
    evbuffer_remove(input, message, length);
    stream->set->handler(stream->number, message, length, stream->set->data);
  }
}

static void on_event(struct bufferevent *connection, short what, void *data)
{
  Stream *stream = data;
  if (what & (BEV_EVENT_EOF | BEV_EVENT_ERROR | BEV_EVENT_TIMEOUT))
    g_hash_table_remove(stream->set->streams, &stream->number);
}

void stream_set_add(StreamSet *set, int fd)
{
  if (set->use.length >= STREAMS_MAX) {
    const Stream *last = set->use.tail->data;
    g_hash_table_remove(set->streams, &last->number);
  }
  Stream *stream = g_new0(Stream, 1);
  stream->set = set;
  stream->number = ++set->last;
  /* Deferred, so that no callback frees a stream while a handler of ours is still using it. */
  stream->connection = bufferevent_socket_new(set->base, fd, BEV_OPT_CLOSE_ON_FREE | BEV_OPT_DEFER_CALLBACKS);
  bufferevent_setcb(stream->connection, on_read, NULL, on_event, stream);
  bufferevent_set_timeouts(stream->connection, &set->idle, &set->idle);
  bufferevent_enable(stream->connection, EV_READ | EV_WRITE);
  g_hash_table_insert(set->streams, &stream->number, stream);
  stream->link.data = stream;
  g_queue_push_head_link(&set->use, &stream->link);
}

void stream_set_send(StreamSet *set, uint64_t number, const uint8_t *message, size_t length)
{
  Stream *stream = g_hash_table_lookup(set->streams, &number);
  if (!stream || evbuffer_get_length(bufferevent_get_output(stream->connection)) > OUTPUT_MAX)
    return;
  uint8_t head[2] = { (uint8_t)(length >> 8), (uint8_t)length };
  bufferevent_write(stream->connection, head, sizeof head);
  bufferevent_write(stream->connection, message, length);
}
