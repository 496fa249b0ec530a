/* One JSON document sent, one received, while the caller waits; and why it failed, in upstream's words. */
#include <errno.h>
#include <openssl/x509_vfy.h>
#include <string.h>

#include "base/json.h"
#include "base/reason.h"
#include "clusterd/server/http/http.h"
#include "clusterd/server/outbound/outbound_transfer.h"

#define EXCERPT_MAX 512 /* of a body that is no JSON, in an error's text */

/* --- failures ------------------------------------------------------------------------------------------------------
 */

static char *certificate_failure(const OutboundTransfer *transfer)
{
  long result = 0;
  curl_easy_getinfo(transfer->easy, CURLINFO_SSL_VERIFYRESULT, &result);
  const char *why = transfer->error;
  switch (result) {
  case X509_V_OK:
    break;
  case X509_V_ERR_CERT_HAS_EXPIRED:
  case X509_V_ERR_CERT_NOT_YET_VALID:
    why = "x509: certificate has expired or is not yet valid";
    break;
  case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
  case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
  case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
  case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
  case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
    why = "x509: certificate signed by unknown authority";
    break;
  default:
    return g_strdup_printf("tls: failed to verify certificate: x509: %s", X509_verify_cert_error_string(result));
  }
  return g_strdup_printf("tls: failed to verify certificate: %s", why);
}

static char *connect_failure(const OutboundTransfer *transfer)
{
  long number = 0;
  curl_easy_getinfo(transfer->easy, CURLINFO_OS_ERRNO, &number);
  g_autofree char *text = g_strdup(number ? g_strerror((int)number) : "connection refused");
  text[0] = g_ascii_tolower(text[0]);
  return g_strdup_printf("dial tcp %s: connect: %s", transfer->address, text);
}

char *outbound_failure(const OutboundTransfer *transfer, CURLcode code)
{
  g_autofree char *host = g_strdup(transfer->address ? transfer->address : "");
  switch (code) {
  case CURLE_COULDNT_RESOLVE_HOST:
    if (strrchr(host, ':'))
      *strrchr(host, ':') = '\0';
    return g_strdup_printf("dial tcp: lookup %s: no such host", host);
  case CURLE_COULDNT_CONNECT:
    return connect_failure(transfer);
  case CURLE_OPERATION_TIMEDOUT:
    return g_strdup("context deadline exceeded");
  case CURLE_PEER_FAILED_VERIFICATION:
    return certificate_failure(transfer);
  case CURLE_SSL_CONNECT_ERROR:
    if (strstr(transfer->error, "wrong version number"))
      return g_strdup("http: server gave HTTP response to HTTPS client");
    return g_strdup_printf("remote error: tls: %s", transfer->error);
  case CURLE_GOT_NOTHING:
    return g_strdup("EOF");
  case CURLE_RECV_ERROR:
  case CURLE_SEND_ERROR:
    return g_strdup_printf("read tcp %s: connection reset by peer", transfer->address);
  case CURLE_PARTIAL_FILE:
    return g_strdup("unexpected EOF");
  case CURLE_ABORTED_BY_CALLBACK:
    return g_strdup("context canceled");
  default:
    return g_strdup(*transfer->error ? transfer->error : curl_easy_strerror(code));
  }
}

/* --- one call ------------------------------------------------------------------------------------------------------
 */

struct OutboundPost {
  OutboundTransfer transfer; /* first: the engine knows it by this */
  Outbound *outbound;
  char *url, *text;
  struct curl_slist *headers;
  GByteArray *reply;
  bool too_long;
  GMutex lock;
  GCond ended;
  bool is_done; /* these, under the lock */
  CURLcode code;
  char *failure;
};

static size_t take_reply(char *data, size_t size, size_t count, void *user)
{
  OutboundPost *post = user;
  size_t length = size * count;
  post->too_long = post->reply->len + length > OUTBOUND_REPLY_MAX;
  if (post->too_long)
    return 0;
  g_byte_array_append(post->reply, (const guint8 *)data, (guint)length);
  return length;
}

static void post_done(OutboundTransfer *transfer, CURLcode code, const char *text)
{
  OutboundPost *post = (OutboundPost *)transfer;
  g_autoptr(GMutexLocker) held = g_mutex_locker_new(&post->lock);
  post->code = code;
  post->failure = g_strdup(post->too_long ? "the reply is too long" : text);
  post->is_done = true;
  g_cond_signal(&post->ended);
}

bool outbound_status_failure(GError **error, long status, const char *body)
{
  switch (status) {
  case 400:
    return reason_set(error, REASON_INTERNAL, "the server rejected our request for an unknown reason");
  case 401:
    return reason_set(error, REASON_INTERNAL, "the server has asked for the client to provide credentials");
  case 403:
    return reason_set(error, REASON_INTERNAL, "%s", *body ? body : "forbidden");
  case 404:
    return reason_set(error, REASON_INTERNAL, "the server could not find the requested resource");
  case 405:
    return reason_set(error, REASON_INTERNAL, "the server does not allow this method on the requested resource");
  case 429:
    return reason_set(error, REASON_INTERNAL,
                      "the server has received too many requests and has asked us to try again later");
  case 503:
    return reason_set(error, REASON_INTERNAL, "the server is currently unable to handle the request");
  default:
    break;
  }
  if (status >= 500)
    return reason_set(error, REASON_INTERNAL,
                      "an error on the server (\"%s\") has prevented the request from succeeding",
                      *body ? body : "unknown");
  return reason_set(error, REASON_INTERNAL,
                    "the server responded with the status code %ld but did not return more "
                    "information",
                    status);
}

