/* From JSON to protobuf, by the tables. */
#include <string.h>

#include "base/json.h"
#include "base/reason.h"
#include "base/timestamp.h"
#include "clusterd/api/protobuf.h"

enum { WIRE_VARINT = 0, WIRE_FIXED64 = 1, WIRE_BYTES = 2 };

static bool encode_message(const ApiMessage *message, const json_t *value, unsigned depth, GByteArray *out,
                           GError **error);

static void put_varint(GByteArray *out, uint64_t value)
{
  uint8_t bytes[10];
  guint length = 0;
  do {
    bytes[length] = (uint8_t)((value & 0x7f) | (value > 0x7f ? 0x80 : 0));
    value >>= 7;
    length++;
  } while (value);
  g_byte_array_append(out, bytes, length);
}

static void put_number(GByteArray *out, uint32_t number, int64_t value)
{
  put_varint(out, (uint64_t)number << 3 | WIRE_VARINT);
  put_varint(out, (uint64_t)value);
}

static void put_double(GByteArray *out, uint32_t number, double value)
{
  uint8_t bytes[sizeof value];
  uint64_t bits;
  memcpy(&bits, &value, sizeof bits);
  for (unsigned i = 0; i < sizeof bytes; i++)
    bytes[i] = (uint8_t)(bits >> (8 * i));
  put_varint(out, (uint64_t)number << 3 | WIRE_FIXED64);
  g_byte_array_append(out, bytes, sizeof bytes);
}

static void put_bytes(GByteArray *out, uint32_t number, const void *data, gsize length)
{
  put_varint(out, (uint64_t)number << 3 | WIRE_BYTES);
  put_varint(out, length);
  if (length)
    g_byte_array_append(out, data, (guint)length);
}

static void put_string(GByteArray *out, uint32_t number, const json_t *value)
{
  put_bytes(out, number, json_string_value(value), json_string_length(value));
}

static void put_message(GByteArray *out, uint32_t number, const GByteArray *message)
{
  put_bytes(out, number, message->data, message->len);
}

static void encode_time(const json_t *value, bool micro, GByteArray *out)
{
  int64_t time_us;
  if (!timestamp_parse(json_string_value(value), &time_us))
    return; /* null: the zero time is an empty message */
  int64_t seconds = time_us / G_USEC_PER_SEC, rest = time_us % G_USEC_PER_SEC;
  if (rest < 0) {
    seconds--;
    rest += G_USEC_PER_SEC;
  }
  put_number(out, 1, seconds);
  put_number(out, 2, micro ? rest * 1000 : 0);
}

static void encode_int_or_string(const json_t *value, GByteArray *out)
{
  put_number(out, 1, json_is_string(value));
  put_number(out, 2, json_integer_value(value));
  put_string(out, 3, value);
}

static void encode_raw(const json_t *value, GByteArray *out)
{
  g_autofree char *text = json_text(value);
  put_bytes(out, 1, text, strlen(text));
}

/* A message, or the simpler value that stands in its place. */
static bool encode_union(const ApiField *field, const json_t *value, unsigned depth, GByteArray *out, GError **error)
{
  const uint32_t message_number = field->type == API_OR_BOOL ? 2 : 1;
  if (field->type == API_OR_BOOL)
    put_number(out, 1, json_is_true(value) || json_is_object(value));
  for (size_t i = 0; i < json_array_size(value); i++) {
    const json_t *item = json_array_get(value, i);
    g_autoptr(GByteArray) content = g_byte_array_new();
    if (json_is_string(item)) {
      put_string(out, 2, item);
      continue;
    }
    if (!encode_message(field->message, item, depth, content, error))
      return false;
    put_message(out, 2, content);
  }
  if (!json_is_object(value))
    return true;
  g_autoptr(GByteArray) content = g_byte_array_new();
  if (!encode_message(field->message, value, depth, content, error))
    return false;
  put_message(out, message_number, content);
  return true;
}

/* The content of the wrapper message that a field of this type is on the wire. */
static bool encode_wrapped(const ApiField *field, const json_t *value, unsigned depth, GByteArray *out, GError **error)
{
  switch ((ApiType)field->type) {
  case API_TIME:
  case API_MICRO_TIME:
    encode_time(value, field->type == API_MICRO_TIME, out);
    return true;
  case API_QUANTITY:
    put_string(out, 1, value);
    return true;
  case API_INT_OR_STRING:
    encode_int_or_string(value, out);
    return true;
  case API_RAW:
  case API_FIELDS_V1:
    encode_raw(value, out);
    return true;
  case API_STRINGS:
    for (size_t i = 0; i < json_array_size(value); i++)
      put_string(out, 1, json_array_get(value, i));
    return true;
  case API_OR_BOOL:
  case API_OR_LIST:
  case API_OR_STRINGS:
    return encode_union(field, value, depth, out, error);
  default:
    return encode_message(field->message, value, depth, out, error);
  }
}

/* One element with its tag; VALUE NULL stands for the zero value. */
static bool encode_element(const ApiField *field, uint32_t number, const json_t *value, unsigned depth, GByteArray *out,
                           GError **error)
{
  gsize length = 0;
  switch ((ApiType)field->type) {
  case API_STRING:
    put_string(out, number, value);
    return true;
  case API_BOOL:
    put_number(out, number, json_is_true(value));
    return true;
  case API_INT32:
  case API_INT64:
    put_number(out, number, json_integer_value(value));
    return true;
  case API_DOUBLE:
    put_double(out, number, json_number_value(value));
    return true;
  case API_BYTES: {
    g_autofree guchar *data = value ? g_base64_decode(json_string_value(value), &length) : NULL;
    put_bytes(out, number, data, length);
    return true;
  }
  default:
    break;
  }
  g_autoptr(GByteArray) content = g_byte_array_new();
  if (!encode_wrapped(field, value, depth, content, error))
    return false;
  put_message(out, number, content);
  return true;
}

