#include "clusterd/node/pod/env.h"

#include <string.h>

#include "base/json.h"
#include "base/reason.h"
#include "clusterd/node/field_ref.h"

struct Env {
  GPtrArray *names;   /* char*, in order; owned by VALUES */
  GHashTable *values; /* name → value */
};

void env_free(Env *env)
{
  g_ptr_array_unref(env->names);
  g_hash_table_unref(env->values);
  g_free(env);
}

static void set(Env *env, const char *name, const char *value)
{
  if (g_hash_table_contains(env->values, name)) {
    /* Replace in place: the name keeps its position and its string. */
    g_hash_table_insert(env->values, g_strdup(name), g_strdup(value));
    return;
  }
  char *key = g_strdup(name);
  g_hash_table_insert(env->values, key, g_strdup(value));
  g_ptr_array_add(env->names, key);
}

static void set_format(Env *env, const char *value, const char *format, ...) G_GNUC_PRINTF(3, 4);
static void set_format(Env *env, const char *value, const char *format, ...)
{
  va_list args;
  va_start(args, format);
  g_autofree char *name = g_strdup_vprintf(format, args);
  va_end(args);
  set(env, name, value);
}

/* "my-svc" → "MY_SVC". */
static char *shout(const char *name)
{
  return g_strdelimit(g_ascii_strup(name, -1), "-", '_');
}

/* "tcp://10.96.0.1:443", "tcp://[fd00::1]:443". The caller frees. */
static char *service_url(const char *protocol, const char *ip, const char *port)
{
  return g_strdup_printf(strchr(ip, ':') ? "%s://[%s]:%s" : "%s://%s:%s", protocol, ip, port);
}

static void add_service_port(Env *env, const char *name, const char *ip, const json_t *port)
{
  const char *protocol = json_str(port, "protocol", "TCP");
  g_autofree char *lower = g_ascii_strdown(protocol, -1);
  g_autofree char *number = g_strdup_printf("%d", (int)json_int(port, "port", 0));
  g_autofree char *url = service_url(lower, ip, number);
  g_autofree char *prefix = g_strdup_printf("%s_PORT_%s_%s", name, number, protocol);
  set(env, prefix, url);
  set_format(env, lower, "%s_PROTO", prefix);
  set_format(env, number, "%s_PORT", prefix);
  set_format(env, ip, "%s_ADDR", prefix);
}

static void add_service(Env *env, const json_t *service)
{
  const json_t *spec = json_object_get(service, "spec"), *ports = json_object_get(spec, "ports"), *port;
  const char *ip = json_str(spec, "clusterIP", "");
  size_t i;
  if (!*ip || g_str_equal(ip, "None") || json_array_size(ports) == 0)
    return;
  g_autofree char *name = shout(json_str(json_object_get(service, "metadata"), "name", ""));
  const json_t *first = json_array_get(ports, 0);
  g_autofree char *number = g_strdup_printf("%d", (int)json_int(first, "port", 0));
  g_autofree char *protocol = g_ascii_strdown(json_str(first, "protocol", "TCP"), -1);
  g_autofree char *url = service_url(protocol, ip, number);
  set_format(env, ip, "%s_SERVICE_HOST", name);
  set_format(env, number, "%s_SERVICE_PORT", name);
  json_array_foreach (ports, i, port) {
    const char *port_name = json_str(port, "name", "");
    g_autofree char *upper = shout(port_name);
    g_autofree char *value = g_strdup_printf("%d", (int)json_int(port, "port", 0));
    if (*port_name)
      set_format(env, value, "%s_SERVICE_PORT_%s", name, upper);
  }
  set_format(env, url, "%s_PORT", name);
  json_array_foreach (ports, i, port)
    add_service_port(env, name, ip, port);
}

static gint compare_service_names(gconstpointer a, gconstpointer b)
{
  return strcmp(json_str(json_object_get(*(json_t *const *)a, "metadata"), "name", ""),
                json_str(json_object_get(*(json_t *const *)b, "metadata"), "name", ""));
}

