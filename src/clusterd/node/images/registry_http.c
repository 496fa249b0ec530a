#include "clusterd/node/images/registry_http.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/json.h"
#include "base/reason.h"

#define CONNECT_TIMEOUT_S 20
#define STALL_TIMEOUT_S 60 /* without a byte */
#define REDIRECTS_MAX 5
#define TOKEN_REPLY_MAX (1u << 20)
#define CHALLENGE_MAX 4096

/* Where the body of a reply goes: to memory or to a file. */
typedef struct Body {
  GByteArray *bytes;
  int fd;
  GChecksum *checksum;
  int64_t left;
  bool too_long;
  int write_error;
  char *challenge; /* WWW-Authenticate */
} Body;

static size_t take_body(char *data, size_t size, size_t count, void *user)
{
  Body *body = user;
  size_t length = size * count;
  body->left -= (int64_t)length;
  body->too_long = body->left < 0;
  if (body->too_long)
    return 0;
  if (body->bytes) {
    g_byte_array_append(body->bytes, (const guint8 *)data, (guint)length);
    return length;
  }
  g_checksum_update(body->checksum, (const guchar *)data, (gssize)length);
  for (size_t done = 0; done < length;) {
    ssize_t put = write(body->fd, data + done, length - done);
    if (put < 0 && errno != EINTR) {
      body->write_error = errno;
      return 0;
    }
    done += put > 0 ? (size_t)put : 0;
  }
  return length;
}

static size_t take_header(char *data, size_t size, size_t count, void *user)
{
  static const char name[] = "www-authenticate:";
  Body *body = user;
  size_t length = size * count;
  if (length < CHALLENGE_MAX && length > strlen(name) && g_ascii_strncasecmp(data, name, strlen(name)) == 0) {
    g_free(body->challenge);
    body->challenge = g_strstrip(g_strndup(data + strlen(name), length - strlen(name)));
  }
  return length;
}

/* Called at least once a second; not 0 ends the request. */
static int check_interrupt(void *user, curl_off_t total, curl_off_t now, curl_off_t upload_total, curl_off_t upload_now)
{
  const RegistryHttp *http = user;
  return http->interrupted && g_atomic_int_get(http->interrupted);
}

static void set_options(RegistryHttp *http, const char *url, Body *body, struct curl_slist *headers)
{
  CURL *curl = http->curl;
  curl_easy_reset(curl);
  curl_easy_setopt(curl, CURLOPT_URL, url);
  curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
  curl_easy_setopt(curl, CURLOPT_REDIR_PROTOCOLS_STR, "https");
  curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 1L);
  curl_easy_setopt(curl, CURLOPT_MAXREDIRS, (long)REDIRECTS_MAX);
  curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT, (long)CONNECT_TIMEOUT_S);
  curl_easy_setopt(curl, CURLOPT_LOW_SPEED_LIMIT, 1L);
  curl_easy_setopt(curl, CURLOPT_LOW_SPEED_TIME, (long)STALL_TIMEOUT_S);
  curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(curl, CURLOPT_USERAGENT, "launcher");
  curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
  curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, take_body);
  curl_easy_setopt(curl, CURLOPT_WRITEDATA, body);
  curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, take_header);
  curl_easy_setopt(curl, CURLOPT_HEADERDATA, body);
  curl_easy_setopt(curl, CURLOPT_NOPROGRESS, 0L);
  curl_easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, check_interrupt);
  curl_easy_setopt(curl, CURLOPT_XFERINFODATA, http);
}

static bool check_status(long status, const char *url, GError **error)
{
  if (status == 200)
    return true;
  if (status == 404)
    return reason_set(error, REASON_DOWNLOAD_NOT_FOUND, "%s: not found", url);
  if (status == 401 || status == 403)
    return reason_set(error, REASON_DOWNLOAD,
                      "%s: pull access denied, repository does not exist or may require authorization", url);
  return reason_set(error, REASON_DOWNLOAD, "%s: unexpected status %ld", url, status);
}