static int compare_keys(gconstpointer a, gconstpointer b)
{
  return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Entries {1: key, 2: value} by rising key, so that equal maps have equal bytes. */
static bool encode_map(const ApiField *field, const json_t *map, unsigned depth, GByteArray *out, GError **error)
{
  g_autoptr(GPtrArray) keys = g_ptr_array_new();
  const char *key;
  json_t *value;
  json_object_foreach ((json_t *)(uintptr_t)map, key, value) {
    g_ptr_array_add(keys, (gpointer)(uintptr_t)key);
  }
  g_ptr_array_sort(keys, compare_keys);
  for (guint i = 0; i < keys->len; i++) {
    g_autoptr(GByteArray) entry = g_byte_array_new();
    put_bytes(entry, 1, keys->pdata[i], strlen(keys->pdata[i]));
    if (!encode_element(field, 2, json_object_get(map, keys->pdata[i]), depth, entry, error))
      return false;
    put_message(out, field->number, entry);
  }
  return true;
}

/* True for what upstream writes even when it is absent: everything that is no pointer there. */
static bool is_always_written(const ApiField *field)
{
  if (field->flags & API_FIELD_OPTIONAL)
    return false;
  switch ((ApiType)field->type) {
  case API_STRING:
  case API_BOOL:
  case API_INT32:
  case API_INT64:
  case API_DOUBLE:
    return true;
  case API_MESSAGE:
  case API_TIME:
  case API_MICRO_TIME:
    return field->flags & (API_FIELD_KEEP_EMPTY | API_FIELD_REQUIRED);
  default:
    return false;
  }
}

static bool encode_field(const ApiField *field, const json_t *parent, unsigned depth, GByteArray *out, GError **error)
{
  if (field->flags & API_FIELD_INLINE)
    return encode_element(field, field->number, parent, depth, out, error);
  const json_t *value = json_object_get(parent, field->name);
  if (field->flags & API_FIELD_LIST) {
    for (size_t i = 0; i < json_array_size(value); i++) {
      if (!encode_element(field, field->number, json_array_get(value, i), depth, out, error))
        return false;
    }
    return true;
  }
  if (field->flags & API_FIELD_MAP)
    return encode_map(field, value, depth, out, error);
  if (!value && !is_always_written(field))
    return true;
  return encode_element(field, field->number, value, depth, out, error);
}

static bool encode_message(const ApiMessage *message, const json_t *value, unsigned depth, GByteArray *out,
                           GError **error)
{
  if (depth >= CODEC_DEPTH_MAX)
    return reason_set(error, REASON_INTERNAL, "proto: exceeded max depth");
  for (unsigned i = 0; i < message->n_fields; i++) {
    unsigned index = message->by_number ? message->by_number[i] : i;
    if (!encode_field(&message->fields[index], value, depth + 1, out, error))
      return false;
  }
  return true;
}

/* RAW with what says of which kind it is. */
static GBytes *wrap(const char *api_version, const char *kind, const GByteArray *raw)
{
  static const uint8_t magic[] = { 'k', '8', 's', 0 };
  g_autoptr(GByteArray) type_meta = g_byte_array_new(), out = g_byte_array_sized_new(raw->len + 128);
  put_bytes(type_meta, 1, api_version, strlen(api_version));
  put_bytes(type_meta, 2, kind, strlen(kind));
  g_byte_array_append(out, magic, sizeof magic);
  put_message(out, 1, type_meta);
  put_message(out, 2, raw);
  put_bytes(out, 3, "", 0); /* contentEncoding and contentType: always there, always empty */
  put_bytes(out, 4, "", 0);
  return g_byte_array_free_to_bytes(g_steal_pointer(&out));
}

GBytes *codec_encode_protobuf(const ApiMessage *message, const char *api_version, const char *kind, const json_t *value,
                              GError **error)
{
  g_autoptr(GByteArray) raw = g_byte_array_new();
  return encode_message(message, value, 0, raw, error) ? wrap(api_version, kind, raw) : NULL;
}

GBytes *codec_encode_protobuf_list(const ApiMessage *message, const char *api_version, const char *list_kind,
                                   const json_t *metadata, GPtrArray *values, GError **error)
{
  const ApiMessage *list_meta = api_builtin_message("io.k8s.apimachinery.pkg.apis.meta.v1.ListMeta");
  g_autoptr(GByteArray) list = g_byte_array_new(), item = g_byte_array_new();
  if (!encode_message(list_meta, metadata, 0, item, error))
    return NULL;
  put_message(list, 1, item);
  for (guint i = 0; i < values->len; i++) {
    g_byte_array_set_size(item, 0);
    if (!encode_message(message, values->pdata[i], 0, item, error))
      return NULL;
    put_message(list, 2, item);
  }
  return wrap(api_version, list_kind, list);
}

GBytes *codec_protobuf_event(const char *type, GBytes *object)
{
  gsize length;
  const void *data = g_bytes_get_data(object, &length);
  g_autoptr(GByteArray) raw = g_byte_array_new(), event = g_byte_array_new();
  put_bytes(raw, 1, data, length); /* RawExtension.raw */
  put_bytes(event, 1, type, strlen(type));
  put_message(event, 2, raw);
  guint32 size = GUINT32_TO_BE(event->len);
  g_byte_array_prepend(event, (const guint8 *)&size, sizeof size);
  return g_byte_array_free_to_bytes(g_steal_pointer(&event));
}
