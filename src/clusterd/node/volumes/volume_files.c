#include "clusterd/node/volumes/volume_files.h"

#include <string.h>

#include "base/json.h"
#include "base/reason.h"
#include "base/timestamp.h"
#include "clusterd/node/field_ref.h"
#include "clusterd/node/volumes/atomic_dir.h"

#define DEFAULT_MODE 0644
#define TOKEN_SECONDS 3600
#define TOKEN_AGE_MAX_US (86400 * (int64_t)G_USEC_PER_SEC) /* older ones are replaced, however long they live */

typedef struct Token {
  char *text;
  int64_t renew_us; /* wall clock */
} Token;

typedef struct Reader {
  const VolumeContext *context;
  const char *volume;
  GHashTable *tokens; /* "VOLUME PATH" → Token */
  GPtrArray *files;
  mode_t default_mode;
  int64_t *refresh_us;
} Reader;

static void token_free(Token *token)
{
  g_free(token->text);
  g_free(token);
}

GHashTable *volume_tokens_new(void)
{
  return g_hash_table_new_full(g_str_hash, g_str_equal, g_free, (GDestroyNotify)token_free);
}

bool volume_files_handles(const json_t *volume)
{
  return json_object_get(volume, "configMap") || json_object_get(volume, "secret") ||
         json_object_get(volume, "downwardAPI") || json_object_get(volume, "projected");
}

static mode_t mode_of(const Reader *reader, const json_t *item)
{
  return (mode_t)(json_int(item, "mode", reader->default_mode) & 0777);
}

static void add(Reader *reader, const char *path, const void *bytes, gsize length, mode_t mode)
{
  g_autoptr(GBytes) content = g_bytes_new(bytes, length);
  g_ptr_array_add(reader->files, atomic_file_new(path, content, mode));
}

/* Adds KEY of OBJECT as the file PATH; false when there is no such key. */
static bool add_key(Reader *reader, const json_t *object, bool is_secret, const char *key, const char *path,
                    mode_t mode)
{
  const char *text = json_string_value(json_at(object, "data", key, NULL));
  const char *binary = json_string_value(json_at(object, "binaryData", key, NULL));
  if (text && !is_secret) {
    add(reader, path, text, strlen(text), mode);
  } else if (text || binary) {
    gsize length;
    g_autofree guchar *bytes = g_base64_decode(text ? text : binary, &length);
    add(reader, path, bytes, length, mode);
  }
  return text || binary;
}

static void add_all_keys(Reader *reader, const json_t *object, bool is_secret)
{
  static const char *const maps[] = { "data", "binaryData" };
  const char *key;
  json_t *unused;
  for (gsize i = 0; i < G_N_ELEMENTS(maps); i++)
    json_object_foreach (json_object_get(object, maps[i]), key, unused)
      add_key(reader, object, is_secret, key, key, reader->default_mode);
}

/* SOURCE is {name|secretName, items, optional}. */
static bool add_object(Reader *reader, const json_t *source, bool is_secret, GError **error)
{
  const char *namespace_ = json_str(json_object_get(reader->context->pod, "metadata"), "namespace", "");
  const char *name = json_str(source, "name", json_str(source, "secretName", ""));
  const char *kind = is_secret ? "secret" : "configmap";
  const ClusterView *view = reader->context->view;
  bool optional = json_flag(source, "optional", false);
  const json_t *items = json_object_get(source, "items"), *item;
  size_t i;
  g_autoptr(json_t) object = view->object(view->data, is_secret ? "secrets" : "configmaps", namespace_, name);
  if (!object)
    return optional || reason_set(error, REASON_INVALID, "%s \"%s\" not found", kind, name);
  if (!items)
    add_all_keys(reader, object, is_secret);
  json_array_foreach (items, i, item) {
    const char *key = json_str(item, "key", "");
    if (!add_key(reader, object, is_secret, key, json_str(item, "path", ""), mode_of(reader, item)) && !optional)
      return reason_set(error, REASON_INVALID, "references non-existent %s key: %s", is_secret ? "secret" : "config",
                        key);
  }
  return true;
}

