#include "clusterd/node/grpc.h"

#include <curl/curl.h>
#include <poll.h>
#include <string.h>

#include "base/reason.h"
#include "clusterd/node/transfer.h"

#define FRAME_HEADER 5 /* compressed or not, length (big-endian) */

struct GrpcChannel {
  char *socket_path, *base, *agent; /* base: "http://HOST" */
  int call_off_fd;
};

struct GrpcStream {
  CURLM *multi;
};

/* One call on its way. */
typedef struct Exchange {
  const GrpcCall *call;
  GByteArray *input; /* of the answer: not yet a whole message */
  GByteArray *output;
  size_t sent; /* bytes of OUTPUT */
  int status;  /* grpc-status; -1: none came */
  char *text;
  GBytes *reply;
  bool too_large;
} Exchange;

GrpcChannel *grpc_channel_new(const char *socket_path, const char *address, const char *user_agent, int call_off_fd)
{
  GrpcChannel *channel = g_new0(GrpcChannel, 1);
  channel->socket_path = g_strdup(socket_path);
  channel->base = g_strconcat("http://", socket_path ? "localhost" : address, NULL);
  channel->agent = g_strconcat("User-Agent: ", user_agent, NULL);
  channel->call_off_fd = call_off_fd;
  return channel;
}

void grpc_channel_free(GrpcChannel *channel)
{
  if (!channel)
    return;
  g_free(channel->socket_path);
  g_free(channel->base);
  g_free(channel->agent);
  g_free(channel);
}

void grpc_answer_clear(GrpcAnswer *answer)
{
  g_free(answer->text);
  g_clear_pointer(&answer->reply, g_bytes_unref);
  *answer = (GrpcAnswer){ 0 };
}

static void append_frame(GByteArray *out, const void *message, size_t length)
{
  const guint8 head[FRAME_HEADER] = { 0, (guint8)(length >> 24), (guint8)(length >> 16), (guint8)(length >> 8),
                                      (guint8)length };
  g_byte_array_append(out, head, sizeof head);
  if (length > 0)
    g_byte_array_append(out, message, (guint)length);
}

static size_t length_of(const guint8 *head)
{
  return (size_t)head[1] << 24 | (size_t)head[2] << 16 | (size_t)head[3] << 8 | head[4];
}

static void take_message(Exchange *exchange, const guint8 *message, size_t length)
{
  if (exchange->call->sink)
    exchange->call->sink(message, length, exchange->call->data);
  g_clear_pointer(&exchange->reply, g_bytes_unref);
  exchange->reply = g_bytes_new(message, length);
}

/* Hands out the whole messages of what came. */
static size_t take_body(char *data, size_t size, size_t n, void *out)
{
  Exchange *exchange = out;
  GByteArray *input = exchange->input;
  size_t taken = 0;
  g_byte_array_append(input, (const guint8 *)data, (guint)(size * n));
  while (input->len - taken >= FRAME_HEADER) {
    const guint8 *frame = input->data + taken;
    size_t length = length_of(frame);
    exchange->too_large = length > exchange->call->reply_max || frame[0] != 0; /* no compression was offered */
    if (exchange->too_large)
      return 0;
    if (input->len - taken - FRAME_HEADER < length)
      break;
    take_message(exchange, frame + FRAME_HEADER, length);
    taken += FRAME_HEADER + length;
  }
  if (taken > 0)
    g_byte_array_remove_range(input, 0, (guint)taken);
  return size * n;
}

/* Headers, and the trailers, where the result is. */
static size_t take_header(char *data, size_t size, size_t n, void *out)
{
  Exchange *exchange = out;
  g_autofree char *line = g_strndup(data, size * n);
  if (g_ascii_strncasecmp(line, "grpc-status:", 12) == 0) {
    exchange->status = (int)g_ascii_strtoll(line + 12, NULL, 10);
  } else if (g_ascii_strncasecmp(line, "grpc-message:", 13) == 0) {
    g_free(exchange->text);
    exchange->text = g_uri_unescape_string(g_strstrip(line + 13), NULL);
  }
  return size * n;
}

static size_t give_body(char *buffer, size_t size, size_t n, void *in)
{
  Exchange *exchange = in;
  GByteArray *output = exchange->output;
  if (exchange->sent == output->len && exchange->call->source) {
    g_autoptr(GByteArray) message = g_byte_array_new();
    g_byte_array_set_size(output, 0);
    exchange->sent = 0;
    if (exchange->call->source(message, exchange->call->data))
      append_frame(output, message->data, message->len);
  }
  size_t piece = MIN(size * n, output->len - exchange->sent);
  memcpy(buffer, output->data + exchange->sent, piece);
  exchange->sent += piece;
  return piece;
}