/* Services of the pod's namespace; of "default" always the API's own. */
static void add_services(Env *env, const EnvContext *context)
{
  const char *namespace_ = json_str(json_object_get(context->pod, "metadata"), "namespace", "");
  g_autoptr(GPtrArray) masters = context->view->services(context->view->data, "default");
  for (guint i = 0; i < masters->len; i++)
    if (g_str_equal(json_str(json_object_get(masters->pdata[i], "metadata"), "name", ""), "kubernetes"))
      add_service(env, masters->pdata[i]);
  if (!json_flag(json_object_get(context->pod, "spec"), "enableServiceLinks", true))
    return;
  g_autoptr(GPtrArray) own = context->view->services(context->view->data, namespace_);
  g_ptr_array_sort(own, compare_service_names);
  for (guint i = 0; i < own->len; i++)
    add_service(env, own->pdata[i]);
}

/* Upstream's relaxed rule of 1.30: printable ASCII without "=". */
static bool is_variable_name(const char *name)
{
  for (const char *c = name; *c; c++)
    if (*c < ' ' || *c > '~' || *c == '=')
      return false;
  return *name != '\0';
}

/* The data of a config map or secret with secrets decoded; "" values for what is not text. New reference. */
static char *value_of(const json_t *object, const char *key, bool is_secret)
{
  const char *text = json_string_value(json_at(object, "data", key, NULL));
  if (!text)
    return NULL;
  if (!is_secret)
    return g_strdup(text);
  gsize length;
  g_autofree guchar *bytes = g_base64_decode(text, &length);
  return g_strndup((const char *)bytes, length);
}

static json_t *lookup(const EnvContext *context, const char *plural, const json_t *ref, GError **error)
{
  const char *namespace_ = json_str(json_object_get(context->pod, "metadata"), "namespace", "");
  const char *name = json_str(ref, "name", "");
  json_t *object = context->view->object(context->view->data, plural, namespace_, name);
  if (!object && !json_flag(ref, "optional", false))
    reason_set(error, REASON_INVALID, "%.*s \"%s\" not found", (int)strlen(plural) - 1, plural, name);
  return object;
}

static bool add_from(Env *env, const EnvContext *context, const json_t *source, GPtrArray *skipped, GError **error)
{
  const char *prefix = json_str(source, "prefix", ""), *key;
  const json_t *ref = json_object_get(source, "configMapRef");
  bool is_secret = !ref;
  g_autoptr(GError) inner = NULL;
  json_t *unused;
  if (is_secret)
    ref = json_object_get(source, "secretRef");
  g_autoptr(json_t) object = lookup(context, is_secret ? "secrets" : "configmaps", ref, &inner);
  if (inner) {
    g_propagate_error(error, g_steal_pointer(&inner));
    return false;
  }
  json_object_foreach (json_object_get(object, "data"), key, unused) {
    g_autofree char *name = g_strconcat(prefix, key, NULL);
    g_autofree char *value = value_of(object, key, is_secret);
    if (!is_variable_name(name))
      g_ptr_array_add(skipped, g_strdup(name));
    else
      set(env, name, value ? value : "");
  }
  return true;
}

/* A configMapKeyRef or secretKeyRef. *VALUE stays NULL when it is optional and absent. */
static bool key_value(const EnvContext *context, const json_t *ref, bool is_secret, char **value, GError **error)
{
  const char *key = json_str(ref, "key", "");
  g_autoptr(GError) inner = NULL;
  g_autoptr(json_t) object = lookup(context, is_secret ? "secrets" : "configmaps", ref, &inner);
  if (inner) {
    g_propagate_error(error, g_steal_pointer(&inner));
    return false;
  }
  *value = object ? value_of(object, key, is_secret) : NULL;
  if (*value || json_flag(ref, "optional", false))
    return true;
  return reason_set(error, REASON_INVALID, "couldn't find key %s in %s %s/%s", key, is_secret ? "Secret" : "ConfigMap",
                    json_str(json_object_get(context->pod, "metadata"), "namespace", ""), json_str(ref, "name", ""));
}