static json_t *read_reply(const OutboundPost *post, GError **error)
{
  if (post->failure) {
    reason_set(error, post->code == CURLE_OPERATION_TIMEDOUT ? REASON_TIMEOUT : REASON_INTERNAL, "Post \"%s\": %s",
               post->url, post->failure);
    return NULL;
  }
  if (post->transfer.status < 200 || post->transfer.status > 299) {
    g_autofree char *raw = post->reply->len
                               ? g_strndup((const char *)post->reply->data, MIN(post->reply->len, EXCERPT_MAX))
                               : g_strdup("");
    g_autofree char *body = g_utf8_make_valid(raw, -1);
    outbound_status_failure(error, post->transfer.status, g_strstrip(body));
    return NULL;
  }
  if (!post->reply->len) {
    reason_set(error, REASON_INTERNAL, "EOF");
    return NULL;
  }
  g_autoptr(GError) problem = NULL;
  json_t *reply = json_parse((const char *)post->reply->data, post->reply->len, false, &problem);
  if (!reply)
    reason_set(error, REASON_INTERNAL, "couldn't get version/kind; json parse error: %s", problem->message);
  return reply;
}

static void set_options(OutboundPost *post, CURL *easy, const char *const *headers, unsigned timeout_seconds)
{
  for (; headers && *headers; headers++)
    post->headers = curl_slist_append(post->headers, *headers);
  curl_easy_setopt(easy, CURLOPT_HTTPHEADER, post->headers);
  if (post->text) {
    curl_easy_setopt(easy, CURLOPT_POSTFIELDS, post->text);
    curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)strlen(post->text));
  }
  curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, (long)timeout_seconds * 1000);
  curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, take_reply);
  curl_easy_setopt(easy, CURLOPT_WRITEDATA, post);
}

/* Takes URL, and TEXT, which is NULL for a GET. */
static OutboundPost *start(Outbound *outbound, const OutboundTarget *target, char *url, char *text,
                           const char *const *headers, unsigned timeout_seconds)
{
  OutboundPost *post = g_new0(OutboundPost, 1);
  OutboundTarget whole = *target;
  g_mutex_init(&post->lock);
  g_cond_init(&post->ended);
  post->transfer.done = post_done;
  post->outbound = outbound;
  post->reply = g_byte_array_new();
  post->text = text;
  whole.url = post->url = url;
  CURL *easy = outbound_easy_new(&post->transfer, &whole);
  if (easy)
    set_options(post, easy, headers, timeout_seconds);
  if (!easy || !outbound_start(outbound, &post->transfer)) {
    post->code = CURLE_ABORTED_BY_CALLBACK;
    post->failure = outbound_failure(&post->transfer, post->code);
    post->is_done = true;
    outbound_transfer_clear(&post->transfer);
  }
  return post;
}

OutboundPost *outbound_post_start(Outbound *outbound, const OutboundTarget *target, const json_t *body,
                                  unsigned timeout_seconds)
{
  static const char *const headers[] = { "Content-Type: application/json", "Accept: application/json, */*",
                                         "Expect:", "User-Agent: kube-apiserver-admission", NULL };
  unsigned seconds = CLAMP(timeout_seconds, 1, OUTBOUND_TIMEOUT_MAX);
  char *url = g_strdup_printf("%s%ctimeout=%us", target->url, strchr(target->url, '?') ? '&' : '?', seconds);
  return start(outbound, target, url, json_text(body), headers, seconds);
}

OutboundPost *outbound_get_start(Outbound *outbound, const OutboundTarget *target, const char *const *headers,
                                 unsigned timeout_seconds)
{
  return start(outbound, target, g_strdup(target->url), NULL, headers, timeout_seconds);
}

static void post_wait(OutboundPost *post)
{
  g_mutex_lock(&post->lock);
  while (!post->is_done)
    g_cond_wait(&post->ended, &post->lock);
  g_mutex_unlock(&post->lock);
}

json_t *outbound_post_finish(OutboundPost *post, GError **error)
{
  post_wait(post);
  return read_reply(post, error);
}

GBytes *outbound_get_finish(OutboundPost *get, long *status, GError **error)
{
  post_wait(get);
  *status = get->transfer.status;
  if (!get->failure)
    return g_bytes_new(get->reply->data, get->reply->len);
  reason_set(error, REASON_INTERNAL, "Get \"%s\": %s", get->url, get->failure);
  return NULL;
}

static void cancel(void *data)
{
  OutboundPost *post = data;
  outbound_cancel(post->outbound, &post->transfer);
}

void outbound_post_free(OutboundPost *post)
{
  if (!post)
    return;
  g_mutex_lock(&post->lock);
  bool running = !post->is_done;
  g_mutex_unlock(&post->lock);
  if (running) {
    outbound_run(post->outbound, cancel, post);
    post_wait(post);
  }
  curl_slist_free_all(post->headers);
  g_byte_array_unref(post->reply);
  g_free(post->failure);
  g_free(post->url);
  g_free(post->text);
  g_cond_clear(&post->ended);
  g_mutex_clear(&post->lock);
  g_free(post);
}

bool outbound_too_many(GError **error)
{
  return reason_set_details(error, REASON_TOO_MANY_REQUESTS, json_pack("{s:i}", "retryAfterSeconds", 1),
                            "Too many requests, please try again later.");
}

json_t *outbound_post_json(Outbound *outbound, const OutboundTarget *target, const json_t *body,
                           unsigned timeout_seconds, GError **error)
{
  if (!http_worker_lend()) {
    outbound_too_many(error);
    return NULL;
  }
  OutboundPost *post = outbound_post_start(outbound, target, body, timeout_seconds);
  json_t *reply = outbound_post_finish(post, error);
  outbound_post_free(post);
  http_worker_return();
  return reply;
}
