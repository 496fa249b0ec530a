/* From protobuf to JSON, by the tables. */
#include "clusterd/api/protobuf.h"

#include <math.h>
#include <string.h>

#include "base/json.h"
#include "base/reason.h"
#include "base/timestamp.h"

typedef struct Reader {
  const uint8_t *cursor, *end;
} Reader;

/* One field as it is on the wire: a number (varint, fixed32, fixed64) or bytes. */
typedef struct WireField {
  uint32_t number;
  unsigned wire_type;
  uint64_t value;
  Reader bytes;
} WireField;

enum { WIRE_VARINT = 0, WIRE_FIXED64 = 1, WIRE_BYTES = 2, WIRE_FIXED32 = 5 };

static const uint8_t envelope_magic[] = { 'k', '8', 's', 0 };

static json_t *decode_message(const ApiMessage *message, Reader reader, unsigned depth, GError **error);

static bool malformed(GError **error, const char *what)
{
  return reason_set(error, REASON_BAD_REQUEST, "proto: %s", what);
}

static bool read_varint(Reader *reader, uint64_t *value)
{
  *value = 0;
  for (unsigned shift = 0; shift < 64 && reader->cursor < reader->end; shift += 7) {
    uint8_t byte = *reader->cursor++;
    *value |= (uint64_t)(byte & 0x7f) << shift;
    if (!(byte & 0x80))
      return true;
  }
  return false;
}

static bool read_fixed(Reader *reader, unsigned size, uint64_t *value)
{
  if (reader->end - reader->cursor < (ptrdiff_t)size)
    return false;
  *value = 0;
  for (unsigned i = 0; i < size; i++)
    *value |= (uint64_t)reader->cursor[i] << (8 * i);
  reader->cursor += size;
  return true;
}

/* The next field. False at the end, or with ERROR set when the bytes are no protobuf. */
static bool next_field(Reader *reader, WireField *field, GError **error)
{
  uint64_t tag;
  if (reader->cursor >= reader->end)
    return false;
  if (!read_varint(reader, &tag) || tag >> 3 == 0 || tag >> 3 > UINT32_MAX)
    return malformed(error, "illegal tag");
  *field = (WireField){ .number = (uint32_t)(tag >> 3), .wire_type = tag & 7 };
  switch (field->wire_type) {
  case WIRE_VARINT:
    return read_varint(reader, &field->value) || malformed(error, "integer overflow");
  case WIRE_FIXED64:
    return read_fixed(reader, 8, &field->value) || malformed(error, "unexpected EOF");
  case WIRE_FIXED32:
    return read_fixed(reader, 4, &field->value) || malformed(error, "unexpected EOF");
  case WIRE_BYTES:
    if (!read_varint(reader, &field->value) || field->value > (uint64_t)(reader->end - reader->cursor))
      return malformed(error, "unexpected EOF");
    field->bytes = (Reader){ reader->cursor, reader->cursor + field->value };
    reader->cursor = field->bytes.end;
    return true;
  default:
    return malformed(error, "illegal wireType");
  }
}

static json_t *decode_string(Reader bytes, GError **error)
{
  json_t *value = json_stringn((const char *)bytes.cursor, (size_t)(bytes.end - bytes.cursor));
  if (!value)
    malformed(error, "string field contains invalid UTF-8");
  return value;
}

/* {1: seconds, 2: nanoseconds}; an empty message is the zero time, which JSON writes as null. */
static json_t *decode_time(Reader reader, bool micro, GError **error)
{
  WireField field;
  int64_t seconds = 0, nanoseconds = 0;
  GError *inner = NULL;
  if (reader.cursor == reader.end)
    return json_null();
  while (next_field(&reader, &field, &inner)) {
    if (field.number == 1)
      seconds = (int64_t)field.value;
    else if (field.number == 2)
      nanoseconds = (int64_t)field.value;
  }
  if (inner) {
    g_propagate_error(error, inner);
    return NULL;
  }
  /* Year 1 to 9999: what RFC 3339 can write. */
  if (seconds < -62135596800 || seconds > 253402300799 || nanoseconds < 0 || nanoseconds > 999999999) {
    malformed(error, "time out of range");
    return NULL;
  }
  int64_t time_us = seconds * G_USEC_PER_SEC + nanoseconds / 1000;
  g_autofree char *text = micro ? timestamp_text_micro(time_us) : timestamp_text(time_us);
  return json_string(text);
}

