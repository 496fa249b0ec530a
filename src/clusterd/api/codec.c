#include "clusterd/api/codec.h"

#include <string.h>

#include "base/json.h"
#include "base/reason.h"
#include "base/yaml.h"
#include "clusterd/api/json_prune.h"
#include "clusterd/api/json_scan.h"
#include "clusterd/api/protobuf.h"

static const struct {
  const char *name;
  CodecType type;
} content_types[] = {
  { "application/json", CODEC_JSON },
  { "application/yaml", CODEC_YAML },
  { "application/vnd.kubernetes.protobuf", CODEC_PROTOBUF },
};

bool codec_of_content_type(const char *content_type, CodecType *type, GError **error)
{
  const char *text = content_type ? content_type : "";
  gsize length = strcspn(text, ";");
  while (length > 0 && g_ascii_isspace(text[length - 1]))
    length--;
  *type = CODEC_JSON;
  if (length == 0)
    return true;
  for (size_t i = 0; i < G_N_ELEMENTS(content_types); i++) {
    if (strlen(content_types[i].name) == length && g_ascii_strncasecmp(text, content_types[i].name, length) == 0) {
      *type = content_types[i].type;
      return true;
    }
  }
  return reason_set(error, REASON_UNSUPPORTED_MEDIA_TYPE,
                    "the body of the request was in an unknown format - accepted media types include: "
                    "application/json, application/yaml, application/vnd.kubernetes.protobuf");
}

/* "Pod in version "v1" cannot be handled as a Pod: " and INNER's text; takes INNER. Always false. */
static bool cannot_be_handled(GError **error, const char *version, const char *kind, GError *inner)
{
  g_assert(inner);
  Reason reason = reason_of(inner) == REASON_REQUEST_TOO_LARGE ? REASON_REQUEST_TOO_LARGE : REASON_BAD_REQUEST;
  reason_set(error, reason, "%s in version \"%s\" cannot be handled as a %s: %s", kind, version, kind, inner->message);
  g_error_free(inner);
  return false;
}

/* What Go says of text that is no JSON, from what jansson found. */
static void set_json_error(GError **error, const char *text, gsize length, const json_error_t *where)
{
  /* a word that is none is told of by its first character */
  gsize position = where->position > 0 ? (gsize)where->position - 1 : 0;
  while (position > 0 && position < length && g_ascii_isalpha(text[position]) && g_ascii_isalpha(text[position - 1]))
    position--;
  enum json_error_code code = json_error_code(where);
  if (length == 0 || code == json_error_premature_end_of_input || position >= length)
    reason_set(error, REASON_BAD_REQUEST, "unexpected end of JSON input");
  else if (code == json_error_stack_overflow)
    reason_set(error, REASON_BAD_REQUEST, "exceeded max depth");
  else if (code == json_error_invalid_utf8)
    reason_set(error, REASON_BAD_REQUEST, "invalid UTF-8 in JSON input");
  else
    reason_set(error, REASON_BAD_REQUEST, "invalid character '%c' looking for beginning of value",
               g_ascii_isprint(text[position]) ? text[position] : '?');
}

static json_t *parse_json(const char *text, gsize length, GPtrArray *reports, GError **error)
{
  json_error_t where;
  if (length > JSON_TEXT_MAX) {
    reason_set(error, REASON_REQUEST_TOO_LARGE, "the body of the request is longer than %u bytes", JSON_TEXT_MAX);
    return NULL;
  }
  json_t *value = json_loadb(text, length, JSON_DECODE_ANY | (reports ? JSON_REJECT_DUPLICATES : 0), &where);
  if (!value && reports && json_error_code(&where) == json_error_duplicate_key) {
    g_autoptr(GPtrArray) duplicates = json_scan_duplicates(text, length, PRUNE_REPORTS_MAX);
    for (guint i = 0; i < duplicates->len; i++)
      g_ptr_array_add(reports, g_strdup_printf("duplicate field \"%s\"", (char *)duplicates->pdata[i]));
    value = json_loadb(text, length, JSON_DECODE_ANY, &where);
  }
  if (!value)
    set_json_error(error, text, length, &where);
  return value;
}

json_t *codec_parse_json(const char *text, gsize length, GError **error)
{
  return parse_json(text ? text : "", length, NULL, error);
}

/* Unknown and duplicate fields after a decode: refused or told of, as VALIDATION says. */
static bool apply_reports(const GPtrArray *reports, FieldValidation validation, json_t *warnings, GError **error)
{
  if (!reports || reports->len == 0)
    return true;
  if (validation == FIELD_VALIDATION_STRICT) {
    g_autoptr(GString) text = g_string_new("strict decoding error: ");
    for (guint i = 0; i < reports->len; i++)
      g_string_append_printf(text, "%s%s", i ? ", " : "", (char *)reports->pdata[i]);
    return reason_set(error, REASON_BAD_REQUEST, "%s", text->str);
  }
  for (guint i = 0; warnings && i < reports->len; i++)
    json_array_append_new(warnings, json_string(reports->pdata[i]));
  return true;
}

