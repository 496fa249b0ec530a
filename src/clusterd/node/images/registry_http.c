#include "clusterd/node/images/registry_http.h"

#include <string.h>

#include "base/json.h"
#include "base/reason.h"
#include "clusterd/node/images/registry_transfer.h"

#define TOKEN_REPLY_MAX (1u << 20)
#define DENIED "pull access denied, repository does not exist or may require authorization: "
#define BUSY_TRIES_MAX 4   /* after "too many requests" */
#define BUSY_WAIT_MAX_S 60 /* a server that wants more time than this is not waited for */
#define BUSY_WAIT_S 1      /* when it does not say */

/* A body that is kept in memory. */
typedef struct Memory {
  GByteArray *bytes;
  size_t max;
} Memory;

static bool take_memory(void *user, const void *data, size_t length, int64_t at, GError **error)
{
  Memory *memory = user;
  if (at == 0)
    g_byte_array_set_size(memory->bytes, 0);
  if (memory->bytes->len + length > memory->max)
    return reason_set(error, REASON_IMAGE_INVALID, "the answer is longer than %zu bytes", memory->max);
  g_byte_array_append(memory->bytes, data, (guint)length);
  return true;
}

/* Sends what asks for a token and keeps the one that comes. */
static bool receive_token(RegistryHttp *http, const char *url, const char *form, GError **error)
{
  g_autoptr(GByteArray) reply = g_byte_array_new();
  Memory memory = { reply, TOKEN_REPLY_MAX };
  RegistryRequest request = { .take = take_memory, .user = &memory };
  g_auto(RegistryTransfer) transfer = { .request = &request, .url = url, .post = form };
  CURL *curl = curl_easy_init();
  bool good = curl && registry_transfer_perform(http, curl, &transfer, NULL, form ? NULL : http->login, error);
  if (curl)
    curl_easy_cleanup(curl);
  if (!good)
    return curl ? false : reason_set(error, REASON_INTERNAL, "curl cannot be set up");
  if (transfer.status != 200)
    return registry_transfer_refuse(&transfer, error);
  g_autoptr(json_t) value = json_parse((const char *)reply->data, reply->len, false, NULL);
  const char *token = json_str(value, "token", json_str(value, "access_token", NULL));
  if (!token || !*token)
    return reason_set(error, REASON_DOWNLOAD, "%s gave no token", url);
  http->token = g_strdup(token);
  return true;
}

/* Asks the authority the registry named for a token. Source: distribution's "Token authentication", with POST its
 * "OAuth 2". */
static bool fetch_token(RegistryHttp *http, const RegistryChallenge *challenge, GError **error)
{
  const char *realm = challenge->realm;
  g_autofree char *own_scope = g_strdup_printf("repository:%s:pull", http->repository);
  if (!realm || !(g_str_has_prefix(realm, "https://") ||
                  (g_str_has_prefix(realm, "http://") && g_str_has_prefix(http->base, "http://"))))
    return reason_set(error, REASON_DOWNLOAD, "%s: asks for an authentication we do not know", http->base);
  g_autofree char *service = g_uri_escape_string(challenge->service ? challenge->service : "", NULL, FALSE);
  g_autofree char *scope = g_uri_escape_string(challenge->scope ? challenge->scope : own_scope, NULL, FALSE);
  g_clear_pointer(&http->token, g_free);
  g_autoptr(GError) failure = NULL;
  bool good;
  if (http->refresh_token) {
    g_autofree char *refresh = g_uri_escape_string(http->refresh_token, NULL, FALSE);
    g_autofree char *form = g_strdup_printf("grant_type=refresh_token&service=%s&scope=%s&client_id=launcher"
                                            "&refresh_token=%s",
                                            service, scope, refresh);
    good = receive_token(http, realm, form, &failure);
  } else {
    g_autofree char *url =
        g_strdup_printf("%s%sscope=%s&service=%s", realm, strchr(realm, '?') ? "&" : "?", scope, service);
    good = receive_token(http, url, NULL, &failure);
  }
  bool known = http->login || http->refresh_token;
  return good || reason_set(error, (Reason)failure->code, "failed to authorize: failed to fetch %s token: %s",
                            known ? "oauth" : "anonymous", failure->message);
}

typedef enum Answer { ANSWER_READY, ANSWER_NONE, ANSWER_FAILED } Answer;