static json_t *decode_int_or_string(Reader reader, GError **error)
{
  WireField field;
  uint64_t type = 0, number = 0;
  Reader text = { NULL, NULL };
  GError *inner = NULL;
  while (next_field(&reader, &field, &inner)) {
    if (field.number == 1)
      type = field.value;
    else if (field.number == 2)
      number = field.value;
    else if (field.number == 3 && field.wire_type == WIRE_BYTES)
      text = field.bytes;
  }
  if (inner) {
    g_propagate_error(error, inner);
    return NULL;
  }
  if (type == 0)
    return json_integer((int32_t)number);
  static const uint8_t nothing[1];
  return decode_string(text.cursor ? text : (Reader){ nothing, nothing }, error);
}

/* The bytes of field 1 of a wrapper message; an empty range when it is absent. */
static bool unwrap_bytes(Reader reader, Reader *bytes, GError **error)
{
  WireField field;
  GError *inner = NULL;
  *bytes = (Reader){ reader.end, reader.end };
  while (next_field(&reader, &field, &inner)) {
    if (field.number == 1 && field.wire_type == WIRE_BYTES)
      *bytes = field.bytes;
  }
  if (inner)
    g_propagate_error(error, inner);
  return !inner;
}

static json_t *decode_raw(Reader reader, GError **error)
{
  Reader bytes;
  if (!unwrap_bytes(reader, &bytes, error))
    return NULL;
  if (bytes.cursor == bytes.end)
    return json_null();
  return json_parse((const char *)bytes.cursor, (size_t)(bytes.end - bytes.cursor), false, error);
}

static json_t *decode_quantity(Reader reader, GError **error)
{
  Reader bytes;
  return unwrap_bytes(reader, &bytes, error) ? decode_string(bytes, error) : NULL;
}

static json_t *decode_strings(Reader reader, GError **error)
{
  WireField field;
  GError *inner = NULL;
  g_autoptr(json_t) result = json_array();
  while (!inner && next_field(&reader, &field, &inner)) {
    json_t *item = field.number == 1 && field.wire_type == WIRE_BYTES ? decode_string(field.bytes, &inner) : NULL;
    if (item)
      json_array_append_new(result, item);
  }
  if (inner) {
    g_propagate_error(error, inner);
    return NULL;
  }
  return g_steal_pointer(&result);
}

/* A message, or the simpler value that may stand in its place. */
static json_t *decode_union(const ApiField *field, Reader reader, unsigned depth, GError **error)
{
  const uint32_t message_number = field->type == API_OR_BOOL ? 2 : 1;
  WireField wire;
  GError *inner = NULL;
  bool allowed = false;
  g_autoptr(json_t) message = NULL, list = json_array();
  while (!inner && next_field(&reader, &wire, &inner)) {
    if (wire.wire_type != WIRE_BYTES) {
      allowed = allowed || (field->type == API_OR_BOOL && wire.number == 1 && wire.value != 0);
    } else if (wire.number == message_number) {
      g_clear_pointer(&message, json_decref);
      message = decode_message(field->message, wire.bytes, depth, &inner);
    } else if (wire.number == 2) {
      json_t *item = field->type == API_OR_STRINGS ? decode_string(wire.bytes, &inner)
                                                   : decode_message(field->message, wire.bytes, depth, &inner);
      if (item)
        json_array_append_new(list, item);
    }
  }
  if (inner) {
    g_propagate_error(error, inner);
    return NULL;
  }
  if (message)
    return g_steal_pointer(&message);
  return field->type == API_OR_BOOL ? json_boolean(allowed) : g_steal_pointer(&list);
}

