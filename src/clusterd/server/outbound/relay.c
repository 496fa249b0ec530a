#include "clusterd/server/outbound/relay.h"

#include <string.h>

#include "clusterd/server/http/html_links.h"
#include "clusterd/server/outbound/outbound_transfer.h"

typedef struct Relay {
  OutboundTransfer transfer;  /* first: the engine knows it by this */
  gatomicrefcount references; /* of the transfer, the request, the stream's on_close, who waits for it to drain */
  Outbound *outbound;
  HttpRequest *http;  /* until the reply's head is there */
  HttpStream *stream; /* from then on, until the transfer has ended */
  struct curl_slist *headers;
  GBytes *body;
  HttpUpload *upload; /* the body, when it is read while it comes */
  char *host, *client_host, *path_prefix;
  void (*fail)(HttpRequest *http, const char *text);
  /* the head of the reply as it comes */
  int status;
  char *content_type, *content_length;
  bool is_encoded;  /* compressed */
  GByteArray *page; /* HTML whose links are rewritten when it is all there; NULL: the body streams */
  gsize head_length;
  bool finished; /* the transfer has ended; the outbound thread's */
} Relay;

static void relay_unref(void *data)
{
  Relay *relay = data;
  if (!g_atomic_ref_count_dec(&relay->references))
    return;
  curl_slist_free_all(relay->headers);
  g_bytes_unref(relay->body);
  http_upload_close(relay->upload);
  g_free(relay->host);
  g_free(relay->client_host);
  g_free(relay->path_prefix);
  g_free(relay->content_type);
  g_free(relay->content_length);
  if (relay->page)
    g_byte_array_unref(relay->page);
  g_free(relay);
}

static Relay *relay_ref(Relay *relay)
{
  g_atomic_ref_count_inc(&relay->references);
  return relay;
}

/* --- headers -------------------------------------------------------------------------------------------------------
 */

static bool is_one_of(const char *const *names, const char *name)
{
  for (; *names; names++)
    if (g_ascii_strcasecmp(*names, name) == 0)
      return true;
  return false;
}

bool relay_is_hop_header(const char *name)
{
  static const char *const names[] = { "Connection",
                                       "Keep-Alive",
                                       "Proxy-Connection",
                                       "Proxy-Authenticate",
                                       "Proxy-Authorization",
                                       "TE",
                                       "Trailer",
                                       "Transfer-Encoding",
                                       "Upgrade",
                                       "Content-Length",
                                       "Expect",
                                       NULL };
  return is_one_of(names, name);
}

typedef struct HeaderList {
  const RelayRequest *request;
  GStrvBuilder *lines;
} HeaderList;

static bool is_replaced(const char *const *headers, const char *name)
{
  gsize length = strlen(name);
  for (; headers && *headers; headers++)
    if (g_ascii_strncasecmp(*headers, name, length) == 0 && (*headers)[length] == ':')
      return true;
  return false;
}

static void add_header(const char *name, const char *value, void *data)
{
  HeaderList *list = data;
  const RelayRequest *request = list->request;
  const char *hidden = request->hidden_prefix;
  bool bearer =
      g_ascii_strcasecmp(name, "Authorization") == 0 && g_ascii_strncasecmp(value, "Bearer ", strlen("Bearer ")) == 0;
  /* what told this server who asks is none of the other one's business */
  bool compression = request->path_prefix && g_ascii_strcasecmp(name, "Accept-Encoding") == 0;
  if (relay_is_hop_header(name) || bearer || compression ||
      g_ascii_strncasecmp(name, "Impersonate-", strlen("Impersonate-")) == 0 ||
      (hidden && g_ascii_strncasecmp(name, hidden, strlen(hidden)) == 0) || is_replaced(request->headers, name) ||
      (!request->keep_host && g_ascii_strcasecmp(name, "Host") == 0))
    return;
  g_autofree char *line = g_strdup_printf("%s: %s", name, value);
  g_strv_builder_add(list->lines, line);
}

