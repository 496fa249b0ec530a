#include "clusterd/store/etcd_call.h"

#include <stdatomic.h>
#include <string.h>
#include <sys/socket.h>

#include "base/reason.h"

#define CONNECT_MS 2000
#define ATTEMPT_MS 4000 /* a member that has lost its leader answers later than another has found the new one */
#define PAUSE_FIRST_US (20 * 1000)
#define PAUSE_MAX_US (500 * 1000)
#define FRAME_BYTES 5
#define IDLE_HANDLES_MAX 32

struct EtcdTransport {
  char **endpoints;
  unsigned count;
  char *ca_file, *cert_file, *key_file;
  struct curl_slist *headers;
  _Atomic unsigned current; /* of the endpoints */
  GMutex lock;              /* guards `idle` */
  GPtrArray *idle;          /* CURL*, each with its connection */
};

/* Codes of gRPC. Source: https://grpc.io/docs/guides/status-codes/ */
enum {
  GRPC_OK = 0,
  GRPC_INVALID_ARGUMENT = 3,
  GRPC_NOT_FOUND = 5,
  GRPC_PERMISSION_DENIED = 7,
  GRPC_RESOURCE_EXHAUSTED = 8,
  GRPC_FAILED_PRECONDITION = 9,
  GRPC_OUT_OF_RANGE = 11,
  GRPC_UNIMPLEMENTED = 12,
  GRPC_UNAUTHENTICATED = 16
};

/* --- the transport -------------------------------------------------------------------------------------------------
 */

static bool check_endpoint(const char *url, GError **error)
{
  g_autoptr(GUri) uri = g_uri_parse(url, G_URI_FLAGS_NONE, NULL);
  const char *scheme = uri ? g_uri_get_scheme(uri) : "";
  if (uri && (g_str_equal(scheme, "http") || g_str_equal(scheme, "https")) && g_uri_get_host(uri) &&
      *g_uri_get_host(uri) && !*g_uri_get_path(uri) && !g_uri_get_query(uri) && !g_uri_get_userinfo(uri))
    return true;
  return reason_set(error, REASON_CONFIG, "etcd-servers: \"%s\" must be like https://HOST:2379", url);
}

EtcdTransport *etcd_transport_new(const char *const *endpoints, const char *ca_file, const char *cert_file,
                                  const char *key_file, GError **error)
{
  for (const char *const *endpoint = endpoints; *endpoint; endpoint++)
    if (!check_endpoint(*endpoint, error))
      return NULL;
  if (!*endpoints) {
    reason_set(error, REASON_CONFIG, "etcd-servers: at least one is needed");
    return NULL;
  }
  EtcdTransport *transport = g_new0(EtcdTransport, 1);
  transport->endpoints = g_strdupv((char **)(uintptr_t)endpoints);
  transport->count = g_strv_length(transport->endpoints);
  transport->ca_file = g_strdup(ca_file);
  transport->cert_file = g_strdup(cert_file);
  transport->key_file = g_strdup(key_file);
  transport->idle = g_ptr_array_new_with_free_func(curl_easy_cleanup);
  g_mutex_init(&transport->lock);
  /* a member that knows no leader shall say so at once and not wait for one */
  static const char *const headers[] = { "Content-Type: application/grpc", "TE: trailers", "hasleader: true",
                                         "Expect:" };
  for (gsize i = 0; i < G_N_ELEMENTS(headers); i++)
    transport->headers = curl_slist_append(transport->headers, headers[i]);
  return transport;
}

void etcd_transport_free(EtcdTransport *transport)
{
  if (!transport)
    return;
  g_ptr_array_unref(transport->idle);
  curl_slist_free_all(transport->headers);
  g_mutex_clear(&transport->lock);
  g_strfreev(transport->endpoints);
  g_free(transport->ca_file);
  g_free(transport->cert_file);
  g_free(transport->key_file);
  g_free(transport);
}

const char *etcd_transport_url(const EtcdTransport *transport, unsigned endpoint)
{
  return transport->endpoints[endpoint];
}

void etcd_transport_leave(EtcdTransport *transport, unsigned endpoint)
{
  unsigned next = (endpoint + 1) % transport->count;
  if (atomic_compare_exchange_strong(&transport->current, &endpoint, next) && transport->count > 1)
    g_debug("etcd: on to %s", transport->endpoints[next]);
}