static json_t *decode_number(const ApiField *field, const WireField *wire, GError **error)
{
  double real;
  switch ((ApiType)field->type) {
  case API_BOOL:
    return json_boolean(wire->value != 0);
  case API_INT32:
    return json_integer((int32_t)wire->value);
  case API_INT64:
    return json_integer((int64_t)wire->value);
  case API_DOUBLE:
    memcpy(&real, &wire->value, sizeof real);
    if (wire->wire_type == WIRE_FIXED64 && isfinite(real))
      return json_real(real);
    break;
  default:
    break;
  }
  malformed(error, "wrong wireType");
  return NULL;
}

static json_t *decode_bytes(const ApiField *field, Reader bytes, unsigned depth, GError **error)
{
  switch ((ApiType)field->type) {
  case API_STRING:
    return decode_string(bytes, error);
  case API_BYTES: {
    g_autofree char *text = g_base64_encode(bytes.cursor, (gsize)(bytes.end - bytes.cursor));
    return json_string(text);
  }
  case API_TIME:
  case API_MICRO_TIME:
    return decode_time(bytes, field->type == API_MICRO_TIME, error);
  case API_QUANTITY:
    return decode_quantity(bytes, error);
  case API_INT_OR_STRING:
    return decode_int_or_string(bytes, error);
  case API_RAW:
  case API_FIELDS_V1:
    return decode_raw(bytes, error);
  case API_STRINGS:
    return decode_strings(bytes, error);
  case API_MESSAGE:
    return decode_message(field->message, bytes, depth, error);
  case API_OR_BOOL:
  case API_OR_LIST:
  case API_OR_STRINGS:
    return decode_union(field, bytes, depth, error);
  default:
    break;
  }
  malformed(error, "wrong wireType");
  return NULL;
}

static json_t *decode_element(const ApiField *field, const WireField *wire, unsigned depth, GError **error)
{
  return wire->wire_type == WIRE_BYTES ? decode_bytes(field, wire->bytes, depth, error)
                                       : decode_number(field, wire, error);
}

/* One entry {1: key, 2: value} of a map. */
static bool decode_entry(const ApiField *field, Reader reader, unsigned depth, json_t *map, GError **error)
{
  static const uint8_t nothing[1];
  WireField wire = { 0 }, value = { .wire_type = WIRE_BYTES, .bytes = { nothing, nothing } };
  Reader key = { nothing, nothing };
  GError *inner = NULL;
  while (next_field(&reader, &wire, &inner)) {
    if (wire.number == 1 && wire.wire_type == WIRE_BYTES)
      key = wire.bytes;
    else if (wire.number == 2)
      value = wire;
  }
  g_autoptr(json_t) name = inner ? NULL : decode_string(key, &inner);
  g_autoptr(json_t) element = name ? decode_element(field, &value, depth, &inner) : NULL;
  if (!element) {
    g_propagate_error(error, inner);
    return false;
  }
  json_object_set(map, json_string_value(name), element);
  return true;
}

/* Inlined messages put their members straight into RESULT. */
static bool decode_field(const ApiField *field, const WireField *wire, unsigned depth, json_t *result, GError **error)
{
  if (field->flags & API_FIELD_MAP) {
    json_t *map = json_ensure_object(result, field->name, NULL);
    return wire->wire_type == WIRE_BYTES ? decode_entry(field, wire->bytes, depth, map, error)
                                         : malformed(error, "wrong wireType");
  }
  g_autoptr(json_t) element = decode_element(field, wire, depth, error);
  if (!element)
    return false;
  if (field->flags & API_FIELD_INLINE) {
    json_object_update(result, element);
  } else if (field->flags & API_FIELD_LIST) {
    json_t *list = json_object_get(result, field->name);
    if (!list) {
      list = json_array();
      json_object_set_new(result, field->name, list);
    }
    json_array_append(list, element);
  } else {
    json_object_set(result, field->name, element);
  }
  return true;
}

