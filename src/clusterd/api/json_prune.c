#include "clusterd/api/json_prune.h"

#include <math.h>
#include <string.h>

#include "base/json.h"
#include "base/quantity.h"
#include "base/reason.h"
#include "base/timestamp.h"
#include "clusterd/api/custom/schema.h"

typedef struct Prune {
  GPtrArray *reports;
  GString *path;         /* with indexes and keys, for unknown fields */
  GString *go_path;      /* members only, for wrong types */
  const char *go_struct; /* Go's name of the innermost message */
  unsigned depth;
  GError **error;
} Prune;

static json_t *prune_message(Prune *prune, const ApiMessage *message, const json_t *value, bool root);

static const char *short_name(const ApiMessage *message)
{
  const char *dot = strrchr(message->name, '.');
  return dot ? dot + 1 : message->name;
}

/* "v1.PodSpec": the last segment of the package and the name. */
static char *go_message_name(const ApiMessage *message)
{
  g_auto(GStrv) parts = g_strsplit(message->name, ".", -1);
  guint n = g_strv_length(parts);
  return n > 1 ? g_strconcat(parts[n - 2], ".", parts[n - 1], NULL) : g_strdup(message->name);
}

static char *go_element_name(const ApiField *field)
{
  static const char *const names[] = {
    [API_STRING] = "string",        [API_BOOL] = "bool",           [API_INT32] = "int32",
    [API_INT64] = "int64",          [API_DOUBLE] = "float64",      [API_BYTES] = "[]uint8",
    [API_TIME] = "string",          [API_MICRO_TIME] = "string",   [API_QUANTITY] = "string",
    [API_INT_OR_STRING] = "string", [API_RAW] = "json.RawMessage", [API_FIELDS_V1] = "map[string]interface {}",
    [API_STRINGS] = "[]string",
  };
  return field->message ? go_message_name(field->message) : g_strdup(names[field->type]);
}

static const char *json_type_name(const json_t *value)
{
  switch (json_typeof(value)) {
  case JSON_OBJECT:
    return "object";
  case JSON_ARRAY:
    return "array";
  case JSON_STRING:
    return "string";
  case JSON_TRUE:
  case JSON_FALSE:
    return "bool";
  case JSON_NULL:
    return "null";
  case JSON_INTEGER:
  case JSON_REAL:
    break;
  }
  return "number";
}

/* Always NULL: the error of a value that is not of the Go type PREFIX + the element's name. */
static json_t *wrong_type(Prune *prune, const ApiField *field, const json_t *value, const char *prefix)
{
  g_autofree char *element = go_element_name(field);
  g_autofree char *number = NULL;
  if (json_is_number(value) && !*prefix && (field->type == API_INT32 || field->type == API_INT64))
    number = json_text(value);
  reason_set(prune->error, REASON_BAD_REQUEST, "json: cannot unmarshal %s%s%s into Go struct field %s.%s of type %s%s",
             json_type_name(value), number ? " " : "", number ? number : "", prune->go_struct, prune->go_path->str,
             prefix, element);
  return NULL;
}

static json_t *prune_integer(Prune *prune, const ApiField *field, const json_t *value)
{
  json_int_t number = json_integer_value(value);
  if (json_is_real(value)) {
    double real = json_real_value(value);
    if (real != floor(real) || fabs(real) > 9007199254740992.0)
      return wrong_type(prune, field, value, "");
    number = (json_int_t)real;
  } else if (!json_is_integer(value)) {
    return wrong_type(prune, field, value, "");
  }
  if (field->type == API_INT32 && (number < INT32_MIN || number > INT32_MAX))
    return wrong_type(prune, field, value, "");
  return json_integer(number);
}

/* The place of the first character that standard base64 with padding cannot have there, or -1. */
static gssize base64_fault(const char *text, size_t length)
{
  size_t i = 0;
  while (i < length && (g_ascii_isalnum(text[i]) || text[i] == '+' || text[i] == '/'))
    i++;
  size_t padding = (4 - i % 4) % 4;
  if (padding == 3)
    return (gssize)i;
  for (size_t p = 0; p < padding; p++) {
    if (i + p >= length || text[i + p] != '=')
      return (gssize)(i + p);
  }
  return i + padding == length ? -1 : (gssize)(i + padding);
}