/* --- status --------------------------------------------------------------------------------------------------------
 */

void etcd_status_clear(EtcdStatus *status)
{
  g_clear_pointer(&status->message, g_free);
  status->code = -1;
}

static size_t read_header(char *data, size_t size, size_t count, void *user)
{
  EtcdStatus *status = user;
  g_autofree char *line = g_strndup(data, size * count);
  char *value = strchr(line, ':');
  if (!value)
    return size * count;
  *value++ = '\0';
  g_strstrip(value);
  if (g_ascii_strcasecmp(line, "grpc-status") == 0) {
    guint64 code = 0;
    status->code = g_ascii_string_to_unsigned(value, 10, 0, 1000, &code, NULL) ? (int)code : -1;
  } else if (g_ascii_strcasecmp(line, "grpc-message") == 0) {
    g_free(status->message);
    status->message = g_uri_unescape_string(value, NULL);
  }
  return size * count;
}

EtcdOutcome etcd_status_outcome(const EtcdStatus *status, GError **error)
{
  static const struct {
    int code;
    const char *words; /* in the message; NULL: any */
    Reason reason;
  } refusals[] = {
    { GRPC_OUT_OF_RANGE, "compacted", REASON_EXPIRED },
    { GRPC_OUT_OF_RANGE, "future revision", REASON_TIMEOUT },
    { GRPC_RESOURCE_EXHAUSTED, "space exceeded", REASON_INSUFFICIENT_STORAGE },
    { GRPC_INVALID_ARGUMENT, "too large", REASON_REQUEST_TOO_LARGE },
    { GRPC_INVALID_ARGUMENT, NULL, REASON_INTERNAL },
    { GRPC_NOT_FOUND, NULL, REASON_INTERNAL },
    { GRPC_PERMISSION_DENIED, NULL, REASON_INTERNAL },
    { GRPC_FAILED_PRECONDITION, NULL, REASON_INTERNAL },
    { GRPC_OUT_OF_RANGE, NULL, REASON_INTERNAL },
    { GRPC_UNIMPLEMENTED, NULL, REASON_INTERNAL },
    { GRPC_UNAUTHENTICATED, NULL, REASON_INTERNAL },
  };
  const char *message = status->message ? status->message : "etcd ended the call without a status";
  if (status->code == GRPC_OK)
    return ETCD_DONE;
  for (gsize i = 0; i < G_N_ELEMENTS(refusals); i++)
    if (status->code == refusals[i].code && (!refusals[i].words || strstr(message, refusals[i].words))) {
      reason_set(error, refusals[i].reason, "%s", message);
      return ETCD_REFUSED;
    }
  reason_set(error, REASON_SERVICE_UNAVAILABLE, "%s", message);
  return ETCD_UNKNOWN;
}

/* --- messages ------------------------------------------------------------------------------------------------------
 */

GByteArray *etcd_frame(const ProtobufCMessage *request)
{
  gsize length = protobuf_c_message_get_packed_size(request);
  GByteArray *frame = g_byte_array_sized_new((guint)length + FRAME_BYTES);
  g_byte_array_set_size(frame, (guint)length + FRAME_BYTES);
  guint32 size = GUINT32_TO_BE((guint32)length);
  frame->data[0] = 0; /* not compressed */
  memcpy(frame->data + 1, &size, sizeof size);
  protobuf_c_message_pack(request, frame->data + FRAME_BYTES);
  return frame;
}

int etcd_unframe(GByteArray *buffer, const ProtobufCMessageDescriptor *type, void **response, GError **error)
{
  guint32 size;
  if (buffer->len < FRAME_BYTES)
    return 0;
  memcpy(&size, buffer->data + 1, sizeof size);
  size = GUINT32_FROM_BE(size);
  if (buffer->data[0] != 0 || size > ETCD_MESSAGE_MAX) {
    reason_set(error, REASON_INTERNAL, "etcd sent a message that is compressed or larger than %u bytes",
               ETCD_MESSAGE_MAX);
    return -1;
  }
  if (buffer->len - FRAME_BYTES < size)
    return 0;
  *response = protobuf_c_message_unpack(type, NULL, size, buffer->data + FRAME_BYTES);
  g_byte_array_remove_range(buffer, 0, size + FRAME_BYTES);
  if (*response)
    return 1;
  reason_set(error, REASON_INTERNAL, "etcd sent a message that is no %s", type->name);
  return -1;
}