char **relay_headers(const HttpRequest *http, const RelayRequest *request)
{
  g_autoptr(GStrvBuilder) lines = g_strv_builder_new();
  HeaderList list = { request, lines };
  http_headers_visit(http, add_header, &list);
  for (const char *const *line = request->headers; line && *line; line++)
    g_strv_builder_add(lines, *line);
  return g_strv_builder_end(lines);
}

char *relay_rewrite_location(const char *location, const char *host, const char *client_host, const char *prefix)
{
  const char *slashes = strstr(location, "//");
  const char *path = location;
  g_autofree char *authority = NULL;
  if (slashes && (slashes == location || slashes[-1] == ':') &&
      strcspn(location, "/?#") >= (gsize)(slashes - location)) {
    path = slashes + 2 + strcspn(slashes + 2, "/?#");
    authority = g_strndup(slashes + 2, (gsize)(path - slashes - 2));
  }
  bool ours = authority && g_strcmp0(authority, client_host) == 0;
  if ((authority && !ours && g_strcmp0(authority, host) != 0) || *path != '/' || g_str_has_prefix(path, prefix))
    return g_strdup(location);
  return ours ? g_strdup_printf("%.*s%s%s", (int)(path - location), location, prefix, path)
              : g_strconcat(prefix, path, NULL);
}

/* --- the reply -----------------------------------------------------------------------------------------------------
 */

static void cancel(void *data)
{
  Relay *relay = data;
  if (!relay->finished)
    outbound_cancel(relay->outbound, &relay->transfer);
  relay_unref(relay);
}

/* The client went before there was a reply. */
static void cancel_early(void *data)
{
  Relay *relay = data;
  if (!relay->finished && relay->http)
    outbound_cancel(relay->outbound, &relay->transfer);
  relay_unref(relay);
}

static void request_done(bool gone, void *data)
{
  Relay *relay = data;
  if (gone)
    outbound_run(relay->outbound, cancel_early, relay);
  else
    relay_unref(relay);
}

/* The client has gone, or all was said. On an event loop's thread; the stream's reference goes along. */
static void stream_closed(void *data)
{
  Relay *relay = data;
  outbound_run(relay->outbound, cancel, relay);
}

static void resume(void *data)
{
  Relay *relay = data;
  if (!relay->finished)
    curl_easy_pause(relay->transfer.easy, CURLPAUSE_CONT);
  relay_unref(relay);
}

/* More of the request's body has come; the reference goes along. On an event loop's thread. */
static void upload_ready(void *data)
{
  Relay *relay = data;
  outbound_run(relay->outbound, resume, relay);
}

/* libcurl wants to send what was uploaded. */
static size_t give_body(char *data, size_t size, size_t count, void *user)
{
  Relay *relay = user;
  gssize length = http_upload_read(relay->upload, data, size * count);
  if (length == HTTP_UPLOAD_BROKEN)
    return CURL_READFUNC_ABORT;
  if (length != HTTP_UPLOAD_WAIT)
    return (size_t)length;
  http_upload_when_ready(relay->upload, upload_ready, relay_ref(relay));
  return CURL_READFUNC_PAUSE;
}

static void stream_drained(void *data)
{
  Relay *relay = data;
  outbound_run(relay->outbound, resume, relay);
}

static char *rewrite_link(const char *url, void *data)
{
  const Relay *relay = data;
  return relay_rewrite_location(url, relay->host, relay->client_host, relay->path_prefix);
}

/* Sends the page: rewritten when it is WHOLE, else as it is, and what follows with it. */
static bool send_page(Relay *relay, bool whole)
{
  GByteArray *page = g_steal_pointer(&relay->page);
  if (whole) {
    GByteArray *made = html_rewrite_links((const char *)page->data, page->len, rewrite_link, relay);
    g_byte_array_unref(page);
    page = made;
  }
  return http_stream_write(relay->stream, g_byte_array_free_to_bytes(page));
}