static void exchange_begin(Exchange *exchange, const GrpcCall *call)
{
  *exchange = (Exchange){ .call = call, .status = -1 };
  exchange->input = g_byte_array_new();
  exchange->output = g_byte_array_new();
  if (!call->source)
    append_frame(exchange->output, call->request, call->length);
}

static struct curl_slist *make_headers(const GrpcChannel *channel, const GrpcCall *call)
{
  struct curl_slist *headers = curl_slist_append(NULL, "Content-Type: application/grpc");
  headers = curl_slist_append(headers, "TE: trailers");
  headers = curl_slist_append(headers, "Expect:");
  headers = curl_slist_append(headers, channel->agent);
  for (const char *const *header = call->headers; header && *header; header++)
    headers = curl_slist_append(headers, *header);
  return headers;
}

/* Every call has a connection of its own: libcurl 7.88 cannot use one without TLS again. */
static void set_up(CURL *curl, const GrpcChannel *channel, Exchange *exchange, struct curl_slist *headers)
{
  g_autofree char *url = g_strconcat(channel->base, exchange->call->method, NULL);
  curl_easy_setopt(curl, CURLOPT_URL, url);
  if (channel->socket_path)
    curl_easy_setopt(curl, CURLOPT_UNIX_SOCKET_PATH, channel->socket_path);
  curl_easy_setopt(curl, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_2_PRIOR_KNOWLEDGE);
  curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
  curl_easy_setopt(curl, CURLOPT_POST, 1L);
  if (!exchange->call->source)
    curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE, (long)exchange->output->len);
  curl_easy_setopt(curl, CURLOPT_READFUNCTION, give_body);
  curl_easy_setopt(curl, CURLOPT_READDATA, exchange);
  curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, (long)exchange->call->timeout_ms);
  curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(curl, CURLOPT_PROXY, "");
  curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, take_body);
  curl_easy_setopt(curl, CURLOPT_WRITEDATA, exchange);
  curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, take_header);
  curl_easy_setopt(curl, CURLOPT_HEADERDATA, exchange);
}

/* The words of gRPC's own client for a server that is not there. */
static char *dial_text(const GrpcChannel *channel, CURL *curl)
{
  long number = 0;
  curl_easy_getinfo(curl, CURLINFO_OS_ERRNO, &number);
  g_autofree char *cause = g_strdup(number ? g_strerror((int)number) : "connection refused");
  cause[0] = g_ascii_tolower(cause[0]);
  return g_strdup_printf("connection error: desc = \"transport: Error while dialing: dial %s %s: connect: %s\"",
                         channel->socket_path ? "unix" : "tcp",
                         channel->socket_path ? channel->socket_path : channel->base + strlen("http://"), cause);
}

/* Turns what came, or did not, into the answer. */
static void judge(Exchange *exchange, const GrpcChannel *channel, CURL *curl, CURLcode code, GrpcAnswer *answer)
{
  curl_off_t connect_us = 0;
  curl_easy_getinfo(curl, CURLINFO_CONNECT_TIME_T, &connect_us);
  *answer = (GrpcAnswer){ .connected = code == CURLE_OK || connect_us > 0 || exchange->status >= 0,
                          .timed_out = code == CURLE_OPERATION_TIMEDOUT,
                          .called_off = code == CURLE_ABORTED_BY_CALLBACK };
  answer->reply = g_steal_pointer(&exchange->reply);
  if (exchange->status >= 0) { /* also when the server did not wait for the end of the request */
    answer->status = exchange->status;
    answer->text = g_steal_pointer(&exchange->text);
  } else if (exchange->too_large) {
    answer->status = GRPC_RESOURCE_EXHAUSTED;
    answer->text = g_strdup_printf("received message larger than max (%zu)", exchange->call->reply_max);
  } else if (answer->timed_out) {
    answer->status = GRPC_DEADLINE_EXCEEDED;
    answer->text = g_strdup("context deadline exceeded");
  } else if (answer->called_off) {
    answer->status = GRPC_CANCELED;
    answer->text = g_strdup("context canceled");
  } else if (!answer->connected) {
    answer->status = GRPC_UNAVAILABLE;
    answer->text = dial_text(channel, curl);
  } else {
    answer->status = code == CURLE_OK ? GRPC_UNKNOWN : GRPC_UNAVAILABLE;
    answer->text =
        g_strdup(code == CURLE_OK ? "server closed the stream without sending trailers" : curl_easy_strerror(code));
  }
}

