/* Config maps and secrets. */
#include <string.h>

#include "base/json.h"
#include "clusterd/api/strategies/strategies.h"
#include "clusterd/api/strategies/strategy_common.h"
#include "clusterd/api/validation.h"

#define CONFIG_BYTES_MAX (1024 * 1024)

/* stringData is for writing only: it ends in data. */
void default_secret(json_t *value)
{
  const char *key;
  json_t *text, *plain = json_object_get(value, "stringData");
  json_object_foreach (plain, key, text) {
    g_autofree char *encoded = g_base64_encode((const guchar *)json_string_value(text), json_string_length(text));
    json_object_set_new(json_ensure_object(value, "data", NULL), key, json_string(encoded));
  }
  json_object_del(value, "stringData");
}

/* Of base64's four characters for three bytes, one or two may be filling. */
static size_t decoded_size(const json_t *value)
{
  const char *text = json_string_value(value);
  size_t length = json_string_length(value), padding = 0;
  while (padding < MIN(length, 2) && text[length - 1 - padding] == '=')
    padding++;
  size_t whole = length / 4 * 3;
  return whole - MIN(whole, padding);
}

/* Checks the keys of DATA; returns the bytes of its values. */
static size_t check_data(const json_t *data, bool base64, const char *path, FieldErrors *errors)
{
  const char *key;
  json_t *value;
  size_t total = 0;
  json_object_foreach ((json_t *)(uintptr_t)data, key, value) {
    g_autofree char *key_path = field_path_key(path, key);
    g_autoptr(json_t) name = json_string(key);
    api_validate_format("configMapKey", name, key_path, errors);
    total += base64 ? decoded_size(value) : json_string_length(value);
  }
  return total;
}

/* What `immutable: true` forbids: taking it back, and any change of MEMBERS. */
static void check_frozen(const json_t *object, const json_t *old, const char *const *members, FieldErrors *errors)
{
  static const char text[] = "field is immutable when `immutable` is set";
  if (!json_flag(old, "immutable", false))
    return;
  if (!json_flag(object, "immutable", false))
    field_errors_add(errors, FIELD_FORBIDDEN, "immutable", NULL, "%s", text);
  for (size_t i = 0; members[i]; i++) {
    if (!json_same(json_object_get(object, members[i]), json_object_get(old, members[i])))
      field_errors_add(errors, FIELD_FORBIDDEN, members[i], NULL, "%s", text);
  }
}

static void config_map_validate_create(const json_t *object, FieldErrors *errors)
{
  const json_t *data = json_object_get(object, "data"), *binary = json_object_get(object, "binaryData");
  const char *key;
  json_t *value;
  size_t total = check_data(data, false, "data", errors);
  json_object_foreach ((json_t *)(uintptr_t)data, key, value) {
    if (!json_object_get(binary, key))
      continue;
    g_autofree char *path = field_path_key("data", key);
    g_autoptr(json_t) name = json_string(key);
    field_errors_add(errors, FIELD_INVALID, path, name, "duplicate of key present in binaryData");
  }
  total += check_data(binary, true, "binaryData", errors);
  if (total > CONFIG_BYTES_MAX) /* the whole object, whose path upstream writes so */
    field_errors_add(errors, FIELD_TOO_LONG, "[]", NULL, "may not be more than %d bytes", CONFIG_BYTES_MAX);
}

static void config_map_validate_update(const json_t *object, const json_t *old, const ApiWriteContext *context,
                                       FieldErrors *errors)
{
  static const char *const members[] = { "data", "binaryData", NULL };
  check_frozen(object, old, members, errors);
  config_map_validate_create(object, errors);
}

const ApiStrategy strategy_config_map = {
  .validate_create = config_map_validate_create,
  .validate_update = config_map_validate_update,
};

/* The keys a secret of each type must have. */
static const struct {
  const char *type, *keys[2];
} secret_types[] = {
  { "kubernetes.io/dockercfg", { ".dockercfg", NULL } },
  { "kubernetes.io/dockerconfigjson", { ".dockerconfigjson", NULL } },
  { "kubernetes.io/ssh-auth", { "ssh-privatekey", NULL } },
  { "kubernetes.io/tls", { "tls.crt", "tls.key" } },
};

/* Logins of registries are JSON. */
static void check_login(const json_t *data, const char *key, const char *path, FieldErrors *errors)
{
  gsize length = 0;
  g_autofree guchar *bytes = g_base64_decode(json_str(data, key, ""), &length);
  json_error_t problem;
  g_autoptr(json_t) parsed = json_loadb((const char *)bytes, length, 0, &problem);
  if (!json_is_object(parsed))
    field_errors_add_shown(errors, FIELD_INVALID, path, "\"<secret contents redacted>\"", problem.text);
}

static void check_secret_type(const json_t *object, FieldErrors *errors)
{
  const char *type = json_str(object, "type", "");
  const json_t *data = json_object_get(object, "data");
  for (size_t i = 0; i < G_N_ELEMENTS(secret_types); i++) {
    for (size_t j = 0; strcmp(type, secret_types[i].type) == 0 && j < 2 && secret_types[i].keys[j]; j++) {
      g_autofree char *path = field_path_key("data", secret_types[i].keys[j]);
      const json_t *value = json_object_get(data, secret_types[i].keys[j]);
      bool empty = secret_types[i].keys[j][0] == 's' && json_string_length(value) == 0; /* an SSH key */
      if (!value || empty)
        field_errors_add(errors, FIELD_REQUIRED, path, NULL, NULL);
      else if (secret_types[i].keys[j][0] == '.')
        check_login(data, secret_types[i].keys[j], path, errors);
    }
  }
  if (strcmp(type, "kubernetes.io/basic-auth") == 0 && !json_object_get(data, "username") &&
      !json_object_get(data, "password")) {
    field_errors_add(errors, FIELD_REQUIRED, "data[username]", NULL, NULL);
    field_errors_add(errors, FIELD_REQUIRED, "data[password]", NULL, NULL);
  }
  const json_t *annotations = json_at(object, "metadata", "annotations", NULL);
  if (strcmp(type, "kubernetes.io/service-account-token") == 0 &&
      !*json_str(annotations, "kubernetes.io/service-account.name", ""))
    field_errors_add(errors, FIELD_REQUIRED, "metadata.annotations[kubernetes.io/service-account.name]", NULL, NULL);
}

static void secret_validate_create(const json_t *object, FieldErrors *errors)
{
  size_t total = check_data(json_object_get(object, "data"), true, "data", errors);
  if (total > CONFIG_BYTES_MAX)
    field_errors_add(errors, FIELD_TOO_LONG, "data", NULL, "may not be more than %d bytes", CONFIG_BYTES_MAX);
  check_secret_type(object, errors);
}

static void secret_validate_update(const json_t *object, const json_t *old, const ApiWriteContext *context,
                                   FieldErrors *errors)
{
  static const char *const members[] = { "data", NULL };
  strategy_check_immutable(json_object_get(object, "type"), json_object_get(old, "type"), "type", errors);
  check_frozen(object, old, members, errors);
  secret_validate_create(object, errors);
}

const ApiStrategy strategy_secret = {
  .validate_create = secret_validate_create,
  .validate_update = secret_validate_update,
};