/* One request. *STATUS is set when there was a reply; a body that could not be taken is an error. */
static bool perform(RegistryHttp *http, const char *url, const char *accept, Body *body, long *status, GError **error)
{
  struct curl_slist *headers = NULL;
  g_autofree char *accept_line = accept ? g_strdup_printf("Accept: %s", accept) : NULL;
  if (accept_line)
    headers = curl_slist_append(headers, accept_line);
  set_options(http, url, body, headers);
  if (http->token) { /* curl keeps it from other hosts, where a redirect may lead */
    curl_easy_setopt(http->curl, CURLOPT_HTTPAUTH, (long)CURLAUTH_BEARER);
    curl_easy_setopt(http->curl, CURLOPT_XOAUTH2_BEARER, http->token);
  } else if (http->login) {
    curl_easy_setopt(http->curl, CURLOPT_HTTPAUTH, (long)CURLAUTH_BASIC);
    curl_easy_setopt(http->curl, CURLOPT_USERPWD, http->login);
  }
  CURLcode code = curl_easy_perform(http->curl);
  curl_slist_free_all(headers);
  curl_easy_getinfo(http->curl, CURLINFO_RESPONSE_CODE, status);
  if (code == CURLE_ABORTED_BY_CALLBACK)
    return reason_set(error, REASON_INTERRUPTED, "%s: interrupted", url);
  if (body->write_error)
    return reason_set_errno(error, body->write_error == ENOSPC ? REASON_INSUFFICIENT_STORAGE : REASON_FILE,
                            body->write_error, "%s: cannot be stored", url);
  if (body->too_long)
    return reason_set(error, REASON_IMAGE_INVALID, "%s: longer than announced", url);
  return code == CURLE_OK || reason_set(error, REASON_DOWNLOAD, "%s: %s", url, curl_easy_strerror(code));
}

/* The value of KEY="…" in a challenge. The caller frees; NULL when absent. */
static char *challenge_value(const char *challenge, const char *key)
{
  g_autofree char *start = g_strdup_printf("%s=\"", key);
  const char *found = strstr(challenge, start);
  const char *end = found ? strchr(found + strlen(start), '"') : NULL;
  return end ? g_strndup(found + strlen(start), (gsize)(end - found) - strlen(start)) : NULL;
}

/* Asks the authority the registry named for a token. Source: distribution.github.io, "Token authentication". */
static bool fetch_token(RegistryHttp *http, const char *challenge, GError **error)
{
  g_autofree char *realm = challenge_value(challenge, "realm"), *service = challenge_value(challenge, "service");
  g_autofree char *scope = challenge_value(challenge, "scope");
  if (!realm || !(g_str_has_prefix(realm, "https://") || g_str_has_prefix(http->base, "http://")))
    return reason_set(error, REASON_DOWNLOAD, "%s: asks for an authentication we do not know", http->base);
  g_autofree char *service_text = g_uri_escape_string(service ? service : "", NULL, FALSE);
  g_autofree char *scope_text = g_uri_escape_string(scope ? scope : "", NULL, FALSE);
  g_autofree char *url = g_strdup_printf("%s?service=%s&scope=%s", realm, service_text, scope_text);
  g_autoptr(GByteArray) reply = g_byte_array_new();
  Body body = { .bytes = reply, .fd = -1, .left = TOKEN_REPLY_MAX };
  long status = 0;
  g_clear_pointer(&http->token, g_free);
  bool good = perform(http, url, NULL, &body, &status, error) && check_status(status, url, error);
  g_free(body.challenge);
  if (!good)
    return false;
  g_autoptr(json_t) value = json_parse((const char *)reply->data, reply->len, false, NULL);
  const char *token = json_str(value, "token", json_str(value, "access_token", NULL));
  http->token = g_strdup(token);
  return token || reason_set(error, REASON_DOWNLOAD, "%s: gave no token", realm);
}

