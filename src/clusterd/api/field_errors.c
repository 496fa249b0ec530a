#include "clusterd/api/field_errors.h"

#include <stdarg.h>
#include <string.h>

#include "base/json.h"
#include "base/reason.h"

struct FieldErrors {
  json_t *causes;   /* array of {reason, message, field}: the Status' details.causes */
  GPtrArray *texts; /* "field: message", as joined in the Status' message */
};

/* What upstream calls each type of error, and whether the offending value is part of the text. */
static const struct {
  const char *text, *cause;
  bool shows_value;
} error_types[] = {
  [FIELD_REQUIRED] = { "Required value", "FieldValueRequired", false },
  [FIELD_INVALID] = { "Invalid value", "FieldValueInvalid", true },
  [FIELD_NOT_SUPPORTED] = { "Unsupported value", "FieldValueNotSupported", true },
  [FIELD_DUPLICATE] = { "Duplicate value", "FieldValueDuplicate", true },
  [FIELD_FORBIDDEN] = { "Forbidden", "FieldValueForbidden", false },
  [FIELD_NOT_FOUND] = { "Not found", "FieldValueNotFound", true },
  [FIELD_TOO_LONG] = { "Too long", "FieldValueTooLong", false },
  [FIELD_TOO_MANY] = { "Too many", "FieldValueTooMany", true },
  [FIELD_TYPE_INVALID] = { "Invalid value", "FieldValueTypeInvalid", true },
};

FieldErrors *field_errors_new(void)
{
  FieldErrors *errors = g_new0(FieldErrors, 1);
  errors->causes = json_array();
  errors->texts = g_ptr_array_new_with_free_func(g_free);
  return errors;
}

void field_errors_free(FieldErrors *errors)
{
  if (!errors)
    return;
  json_decref(errors->causes);
  g_ptr_array_unref(errors->texts);
  g_free(errors);
}