static json_t *prune_bytes(Prune *prune, const ApiField *field, const json_t *value)
{
  if (!json_is_string(value))
    return wrong_type(prune, field, value, "");
  gssize fault = base64_fault(json_string_value(value), json_string_length(value));
  if (fault < 0)
    return json_incref((json_t *)(uintptr_t)value);
  reason_set(prune->error, REASON_BAD_REQUEST, "illegal base64 data at input byte %zd", fault);
  return NULL;
}

static json_t *prune_time(Prune *prune, const ApiField *field, const json_t *value)
{
  bool micro = field->type == API_MICRO_TIME;
  int64_t time_us;
  if (!json_is_string(value))
    return wrong_type(prune, field, value, "");
  const char *text = json_string_value(value);
  if (!timestamp_parse(text, &time_us)) {
    reason_set(prune->error, REASON_BAD_REQUEST, "parsing time \"%s\" as \"%s\": cannot parse \"%s\" as \"2006\"", text,
               micro ? "2006-01-02T15:04:05.000000Z07:00" : "2006-01-02T15:04:05Z07:00", text);
    return NULL;
  }
  g_autofree char *canonical = micro ? timestamp_text_micro(time_us) : timestamp_text(time_us);
  return json_string(canonical);
}

static json_t *prune_quantity(Prune *prune, const ApiField *field, const json_t *value)
{
  if (!json_is_string(value) && !json_is_number(value))
    return wrong_type(prune, field, value, "");
  g_autofree char *text = json_is_string(value) ? g_strdup(json_string_value(value)) : json_text(value);
  Quantity quantity;
  if (!quantity_parse(text, &quantity, prune->error))
    return NULL;
  g_autofree char *canonical = quantity_text(quantity);
  return json_string(canonical);
}

static json_t *prune_strings(Prune *prune, const ApiField *field, const json_t *value)
{
  if (!json_is_array(value))
    return wrong_type(prune, field, value, "");
  for (size_t i = 0; i < json_array_size(value); i++) {
    if (!json_is_string(json_array_get(value, i)))
      return wrong_type(prune, field, json_array_get(value, i), "");
  }
  return json_incref((json_t *)(uintptr_t)value);
}

/* A message, or the boolean or list that may stand in its place. */
static json_t *prune_union(Prune *prune, const ApiField *field, const json_t *value)
{
  if (json_is_object(value))
    return prune_message(prune, field->message, value, false);
  if (field->type == API_OR_BOOL && json_is_boolean(value))
    return json_incref((json_t *)(uintptr_t)value);
  if (field->type == API_OR_BOOL) {
    reason_set(prune->error, REASON_BAD_REQUEST, "boolean or JSON schema expected");
    return NULL;
  }
  if (field->type == API_OR_STRINGS)
    return prune_strings(prune, field, value);
  if (!json_is_array(value))
    return wrong_type(prune, field, value, "");
  g_autoptr(json_t) result = json_array();
  for (size_t i = 0; i < json_array_size(value); i++) {
    const json_t *item = json_array_get(value, i);
    json_t *element =
        json_is_object(item) ? prune_message(prune, field->message, item, false) : wrong_type(prune, field, item, "[]");
    if (!element)
      return NULL;
    json_array_append_new(result, element);
  }
  return g_steal_pointer(&result);
}

/* One element (or the only value) of FIELD; not null. New reference, or NULL with the error. */
static json_t *prune_element(Prune *prune, const ApiField *field, const json_t *value)
{
  bool fits;
  switch ((ApiType)field->type) {
  case API_INT32:
  case API_INT64:
    return prune_integer(prune, field, value);
  case API_BYTES:
    return prune_bytes(prune, field, value);
  case API_TIME:
  case API_MICRO_TIME:
    return prune_time(prune, field, value);
  case API_QUANTITY:
    return prune_quantity(prune, field, value);
  case API_STRINGS:
    return prune_strings(prune, field, value);
  case API_MESSAGE:
    return json_is_object(value) ? prune_message(prune, field->message, value, false)
                                 : wrong_type(prune, field, value, "");
  case API_OR_BOOL:
  case API_OR_LIST:
  case API_OR_STRINGS:
    return prune_union(prune, field, value);
  case API_STRING:
    fits = json_is_string(value);
    break;
  case API_BOOL:
    fits = json_is_boolean(value);
    break;
  case API_DOUBLE:
    fits = json_is_number(value);
    break;
  case API_INT_OR_STRING:
    fits = json_is_integer(value) || json_is_string(value);
    break;
  case API_FIELDS_V1:
    fits = json_is_object(value);
    break;
  case API_RAW:
  default:
    fits = true;
    break;
  }
  return fits ? json_incref((json_t *)(uintptr_t)value) : wrong_type(prune, field, value, "");
}

