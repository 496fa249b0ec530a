#include "clusterd/node/images/registry_transfer.h"

#include <string.h>

#include "base/json.h"
#include "base/reason.h"

#define CONNECT_TIMEOUT_S 20L
#define STALL_TIMEOUT_S 60L /* without a byte */
#define REDIRECTS_MAX 5L

void registry_transfer_clear(RegistryTransfer *transfer)
{
  registry_challenge_clear(&transfer->challenge);
  g_clear_pointer(&transfer->refusal, g_byte_array_unref);
  g_clear_error(&transfer->error);
}

static size_t take_body(char *data, size_t size, size_t count, void *user)
{
  RegistryTransfer *transfer = user;
  size_t length = size * count;
  if (transfer->status / 100 != 2) {
    size_t room = TRANSFER_MESSAGE_MAX - MIN(transfer->refusal->len, TRANSFER_MESSAGE_MAX);
    g_byte_array_append(transfer->refusal, (const guint8 *)data, (guint)MIN(length, room));
    return length;
  }
  const RegistryRequest *request = transfer->request;
  if (!request->take(request->user, data, length, transfer->at, &transfer->error))
    return 0;
  transfer->at += (int64_t)length;
  return length;
}

/* The value of the header LINE when it is NAME; NULL. The caller frees. */
static char *header_value(const char *line, size_t length, const char *name)
{
  size_t prefix = strlen(name);
  if (length <= prefix || line[prefix] != ':' || g_ascii_strncasecmp(line, name, prefix) != 0)
    return NULL;
  return g_strstrip(g_strndup(line + prefix + 1, length - prefix - 1));
}

/* "bytes 5-9/10" → 5; -1 for anything else. */
static int64_t range_start(const char *value)
{
  guint64 start;
  if (g_ascii_strncasecmp(value, "bytes ", 6) != 0)
    return -1;
  g_autofree char *digits = g_strndup(value + 6, strspn(value + 6, "0123456789"));
  return g_ascii_string_to_unsigned(digits, 10, 0, G_MAXINT64, &start, NULL) ? (int64_t)start : -1;
}

static size_t take_header(char *line, size_t size, size_t count, void *user)
{
  RegistryTransfer *transfer = user;
  size_t length = size * count;
  if (length > 5 && memcmp(line, "HTTP/", 5) == 0) { /* a new answer, after a redirect or a proxy's */
    const char *space = memchr(line, ' ', length);
    transfer->status = space ? (long)g_ascii_strtoll(space, NULL, 10) : 0;
    transfer->at = 0;
    transfer->retry_after = -1;
    registry_challenge_clear(&transfer->challenge);
    return length;
  }
  g_autofree char *challenge = header_value(line, length, "WWW-Authenticate");
  g_autofree char *range = header_value(line, length, "Content-Range");
  g_autofree char *retry = header_value(line, length, "Retry-After");
  guint64 seconds;
  if (challenge)
    registry_challenge_read(&transfer->challenge, challenge);
  if (range && transfer->status == 206)
    transfer->at = range_start(range);
  if (retry && g_ascii_string_to_unsigned(retry, 10, 0, G_MAXINT32, &seconds, NULL))
    transfer->retry_after = (int64_t)seconds;
  return length;
}

static int look_for_stop(void *user, curl_off_t total, curl_off_t now, curl_off_t up_total, curl_off_t up_now)
{
  RegistryHttp *http = user;
  return g_atomic_int_get(&http->stopped) || registries_stopped(http->registries);
}