static int compare_names(gconstpointer a, gconstpointer b)
{
  return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static bool all_strings(const json_t *object)
{
  const char *name;
  json_t *member;
  json_object_foreach ((json_t *)(uintptr_t)object, name, member) {
    if (!json_is_string(member))
      return false;
  }
  return true;
}

/* %#v of a map[string]string: its keys sorted. */
static void append_go_map(GString *text, const json_t *object)
{
  g_autoptr(GPtrArray) names = g_ptr_array_new();
  const char *name;
  json_t *member;
  json_object_foreach ((json_t *)(uintptr_t)object, name, member) {
    g_ptr_array_add(names, (gpointer)(uintptr_t)name);
  }
  g_ptr_array_sort(names, compare_names);
  g_string_append(text, "map[string]string{");
  for (guint i = 0; i < names->len; i++) {
    g_autofree char *value = json_text(json_object_get(object, names->pdata[i]));
    g_string_append_printf(text, "%s\"%s\":%s", i ? ", " : "", (char *)names->pdata[i], value);
  }
  g_string_append_c(text, '}');
}

static void append_go_strings(GString *text, const json_t *array)
{
  g_string_append(text, "[]string{");
  for (size_t i = 0; i < json_array_size(array); i++) {
    g_autofree char *item = json_text(json_array_get(array, i));
    g_string_append_printf(text, "%s%s", i ? ", " : "", item);
  }
  g_string_append_c(text, '}');
}

/* %#v of a meta/v1 LabelSelector. */
static void append_go_selector(GString *text, const json_t *selector)
{
  const json_t *labels = json_object_get(selector, "matchLabels");
  const json_t *expressions = json_object_get(selector, "matchExpressions");
  g_string_append(text, "v1.LabelSelector{MatchLabels:");
  if (json_object_size(labels) > 0)
    append_go_map(text, labels);
  else
    g_string_append(text, "map[string]string(nil)");
  g_string_append(text, ", MatchExpressions:[]v1.LabelSelectorRequirement");
  if (json_array_size(expressions) == 0)
    g_string_append(text, "(nil)");
  for (size_t i = 0; i < json_array_size(expressions); i++) {
    const json_t *expression = json_array_get(expressions, i);
    g_string_append_printf(text, "%sv1.LabelSelectorRequirement{Key:\"%s\", Operator:\"%s\", Values:", i ? ", " : "{",
                           json_str(expression, "key", ""), json_str(expression, "operator", ""));
    if (json_object_get(expression, "values"))
      append_go_strings(text, json_object_get(expression, "values"));
    else
      g_string_append(text, "[]string(nil)");
    g_string_append_c(text, '}');
  }
  g_string_append(text, json_array_size(expressions) ? "}}" : "}");
}

static void append_go_value(GString *text, const json_t *value)
{
  if (json_is_null(value)) {
    g_string_append(text, "null");
  } else if (json_is_object(value) &&
             (json_object_get(value, "matchLabels") || json_object_get(value, "matchExpressions"))) {
    append_go_selector(text, value);
  } else if (json_is_object(value) && all_strings(value)) {
    append_go_map(text, value);
  } else if (json_is_array(value) && json_is_string(json_array_get(value, 0))) {
    append_go_strings(text, value);
  } else {
    g_autofree char *json = json_text(value);
    g_string_append(text, json);
  }
}

static void add_text(FieldErrors *errors, FieldErrorType type, const char *path, const char *message)
{
  g_autofree char *text = g_strdup_printf("%s: %s", path, message);
  /* The same error found on two ways is one error. */
  if (g_ptr_array_find_with_equal_func(errors->texts, text, g_str_equal, NULL))
    return;
  g_ptr_array_add(errors->texts, g_steal_pointer(&text));
  json_array_append_new(errors->causes, json_pack("{s:s, s:s, s:s}", "reason", error_types[type].cause, "message",
                                                  message, "field", path));
}

void field_errors_add_shown(FieldErrors *errors, FieldErrorType type, const char *path, const char *shown,
                            const char *detail)
{
  g_autoptr(GString) message = g_string_new(error_types[type].text);
  if (error_types[type].shows_value && shown)
    g_string_append_printf(message, ": %s", shown);
  if (detail && *detail)
    g_string_append_printf(message, ": %s", detail);
  add_text(errors, type, path, message->str);
}

static void add_error(FieldErrors *errors, FieldErrorType type, const char *path, const json_t *value,
                      const char *detail)
{
  g_autoptr(GString) shown = g_string_new(NULL);
  if (value)
    append_go_value(shown, value);
  field_errors_add_shown(errors, type, path, value ? shown->str : NULL, detail);
}

void field_errors_merge(FieldErrors *errors, const FieldErrors *more)
{
  for (guint i = 0; i < more->texts->len; i++) {
    if (g_ptr_array_find_with_equal_func(errors->texts, more->texts->pdata[i], g_str_equal, NULL))
      continue;
    g_ptr_array_add(errors->texts, g_strdup(more->texts->pdata[i]));
    json_array_append(errors->causes, json_array_get(more->causes, i));
  }
}

void field_errors_add(FieldErrors *errors, FieldErrorType type, const char *path, const json_t *value,
                      const char *detail, ...)
{
  g_autofree char *text = NULL;
  if (detail) {
    va_list arguments;
    va_start(arguments, detail);
    text = g_strdup_vprintf(detail, arguments);
    va_end(arguments);
  }
  add_error(errors, type, path, value, text);
}

void field_errors_add_at(FieldErrors *errors, FieldErrorType type, const char *parent, const char *member,
                         const json_t *value, const char *detail, ...)
{
  g_autofree char *text = NULL, *path = field_path_child(parent, member);
  if (detail) {
    va_list arguments;
    va_start(arguments, detail);
    text = g_strdup_vprintf(detail, arguments);
    va_end(arguments);
  }
  add_error(errors, type, path, value, text);
}

void field_errors_add_unsupported(FieldErrors *errors, const char *path, const json_t *value,
                                  const char *const *supported)
{
  g_autoptr(GString) detail = g_string_new("supported values: ");
  for (size_t i = 0; supported[i]; i++)
    g_string_append_printf(detail, "%s\"%s\"", i ? ", " : "", supported[i]);
  add_error(errors, FIELD_NOT_SUPPORTED, path, value, detail->str);
}

unsigned field_errors_count(const FieldErrors *errors)
{
  return errors->texts->len;
}

bool field_errors_finish(const FieldErrors *errors, const char *kind, const char *group, const char *name,
                         GError **error)
{
  if (errors->texts->len == 0)
    return true;
  g_autoptr(GString) message = g_string_new(kind);
  if (*group)
    g_string_append_printf(message, ".%s", group);
  g_string_append_printf(message, " \"%s\" is invalid: %s", name, errors->texts->len > 1 ? "[" : "");
  for (guint i = 0; i < errors->texts->len; i++)
    g_string_append_printf(message, "%s%s", i ? ", " : "", (char *)errors->texts->pdata[i]);
  if (errors->texts->len > 1)
    g_string_append_c(message, ']');
  json_t *details = json_object();
  if (*name)
    json_object_set_new(details, "name", json_string(name));
  if (*group)
    json_object_set_new(details, "group", json_string(group));
  json_object_set_new(details, "kind", json_string(kind));
  json_object_set(details, "causes", errors->causes);
  return reason_set_details(error, REASON_INVALID, details, "%s", message->str);
}

char *field_path_child(const char *parent, const char *child)
{
  return *parent ? g_strconcat(parent, ".", child, NULL) : g_strdup(child);
}

char *field_path_index(const char *parent, size_t index)
{
  return g_strdup_printf("%s[%zu]", parent, index);
}

char *field_path_key(const char *parent, const char *key)
{
  return g_strdup_printf("%s[%s]", parent, key);
}
