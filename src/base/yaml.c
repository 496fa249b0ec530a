#include "base/yaml.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

#include "base/json.h"
#include "base/reason.h"

/* --- reading: libyaml's node tree into JSON ----------------------------------------------------------------------- */

typedef struct Reader {
  yaml_document_t *document;
  unsigned nodes;
  GPtrArray *duplicates; /* texts about keys that came before; NULL: they are errors */
  GError **error;
} Reader;

static json_t *read_node(Reader *reader, yaml_node_t *node, int depth);

static json_t *refuse(Reader *reader, const yaml_node_t *node, const char *why)
{
  reason_set(reader->error, REASON_BAD_REQUEST, "yaml: line %zu, column %zu: %s", node->start_mark.line + 1,
             node->start_mark.column + 1, why);
  return NULL;
}

static const char *const null_words[] = { "", "~", "null", "Null", "NULL", NULL };
static const char *const true_words[] = { "true", "True", "TRUE", "yes", "Yes", "YES", "on", "On", "ON", NULL };
static const char *const false_words[] = { "false", "False", "FALSE", "no", "No", "NO", "off", "Off", "OFF", NULL };

/* An integer in YAML 1.1's notations (decimal, 0x, 0o, 0b, leading-zero octal), or NULL. */
static json_t *read_integer(const char *text)
{
  const char *digits = text + (*text == '-' || *text == '+');
  int base = 10;
  if (digits[0] == '0' && digits[1] == 'x') {
    base = 16;
    digits += 2;
  } else if (digits[0] == '0' && digits[1] == 'o') {
    base = 8;
    digits += 2;
  } else if (digits[0] == '0' && digits[1] == 'b') {
    base = 2;
    digits += 2;
  } else if (digits[0] == '0' && digits[1]) {
    base = 8;
    digits += 1;
  }
  if (!g_ascii_isxdigit(*digits))
    return NULL;
  char *end;
  errno = 0;
  json_int_t value = g_ascii_strtoll(digits, &end, base);
  if (errno || *end)
    return NULL;
  return json_integer(*text == '-' ? -value : value);
}

static json_t *read_float(const char *text)
{
  const char *digits = text + (*text == '-' || *text == '+');
  if (!g_ascii_isdigit(*digits) && !(*digits == '.' && g_ascii_isdigit(digits[1])))
    return NULL;
  if (strspn(digits, "0123456789.eE+-") != strlen(digits))
    return NULL;
  char *end;
  double value = g_ascii_strtod(text, &end);
  return *end || !isfinite(value) ? NULL : json_real(value);
}

static json_t *read_plain(const char *text)
{
  json_t *number;
  if (g_strv_contains(null_words, text))
    return json_null();
  if (g_strv_contains(true_words, text))
    return json_true();
  if (g_strv_contains(false_words, text))
    return json_false();
  if ((number = read_integer(text)) || (number = read_float(text)))
    return number;
  return json_string(text);
}

static json_t *read_scalar(Reader *reader, const yaml_node_t *node)
{
  const char *text = (const char *)node->data.scalar.value;
  bool plain = node->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
  const char *tag = (const char *)node->tag;
  if (plain && tag && strcmp(tag, YAML_STR_TAG) == 0 && node->start_mark.index != node->end_mark.index)
    return strlen(text) == node->data.scalar.length ? read_plain(text) : refuse(reader, node, "NUL in a plain scalar");
  if (plain)
    return read_plain(text);
  json_t *string = json_stringn(text, node->data.scalar.length);
  return string ? string : refuse(reader, node, "invalid UTF-8");
}

static json_t *read_sequence(Reader *reader, const yaml_node_t *node, int depth)
{
  g_autoptr(json_t) array = json_array();
  for (yaml_node_item_t *item = node->data.sequence.items.start; item < node->data.sequence.items.top; item++) {
    json_t *value = read_node(reader, yaml_document_get_node(reader->document, *item), depth + 1);
    if (!value)
      return NULL;
    json_array_append_new(array, value);
  }
  return g_steal_pointer(&array);
}

/* Applies the value of a `<<` key: a mapping, or a sequence of mappings, whose keys do not override. */
static bool merge_into(json_t *object, json_t *source)
{
  if (json_is_object(source))
    return json_object_update_missing(object, source) == 0;
  size_t i;
  json_t *part;
  if (!json_is_array(source))
    return false;
  json_array_foreach (source, i, part)
    if (!merge_into(object, part))
      return false;
  return true;
}

