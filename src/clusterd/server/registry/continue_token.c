#include "clusterd/server/registry/continue_token.h"

#include <string.h>

#include "base/base64url.h"
#include "base/json.h"
#include "base/reason.h"

#define TOKEN_VERSION "meta.k8s.io/v1"

char *continue_token_new(int64_t revision, const char *key)
{
  /* the zero byte makes the start the first key behind KEY */
  g_autoptr(json_t) token =
      json_pack("{s:s, s:I, s:s%}", "v", TOKEN_VERSION, "rv", (json_int_t)revision, "start", key, strlen(key) + 1);
  g_autofree char *text = json_text(token);
  return base64url_encode(text, strlen(text));
}

bool continue_token_parse(const char *token, int64_t *revision, char **key, GError **error)
{
  g_autoptr(GError) inner = NULL;
  g_autoptr(GBytes) bytes = strlen(token) <= CONTINUE_TOKEN_MAX ? base64url_decode(token) : NULL;
  if (!bytes)
    return reason_set(error, REASON_BAD_REQUEST,
                      "invalid continue token: continue key is not valid: illegal base64 data");
  gsize length;
  const char *text = g_bytes_get_data(bytes, &length);
  g_autoptr(json_t) value = json_parse(text ? text : "", length, true, &inner);
  const json_t *start = json_object_get(value, "start");
  if (!value && length > 0 && text[0] != '{')
    return reason_set(error, REASON_BAD_REQUEST,
                      "invalid continue token: continue key is not valid: invalid character '%c' looking for beginning "
                      "of value",
                      g_ascii_isprint(text[0]) ? text[0] : '?');
  if (!value)
    return reason_set(error, REASON_BAD_REQUEST, "invalid continue token: continue key is not valid: %s",
                      inner->message);
  if (g_strcmp0(json_str(value, "v", NULL), TOKEN_VERSION) != 0)
    return reason_set(
        error, REASON_BAD_REQUEST,
        "invalid continue token: continue key is not valid: server does not recognize this encoded version");
  if (!json_is_string(start) || json_string_length(start) < 2 || json_int(value, "rv", 0) == 0)
    return reason_set(error, REASON_BAD_REQUEST,
                      "invalid continue token: continue key is not valid: incorrect encoded start");
  *revision = json_int(value, "rv", 0);
  *key = g_strdup(json_string_value(start)); /* up to the zero byte */
  return true;
}
