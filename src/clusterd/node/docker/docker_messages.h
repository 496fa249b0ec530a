#pragma once
/* Takes dockerd's streams of JSON values apart: one after the other, in pieces of any size. */
#include <glib.h>
#include <jansson.h>
#include <stdbool.h>

#define DOCKER_MESSAGE_MAX (4u << 20) /* bytes of one value */

typedef bool (*DockerMessageHandler)(const json_t *message, void *data);
typedef struct DockerMessages DockerMessages;

/* HANDLER is called with each value on the thread of docker_messages_take(); false ends the stream. */
DockerMessages *docker_messages_new(DockerMessageHandler handler, void *data);
void docker_messages_free(DockerMessages *messages);

/* Takes LENGTH more bytes. False when the handler wants no more, or what came is not JSON or too long. */
bool docker_messages_take(DockerMessages *messages, const char *bytes, gsize length);
