#include "bootstrap/api_client.h"

#include <curl/curl.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/reason.h"
#include "bootstrap/kubeconfig.h"

#define REPLY_MAX (64u << 20)
#define LINE_MAX_BYTES (4u << 20)
#define REQUEST_TIMEOUT_MS 30000L

struct ApiClient {
  CURL *curl;
  char *server, *ca, *certificate, *key;
};

ApiClient *api_client_new(const Home *home, const Profile *profile)
{
  ApiClient *client = g_new0(ApiClient, 1);
  client->curl = curl_easy_init();
  g_assert(client->curl);
  client->server = kubeconfig_server_url(profile);
  client->ca = home_profile_file(home, profile->name, "pki/ca.crt");
  client->certificate = home_profile_file(home, profile->name, "pki/client.crt");
  client->key = home_profile_file(home, profile->name, "pki/client.key");
  return client;
}

void api_client_free(ApiClient *client)
{
  if (!client)
    return;
  curl_easy_cleanup(client->curl);
  g_free(client->server);
  g_free(client->ca);
  g_free(client->certificate);
  g_free(client->key);
  g_free(client);
}

static void prepare(ApiClient *client, const char *path, long timeout_ms)
{
  g_autofree char *url = g_strconcat(client->server, path, NULL);
  curl_easy_reset(client->curl); /* keeps the connection */
  curl_easy_setopt(client->curl, CURLOPT_URL, url);
  curl_easy_setopt(client->curl, CURLOPT_PROXY, ""); /* the machine is on this host */
  curl_easy_setopt(client->curl, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(client->curl, CURLOPT_CAINFO, client->ca);
  curl_easy_setopt(client->curl, CURLOPT_SSLCERT, client->certificate);
  curl_easy_setopt(client->curl, CURLOPT_SSLKEY, client->key);
  curl_easy_setopt(client->curl, CURLOPT_USERAGENT, "launcher");
  curl_easy_setopt(client->curl, CURLOPT_TIMEOUT_MS, timeout_ms);
}

static size_t take_reply(char *data, size_t one, size_t count, void *user)
{
  GString *reply = user;
  if (reply->len + count > REPLY_MAX)
    return 0;
  g_string_append_len(reply, data, (gssize)count);
  return count;
}

bool api_client_is_ready(ApiClient *client, int timeout_ms)
{
  g_autoptr(GString) reply = g_string_new(NULL);
  long status = 0;
  prepare(client, "/readyz", timeout_ms);
  curl_easy_setopt(client->curl, CURLOPT_WRITEFUNCTION, take_reply);
  curl_easy_setopt(client->curl, CURLOPT_WRITEDATA, reply);
  return curl_easy_perform(client->curl) == CURLE_OK &&
         curl_easy_getinfo(client->curl, CURLINFO_RESPONSE_CODE, &status) == CURLE_OK && status == 200;
}

static bool set_not_running(const ApiClient *client, CURLcode code, GError **error)
{
  return reason_set(error, REASON_APISERVER_NOT_RUNNING, "the API server at %s does not answer: %s", client->server,
                    curl_easy_strerror(code));
}

/* What was prepared, with the answer as JSON. */
static json_t *ask(ApiClient *client, const char *path, GError **error)
{
  g_autoptr(GString) reply = g_string_new(NULL);
  long status = 0;
  curl_easy_setopt(client->curl, CURLOPT_WRITEFUNCTION, take_reply);
  curl_easy_setopt(client->curl, CURLOPT_WRITEDATA, reply);
  CURLcode code = curl_easy_perform(client->curl);
  if (code != CURLE_OK) {
    set_not_running(client, code, error);
    return NULL;
  }
  curl_easy_getinfo(client->curl, CURLINFO_RESPONSE_CODE, &status);
  g_autoptr(json_t) value = json_parse(reply->str, reply->len, false, error);
  if (!value || status < 400)
    return g_steal_pointer(&value);
  reason_set(error, status == 404 ? REASON_NOT_FOUND : REASON_CONTROL_PLANE, "%s: %s", path,
             json_str(value, "message", "the API server refused the request"));
  return NULL;
}

json_t *api_client_get(ApiClient *client, const char *path, GError **error)
{
  prepare(client, path, REQUEST_TIMEOUT_MS);
  return ask(client, path, error);
}

bool api_client_post(ApiClient *client, const char *path, const json_t *value, GError **error)
{
  char *text = json_dumps(value, JSON_COMPACT);
  struct curl_slist *headers = curl_slist_append(NULL, "Content-Type: application/json");
  prepare(client, path, REQUEST_TIMEOUT_MS);
  curl_easy_setopt(client->curl, CURLOPT_HTTPHEADER, headers);
  curl_easy_setopt(client->curl, CURLOPT_POSTFIELDS, text);
  g_autoptr(json_t) answer = ask(client, path, error);
  curl_easy_setopt(client->curl, CURLOPT_HTTPHEADER, NULL);
  curl_slist_free_all(headers);
  free(text);
  return answer != NULL;
}

typedef struct Watching {
  GString *pending;
  ApiWatchHandler handler;
  void *data;
  bool ended; /* by the handler */
} Watching;

static bool handle_line(Watching *watching, const char *line, size_t length)
{
  g_autoptr(json_t) event = json_parse(line, length, false, NULL);
  const char *type = json_str(event, "type", NULL);
  return !type || watching->handler(type, json_object_get(event, "object"), watching->data);
}

static size_t take_events(char *data, size_t one, size_t count, void *user)
{
  Watching *watching = user;
  g_string_append_len(watching->pending, data, (gssize)count);
  const char *end;
  while (!watching->ended && (end = memchr(watching->pending->str, '\n', watching->pending->len))) {
    gsize length = (gsize)(end - watching->pending->str);
    watching->ended = !handle_line(watching, watching->pending->str, length);
    g_string_erase(watching->pending, 0, (gssize)length + 1);
  }
  return watching->ended || watching->pending->len > LINE_MAX_BYTES ? 0 : count;
}

/* Performs what was prepared, and calls IDLE whenever nothing more has come for now. */
static CURLcode perform_with_idle(CURL *curl, ApiWatchIdle idle, void *data)
{
  CURLM *multi = curl_multi_init();
  CURLcode code = CURLE_FAILED_INIT;
  int running = 1, left;
  g_assert(multi);
  curl_multi_add_handle(multi, curl);
  while (curl_multi_perform(multi, &running) == CURLM_OK && running) {
    int wait_ms = idle ? idle(data) : -1;
    if (curl_multi_poll(multi, NULL, 0, wait_ms < 0 ? G_MAXINT : wait_ms, NULL) != CURLM_OK)
      break;
  }
  const CURLMsg *message = running ? NULL : curl_multi_info_read(multi, &left);
  if (message && message->msg == CURLMSG_DONE)
    code = message->data.result;
  curl_multi_remove_handle(multi, curl);
  curl_multi_cleanup(multi);
  return code;
}

bool api_client_watch(ApiClient *client, const char *path, ApiWatchHandler handler, ApiWatchIdle idle, void *data,
                      GError **error)
{
  g_autoptr(GString) pending = g_string_new(NULL);
  Watching watching = { .pending = pending, .handler = handler, .data = data };
  prepare(client, path, 0);
  curl_easy_setopt(client->curl, CURLOPT_FAILONERROR, 1L);
  curl_easy_setopt(client->curl, CURLOPT_WRITEFUNCTION, take_events);
  curl_easy_setopt(client->curl, CURLOPT_WRITEDATA, &watching);
  CURLcode code = perform_with_idle(client->curl, idle, data);
  if (code == CURLE_OK || watching.ended)
    return true;
  return set_not_running(client, code, error);
}