static json_t *decode_message(const ApiMessage *message, Reader reader, unsigned depth, GError **error)
{
  WireField wire = { 0 };
  GError *inner = NULL;
  g_autoptr(json_t) result = json_object();
  if (depth >= CODEC_DEPTH_MAX) {
    malformed(error, "exceeded max depth");
    return NULL;
  }
  while (next_field(&reader, &wire, &inner)) {
    const ApiField *field = api_message_field_by_number(message, wire.number);
    if (field && !decode_field(field, &wire, depth + 1, result, &inner))
      break;
  }
  if (inner) {
    g_propagate_error(error, inner);
    return NULL;
  }
  return g_steal_pointer(&result);
}

static bool read_type_meta(Reader reader, char **api_version, char **kind, GError **error)
{
  WireField field;
  GError *inner = NULL;
  while (!inner && next_field(&reader, &field, &inner)) {
    char **target = field.number == 1 ? api_version : field.number == 2 ? kind : NULL;
    if (!target || field.wire_type != WIRE_BYTES)
      continue;
    g_autoptr(json_t) text = decode_string(field.bytes, &inner);
    g_free(*target);
    *target = json_string_length(text) ? g_strdup(json_string_value(text)) : NULL;
  }
  if (inner)
    g_propagate_error(error, inner);
  return !inner;
}

static bool open_envelope(const void *data, gsize length, Reader *raw, char **api_version, char **kind, GError **error)
{
  WireField field;
  if (length < sizeof envelope_magic || memcmp(data, envelope_magic, sizeof envelope_magic) != 0)
    return reason_set(error, REASON_BAD_REQUEST,
                      "provided data does not appear to be a protobuf message, expected prefix [107 56 115 0]");
  if (length > JSON_TEXT_MAX)
    return reason_set(error, REASON_REQUEST_TOO_LARGE, "the body of the request is longer than %u bytes",
                      JSON_TEXT_MAX);
  Reader reader = { (const uint8_t *)data + sizeof envelope_magic, (const uint8_t *)data + length };
  GError *inner = NULL;
  *raw = (Reader){ reader.end, reader.end };
  while (!inner && next_field(&reader, &field, &inner)) {
    if (field.wire_type != WIRE_BYTES)
      continue;
    if (field.number == 1)
      read_type_meta(field.bytes, api_version, kind, &inner);
    else if (field.number == 2)
      *raw = field.bytes;
  }
  if (inner)
    g_propagate_error(error, inner);
  return !inner;
}

bool protobuf_peek(const void *data, gsize length, char **api_version, char **kind, GError **error)
{
  Reader raw;
  g_autofree char *version_text = NULL, *kind_text = NULL;
  if (!open_envelope(data, length, &raw, &version_text, &kind_text, error))
    return false;
  *api_version = g_steal_pointer(&version_text);
  *kind = g_steal_pointer(&kind_text);
  return true;
}

json_t *protobuf_decode(const ApiMessage *message, const void *data, gsize length, GError **error)
{
  Reader raw;
  g_autofree char *api_version = NULL, *kind = NULL;
  if (!open_envelope(data, length, &raw, &api_version, &kind, error))
    return NULL;
  g_autoptr(json_t) members = decode_message(message, raw, 0, error);
  if (!members)
    return NULL;
  json_t *value = json_object();
  if (kind)
    json_object_set_new(value, "kind", json_string(kind));
  if (api_version)
    json_object_set_new(value, "apiVersion", json_string(api_version));
  json_object_update_missing(value, members);
  return value;
}
