/* grpc: the health protocol, one unary call over HTTP/2 without TLS. Source: grpc/doc/PROTOCOL-HTTP2.md,
 * grpc/doc/health-checking.md; upstream's texts are those of pkg/probe/grpc. */
#include <curl/curl.h>
#include <string.h>

#include "base/json.h"
#include "clusterd/node/probe_private.h"

#define SERVICE_MAX 4096 /* bytes of a service's name */
#define REPLY_MAX 4096
#define FRAME_HEADER 5 /* compressed or not, length (big-endian) */
#define STATUS_UNIMPLEMENTED 12
#define STATUS_DEADLINE_EXCEEDED 4
#define STATUS_UNKNOWN 2
#define FIELD_STRING 0x0a /* field 1, length-delimited */
#define FIELD_ENUM 0x08   /* field 1, varint */

typedef struct Reply {
  GByteArray *body;
  int status; /* grpc-status; -1: none came */
  char *message;
} Reply;

static size_t keep_body(char *data, size_t size, size_t n, void *out)
{
  Reply *reply = out;
  if (reply->body->len < REPLY_MAX)
    g_byte_array_append(reply->body, (const guint8 *)data, (guint)(size * n));
  return size * n;
}

/* Headers, and the trailers, where the result is. */
static size_t keep_header(char *data, size_t size, size_t n, void *out)
{
  Reply *reply = out;
  g_autofree char *line = g_strndup(data, size * n);
  if (g_ascii_strncasecmp(line, "grpc-status:", 12) == 0) {
    reply->status = (int)g_ascii_strtoll(line + 12, NULL, 10);
  } else if (g_ascii_strncasecmp(line, "grpc-message:", 13) == 0) {
    g_free(reply->message);
    reply->message = g_uri_unescape_string(g_strstrip(line + 13), NULL);
  }
  return size * n;
}

/* A HealthCheckRequest for SERVICE in its frame. */
static GByteArray *make_request(const char *service)
{
  gsize length = MIN(strlen(service), SERVICE_MAX);
  guint8 head[] = { FIELD_STRING, (guint8)(0x80 | (length & 0x7f)), (guint8)(length >> 7) };
  gsize total = length > 0 ? sizeof head + length : 0;
  guint8 frame[FRAME_HEADER] = { 0, 0, 0, (guint8)(total >> 8), (guint8)total };
  GByteArray *request = g_byte_array_new();
  g_byte_array_append(request, frame, sizeof frame);
  if (length > 0) {
    g_byte_array_append(request, head, sizeof head);
    g_byte_array_append(request, (const guint8 *)service, (guint)length);
  }
  return request;
}

/* HealthCheckResponse.status; UNKNOWN when it is not there, as protobuf leaves out what is 0. */
static const char *serving_status(const GByteArray *body)
{
  static const char *const names[] = { "UNKNOWN", "SERVING", "NOT_SERVING", "SERVICE_UNKNOWN" };
  gsize value = 0;
  if (body->len >= FRAME_HEADER + 2 && body->data[0] == 0 && body->data[FRAME_HEADER] == FIELD_ENUM)
    value = body->data[FRAME_HEADER + 1];
  return value < G_N_ELEMENTS(names) ? names[value] : names[0];
}

static char *judge(const Reply *reply, CURLcode code, bool connected, const char *address, int64_t timeout_seconds,
                   bool *healthy)
{
  int status = reply->status < 0 ? STATUS_UNKNOWN : reply->status;
  if (code != CURLE_OK && !connected)
    return g_strdup_printf("timeout: failed to connect service \"%s\" within %" G_GINT64_FORMAT
                           "s: context deadline exceeded",
                           address, timeout_seconds);
  if (code == CURLE_OPERATION_TIMEDOUT || status == STATUS_DEADLINE_EXCEEDED)
    return g_strdup_printf("timeout: health rpc did not complete within %" G_GINT64_FORMAT "s", timeout_seconds);
  if (status == STATUS_UNIMPLEMENTED)
    return g_strdup_printf("error: this server does not implement the grpc health protocol (grpc.health.v1.Health): %s",
                           reply->message ? reply->message : "");
  if (code != CURLE_OK || status != 0)
    return g_strdup_printf("error: health rpc probe failed: %s",
                           reply->message ? reply->message : curl_easy_strerror(code));
  const char *serving = serving_status(reply->body);
  *healthy = g_str_equal(serving, "SERVING");
  return *healthy ? g_strdup("service healthy") : g_strdup_printf("service unhealthy (responded with \"%s\")", serving);
}

bool probe_grpc(const char *host, unsigned port, const char *service, int64_t timeout_seconds, int call_off_fd,
                char **output)
{
  g_autofree char *address = g_strdup_printf("%s:%u", host, port);
  g_autofree char *url = g_strdup_printf("http://%s/grpc.health.v1.Health/Check", address);
  g_autoptr(GByteArray) request = make_request(service);
  Reply reply = { .body = g_byte_array_new(), .status = -1 };
  bool healthy = false;
  CURL *curl = curl_easy_init();
  struct curl_slist *headers = curl_slist_append(NULL, "Content-Type: application/grpc");
  headers = curl_slist_append(headers, "TE: trailers");
  headers = curl_slist_append(headers, "User-Agent: " PROBE_AGENT);
  curl_easy_setopt(curl, CURLOPT_URL, url);
  curl_easy_setopt(curl, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_2_PRIOR_KNOWLEDGE);
  curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
  curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE, (long)request->len);
  curl_easy_setopt(curl, CURLOPT_POSTFIELDS, (const char *)request->data);
  curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, (long)(timeout_seconds * 1000));
  curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(curl, CURLOPT_PROXY, "");
  curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, keep_body);
  curl_easy_setopt(curl, CURLOPT_WRITEDATA, &reply);
  curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, keep_header);
  curl_easy_setopt(curl, CURLOPT_HEADERDATA, &reply);
  CURLcode code = probe_transfer(curl, call_off_fd);
  curl_off_t connect_us = 0;
  curl_easy_getinfo(curl, CURLINFO_CONNECT_TIME_T, &connect_us);
  *output = judge(&reply, code, connect_us > 0, address, timeout_seconds, &healthy);
  curl_slist_free_all(headers);
  curl_easy_cleanup(curl);
  g_byte_array_unref(reply.body);
  g_free(reply.message);
  return healthy;
}