/* What Go makes of a null inside a list or map: the zero value. */
static json_t *zero_element(const ApiField *field)
{
  switch ((ApiType)field->type) {
  case API_MESSAGE:
    return json_object();
  case API_STRING:
    return json_string("");
  case API_BOOL:
    return json_false();
  case API_INT32:
  case API_INT64:
  case API_INT_OR_STRING:
    return json_integer(0);
  case API_QUANTITY:
    return json_string("0");
  default:
    return json_null();
  }
}

static json_t *prune_list(Prune *prune, const ApiField *field, const json_t *value)
{
  if (!json_is_array(value))
    return wrong_type(prune, field, value, "[]");
  g_autoptr(json_t) result = json_array();
  gsize length = prune->path->len;
  for (size_t i = 0; i < json_array_size(value); i++) {
    const json_t *item = json_array_get(value, i);
    g_string_append_printf(prune->path, "[%zu]", i);
    json_t *element = json_is_null(item) ? zero_element(field) : prune_element(prune, field, item);
    g_string_truncate(prune->path, length);
    if (!element)
      return NULL;
    json_array_append_new(result, element);
  }
  return g_steal_pointer(&result);
}

static json_t *prune_map(Prune *prune, const ApiField *field, const json_t *value)
{
  const char *key;
  json_t *item;
  if (!json_is_object(value))
    return wrong_type(prune, field, value, "map[string]");
  g_autoptr(json_t) result = json_object();
  gsize length = prune->path->len;
  json_object_foreach ((json_t *)(uintptr_t)value, key, item) {
    g_string_append_printf(prune->path, ".%s", key);
    json_t *element = json_is_null(item) ? zero_element(field) : prune_element(prune, field, item);
    g_string_truncate(prune->path, length);
    if (!element)
      return NULL;
    json_object_set_new(result, key, element);
  }
  return g_steal_pointer(&result);
}

/* True when upstream does not write this value (omitempty). */
static bool is_omitted(const ApiField *field, const json_t *value)
{
  if (field->flags & (API_FIELD_KEEP_EMPTY | API_FIELD_REQUIRED))
    return false;
  if (field->flags & (API_FIELD_LIST | API_FIELD_MAP))
    return json_array_size(value) == 0 && json_object_size(value) == 0;
  if (field->flags & API_FIELD_OPTIONAL)
    return false;
  switch ((ApiType)field->type) {
  case API_STRING:
  case API_BYTES:
    return json_string_length(value) == 0;
  case API_BOOL:
    return json_is_false(value);
  case API_INT32:
  case API_INT64:
    return json_integer_value(value) == 0;
  case API_DOUBLE:
    return json_number_value(value) == 0;
  default:
    return false;
  }
}

static void append_step(GString *path, const char *name)
{
  if (path->len)
    g_string_append_c(path, '.');
  g_string_append(path, name);
}

static bool prune_field(Prune *prune, const ApiField *field, const json_t *value, json_t *result)
{
  if (json_is_null(value)) {
    if (field->flags & API_FIELD_KEEP_EMPTY && (field->type == API_TIME || field->type == API_MICRO_TIME))
      json_object_set_new(result, field->name, json_null());
    return true;
  }
  gsize path_length = prune->path->len, go_length = prune->go_path->len;
  append_step(prune->path, field->name);
  append_step(prune->go_path, field->name);
  json_t *member = field->flags & API_FIELD_LIST  ? prune_list(prune, field, value)
                   : field->flags & API_FIELD_MAP ? prune_map(prune, field, value)
                                                  : prune_element(prune, field, value);
  g_string_truncate(prune->path, path_length);
  g_string_truncate(prune->go_path, go_length);
  if (!member)
    return false;
  if (is_omitted(field, member))
    json_decref(member);
  else
    json_object_set_new(result, field->name, member);
  return true;
}

