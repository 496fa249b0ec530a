/* grpc: the health protocol, one unary call over HTTP/2 without TLS. Source: grpc/doc/PROTOCOL-HTTP2.md,
 * grpc/doc/health-checking.md; upstream's texts are those of pkg/probe/grpc. */
#include "base/json.h"
#include "clusterd/node/grpc.h"
#include "clusterd/node/grpc_health.pb-c.h"
#include "clusterd/node/probe/probe_private.h"

#define SERVICE_MAX 4096 /* bytes of a service's name */
#define REPLY_MAX 4096
#define METHOD "/grpc.health.v1.Health/Check"

/* A HealthCheckRequest for SERVICE. */
static GByteArray *make_request(const char *service)
{
  g_autofree char *name = g_strndup(service, SERVICE_MAX);
  HealthCheckRequest request;
  health_check_request__init(&request);
  request.service = name;
  GByteArray *packed = g_byte_array_new();
  g_byte_array_set_size(packed, (guint)health_check_request__get_packed_size(&request));
  health_check_request__pack(&request, packed->data);
  return packed;
}

/* HealthCheckResponse.status by its name. */
static const char *serving_status(GBytes *reply)
{
  static const char *const names[] = { "UNKNOWN", "SERVING", "NOT_SERVING", "SERVICE_UNKNOWN" };
  gsize length;
  const uint8_t *bytes = g_bytes_get_data(reply, &length);
  HealthCheckResponse *response = health_check_response__unpack(NULL, length, bytes);
  size_t value = response && response->status > 0 ? (size_t)response->status : 0;
  if (response)
    health_check_response__free_unpacked(response, NULL);
  return value < G_N_ELEMENTS(names) ? names[value] : names[0];
}

static char *judge(const GrpcAnswer *answer, const char *address, int64_t timeout_seconds, bool *healthy)
{
  const char *text = answer->text ? answer->text : "";
  if (!answer->connected)
    return g_strdup_printf("timeout: failed to connect service \"%s\" within %" G_GINT64_FORMAT
                           "s: context deadline exceeded",
                           address, timeout_seconds);
  if (answer->status == GRPC_DEADLINE_EXCEEDED)
    return g_strdup_printf("timeout: health rpc did not complete within %" G_GINT64_FORMAT "s", timeout_seconds);
  if (answer->status == GRPC_UNIMPLEMENTED)
    return g_strdup_printf("error: this server does not implement the grpc health protocol (grpc.health.v1.Health): %s",
                           text);
  if (answer->status != GRPC_OK || !answer->reply)
    return g_strdup_printf("error: health rpc probe failed: %s", text);
  const char *serving = serving_status(answer->reply);
  *healthy = g_str_equal(serving, "SERVING");
  return *healthy ? g_strdup("service healthy") : g_strdup_printf("service unhealthy (responded with \"%s\")", serving);
}

bool probe_grpc(const char *host, unsigned port, const char *service, int64_t timeout_seconds, int call_off_fd,
                char **output)
{
  g_autofree char *address = g_strdup_printf("%s:%u", host, port);
  g_autoptr(GByteArray) request = make_request(service);
  g_autoptr(GrpcChannel) channel = grpc_channel_new(NULL, address, PROBE_AGENT, call_off_fd);
  g_auto(GrpcAnswer) answer = { 0 };
  bool healthy = false;
  const GrpcCall call = { .method = METHOD,
                          .request = request->data,
                          .length = request->len,
                          .timeout_ms = timeout_seconds * 1000,
                          .reply_max = REPLY_MAX,
                          .may_be_called_off = true };
  grpc_call(channel, &call, &answer);
  *output = judge(&answer, address, timeout_seconds, &healthy);
  return healthy;
}