static void set_trust(CURL *curl, const RegistryHttp *http, const char *url)
{
  const RegistryTrust *trust = &http->trust;
  if (trust->authorities) {
    gsize length;
    const void *pem = g_bytes_get_data(trust->authorities, &length);
    struct curl_blob blob = { .data = (void *)(uintptr_t)pem, .len = length, .flags = CURL_BLOB_NOCOPY };
    curl_easy_setopt(curl, CURLOPT_CAINFO_BLOB, &blob);
  }
  if (trust->certificate) {
    curl_easy_setopt(curl, CURLOPT_SSLCERT, trust->certificate);
    curl_easy_setopt(curl, CURLOPT_SSLKEY, trust->key);
  }
  curl_easy_setopt(curl, CURLOPT_SSL_VERIFYPEER, http->insecure ? 0L : 1L);
  curl_easy_setopt(curl, CURLOPT_SSL_VERIFYHOST, http->insecure ? 0L : 2L);
  /* said here, because libcurl reads only some of the environment's spellings */
  curl_easy_setopt(curl, CURLOPT_PROXY, g_str_has_prefix(url, "https:") ? trust->tls_proxy : trust->proxy);
  curl_easy_setopt(curl, CURLOPT_NOPROXY, trust->no_proxy);
}

static void set_options(RegistryHttp *http, CURL *curl, RegistryTransfer *transfer)
{
  curl_easy_reset(curl);
  curl_easy_setopt(curl, CURLOPT_URL, transfer->url);
  curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
  curl_easy_setopt(curl, CURLOPT_REDIR_PROTOCOLS_STR, g_str_has_prefix(http->base, "http:") ? "http,https" : "https");
  curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 1L);
  curl_easy_setopt(curl, CURLOPT_MAXREDIRS, REDIRECTS_MAX);
  curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT, CONNECT_TIMEOUT_S);
  curl_easy_setopt(curl, CURLOPT_LOW_SPEED_LIMIT, 1L);
  curl_easy_setopt(curl, CURLOPT_LOW_SPEED_TIME, STALL_TIMEOUT_S);
  curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(curl, CURLOPT_USERAGENT, "launcher");
  curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, take_body);
  curl_easy_setopt(curl, CURLOPT_WRITEDATA, transfer);
  curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, take_header);
  curl_easy_setopt(curl, CURLOPT_HEADERDATA, transfer);
  curl_easy_setopt(curl, CURLOPT_NOPROGRESS, 0L);
  curl_easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, look_for_stop);
  curl_easy_setopt(curl, CURLOPT_XFERINFODATA, http);
  if (transfer->post)
    curl_easy_setopt(curl, CURLOPT_POSTFIELDS, transfer->post);
  set_trust(curl, http, transfer->url);
}

/* Both are kept from other hosts, where a redirect may lead, by libcurl. */
static void set_authorization(CURL *curl, const char *token, const char *login)
{
  if (token) {
    curl_easy_setopt(curl, CURLOPT_HTTPAUTH, (long)CURLAUTH_BEARER);
    curl_easy_setopt(curl, CURLOPT_XOAUTH2_BEARER, token);
  } else if (login) {
    curl_easy_setopt(curl, CURLOPT_HTTPAUTH, (long)CURLAUTH_BASIC);
    curl_easy_setopt(curl, CURLOPT_USERPWD, login);
  }
}

/* What Go's client says, which people search the web for. The caller frees. */
static char *failure_text(CURL *curl, CURLcode code, const char *detail)
{
  const char *text = *detail ? detail : curl_easy_strerror(code);
  char *url = NULL;
  long os_error = 0, verify = 0;
  curl_easy_getinfo(curl, CURLINFO_EFFECTIVE_URL, &url);
  curl_easy_getinfo(curl, CURLINFO_OS_ERRNO, &os_error);
  curl_easy_getinfo(curl, CURLINFO_SSL_VERIFYRESULT, &verify);
  if (code == CURLE_COULDNT_RESOLVE_HOST)
    return g_strdup_printf("dial tcp: %s: no such host", text);
  if (code == CURLE_COULDNT_CONNECT && os_error) {
    g_autofree char *why = g_ascii_strdown(g_strerror((int)os_error), -1);
    const char *scheme = url ? strstr(url, "://") : NULL, *host = scheme ? scheme + strlen("://") : "";
    return g_strdup_printf("dial tcp %.*s: connect: %s", (int)strcspn(host, "/"), host, why);
  }
  if (code == CURLE_PEER_FAILED_VERIFICATION && verify >= 18 && verify <= 21) /* X509_V_ERR_…: an issuer is missing */
    return g_strdup("tls: failed to verify certificate: x509: certificate signed by unknown authority");
  if (code == CURLE_PEER_FAILED_VERIFICATION)
    return g_strdup_printf("tls: failed to verify certificate: x509: %s", text);
  return g_strdup(code == CURLE_PARTIAL_FILE ? "unexpected EOF" : text);
}

