/* A request body in JSON or YAML, all the way to what would be stored: peek, decode, defaults, validation, protobuf. */
#include <glib.h>
#include <jansson.h>
#include <stddef.h>
#include <stdint.h>

#include "base/json.h"
#include "clusterd/api/codec.h"
#include "clusterd/api/validation.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Whatever was accepted must survive a round through its own outputs unchanged. */
static void check_accepted(const ApiKind *kind, const char *api_version, json_t *value)
{
  g_autoptr(GError) error = NULL;
  g_autoptr(json_t) again = json_deep_copy(value);
  if (!codec_prune(kind->message, kind->version, kind->kind, again, FIELD_VALIDATION_STRICT, NULL, &error))
    g_error("an accepted value is refused the second time: %s", error->message);
  if (!json_equal(again, value))
    g_error("an accepted value changes the second time");
  api_set_defaults(kind->message, value);
  ApiWriteContext context = { .is_update = false };
  api_validate(kind, value, NULL, &context, NULL);
  g_autoptr(GBytes) bytes = codec_encode_protobuf(kind->message, api_version, kind->kind, value, NULL);
  if (!bytes)
    return;
  g_autoptr(json_t) decoded =
      codec_decode(CODEC_PROTOBUF, kind->message, kind->version, kind->kind, g_bytes_get_data(bytes, NULL),
                   g_bytes_get_size(bytes), FIELD_VALIDATION_IGNORE, NULL, &error);
  if (!decoded)
    g_error("our own protobuf cannot be read: %s", error->message);
}

/* The first byte chooses the kind and the form. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
  size_t n_kinds;
  const ApiKind *const *kinds = api_builtin_kinds(&n_kinds);
  g_autofree char *found_version = NULL, *found_kind = NULL;
  if (size < 1)
    return 0;
  const ApiKind *kind = kinds[(data[0] >> 1) % n_kinds];
  CodecType type = data[0] & 1 ? CODEC_YAML : CODEC_JSON;
  codec_peek(type, data + 1, size - 1, &found_version, &found_kind, NULL);
  g_autofree char *api_version = api_group_version(kind);
  g_autoptr(json_t) warnings = json_array();
  g_autoptr(json_t) value = codec_decode(type, kind->message, kind->version, kind->kind, data + 1, size - 1,
                                         FIELD_VALIDATION_WARN, warnings, NULL);
  if (value)
    check_accepted(kind, api_version, value);
  return 0;
}