static bool add_downward(Reader *reader, const json_t *source, GError **error)
{
  const VolumeContext *context = reader->context;
  const json_t *item, *ref;
  size_t i;
  json_array_foreach (json_object_get(source, "items"), i, item) {
    g_autofree char *text = NULL;
    if ((ref = json_object_get(item, "fieldRef")))
      text = field_ref_text(context->pod, json_str(ref, "fieldPath", ""), context->pod_ips, context->node, error);
    else
      text = field_ref_resource(context->pod, NULL, json_object_get(item, "resourceFieldRef"), context->node, error);
    if (!text)
      return false;
    add(reader, json_str(item, "path", ""), text, strlen(text), mode_of(reader, item));
  }
  return true;
}

/* A token is replaced when four fifths of its life, or a day, have passed. NULL with an error. */
static const Token *find_token(Reader *reader, const json_t *source, GError **error)
{
  const VolumeContext *context = reader->context;
  int64_t seconds = json_int(source, "expirationSeconds", TOKEN_SECONDS), expires_us = 0;
  int64_t now = context->now_us ? context->now_us : timestamp_now_us();
  g_autofree char *key = g_strdup_printf("%s %s", reader->volume, json_str(source, "path", ""));
  Token *token = g_hash_table_lookup(reader->tokens, key);
  if (token && now < token->renew_us)
    return token;
  char *text = context->view->token(context->view->data, context->pod, json_str(source, "audience", NULL), seconds,
                                    &expires_us, error);
  if (!text)
    return NULL;
  token = g_new(Token, 1);
  *token = (Token){ text, now + MIN((expires_us - now) / 5 * 4, TOKEN_AGE_MAX_US) };
  g_hash_table_insert(reader->tokens, g_steal_pointer(&key), token);
  return token;
}

static bool add_token(Reader *reader, const json_t *source, GError **error)
{
  const Token *token = find_token(reader, source, error);
  if (!token)
    return false;
  *reader->refresh_us = MIN(*reader->refresh_us, token->renew_us);
  add(reader, json_str(source, "path", "token"), token->text, strlen(token->text), reader->default_mode);
  return true;
}

static bool add_projected(Reader *reader, const json_t *projected, GError **error)
{
  const json_t *source, *part;
  size_t i;
  json_array_foreach (json_object_get(projected, "sources"), i, source) {
    bool ok = true;
    if ((part = json_object_get(source, "configMap")))
      ok = add_object(reader, part, false, error);
    else if ((part = json_object_get(source, "secret")))
      ok = add_object(reader, part, true, error);
    else if ((part = json_object_get(source, "downwardAPI")))
      ok = add_downward(reader, part, error);
    else if ((part = json_object_get(source, "serviceAccountToken")))
      ok = add_token(reader, part, error);
    if (!ok)
      return false;
  }
  return true;
}

GPtrArray *volume_files_read(const VolumeContext *context, const json_t *volume, GHashTable *tokens,
                             int64_t *refresh_us, GError **error)
{
  static const char *const types[] = { "configMap", "secret", "downwardAPI", "projected" };
  g_autoptr(GPtrArray) files = g_ptr_array_new_with_free_func((GDestroyNotify)atomic_file_free);
  Reader reader = { .context = context,
                    .volume = json_str(volume, "name", ""),
                    .tokens = tokens,
                    .files = files,
                    .default_mode = DEFAULT_MODE,
                    .refresh_us = refresh_us };
  const json_t *source = NULL;
  gsize type = 0;
  for (; type < G_N_ELEMENTS(types) && !source; type++)
    source = json_object_get(volume, types[type]);
  reader.default_mode = (mode_t)(json_int(source, "defaultMode", DEFAULT_MODE) & 0777);
  bool ok = false;
  switch (type) {
  case 1:
  case 2:
    ok = add_object(&reader, source, type == 2, error);
    break;
  case 3:
    ok = add_downward(&reader, source, error);
    break;
  default:
    ok = add_projected(&reader, source, error);
  }
  return ok ? g_steal_pointer(&files) : NULL;
}