static void body_rewind(Body *body, int64_t max)
{
  body->left = max;
  g_clear_pointer(&body->challenge, g_free);
  if (body->bytes)
    g_byte_array_set_size(body->bytes, 0);
  if (body->checksum)
    g_checksum_reset(body->checksum);
  if (body->fd >= 0 && (ftruncate(body->fd, 0) < 0 || lseek(body->fd, 0, SEEK_SET) < 0))
    body->write_error = errno;
}

static bool fetch(RegistryHttp *http, const char *path, const char *accept, int64_t max, Body *body, GError **error)
{
  g_autofree char *url = g_strconcat(http->base, path, NULL);
  long status = 0;
  body_rewind(body, max);
  bool good = perform(http, url, accept, body, &status, error);
  if (good && status == 401 && body->challenge && g_ascii_strncasecmp(body->challenge, "Bearer ", 7) == 0) {
    good = fetch_token(http, body->challenge, error);
    body_rewind(body, max);
    good = good && perform(http, url, accept, body, &status, error);
  }
  g_clear_pointer(&body->challenge, g_free);
  return good && check_status(status, url, error);
}

GBytes *registry_http_get(RegistryHttp *http, const char *path, const char *accept, size_t max, GError **error)
{
  g_autoptr(GByteArray) bytes = g_byte_array_new();
  Body body = { .bytes = bytes, .fd = -1 };
  return fetch(http, path, accept, (int64_t)max, &body, error) ? g_byte_array_free_to_bytes(g_steal_pointer(&bytes))
                                                               : NULL;
}

bool registry_http_save(RegistryHttp *http, const char *path, int fd, int64_t max, char digest[72], GError **error)
{
  g_autoptr(GChecksum) checksum = g_checksum_new(G_CHECKSUM_SHA256);
  Body body = { .fd = fd, .checksum = checksum };
  if (!fetch(http, path, NULL, max, &body, error))
    return false;
  g_snprintf(digest, 72, "sha256:%s", g_checksum_get_string(checksum));
  return true;
}

static char *make_login(const json_t *auth)
{
  const char *user = json_str(auth, "username", NULL), *password = json_str(auth, "password", NULL);
  const char *packed = json_str(auth, "auth", NULL);
  gsize length;
  if (user && *user && password)
    return g_strdup_printf("%s:%s", user, password);
  g_autofree guchar *text = packed && *packed ? g_base64_decode(packed, &length) : NULL;
  return text && length > 0 ? g_strndup((const char *)text, length) : NULL;
}

static bool is_local(const char *host)
{
  g_autofree char *name = g_strndup(host, strcspn(host, ":"));
  return g_str_equal(name, "localhost") || g_str_has_prefix(name, "127.");
}

bool registry_http_open(RegistryHttp *http, const char *name, const json_t *auth, GError **error)
{
  static gsize once;
  if (g_once_init_enter(&once)) {
    curl_global_init(CURL_GLOBAL_DEFAULT);
    g_once_init_leave(&once, 1);
  }
  g_auto(GStrv) parts = g_strsplit(name, "/", 2);
  const char *host = g_str_equal(parts[0], "docker.io") ? "registry-1.docker.io" : parts[0];
  *http = (RegistryHttp){ .curl = curl_easy_init() };
  if (!http->curl)
    return reason_set(error, REASON_INTERNAL, "curl cannot be set up");
  http->base = g_strdup_printf("%s://%s/v2/%s", is_local(host) ? "http" : "https", host, parts[1]);
  http->login = make_login(auth);
  return true;
}

void registry_http_clear(RegistryHttp *http)
{
  if (http->curl)
    curl_easy_cleanup(http->curl);
  g_free(http->base);
  g_free(http->login);
  g_free(http->token);
  *http = (RegistryHttp){ 0 };
}
