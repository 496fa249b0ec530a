#include "clusterd/node/images/docker_remove.h"

#include <curl/curl.h>

#include "base/json.h"
#include "base/reason.h"

#define REPLY_MAX (1u << 20)
#define TIMEOUT_S 120L /* an emulated machine takes its time to start dockerd */

static size_t take_reply(char *data, size_t size, size_t count, void *user)
{
  GByteArray *reply = user;
  if (reply->len + size * count > REPLY_MAX)
    return 0;
  g_byte_array_append(reply, (const guint8 *)data, (guint)(size * count));
  return size * count;
}

/* dockerd's refusals are {"message": TEXT}. */
static bool refuse(long status, const GByteArray *reply, const char *reference, GError **error)
{
  g_autoptr(json_t) json = json_parse((const char *)reply->data, reply->len, false, NULL);
  const char *message = json_str(json, "message", "no reason given");
  Reason reason = status == 404 ? REASON_RUNTIME_NOT_FOUND : status == 409 ? REASON_CONFLICT : REASON_RUNTIME;
  return reason_set(error, reason, "image \"%s\": docker: %s", reference, message);
}

bool docker_remove_image(const char *socket_path, const char *reference, GError **error)
{
  g_autoptr(GByteArray) reply = g_byte_array_new();
  g_autofree char *url = g_strdup_printf("http://docker/images/%s", reference);
  CURL *curl = curl_easy_init();
  long status = 0;
  if (!curl)
    return reason_set(error, REASON_RUNTIME, "libcurl cannot be used");
  curl_easy_setopt(curl, CURLOPT_UNIX_SOCKET_PATH, socket_path);
  curl_easy_setopt(curl, CURLOPT_URL, url);
  curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http");
  curl_easy_setopt(curl, CURLOPT_PROXY, "");
  curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, "DELETE");
  curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(curl, CURLOPT_TIMEOUT, TIMEOUT_S);
  curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, take_reply);
  curl_easy_setopt(curl, CURLOPT_WRITEDATA, reply);
  CURLcode code = curl_easy_perform(curl);
  curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
  curl_easy_cleanup(curl);
  if (code != CURLE_OK)
    return reason_set(error, REASON_RUNTIME, "docker does not answer on %s: %s", socket_path, curl_easy_strerror(code));
  return status == 200 || refuse(status, reply, reference, error);
}
