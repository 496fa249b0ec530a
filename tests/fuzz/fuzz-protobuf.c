/* A request body in protobuf: peek and decode, and what was decoded encodes and decodes to itself. */
#include <glib.h>
#include <jansson.h>
#include <stddef.h>
#include <stdint.h>

#include "base/json.h"
#include "clusterd/api/codec.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static json_t *decode(const ApiKind *kind, const void *data, size_t size, GError **error)
{
  return codec_decode(CODEC_PROTOBUF, kind->message, kind->version, kind->kind, data, size, FIELD_VALIDATION_STRICT,
                      NULL, error);
}

/* The first byte chooses the kind. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
  size_t n_kinds;
  const ApiKind *const *kinds = api_builtin_kinds(&n_kinds);
  g_autofree char *found_version = NULL, *found_kind = NULL;
  g_autoptr(GError) error = NULL;
  if (size < 1)
    return 0;
  const ApiKind *kind = kinds[data[0] % n_kinds];
  codec_peek(CODEC_PROTOBUF, data + 1, size - 1, &found_version, &found_kind, NULL);
  g_autoptr(json_t) value = decode(kind, data + 1, size - 1, NULL);
  if (!value)
    return 0;
  g_autofree char *api_version = api_group_version(kind);
  g_autoptr(GBytes) bytes = codec_encode_protobuf(kind->message, api_version, kind->kind, value, &error);
  if (!bytes)
    g_error("a decoded value cannot be encoded: %s", error->message);
  g_autoptr(json_t) again = decode(kind, g_bytes_get_data(bytes, NULL), g_bytes_get_size(bytes), &error);
  if (!again)
    g_error("our own protobuf cannot be read: %s", error->message);
  return 0;
}