static json_t *read_mapping(Reader *reader, const yaml_node_t *node, int depth)
{
  g_autoptr(json_t) object = json_object();
  g_autoptr(json_t) merged = json_object();
  for (yaml_node_pair_t *pair = node->data.mapping.pairs.start; pair < node->data.mapping.pairs.top; pair++) {
    yaml_node_t *key = yaml_document_get_node(reader->document, pair->key);
    if (key->type != YAML_SCALAR_NODE)
      return refuse(reader, key, "a mapping key must be a scalar");
    const char *name = (const char *)key->data.scalar.value;
    g_autoptr(json_t) value = read_node(reader, yaml_document_get_node(reader->document, pair->value), depth + 1);
    if (!value)
      return NULL;
    if (strcmp(name, "<<") == 0 && key->data.scalar.style == YAML_PLAIN_SCALAR_STYLE) {
      if (!merge_into(merged, value))
        return refuse(reader, key, "the value of << must be a mapping");
      continue;
    }
    if (json_object_get(object, name) && !reader->duplicates)
      return refuse(reader, key, "duplicate key");
    if (json_object_get(object, name))
      g_ptr_array_add(reader->duplicates,
                      g_strdup_printf("line %zu: key \"%s\" already set in map", key->start_mark.line + 1, name));
    if (json_object_set(object, name, value) < 0)
      return refuse(reader, key, "invalid UTF-8");
  }
  json_object_update_missing(object, merged);
  return g_steal_pointer(&object);
}

static json_t *read_node(Reader *reader, yaml_node_t *node, int depth)
{
  if (++reader->nodes > YAML_NODES_MAX)
    return refuse(reader, node, "document is too large after expanding aliases");
  if (depth > YAML_DEPTH_MAX)
    return refuse(reader, node, "nested too deeply");
  switch (node->type) {
  case YAML_SCALAR_NODE:
    return read_scalar(reader, node);
  case YAML_SEQUENCE_NODE:
    return read_sequence(reader, node, depth);
  case YAML_MAPPING_NODE:
    return read_mapping(reader, node, depth);
  case YAML_NO_NODE:
  default:
    return refuse(reader, node, "unknown node");
  }
}

static bool set_parser_error(yaml_parser_t *parser, GError **error)
{
  return reason_set(error, REASON_BAD_REQUEST, "yaml: line %zu, column %zu: %s", parser->problem_mark.line + 1,
                    parser->problem_mark.column + 1, parser->problem ? parser->problem : "cannot be parsed");
}

json_t *yaml_parse(const char *text, size_t length, GError **error)
{
  return yaml_parse_lenient(text, length, NULL, error);
}

json_t *yaml_parse_lenient(const char *text, size_t length, GPtrArray *duplicates, GError **error)
{
  yaml_parser_t parser;
  yaml_document_t document;
  json_t *value = NULL;
  if (length > JSON_TEXT_MAX) {
    reason_set(error, REASON_REQUEST_TOO_LARGE, "YAML text of %zu bytes is longer than %u", length, JSON_TEXT_MAX);
    return NULL;
  }
  if (!yaml_parser_initialize(&parser))
    g_error("out of memory");
  yaml_parser_set_input_string(&parser, (const unsigned char *)text, length);
  if (yaml_parser_load(&parser, &document)) {
    Reader reader = { .document = &document, .error = error, .duplicates = duplicates };
    yaml_node_t *root = yaml_document_get_root_node(&document);
    value = root ? read_node(&reader, root, 0) : json_null();
    yaml_document_delete(&document);
  } else {
    set_parser_error(&parser, error);
  }
  yaml_parser_delete(&parser);
  return value;
}

/* --- writing ------------------------------------------------------------------------------------------------------ */

static int append_output(void *text, unsigned char *bytes, size_t length)
{
  g_string_append_len(text, (const char *)bytes, (gssize)length);
  return 1;
}

