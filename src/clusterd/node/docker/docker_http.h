#pragma once
/* Requests to dockerd over its socket. Source: Docker Engine API 1.41. */
#include "clusterd/node/docker/docker_runtime.h"

#define DOCKER_REPLY_MAX (64u << 20) /* bytes of one answer */
#define DOCKER_TIMEOUT_S 180         /* of what does not wait for a container or a registry */
#define DOCKER_NO_TIMEOUT 0

/* Sends METHOD and BODY (may be NULL) to PATH, which begins with a slash and is escaped. *REPLY (may be NULL) gets the
 * answer's JSON, a new reference, NULL when it has none. False with REASON_RUNTIME_NOT_FOUND (404), REASON_CONFLICT
 * (409) or REASON_RUNTIME, and what dockerd says. "Not modified" is success. */
bool docker_call(DockerRuntime *docker, const char *method, const char *path, const json_t *body, json_t **reply,
                 GError **error);
/* As docker_call, for at most TIMEOUT_S seconds; DOCKER_NO_TIMEOUT: as long as it takes. */
bool docker_call_for(DockerRuntime *docker, const char *method, const char *path, const json_t *body, long timeout_s,
                     json_t **reply, GError **error);
/* GET of PATH, printf-like; its JSON, a new reference. */
json_t *docker_get(DockerRuntime *docker, GError **error, const char *format, ...) G_GNUC_PRINTF(3, 4);

/* One message of a stream. False ends it. */
typedef bool (*DockerMessage)(const json_t *message, void *data);

typedef struct DockerStream {
  const char *method, *path;
  const char *header;       /* one more, "Name: value"; NULL: none */
  const char *content_type; /* of what is sent; NULL: nothing is */
  GBytes *bytes;            /* what is sent, or */
  int fd;                   /* what is read from it, when BYTES is NULL and CONTENT_TYPE is not */
  DockerMessage message;
  void *data;
} DockerStream;

/* Sends a request whose answer is JSON values one after the other, each of which is handed to MESSAGE as it comes.
 * False as docker_call; also with the text of a message {"error": …}. */
bool docker_stream(DockerRuntime *docker, const DockerStream *stream, GError **error);

/* Closes the idle connections. */
void docker_http_clear(DockerRuntime *docker);

/* A connection of its own for a POST to PATH whose answer is a raw stream in both directions; BODY may be NULL. The
 * socket, or -1 as docker_call. Source: Docker Engine API, "Attach to a container", hijacking. */
int docker_hijack(DockerRuntime *docker, const char *path, const json_t *body, GError **error);

/* Sets a new easy handle up for dockerd's socket. NULL with REASON_INTERNAL. */
CURL *docker_curl_new(const DockerRuntime *docker, GError **error);

/* ERROR from STATUS and what dockerd wrote. Returns false. */
bool docker_http_error(GError **error, long status, const char *text, gsize length);
