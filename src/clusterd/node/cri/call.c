#include <poll.h>
#include <string.h>

#include "base/json.h"
#include "base/reason.h"
#include "clusterd/node/cri/cri_runtime.h"

#define RECONNECT_US (10 * G_USEC_PER_SEC)
#define RECONNECT_PAUSE_MS 50

GByteArray *cri_pack(const void *request)
{
  GByteArray *packed = g_byte_array_new();
  g_byte_array_set_size(packed, (guint)protobuf_c_message_get_packed_size(request));
  protobuf_c_message_pack(request, packed->data);
  return packed;
}

/* Calls that last as long as a container or a registry likes: those that interrupt() ends. */
static bool waits(const char *method)
{
  static const char *const methods[] = { "RuntimeService/StopContainer", "RuntimeService/StopPodSandbox",
                                         "ImageService/PullImage", NULL };
  return g_strv_contains(methods, method);
}

/* A daemon that is being started anew is back in a moment. Nothing was sent: it may be asked again. False when it is
 * time to give up. */
static bool wait_for_daemon(CriRuntime *cri, int64_t until)
{
  struct pollfd interrupt = { .fd = cri->interrupt_fd, .events = POLLIN };
  return g_get_monotonic_time() < until && poll(&interrupt, 1, RECONNECT_PAUSE_MS) == 0;
}

static bool call(CriRuntime *cri, const char *method, const void *request, int64_t timeout_ms, GrpcAnswer *answer)
{
  g_autoptr(GByteArray) packed = cri_pack(request);
  g_autofree char *path = g_strconcat("/runtime.v1.", method, NULL);
  const GrpcCall one = { .method = path,
                         .request = packed->data,
                         .length = packed->len,
                         .timeout_ms = timeout_ms,
                         .reply_max = CRI_REPLY_MAX,
                         .may_be_called_off = waits(method) };
  int64_t until = g_get_monotonic_time() + RECONNECT_US;
  grpc_call(cri->channel, &one, answer);
  while (!answer->connected && !answer->called_off && wait_for_daemon(cri, until)) {
    grpc_answer_clear(answer);
    grpc_call(cri->channel, &one, answer);
  }
  return answer->status == GRPC_OK;
}

void *cri_call(CriRuntime *cri, const char *method, const void *request, const ProtobufCMessageDescriptor *reply,
               int64_t timeout_ms, GError **error)
{
  g_auto(GrpcAnswer) answer = { 0 };
  if (!call(cri, method, request, timeout_ms, &answer)) {
    grpc_answer_error(&answer, error);
    return NULL;
  }
  gsize length = 0;
  const void *bytes = answer.reply ? g_bytes_get_data(answer.reply, &length) : NULL;
  void *message = answer.reply ? protobuf_c_message_unpack(reply, NULL, length, bytes) : NULL;
  if (!message)
    reason_set(error, REASON_RUNTIME, "rpc error: code = Internal desc = %s answered with what is no %s", method,
               reply->name);
  return message;
}

bool cri_order(CriRuntime *cri, const char *method, const void *request, int64_t timeout_ms, bool missing_ok,
               GError **error)
{
  g_auto(GrpcAnswer) answer = { 0 };
  return call(cri, method, request, timeout_ms, &answer) || (missing_ok && answer.status == GRPC_NOT_FOUND) ||
         grpc_answer_error(&answer, error);
}

void cri_message_free(void *message)
{
  if (message)
    protobuf_c_message_free_unpacked(message, NULL);
}

void cri_message_clear(void *pointer_to_message)
{
  void *message;
  memcpy(&message, pointer_to_message, sizeof message);
  cri_message_free(message);
}

const char *cri_pair_value(Cri__Pair *const *entries, size_t count, const char *key)
{
  for (size_t i = 0; i < count; i++)
    if (g_str_equal(entries[i]->key, key))
      return entries[i]->value;
  return NULL;
}

json_t *cri_info(Cri__Pair *const *entries, size_t count, const char *key)
{
  const char *text = cri_pair_value(entries, count, key);
  return text ? json_parse(text, strlen(text), false, NULL) : NULL;
}

CriArena *cri_arena_new(void)
{
  return g_ptr_array_new_with_free_func(g_free);
}

void *cri_arena_alloc(CriArena *arena, size_t size)
{
  void *memory = g_malloc0(size);
  g_ptr_array_add(arena, memory);
  return memory;
}

char *cri_arena_take(CriArena *arena, char *text)
{
  g_ptr_array_add(arena, text);
  return text;
}

char *cri_arena_text(CriArena *arena, const char *text)
{
  return cri_arena_take(arena, g_strdup(text ? text : ""));
}

Cri__Pair *cri_arena_pair(CriArena *arena, const char *key, const char *value)
{
  Cri__Pair *pair = cri_arena_alloc(arena, sizeof *pair);
  cri__pair__init(pair);
  pair->key = cri_arena_text(arena, key);
  pair->value = cri_arena_text(arena, value);
  return pair;
}
