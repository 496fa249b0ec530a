#include "clusterd/node/docker/docker_http.h"

#include <stdarg.h>
#include <string.h>
#include <unistd.h>

#include "base/json.h"
#include "base/reason.h"
#include "clusterd/node/docker/docker_messages.h"

#define IDLE_MAX 8 /* connections that are kept */
#define BASE "http://docker"

typedef struct curl_slist Headers;
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Headers, curl_slist_free_all)

CURL *docker_curl_new(const DockerRuntime *docker, GError **error)
{
  CURL *curl = curl_easy_init();
  if (!curl) {
    reason_set(error, REASON_INTERNAL, "curl cannot be set up");
    return NULL;
  }
  curl_easy_setopt(curl, CURLOPT_UNIX_SOCKET_PATH, docker->socket_path);
  curl_easy_setopt(curl, CURLOPT_NOPROXY, "*");
  curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
  return curl;
}

static CURL *take_curl(DockerRuntime *docker, GError **error)
{
  g_mutex_lock(&docker->http_lock);
  CURL *curl = g_queue_pop_head(&docker->idle);
  g_mutex_unlock(&docker->http_lock);
  if (!curl)
    return docker_curl_new(docker, error);
  curl_easy_reset(curl);
  curl_easy_setopt(curl, CURLOPT_UNIX_SOCKET_PATH, docker->socket_path);
  curl_easy_setopt(curl, CURLOPT_NOPROXY, "*");
  curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
  return curl;
}

static void give_curl(DockerRuntime *docker, CURL *curl)
{
  g_mutex_lock(&docker->http_lock);
  bool kept = docker->idle.length < IDLE_MAX;
  if (kept)
    g_queue_push_head(&docker->idle, curl);
  g_mutex_unlock(&docker->http_lock);
  if (!kept)
    curl_easy_cleanup(curl);
}

void docker_http_clear(DockerRuntime *docker)
{
  CURL *curl;
  while ((curl = g_queue_pop_head(&docker->idle)))
    curl_easy_cleanup(curl);
}

bool docker_http_error(GError **error, long status, const char *text, gsize length)
{
  g_autoptr(json_t) value = length > 0 ? json_loadb(text, length, JSON_DISABLE_EOF_CHECK, NULL) : NULL;
  g_autofree char *plain = g_strndup(text ? text : "", MIN(length, 1024));
  const char *message = json_str(value, "message", g_strstrip(plain));
  Reason reason = status == 404 ? REASON_RUNTIME_NOT_FOUND : status == 409 ? REASON_CONFLICT : REASON_RUNTIME;
  return *message ? reason_set(error, reason, "%s", message)
                  : reason_set(error, reason, "dockerd answers with status %ld", status);
}

static size_t collect(char *bytes, size_t size, size_t count, void *data)
{
  GByteArray *body = data;
  if (body->len + size * count > DOCKER_REPLY_MAX)
    return 0;
  g_byte_array_append(body, (const guint8 *)bytes, (guint)(size * count));
  return size * count;
}

static bool perform(const DockerRuntime *docker, CURL *curl, long *status, GError **error)
{
  char detail[CURL_ERROR_SIZE] = "";
  curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, detail);
  CURLcode code = curl_easy_perform(curl);
  curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, NULL);
  curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, status);
  return code == CURLE_OK || reason_set(error, REASON_RUNTIME, "dockerd at %s: %s", docker->socket_path,
                                        *detail ? detail : curl_easy_strerror(code));
}

/* A pull may take long: it is called off when the runtime goes. */
static CURLcode run_transfer(DockerRuntime *docker, CURLM *multi, CURL *curl)
{
  int running = 1, left;
  curl_multi_add_handle(multi, curl);
  while (running && docker_goes_on(docker, NULL)) {
    if (curl_multi_perform(multi, &running) != CURLM_OK)
      break;
    if (running)
      curl_multi_poll(multi, NULL, 0, G_MAXINT, NULL);
  }
  const CURLMsg *end = curl_multi_info_read(multi, &left);
  CURLcode code = end ? end->data.result : CURLE_ABORTED_BY_CALLBACK;
  curl_multi_remove_handle(multi, curl);
  return code;
}

static bool perform_interruptibly(DockerRuntime *docker, CURL *curl, long *status, GError **error)
{
  CURLM *multi = curl_multi_init();
  g_mutex_lock(&docker->lock);
  g_hash_table_add(docker->transfers, multi);
  g_mutex_unlock(&docker->lock);
  CURLcode code = run_transfer(docker, multi, curl);
  g_mutex_lock(&docker->lock);
  g_hash_table_remove(docker->transfers, multi);
  g_mutex_unlock(&docker->lock);
  curl_multi_cleanup(multi);
  curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, status);
  return docker_goes_on(docker, error) &&
         (code == CURLE_OK ||
          reason_set(error, REASON_RUNTIME, "dockerd at %s: %s", docker->socket_path, curl_easy_strerror(code)));
}

static void set_target(CURL *curl, const char *method, const char *path)
{
  g_autofree char *url = g_strconcat(BASE, path, NULL);
  curl_easy_setopt(curl, CURLOPT_URL, url);
  curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, method);
}