static size_t take_body(char *data, size_t size, size_t count, void *user)
{
  Relay *relay = user;
  size_t length = size * count;
  if (!relay->stream)
    return 0;
  if (relay->page && relay->page->len + length <= RELAY_PAGE_MAX) {
    g_byte_array_append(relay->page, (const guint8 *)data, (guint)length);
    return length;
  }
  if (relay->page && !send_page(relay, false))
    return 0;
  if (http_stream_backlog(relay->stream) > RELAY_BACKLOG_MAX) {
    http_stream_when_drained(relay->stream, stream_drained, relay_ref(relay));
    return CURL_WRITEFUNC_PAUSE;
  }
  return http_stream_write(relay->stream, g_bytes_new(data, length)) ? length : 0;
}

static void take_header(Relay *relay, const char *name, const char *value)
{
  static const char *const cors[] = { "Access-Control-Allow-Credentials", "Access-Control-Allow-Headers",
                                      "Access-Control-Allow-Methods", "Access-Control-Allow-Origin", NULL };
  if (g_ascii_strcasecmp(name, "Content-Length") == 0) {
    g_free(relay->content_length);
    relay->content_length = g_strdup(value);
  } else if (g_ascii_strcasecmp(name, "Content-Type") == 0) {
    g_free(relay->content_type);
    relay->content_type = g_strdup(value);
  } else if (relay->path_prefix && g_ascii_strcasecmp(name, "Location") == 0) {
    g_autofree char *location = relay_rewrite_location(value, relay->host, relay->client_host, relay->path_prefix);
    http_add_header(relay->http, name, location);
  } else if (!relay_is_hop_header(name) && !(relay->path_prefix && is_one_of(cors, name))) {
    relay->is_encoded = relay->is_encoded || g_ascii_strcasecmp(name, "Content-Encoding") == 0;
    http_add_header(relay->http, name, value);
  }
}

static bool is_page(const Relay *relay)
{
  return relay->path_prefix && !relay->is_encoded && relay->content_type &&
         g_ascii_strncasecmp(relay->content_type, "text/html", strlen("text/html")) == 0;
}

static void start_reply(Relay *relay)
{
  HttpRequest *http = g_steal_pointer(&relay->http);
  if (is_page(relay) && !g_str_equal(http_method(http), "HEAD"))
    relay->page = g_byte_array_new();
  else if (relay->content_length)
    http_add_header(http, "Content-Length", relay->content_length);
  relay->stream = http_stream_new(http, relay->status, relay->content_type, stream_closed, relay_ref(relay));
}

/* One line of the head: a status line, a header, or the empty one at its end. Interim replies (1xx) are not passed on.
 */
static size_t take_line(char *data, size_t size, size_t count, void *user)
{
  Relay *relay = user;
  size_t length = size * count;
  g_autofree char *line = g_strndup(data, length);
  g_strchomp(line);
  relay->head_length += length;
  if (relay->head_length > RELAY_HEADERS_MAX)
    return 0;
  if (!relay->http)
    return length; /* a trailer */
  if (g_str_has_prefix(line, "HTTP/")) {
    const char *blank = strchr(line, ' ');
    relay->status = blank ? (int)g_ascii_strtoll(blank, NULL, 10) : 0;
  } else if (!*line && relay->status >= 200) {
    start_reply(relay);
  } else if (*line && relay->status >= 200) {
    char *colon = strchr(line, ':');
    if (colon) {
      *colon = '\0';
      take_header(relay, line, g_strchug(colon + 1));
    }
  }
  return length;
}

static void relay_done(OutboundTransfer *transfer, CURLcode code, const char *text)
{
  Relay *relay = (Relay *)transfer;
  relay->finished = true;
  if (relay->http) {
    g_autofree char *why = g_strdup_printf("error trying to reach service: %s", text ? text : "EOF");
    relay->fail(g_steal_pointer(&relay->http), why);
  } else if (code == CURLE_OK) {
    if (relay->page)
      send_page(relay, true);
    http_stream_close(g_steal_pointer(&relay->stream));
  } else {
    http_stream_abort(g_steal_pointer(&relay->stream));
  }
  relay_unref(relay);
}

