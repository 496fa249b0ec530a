#include "clusterd/node/docker/docker_messages.h"

#include <string.h>

struct DockerMessages {
  DockerMessageHandler handler;
  void *data;
  GString *pending; /* the start of a value */
};

DockerMessages *docker_messages_new(DockerMessageHandler handler, void *data)
{
  DockerMessages *messages = g_new0(DockerMessages, 1);
  *messages = (DockerMessages){ .handler = handler, .data = data, .pending = g_string_new(NULL) };
  return messages;
}

void docker_messages_free(DockerMessages *messages)
{
  if (!messages)
    return;
  g_string_free(messages->pending, TRUE);
  g_free(messages);
}

/* dockerd ends each value with a newline, and writes none inside. */
bool docker_messages_take(DockerMessages *messages, const char *bytes, gsize length)
{
  while (length > 0) {
    const char *newline = memchr(bytes, '\n', length);
    gsize piece = newline ? (gsize)(newline - bytes) : length;
    if (messages->pending->len + piece > DOCKER_MESSAGE_MAX)
      return false;
    g_string_append_len(messages->pending, bytes, (gssize)piece);
    bytes += newline ? piece + 1 : piece;
    length -= newline ? piece + 1 : piece;
    if (!newline)
      break;
    g_strstrip(messages->pending->str);
    gsize text_length = strlen(messages->pending->str);
    json_t *value = text_length > 0 ? json_loadb(messages->pending->str, text_length, 0, NULL) : NULL;
    g_string_truncate(messages->pending, 0);
    bool go_on = text_length == 0 || (value && messages->handler(value, messages->data));
    json_decref(value);
    if (!go_on)
      return false;
  }
  return true;
}