static size_t take_body(char *data, size_t size, size_t count, void *user)
{
  GByteArray *body = user;
  if (size * count > ETCD_MESSAGE_MAX + FRAME_BYTES - body->len)
    return 0;
  g_byte_array_append(body, (const guint8 *)data, (guint)(size * count));
  return size * count;
}

/* --- calls ---------------------------------------------------------------------------------------------------------
 */

/* libcurl before 8.0 cannot use a connection again when it speaks HTTP/2 in the clear. Then each call has its own,
 * which is reset at its end: a port that waits for stray packets after an orderly end would soon be one of too many. */
static int end_by_reset(void *data, curl_socket_t fd, curlsocktype purpose)
{
  static const struct linger reset = { .l_onoff = 1, .l_linger = 0 };
  return setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset) == 0 ? CURL_SOCKOPT_OK : CURL_SOCKOPT_ERROR;
}

static void set_version(CURL *handle, bool tls)
{
  bool once = !tls && curl_version_info(CURLVERSION_NOW)->version_num < 0x080000;
  curl_easy_setopt(handle, CURLOPT_HTTP_VERSION,
                   (long)(tls ? CURL_HTTP_VERSION_2TLS : CURL_HTTP_VERSION_2_PRIOR_KNOWLEDGE));
  curl_easy_setopt(handle, CURLOPT_FORBID_REUSE, (long)once);
  curl_easy_setopt(handle, CURLOPT_SOCKOPTFUNCTION, once ? end_by_reset : NULL);
}

