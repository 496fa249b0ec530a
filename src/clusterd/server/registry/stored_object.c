#include "clusterd/server/registry/stored_object.h"

#include "base/json.h"
#include "clusterd/api/validation.h"
#include "clusterd/server/custom/custom_version.h"

/* OBJECT (taken) with the defaults of its kind; OBJECT itself when it lacks none. */
static Object *with_defaults(Object *object)
{
  g_autoptr(Object) stored = object;
  const ApiKind *kind = object_kind(stored);
  gsize length;
  const char *text = g_bytes_get_data(object_bytes(stored), &length);
  /* parsed here: OBJECT would keep its value, which most objects that are loaded have no need of */
  json_t *value = json_parse(text, length, true, NULL);
  if (!value)
    return g_steal_pointer(&stored);
  api_set_defaults(kind->message, value);
  g_autoptr(Object) renewed = object_new(kind, value);
  return g_bytes_equal(object_bytes(stored), object_bytes(renewed)) ? g_steal_pointer(&stored) : object_twin(renewed);
}

Object *stored_object_load(const ApiScheme *scheme, const ApiKind *kind, GBytes *bytes, int64_t revision,
                           GError **error)
{
  if (kind->custom)
    return custom_version_load(scheme, kind, bytes, revision, error);
  Object *object = object_from_bytes(kind, bytes, revision, error);
  return object ? with_defaults(object) : NULL;
}