/* What to do about a 401: READY when the request can be sent again. TOKEN and BASIC are what it was sent with. */
static Answer answer_challenge(RegistryHttp *http, const RegistryChallenge *challenge, const char *token, bool basic,
                               GError **error)
{
  g_autoptr(GMutexLocker) locker = g_mutex_locker_new(&http->lock);
  if (g_strcmp0(http->token, token) != 0 || http->basic != basic) /* meanwhile another thread did it */
    return ANSWER_READY;
  if (challenge->bearer)
    return fetch_token(http, challenge, error) ? ANSWER_READY : ANSWER_FAILED;
  if (!challenge->basic || basic)
    return ANSWER_NONE;
  http->basic = http->login != NULL;
  if (http->basic)
    return ANSWER_READY;
  reason_set(error, REASON_UNAUTHORIZED, DENIED "authorization failed: no basic auth credentials");
  return ANSWER_FAILED;
}

/* One exchange, and one more when the server wants to know who asks. */
static bool exchange(RegistryHttp *http, CURL *curl, RegistryTransfer *transfer, GError **error)
{
  for (bool asked = false;; asked = true) {
    g_mutex_lock(&http->lock);
    g_autofree char *token = g_strdup(http->token);
    bool basic = http->basic;
    g_mutex_unlock(&http->lock);
    if (!registry_transfer_perform(http, curl, transfer, token, basic ? http->login : NULL, error))
      return false;
    if (transfer->status != 401 || asked)
      return true;
    switch (answer_challenge(http, &transfer->challenge, token, basic, error)) {
    case ANSWER_READY:
      break;
    case ANSWER_NONE:
      return true;
    case ANSWER_FAILED:
      return false;
    }
  }
}

static bool check_answer(const RegistryTransfer *transfer, GError **error)
{
  if (transfer->status == 200 || transfer->status == 206)
    return true;
  if (transfer->status == 401 && transfer->challenge.error)
    return reason_set(error, REASON_UNAUTHORIZED, DENIED "server message: %s: authorization failed",
                      transfer->challenge.error);
  return registry_transfer_refuse(transfer, error);
}

bool registry_http_request(RegistryHttp *http, const RegistryRequest *request, GError **error)
{
  g_autofree char *joined = *request->path == '/' ? g_strconcat(http->base, request->path, NULL) : NULL;
  CURL *curl = request->curl ? request->curl : http->curl;
  for (int tries = 1;; tries++) {
    g_auto(RegistryTransfer) transfer = { .request = request, .url = joined ? joined : request->path };
    if (!exchange(http, curl, &transfer, error))
      return false;
    bool busy = transfer.status == 429 || transfer.status == 503;
    int64_t wait = transfer.retry_after < 0 ? BUSY_WAIT_S << (tries - 1) : transfer.retry_after;
    if (!busy || tries == BUSY_TRIES_MAX || wait > BUSY_WAIT_MAX_S)
      return check_answer(&transfer, error);
    if (!registries_wait(http->registries, (double)wait))
      return reason_set(error, REASON_INTERRUPTED, "context canceled");
  }
}

GBytes *registry_http_get(RegistryHttp *http, const char *path, const char *accept, size_t max, GError **error)
{
  g_autoptr(GByteArray) bytes = g_byte_array_new();
  Memory memory = { bytes, max };
  RegistryRequest request = { .path = path, .accept = accept, .take = take_memory, .user = &memory };
  return registry_http_request(http, &request, error) ? g_byte_array_free_to_bytes(g_steal_pointer(&bytes)) : NULL;
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

bool registry_http_open(RegistryHttp *http, Registries *registries, const RegistryServer *server,
                        const char *repository, const json_t *auth, GError **error)
{
  static gsize once;
  if (g_once_init_enter(&once)) {
    curl_global_init(CURL_GLOBAL_DEFAULT);
    g_once_init_leave(&once, 1);
  }
  const json_t *shown = server->origin ? auth : NULL;
  *http = (RegistryHttp){ .registries = registries, .insecure = server->insecure, .curl = curl_easy_init() };
  g_mutex_init(&http->lock);
  http->base = g_strdup_printf("%s/v2/%s", server->url, repository);
  http->repository = g_strdup(repository);
  http->login = make_login(shown);
  http->refresh_token = g_strdup(json_str(shown, "identitytoken", NULL));
  http->token = g_strdup(json_str(shown, "registrytoken", NULL));
  registries_trust(registries, server->host, &http->trust);
  return http->curl || reason_set(error, REASON_INTERNAL, "curl cannot be set up");
}

void registry_http_clear(RegistryHttp *http)
{
  if (!http->base)
    return;
  if (http->curl)
    curl_easy_cleanup(http->curl);
  registry_trust_clear(&http->trust);
  char *texts[] = { http->base, http->repository, http->login, http->refresh_token, http->token };
  for (size_t i = 0; i < G_N_ELEMENTS(texts); i++)
    g_free(texts[i]);
  g_mutex_clear(&http->lock);
  *http = (RegistryHttp){ 0 };
}