bool docker_call_for(DockerRuntime *docker, const char *method, const char *path, const json_t *body, long timeout_s,
                     json_t **reply, GError **error)
{
  CURL *curl = take_curl(docker, error);
  long status = 0;
  if (!curl)
    return false;
  g_autofree char *text = body ? json_text(body) : NULL;
  g_autoptr(GByteArray) answer = g_byte_array_new();
  g_autoptr(Headers) headers = curl_slist_append(NULL, "Content-Type: application/json");
  set_target(curl, method, path);
  curl_easy_setopt(curl, CURLOPT_TIMEOUT, timeout_s);
  curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
  if (text)
    curl_easy_setopt(curl, CURLOPT_POSTFIELDS, text);
  else if (g_str_equal(method, "POST"))
    curl_easy_setopt(curl, CURLOPT_POSTFIELDS, "");
  curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, collect);
  curl_easy_setopt(curl, CURLOPT_WRITEDATA, answer);
  bool good = perform(docker, curl, &status, error);
  give_curl(docker, curl);
  if (!good)
    return false;
  if (status >= 400)
    return docker_http_error(error, status, (const char *)answer->data, answer->len);
  if (reply)
    *reply = answer->len > 0 ? json_parse((const char *)answer->data, answer->len, false, NULL) : NULL;
  return true;
}

bool docker_call(DockerRuntime *docker, const char *method, const char *path, const json_t *body, json_t **reply,
                 GError **error)
{
  return docker_call_for(docker, method, path, body, DOCKER_TIMEOUT_S, reply, error);
}

json_t *docker_get(DockerRuntime *docker, GError **error, const char *format, ...)
{
  va_list arguments;
  json_t *reply = NULL;
  va_start(arguments, format);
  g_autofree char *path = g_strdup_vprintf(format, arguments);
  va_end(arguments);
  if (docker_call(docker, "GET", path, NULL, &reply, error) && !reply)
    reason_set(error, REASON_RUNTIME, "dockerd answers %s with something that is not JSON", path);
  return reply;
}

/* --- streams -------------------------------------------------------------------------------------------------------
 */

typedef struct Transfer {
  CURL *curl;
  const DockerStream *stream;
  DockerMessages *messages;
  GByteArray *complaint; /* the body of an answer that is an error */
  char *failure;         /* the text of a message that tells of one */
} Transfer;

static size_t send_some(char *bytes, size_t size, size_t count, void *data)
{
  const Transfer *transfer = data;
  ssize_t got = read(transfer->stream->fd, bytes, size * count);
  return got < 0 ? CURL_READFUNC_ABORT : (size_t)got;
}

static bool take_message(const json_t *message, void *data)
{
  Transfer *transfer = data;
  const char *failure = json_str(message, "error", NULL);
  if (failure && !transfer->failure)
    transfer->failure = g_strdup(failure);
  return !failure && (!transfer->stream->message || transfer->stream->message(message, transfer->stream->data));
}

static size_t receive(char *bytes, size_t size, size_t count, void *data)
{
  Transfer *transfer = data;
  long status = 0;
  curl_easy_getinfo(transfer->curl, CURLINFO_RESPONSE_CODE, &status);
  if (status >= 400)
    return collect(bytes, size, count, transfer->complaint);
  return docker_messages_take(transfer->messages, bytes, size * count) ? size * count : 0;
}

static void set_upload(CURL *curl, Transfer *transfer)
{
  const DockerStream *stream = transfer->stream;
  gsize length = 0;
  curl_easy_setopt(curl, CURLOPT_POST, 1L);
  if (stream->bytes || !stream->content_type) {
    const void *bytes = stream->bytes ? g_bytes_get_data(stream->bytes, &length) : "";
    curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)length);
    curl_easy_setopt(curl, CURLOPT_POSTFIELDS, bytes);
    return;
  }
  curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)-1); /* chunked */
  curl_easy_setopt(curl, CURLOPT_READFUNCTION, send_some);
  curl_easy_setopt(curl, CURLOPT_READDATA, transfer);
}

static Headers *stream_headers(const DockerStream *stream)
{
  g_autofree char *type =
      g_strdup_printf("Content-Type: %s", stream->content_type ? stream->content_type : "application/json");
  Headers *headers = curl_slist_append(curl_slist_append(NULL, type), "Expect:");
  if (stream->content_type && !stream->bytes)
    headers = curl_slist_append(headers, "Transfer-Encoding: chunked");
  return stream->header ? curl_slist_append(headers, stream->header) : headers;
}

bool docker_stream(DockerRuntime *docker, const DockerStream *stream, GError **error)
{
  g_autoptr(GError) failure = NULL;
  long status = 0;
  CURL *curl = take_curl(docker, error);
  if (!curl)
    return false;
  Transfer transfer = { .curl = curl, .stream = stream, .complaint = g_byte_array_new() };
  transfer.messages = docker_messages_new(take_message, &transfer);
  g_autoptr(Headers) headers = stream_headers(stream);
  set_upload(curl, &transfer);
  set_target(curl, stream->method, stream->path);
  curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
  curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, receive);
  curl_easy_setopt(curl, CURLOPT_WRITEDATA, &transfer);
  bool good = perform_interruptibly(docker, curl, &status, &failure);
  if (transfer.failure && !reason_is(failure, REASON_INTERRUPTED))
    good = reason_set(error, REASON_RUNTIME, "%s", transfer.failure);
  else if (status >= 400 && !reason_is(failure, REASON_INTERRUPTED))
    good = docker_http_error(error, status, (const char *)transfer.complaint->data, transfer.complaint->len);
  else if (!good)
    g_propagate_error(error, g_steal_pointer(&failure));
  give_curl(docker, curl);
  docker_messages_free(transfer.messages);
  g_byte_array_unref(transfer.complaint);
  g_free(transfer.failure);
  return good;
}