bool registry_transfer_perform(RegistryHttp *http, CURL *curl, RegistryTransfer *transfer, const char *token,
                               const char *login, GError **error)
{
  char detail[CURL_ERROR_SIZE] = "";
  struct curl_slist *headers = NULL;
  const char *accept = transfer->request->accept;
  g_autofree char *accept_line = accept ? g_strdup_printf("Accept: %s", accept) : NULL;
  g_autofree char *range =
      transfer->request->from > 0 ? g_strdup_printf("%" G_GINT64_FORMAT "-", transfer->request->from) : NULL;
  transfer->status = 0;
  g_clear_pointer(&transfer->refusal, g_byte_array_unref);
  transfer->refusal = g_byte_array_new();
  set_options(http, curl, transfer);
  set_authorization(curl, token, login);
  if (accept_line)
    headers = curl_slist_append(headers, accept_line);
  curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
  curl_easy_setopt(curl, CURLOPT_RANGE, range);
  curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, detail);
  CURLcode code = curl_easy_perform(curl);
  g_autofree char *text = code == CURLE_OK ? NULL : failure_text(curl, code, detail);
  curl_easy_setopt(curl, CURLOPT_HTTPHEADER, NULL);
  curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, NULL);
  curl_slist_free_all(headers);
  if (transfer->status)
    g_atomic_int_set(&http->replied, 1);
  if (code == CURLE_OK)
    return true;
  if (transfer->error) {
    g_propagate_error(error, g_steal_pointer(&transfer->error));
    return false;
  }
  if (code == CURLE_ABORTED_BY_CALLBACK)
    return reason_set(error, REASON_INTERRUPTED, "context canceled");
  return reason_set(error, REASON_DOWNLOAD, "failed to do request: %s \"%s\": %s", transfer->post ? "Post" : "Get",
                    transfer->url, text);
}

static const char *status_text(long status)
{
  static const struct {
    long status;
    const char *text;
  } texts[] = { { 400, "Bad Request" },
                { 401, "Unauthorized" },
                { 403, "Forbidden" },
                { 404, "Not Found" },
                { 405, "Method Not Allowed" },
                { 408, "Request Timeout" },
                { 410, "Gone" },
                { 416, "Requested Range Not Satisfiable" },
                { 429, "Too Many Requests" },
                { 500, "Internal Server Error" },
                { 502, "Bad Gateway" },
                { 503, "Service Unavailable" },
                { 504, "Gateway Timeout" } };
  for (size_t i = 0; i < G_N_ELEMENTS(texts); i++)
    if (texts[i].status == status)
      return texts[i].text;
  return "";
}

/* " - Server message: toomanyrequests: …" of {"errors": [{"code", "message"}]}; "" without. The caller frees. */
static char *server_message(const GByteArray *body)
{
  g_autoptr(json_t) value = json_parse((const char *)body->data, body->len, false, NULL);
  const json_t *first = json_array_get(json_object_get(value, "errors"), 0);
  g_autofree char *code = g_ascii_strdown(json_str(first, "code", ""), -1);
  const char *message = json_str(first, "message", "");
  return *code ? g_strdup_printf(" - Server message: %s: %s", code, message) : g_strdup("");
}

bool registry_transfer_refuse(const RegistryTransfer *transfer, GError **error)
{
  long status = transfer->status;
  g_autofree char *message = server_message(transfer->refusal);
  if (status == 404)
    return reason_set(error, REASON_DOWNLOAD_NOT_FOUND, "%s: not found", transfer->url);
  Reason reason = status == 401 || status == 403 ? REASON_UNAUTHORIZED
                  : status == 429                ? REASON_TOO_MANY_REQUESTS
                                                 : REASON_DOWNLOAD;
  return reason_set(error, reason, "unexpected status from %s request to %s: %ld %s%s", transfer->post ? "POST" : "GET",
                    transfer->url, status, status_text(status), message);
}