/* The members of MESSAGE, those of inlined messages in their place. KNOWN counts the members of VALUE that were met. */
static bool prune_fields(Prune *prune, const ApiMessage *message, const json_t *value, json_t *result, size_t *known)
{
  for (unsigned i = 0; i < message->n_fields; i++) {
    const ApiField *field = &message->fields[i];
    if (field->flags & API_FIELD_INLINE) {
      if (!prune_fields(prune, field->message, value, result, known))
        return false;
      continue;
    }
    const json_t *member = json_object_get(value, field->name);
    if (!member)
      continue;
    (*known)++;
    if (!prune_field(prune, field, member, result))
      return false;
  }
  return true;
}

static void report_unknown(Prune *prune, const ApiMessage *message, const json_t *value, bool root)
{
  const char *key;
  json_t *member;
  json_object_foreach ((json_t *)(uintptr_t)value, key, member) {
    bool type_member = root && (strcmp(key, "kind") == 0 || strcmp(key, "apiVersion") == 0);
    if (type_member || api_message_field(message, key) || prune->reports->len >= PRUNE_REPORTS_MAX)
      continue;
    g_ptr_array_add(prune->reports,
                    g_strdup_printf("unknown field \"%s%s%s\"", prune->path->str, prune->path->len ? "." : "", key));
  }
}

/* kind and apiVersion, which no message names. Returns how many there are. */
static size_t keep_type(const json_t *value, json_t *result)
{
  static const char *const type_members[] = { "kind", "apiVersion" };
  size_t n = 0;
  for (size_t i = 0; i < G_N_ELEMENTS(type_members); i++) {
    json_t *member = json_object_get(value, type_members[i]);
    n += member != NULL;
    if (json_is_string(member))
      json_object_set(result, type_members[i], member);
  }
  return n;
}

/* A custom resource: the message knows metadata, its schema the rest. */
static json_t *prune_custom(Prune *prune, const ApiMessage *message, const json_t *value)
{
  const char *name;
  json_t *member;
  size_t known = 0;
  g_autoptr(json_t) result = json_object();
  prune->go_struct = short_name(message->fields[0].message);
  keep_type(value, result);
  if (!prune_fields(prune, message, value, result, &known))
    return NULL;
  g_autoptr(json_t) rest = schema_prune(message->schema, value, true, prune->reports, prune->error);
  json_object_foreach (rest, name, member)
    if (strcmp(name, "kind") != 0 && strcmp(name, "apiVersion") != 0 && strcmp(name, "metadata") != 0)
      json_object_set(result, name, member);
  return rest ? g_steal_pointer(&result) : NULL;
}

static json_t *prune_message(Prune *prune, const ApiMessage *message, const json_t *value, bool root)
{
  if (++prune->depth > CODEC_DEPTH_MAX) {
    reason_set(prune->error, REASON_BAD_REQUEST, "json: exceeded max depth");
    return NULL;
  }
  const char *outer = prune->go_struct;
  g_autoptr(json_t) result = json_object();
  size_t known = 0;
  prune->go_struct = short_name(message);
  if (root)
    known += keep_type(value, result);
  bool ok = prune_fields(prune, message, value, result, &known);
  if (ok && prune->reports && known < json_object_size(value))
    report_unknown(prune, message, value, root);
  prune->go_struct = outer;
  prune->depth--;
  return ok ? g_steal_pointer(&result) : NULL;
}

json_t *json_prune(const ApiMessage *message, const char *kind, const json_t *value, GPtrArray *reports, GError **error)
{
  if (!json_is_object(value)) {
    g_autofree char *name = go_message_name(message);
    reason_set(error, REASON_BAD_REQUEST, "json: cannot unmarshal %s into Go value of type %s", json_type_name(value),
               name);
    return NULL;
  }
  g_autoptr(GString) path = g_string_new(NULL), go_path = g_string_new(NULL);
  Prune prune = { .reports = reports, .path = path, .go_path = go_path, .go_struct = kind, .error = error };
  return message->schema ? prune_custom(&prune, message, value) : prune_message(&prune, message, value, true);
}