/* What is text to us but a date or a number of base 60 to other readers of YAML 1.1. */
static bool is_foreign_scalar(const char *text)
{
  static const char pattern[] =
      "^([0-9]{4}-[0-9]{1,2}-[0-9]{1,2}([Tt ].*)?|[-+]?[0-9][0-9_]*(:[0-5]?[0-9])+(\\.[0-9_]*)?)$";
  static GRegex *regex;
  if (g_once_init_enter(&regex))
    g_once_init_leave(&regex, g_regex_new(pattern, 0, 0, NULL));
  return (g_ascii_isdigit(*text) || *text == '-' || *text == '+') && g_regex_match(regex, text, 0, NULL);
}

static bool must_quote(const char *text)
{
  g_autoptr(json_t) plain = read_plain(text);
  return !json_is_string(plain) || is_foreign_scalar(text) || strcmp(text, "<<") == 0 || strcmp(text, "=") == 0;
}

static void emit_scalar(yaml_emitter_t *emitter, const char *text, size_t length, yaml_scalar_style_t style)
{
  yaml_event_t event;
  yaml_scalar_event_initialize(&event, NULL, (const unsigned char *)YAML_STR_TAG, (const unsigned char *)text,
                               (int)length, 1, 1, style);
  yaml_emitter_emit(emitter, &event);
}

static void emit_string(yaml_emitter_t *emitter, const char *text, size_t length)
{
  yaml_scalar_style_t style = YAML_ANY_SCALAR_STYLE;
  if (memchr(text, '\n', length))
    style = YAML_LITERAL_SCALAR_STYLE;
  else if (must_quote(text))
    style = YAML_DOUBLE_QUOTED_SCALAR_STYLE;
  emit_scalar(emitter, text, length, style);
}

static void emit_value(yaml_emitter_t *emitter, const json_t *value)
{
  yaml_event_t event;
  const char *key;
  json_t *member;
  size_t i;
  if (json_is_object(value)) {
    yaml_mapping_style_t style = json_object_size(value) ? YAML_BLOCK_MAPPING_STYLE : YAML_FLOW_MAPPING_STYLE;
    yaml_mapping_start_event_initialize(&event, NULL, NULL, 1, style);
    yaml_emitter_emit(emitter, &event);
    /* jansson's iteration takes a non-const object but does not change it */
    json_object_foreach ((json_t *)(uintptr_t)value, key, member) {
      emit_string(emitter, key, strlen(key));
      emit_value(emitter, member);
    }
    yaml_mapping_end_event_initialize(&event);
    yaml_emitter_emit(emitter, &event);
  } else if (json_is_array(value)) {
    yaml_sequence_style_t style = json_array_size(value) ? YAML_BLOCK_SEQUENCE_STYLE : YAML_FLOW_SEQUENCE_STYLE;
    yaml_sequence_start_event_initialize(&event, NULL, NULL, 1, style);
    yaml_emitter_emit(emitter, &event);
    json_array_foreach (value, i, member)
      emit_value(emitter, member);
    yaml_sequence_end_event_initialize(&event);
    yaml_emitter_emit(emitter, &event);
  } else if (json_is_string(value)) {
    emit_string(emitter, json_string_value(value), json_string_length(value));
  } else {
    g_autofree char *text = json_text(value);
    emit_scalar(emitter, text, strlen(text), YAML_PLAIN_SCALAR_STYLE);
  }
}

char *yaml_text(const json_t *value)
{
  yaml_emitter_t emitter;
  yaml_event_t event;
  GString *text = g_string_new(NULL);
  if (!yaml_emitter_initialize(&emitter))
    g_error("out of memory");
  yaml_emitter_set_output(&emitter, append_output, text);
  yaml_emitter_set_unicode(&emitter, 1);
  yaml_emitter_set_width(&emitter, -1);
  yaml_stream_start_event_initialize(&event, YAML_UTF8_ENCODING);
  yaml_emitter_emit(&emitter, &event);
  yaml_document_start_event_initialize(&event, NULL, NULL, NULL, 1);
  yaml_emitter_emit(&emitter, &event);
  emit_value(&emitter, value);
  yaml_document_end_event_initialize(&event, 1);
  yaml_emitter_emit(&emitter, &event);
  yaml_stream_end_event_initialize(&event);
  yaml_emitter_emit(&emitter, &event);
  yaml_emitter_delete(&emitter);
  return g_string_free(text, FALSE);
}