/* Keys that are given twice make one report, as upstream's YAML library has it. */
static json_t *parse_yaml(const char *text, gsize length, GPtrArray *reports, GError **error)
{
  g_autoptr(GPtrArray) duplicates = g_ptr_array_new_with_free_func(g_free);
  json_t *value = yaml_parse_lenient(text, length, duplicates, error);
  if (reports && duplicates->len > 0) {
    g_autoptr(GString) report = g_string_new("yaml: unmarshal errors:");
    for (guint i = 0; i < MIN(duplicates->len, PRUNE_REPORTS_MAX); i++)
      g_string_append_printf(report, "\n  %s", (char *)duplicates->pdata[i]);
    g_ptr_array_add(reports, g_strdup(report->str));
  }
  return value;
}

static json_t *parse_body(CodecType type, const ApiMessage *message, const void *data, gsize length, GPtrArray *reports,
                          GError **error)
{
  switch (type) {
  case CODEC_PROTOBUF:
    return protobuf_decode(message, data, length, error);
  case CODEC_YAML:
    return parse_yaml(data, length, reports, error);
  case CODEC_JSON:
    break;
  }
  return parse_json(data, length, reports, error);
}

json_t *codec_decode(CodecType type, const ApiMessage *message, const char *version, const char *kind, const void *data,
                     gsize length, FieldValidation validation, json_t *warnings, GError **error)
{
  GError *inner = NULL;
  g_autoptr(GPtrArray) reports = validation == FIELD_VALIDATION_IGNORE ? NULL : g_ptr_array_new_with_free_func(g_free);
  if (type == CODEC_PROTOBUF && message->schema) {
    reason_set(error, REASON_UNSUPPORTED_MEDIA_TYPE,
               "the body of the request was in an unknown format - accepted media types include: application/json, "
               "application/yaml");
    return NULL;
  }
  g_autoptr(json_t) parsed = parse_body(type, message, data ? data : "", length, reports, &inner);
  if (json_is_null(parsed)) { /* an object that says nothing */
    json_decref(parsed);
    parsed = json_object();
  }
  g_autoptr(json_t) value = parsed ? json_prune(message, kind, parsed, reports, &inner) : NULL;
  if (value && apply_reports(reports, validation, warnings, &inner))
    return g_steal_pointer(&value);
  cannot_be_handled(error, version, kind, inner);
  return NULL;
}

static bool peek_json(const char *text, gsize length, char **api_version, char **kind, GError **error)
{
  if (json_scan_type(text, length, api_version, kind))
    return true;
  /* The scanner only says no: the parser says why. */
  g_autoptr(GError) inner = NULL;
  g_autoptr(json_t) value = parse_json(text, length, NULL, &inner);
  if (json_is_null(value))
    return true;
  if (value)
    return reason_set(error, REASON_BAD_REQUEST,
                      "couldn't get version/kind; json parse error: json: cannot unmarshal %s into Go value of "
                      "type struct { APIVersion string \"json:\\\"apiVersion,omitempty\\\"\"; Kind string "
                      "\"json:\\\"kind,omitempty\\\"\" }",
                      json_is_array(value)     ? "array"
                      : json_is_string(value)  ? "string"
                      : json_is_boolean(value) ? "bool"
                                               : "number");
  return reason_set(error, reason_of(inner), "couldn't get version/kind; json parse error: %s", inner->message);
}

static bool peek_yaml(const char *text, gsize length, char **api_version, char **kind, GError **error)
{
  g_autoptr(GPtrArray) duplicates = g_ptr_array_new_with_free_func(g_free);
  g_autoptr(json_t) value = yaml_parse_lenient(text, length, duplicates, error);
  if (!value)
    return false;
  if (!json_is_object(value))
    return reason_set(error, REASON_BAD_REQUEST, "couldn't get version/kind; the body is not an object");
  *api_version = g_strdup(json_string_value(json_object_get(value, "apiVersion")));
  *kind = g_strdup(json_string_value(json_object_get(value, "kind")));
  return true;
}

bool codec_peek(CodecType type, const void *data, gsize length, char **api_version, char **kind, GError **error)
{
  *api_version = *kind = NULL;
  switch (type) {
  case CODEC_PROTOBUF:
    return protobuf_peek(data ? data : "", length, api_version, kind, error);
  case CODEC_YAML:
    return peek_yaml(data ? data : "", length, api_version, kind, error);
  case CODEC_JSON:
    break;
  }
  return peek_json(data ? data : "", length, api_version, kind, error);
}

bool codec_prune(const ApiMessage *message, const char *version, const char *kind, json_t *value,
                 FieldValidation validation, json_t *warnings, GError **error)
{
  GError *inner = NULL;
  g_autoptr(GPtrArray) reports = validation == FIELD_VALIDATION_IGNORE ? NULL : g_ptr_array_new_with_free_func(g_free);
  g_autoptr(json_t) pruned = json_prune(message, kind, value, reports, &inner);
  if (!pruned || !apply_reports(reports, validation, warnings, &inner))
    return cannot_be_handled(error, version, kind, inner);
  json_object_clear(value);
  json_object_update(value, pruned);
  return true;
}