static bool variable_value(const Env *env, const EnvContext *context, const json_t *variable, char **value,
                           GError **error)
{
  const json_t *from = json_object_get(variable, "valueFrom"), *ref;
  if (!from) {
    *value = env_expand(env, json_str(variable, "value", ""));
    return true;
  }
  if ((ref = json_object_get(from, "fieldRef")))
    *value = field_ref_text(context->pod, json_str(ref, "fieldPath", ""), context->pod_ips, context->node, error);
  else if ((ref = json_object_get(from, "resourceFieldRef")))
    *value = field_ref_resource(context->pod, context->container, ref, context->node, error);
  else if ((ref = json_object_get(from, "configMapKeyRef")))
    return key_value(context, ref, false, value, error);
  else
    return key_value(context, json_object_get(from, "secretKeyRef"), true, value, error);
  return *value != NULL;
}

Env *env_build(const EnvContext *context, GPtrArray **skipped, GError **error)
{
  g_autoptr(Env) env = g_new0(Env, 1);
  g_autoptr(GPtrArray) bad_names = g_ptr_array_new_with_free_func(g_free);
  const json_t *item;
  size_t i;
  env->names = g_ptr_array_new();
  env->values = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
  add_services(env, context);
  json_array_foreach (json_object_get(context->container, "envFrom"), i, item)
    if (!add_from(env, context, item, bad_names, error))
      return NULL;
  json_array_foreach (json_object_get(context->container, "env"), i, item) {
    g_autofree char *value = NULL;
    if (!variable_value(env, context, item, &value, error))
      return NULL;
    if (value)
      set(env, json_str(item, "name", ""), value);
  }
  if (skipped)
    *skipped = g_steal_pointer(&bad_names);
  return g_steal_pointer(&env);
}

char **env_strings(const Env *env)
{
  char **strings = g_new0(char *, env->names->len + 1);
  for (guint i = 0; i < env->names->len; i++)
    strings[i] = g_strdup_printf("%s=%s", (char *)env->names->pdata[i],
                                 (char *)g_hash_table_lookup(env->values, env->names->pdata[i]));
  return strings;
}

/* *UNKNOWN (may be NULL) gets the first name that is unknown, to be freed. */
static char *expand(const Env *env, const char *text, char **unknown)
{
  GString *out = g_string_new(NULL);
  while (*text) {
    const char *end;
    if (text[0] == '$' && text[1] == '$') {
      g_string_append_c(out, '$');
      text += 2;
    } else if (text[0] == '$' && text[1] == '(' && (end = strchr(text, ')'))) {
      g_autofree char *name = g_strndup(text + 2, (gsize)(end - text - 2));
      const char *value = g_hash_table_lookup(env->values, name);
      g_string_append_len(out, value ? value : text, value ? -1 : end + 1 - text);
      text = end + 1;
      if (!value && unknown && !*unknown)
        *unknown = g_steal_pointer(&name);
    } else {
      g_string_append_c(out, *text++);
    }
  }
  return g_string_free(out, FALSE);
}

char *env_expand(const Env *env, const char *text)
{
  return expand(env, text, NULL);
}

char *env_expand_known(const Env *env, const char *text, GError **error)
{
  g_autofree char *unknown = NULL;
  g_autofree char *expanded = expand(env, text, &unknown);
  if (!unknown)
    return g_steal_pointer(&expanded);
  reason_set(error, REASON_INVALID, "missing value for \"%s\"", unknown);
  return NULL;
}

char **env_expand_all(const Env *env, const json_t *values)
{
  size_t n = json_array_size(values);
  if (n == 0)
    return NULL;
  char **strings = g_new0(char *, n + 1);
  for (size_t i = 0; i < n; i++) {
    const char *text = json_string_value(json_array_get(values, i));
    strings[i] = env_expand(env, text ? text : "");
  }
  return strings;
}