void etcd_transport_prepare(EtcdTransport *transport, CURL *handle, const char *method, EtcdStatus *status,
                            unsigned *endpoint)
{
  *endpoint = transport->current;
  const char *base = transport->endpoints[*endpoint];
  g_autofree char *url = g_strconcat(base, method, NULL);
  curl_easy_setopt(handle, CURLOPT_URL, url);
  curl_easy_setopt(handle, CURLOPT_PROTOCOLS_STR, "http,https");
  curl_easy_setopt(handle, CURLOPT_NOPROXY, "*");
  curl_easy_setopt(handle, CURLOPT_NOSIGNAL, 1L);
  set_version(handle, g_str_has_prefix(base, "https:"));
  curl_easy_setopt(handle, CURLOPT_POST, 1L);
  curl_easy_setopt(handle, CURLOPT_HTTPHEADER, transport->headers);
  curl_easy_setopt(handle, CURLOPT_HEADERFUNCTION, read_header);
  curl_easy_setopt(handle, CURLOPT_HEADERDATA, status);
  curl_easy_setopt(handle, CURLOPT_CONNECTTIMEOUT_MS, (long)CONNECT_MS);
  curl_easy_setopt(handle, CURLOPT_TCP_KEEPALIVE, 1L);
  curl_easy_setopt(handle, CURLOPT_TCP_KEEPIDLE, 10L);
  curl_easy_setopt(handle, CURLOPT_TCP_KEEPINTVL, 5L);
  curl_easy_setopt(handle, CURLOPT_CAINFO, transport->ca_file);
  curl_easy_setopt(handle, CURLOPT_SSLCERT, transport->cert_file);
  curl_easy_setopt(handle, CURLOPT_SSLKEY, transport->key_file);
  curl_easy_setopt(handle, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
}

static CURL *take_handle(EtcdTransport *transport)
{
  g_autoptr(GMutexLocker) held = g_mutex_locker_new(&transport->lock);
  return transport->idle->len ? g_ptr_array_steal_index_fast(transport->idle, transport->idle->len - 1)
                              : curl_easy_init();
}

static void give_handle(EtcdTransport *transport, CURL *handle)
{
  g_mutex_lock(&transport->lock);
  if (transport->idle->len < IDLE_HANDLES_MAX)
    g_ptr_array_add(transport->idle, g_steal_pointer(&handle));
  g_mutex_unlock(&transport->lock);
  if (handle)
    curl_easy_cleanup(handle);
}

static EtcdOutcome explain_curl(CURLcode code, const char *url, GError **error)
{
  static const CURLcode unsent[] = { CURLE_COULDNT_RESOLVE_HOST, CURLE_COULDNT_CONNECT,         CURLE_SSL_CONNECT_ERROR,
                                     CURLE_SSL_CERTPROBLEM,      CURLE_SSL_CACERT_BADFILE,      CURLE_SSL_CIPHER,
                                     CURLE_OUT_OF_MEMORY,        CURLE_PEER_FAILED_VERIFICATION };
  reason_set(error, REASON_SERVICE_UNAVAILABLE, "etcd at %s: %s", url, curl_easy_strerror(code));
  for (gsize i = 0; i < G_N_ELEMENTS(unsent); i++)
    if (code == unsent[i])
      return ETCD_UNSENT;
  return ETCD_UNKNOWN;
}

static EtcdOutcome read_answer(const EtcdStatus *status, long http, GByteArray *body,
                               const ProtobufCMessageDescriptor *type, void **response, GError **error)
{
  if (http != 200) {
    reason_set(error, REASON_SERVICE_UNAVAILABLE, "etcd answered with HTTP status %ld", http);
    return ETCD_UNKNOWN;
  }
  EtcdOutcome outcome = etcd_status_outcome(status, error);
  if (outcome != ETCD_DONE)
    return outcome;
  int whole = etcd_unframe(body, type, response, error);
  if (whole == 0)
    reason_set(error, REASON_INTERNAL, "etcd sent half a message");
  return whole == 1 ? ETCD_DONE : ETCD_UNKNOWN;
}

static long attempt_ms(int64_t until_us)
{
  int64_t left = until_us ? (until_us - g_get_monotonic_time()) / 1000 : ATTEMPT_MS;
  return (long)CLAMP(left, 1, ATTEMPT_MS);
}

EtcdOutcome etcd_call_once(EtcdTransport *transport, const char *method, const ProtobufCMessage *request,
                           const ProtobufCMessageDescriptor *type, int64_t until_us, void **response, GError **error)
{
  CURL *handle = take_handle(transport);
  if (!handle)
    return explain_curl(CURLE_OUT_OF_MEMORY, "", error);
  g_autoptr(GByteArray) frame = etcd_frame(request);
  g_autoptr(GByteArray) body = g_byte_array_new();
  EtcdStatus status = { .code = -1 };
  unsigned endpoint;
  long http = 0;
  etcd_transport_prepare(transport, handle, method, &status, &endpoint);
  curl_easy_setopt(handle, CURLOPT_TIMEOUT_MS, attempt_ms(until_us));
  curl_easy_setopt(handle, CURLOPT_POSTFIELDS, frame->data);
  curl_easy_setopt(handle, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)frame->len);
  curl_easy_setopt(handle, CURLOPT_WRITEFUNCTION, take_body);
  curl_easy_setopt(handle, CURLOPT_WRITEDATA, body);
  CURLcode code = curl_easy_perform(handle);
  curl_easy_getinfo(handle, CURLINFO_RESPONSE_CODE, &http);
  EtcdOutcome outcome = code == CURLE_OK ? read_answer(&status, http, body, type, response, error)
                                         : explain_curl(code, transport->endpoints[endpoint], error);
  if (outcome == ETCD_UNSENT || outcome == ETCD_UNKNOWN)
    etcd_transport_leave(transport, endpoint);
  etcd_status_clear(&status);
  give_handle(transport, handle);
  return outcome;
}

bool etcd_call_pause(const EtcdTransport *transport, unsigned attempt, int64_t until_us)
{
  /* the other members at once, then with growing pauses: nothing tells when one of them is back */
  unsigned round = attempt / transport->count;
  int64_t pause = round == 0 ? 0 : MIN((int64_t)PAUSE_FIRST_US << MIN(round, 8u), PAUSE_MAX_US);
  if (g_get_monotonic_time() + pause >= until_us)
    return false;
  g_usleep((gulong)pause);
  return true;
}

void *etcd_ask(EtcdTransport *transport, const char *method, const ProtobufCMessage *request,
               const ProtobufCMessageDescriptor *type, int64_t until_us, GError **error)
{
  for (unsigned attempt = 1;; attempt++) {
    void *response = NULL;
    g_autoptr(GError) problem = NULL;
    EtcdOutcome outcome = etcd_call_once(transport, method, request, type, until_us, &response, &problem);
    if (outcome == ETCD_DONE)
      return response;
    if (outcome == ETCD_REFUSED || !etcd_call_pause(transport, attempt, until_us)) {
      g_propagate_error(error, g_steal_pointer(&problem));
      return NULL;
    }
  }
}