static void exchange_end(Exchange *exchange)
{
  g_byte_array_unref(exchange->input);
  g_byte_array_unref(exchange->output);
  g_clear_pointer(&exchange->reply, g_bytes_unref);
  g_free(exchange->text);
}

static bool is_called_off(const GrpcChannel *channel)
{
  struct pollfd fd = { .fd = channel->call_off_fd, .events = POLLIN };
  return poll(&fd, 1, 0) > 0;
}

void grpc_call(GrpcChannel *channel, const GrpcCall *call, GrpcAnswer *answer)
{
  Exchange exchange;
  if (call->may_be_called_off && is_called_off(channel)) { /* the server must not hear of it at all */
    *answer = (GrpcAnswer){ .status = GRPC_CANCELED, .text = g_strdup("context canceled"), .called_off = true };
    return;
  }
  exchange_begin(&exchange, call);
  struct curl_slist *headers = make_headers(channel, call);
  CURL *curl = curl_easy_init();
  set_up(curl, channel, &exchange, headers);
  CURLcode code = call->may_be_called_off ? transfer_perform(curl, channel->call_off_fd) : curl_easy_perform(curl);
  judge(&exchange, channel, curl, code, answer);
  curl_easy_cleanup(curl);
  curl_slist_free_all(headers);
  exchange_end(&exchange);
}

GrpcStream *grpc_stream_new(void)
{
  GrpcStream *stream = g_new0(GrpcStream, 1);
  stream->multi = curl_multi_init();
  return stream;
}

void grpc_stream_free(GrpcStream *stream)
{
  if (stream)
    curl_multi_cleanup(stream->multi);
  g_free(stream);
}

void grpc_stream_wake(GrpcStream *stream)
{
  curl_multi_wakeup(stream->multi);
}

/* Until the transfer has ended, whose result it is, or TICK wants no more. */
static CURLcode run_transfer(GrpcStream *stream, GrpcTick tick, void *data)
{
  int running = 1, left, wait_ms;
  while ((wait_ms = tick(data)) != GRPC_STREAM_END) {
    curl_multi_perform(stream->multi, &running);
    const CURLMsg *message = running ? NULL : curl_multi_info_read(stream->multi, &left);
    if (message && message->msg == CURLMSG_DONE)
      return message->data.result;
    if (!running)
      return CURLE_RECV_ERROR;
    curl_multi_poll(stream->multi, NULL, 0, wait_ms < 0 ? G_MAXINT : wait_ms, NULL);
    curl_multi_perform(stream->multi, &running);
  }
  return CURLE_ABORTED_BY_CALLBACK;
}

void grpc_stream_run(GrpcStream *stream, GrpcChannel *channel, const GrpcCall *call, GrpcTick tick, GrpcAnswer *answer)
{
  GrpcCall endless = *call;
  Exchange exchange;
  endless.timeout_ms = 0;
  exchange_begin(&exchange, &endless);
  struct curl_slist *headers = make_headers(channel, call);
  CURL *curl = curl_easy_init();
  set_up(curl, channel, &exchange, headers);
  curl_multi_add_handle(stream->multi, curl);
  CURLcode code = run_transfer(stream, tick, call->data);
  judge(&exchange, channel, curl, code, answer);
  curl_multi_remove_handle(stream->multi, curl);
  curl_easy_cleanup(curl);
  curl_slist_free_all(headers);
  exchange_end(&exchange);
}

static const char *status_name(int status)
{
  static const char *const names[] = {
    "OK",       "Canceled",       "Unknown",          "InvalidArgument",   "DeadlineExceeded",
    "NotFound", "AlreadyExists",  "PermissionDenied", "ResourceExhausted", "FailedPrecondition",
    "Aborted",  "OutOfRange",     "Unimplemented",    "Internal",          "Unavailable",
    "DataLoss", "Unauthenticated"
  };
  return status >= 0 && status < (int)G_N_ELEMENTS(names) ? names[status] : "Unknown";
}

bool grpc_answer_error(const GrpcAnswer *answer, GError **error)
{
  Reason reason = answer->called_off                         ? REASON_INTERRUPTED
                  : answer->status == GRPC_NOT_FOUND         ? REASON_RUNTIME_NOT_FOUND
                  : answer->status == GRPC_ALREADY_EXISTS    ? REASON_CONFLICT
                  : answer->status == GRPC_DEADLINE_EXCEEDED ? REASON_TIMEOUT
                                                             : REASON_RUNTIME;
  return reason_set(error, reason, "rpc error: code = %s desc = %s", status_name(answer->status),
                    answer->text ? answer->text : "");
}