/* --- the request ---------------------------------------------------------------------------------------------------
 */

/* libcurl adds headers of its own unless it is told not to, and takes `Name:` as just that; `Name;` is an empty header.
 */
static struct curl_slist *curl_headers(const HttpRequest *http, const RelayRequest *request)
{
  static const char *const unasked[] = { "Accept", "Content-Type", "User-Agent", NULL };
  g_auto(GStrv) lines = relay_headers(http, request);
  struct curl_slist *list = curl_slist_append(NULL, "Expect:");
  for (char **line = lines; *line; line++) {
    gsize length = strlen(*line);
    if (length >= 2 && g_str_has_suffix(*line, ": "))
      memcpy(*line + length - 2, ";", 2);
    list = curl_slist_append(list, *line);
  }
  for (const char *const *name = unasked; *name; name++) {
    g_autofree char *none = g_strdup_printf("%s:", *name);
    if (!http_header(http, *name))
      list = curl_slist_append(list, none);
  }
  return list;
}

/* What was sent cannot be sent once more: no connection is used that the other server may be about to close. */
static void set_upload(Relay *relay, CURL *easy)
{
  curl_easy_setopt(easy, CURLOPT_POST, 1L);
  curl_easy_setopt(easy, CURLOPT_READFUNCTION, give_body);
  curl_easy_setopt(easy, CURLOPT_READDATA, relay);
  curl_easy_setopt(easy, CURLOPT_FRESH_CONNECT, 1L);
  if (http_upload_length(relay->upload) >= 0)
    curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)http_upload_length(relay->upload));
  else
    relay->headers = curl_slist_append(relay->headers, "Transfer-Encoding: chunked");
}

static void set_method(Relay *relay, CURL *easy, const char *method)
{
  gsize length;
  const void *body = g_bytes_get_data(relay->body, &length);
  bool with_body =
      length > 0 || g_str_equal(method, "POST") || g_str_equal(method, "PUT") || g_str_equal(method, "PATCH");
  if (relay->upload) {
    set_upload(relay, easy);
  } else if (with_body) {
    curl_easy_setopt(easy, CURLOPT_POSTFIELDS, length ? body : "");
    curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)length);
  } else if (g_str_equal(method, "HEAD")) {
    curl_easy_setopt(easy, CURLOPT_NOBODY, 1L);
  }
  curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, method);
}

void relay_start(Outbound *outbound, HttpRequest *http, const RelayRequest *request)
{
  Relay *relay = g_new0(Relay, 1);
  g_atomic_ref_count_init(&relay->references);
  relay->transfer.done = relay_done;
  relay->outbound = outbound;
  relay->http = http;
  relay->fail = request->fail;
  relay->path_prefix = g_strdup(request->path_prefix);
  relay->client_host = g_strdup(http_header(http, "Host"));
  relay->body = g_bytes_ref(http_body(http));
  relay->upload = http_take_upload(http);
  relay->headers = curl_headers(http, request);
  CURL *easy = outbound_easy_new(&relay->transfer, &request->target);
  relay->host = g_strdup(relay->transfer.address);
  http_when_done(http, request_done, relay_ref(relay));
  if (easy) {
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, take_body);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, relay);
    curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, take_line);
    curl_easy_setopt(easy, CURLOPT_HEADERDATA, relay);
    set_method(relay, easy, http_method(http));
    curl_easy_setopt(easy, CURLOPT_HTTPHEADER, relay->headers);
  }
  if (!easy || !outbound_start(outbound, &relay->transfer)) {
    outbound_transfer_clear(&relay->transfer);
    relay_done(&relay->transfer, CURLE_ABORTED_BY_CALLBACK, "context canceled");
  }
}
