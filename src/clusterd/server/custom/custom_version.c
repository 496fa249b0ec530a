#include "clusterd/server/custom/custom_version.h"

#include <string.h>

#include "base/json.h"
#include "base/reason.h"
#include "clusterd/api/json_prune.h"
#include "clusterd/api/json_scan.h"
#include "clusterd/api/validation.h"
#include "clusterd/server/outbound/client_config.h"

#define GROUP "apiextensions.k8s.io"
#define WEBHOOK_SECONDS 30

/* --- by webhook ----------------------------------------------------------------------------------------------------
 */

/* The first version of ConversionReview the webhook understands that is known here; both are of one form. */
static const char *review_version(const json_t *webhook)
{
  const json_t *versions = json_object_get(webhook, "conversionReviewVersions");
  for (size_t i = 0; i < json_array_size(versions); i++) {
    const char *version = json_string_value(json_array_get(versions, i));
    if (g_strcmp0(version, "v1beta1") == 0)
      return GROUP "/v1beta1";
    if (g_strcmp0(version, "v1") == 0)
      break;
  }
  return GROUP "/v1";
}

static json_t *review_of(const json_t *webhook, const char *api_version, const json_t *value, char **uid)
{
  *uid = g_uuid_string_random();
  return json_pack("{s:s, s:s, s:{s:s, s:s, s:[O]}}", "kind", "ConversionReview", "apiVersion", review_version(webhook),
                   "request", "uid", *uid, "desiredAPIVersion", api_version, "objects", value);
}

static json_t *failed(GError **error, const json_t *value, const char *why)
{
  reason_set(error, REASON_INTERNAL, "conversion webhook for %s, Kind=%s failed: %s", json_str(value, "apiVersion", ""),
             json_str(value, "kind", ""), why);
  return NULL;
}

/* A webhook may not touch metadata but labels and annotations. */
static json_t *restore_metadata(const json_t *before, const json_t *converted)
{
  static const char *const open[] = { "labels", "annotations" };
  json_t *result = json_deep_copy(converted);
  json_t *metadata = json_deep_copy(json_object_get(before, "metadata"));
  for (gsize i = 0; i < G_N_ELEMENTS(open); i++) {
    json_t *member = json_at(converted, "metadata", open[i], NULL);
    if (member)
      json_object_set(metadata, open[i], member);
    else
      json_object_del(metadata, open[i]);
  }
  json_object_set_new(result, "metadata", metadata);
  return result;
}

/* The one object of RESPONSE, checked. */
static json_t *take_converted(const json_t *response, const char *uid, const char *api_version, const json_t *value,
                              GError **error)
{
  const json_t *objects = json_object_get(response, "convertedObjects"), *result = json_object_get(response, "result");
  const json_t *converted = json_array_get(objects, 0);
  const char *name = json_str(json_object_get(value, "metadata"), "name", "");
  if (strcmp(json_str(response, "uid", ""), uid) != 0)
    return failed(error, value, "expected the uid of the request in the response");
  if (strcmp(json_str(result, "status", ""), "Success") != 0)
    return failed(error, value, json_str(result, "message", "status is not \"Success\""));
  if (json_array_size(objects) != 1)
    return failed(error, value, "expected 1 converted objects");
  if (strcmp(json_str(converted, "apiVersion", ""), api_version) != 0 ||
      strcmp(json_str(converted, "kind", ""), json_str(value, "kind", "")) != 0)
    return failed(error, value, "invalid apiVersion or kind in the converted object");
  if (strcmp(json_str(json_object_get(converted, "metadata"), "name", ""), name) != 0)
    return failed(error, value, "the name of the converted object must not change");
  return restore_metadata(value, converted);
}

json_t *custom_version_convert(const CustomDefinition *definition, const char *api_version, const json_t *value,
                               void *data, GError **error)
{
  const json_t *webhook = custom_definition_webhook(definition);
  g_autofree char *uid = NULL;
  g_autoptr(json_t) review = review_of(webhook, api_version, value, &uid);
  g_autoptr(GError) problem = NULL;
  g_autoptr(json_t) reply =
      client_config_post_json(data, json_object_get(webhook, "clientConfig"), review, WEBHOOK_SECONDS, &problem);
  if (!reply)
    return failed(error, value, problem->message);
  return take_converted(json_object_get(reply, "response"), uid, api_version, value, error);
}

/* --- versions ------------------------------------------------------------------------------------------------------
 */

/* VALUE, written as FROM, in the version of TO. New reference. */
static json_t *convert(const ApiKind *to, const json_t *value, GError **error)
{
  g_autofree char *api_version = api_group_version(to);
  if (strcmp(json_str(value, "apiVersion", ""), api_version) == 0)
    return json_incref((json_t *)(uintptr_t)value);
  if (custom_definition_webhook(to->custom->definition))
    return custom_definition_convert(to->custom->definition, api_version, value, error);
  json_t *converted = json_copy((json_t *)(uintptr_t)value);
  json_object_set_new(converted, "apiVersion", json_string(api_version));
  return converted;
}

bool custom_version_may_ask(const ApiKind *kind)
{
  return kind->custom && custom_definition_webhook(kind->custom->definition);
}

/* STORED, whose value in the version of KIND is VALUE (taken), as KIND has it today. New reference. */
static Object *renew(const ApiKind *kind, Object *stored, json_t *value, GError **error)
{
  g_autoptr(json_t) given = value;
  g_autoptr(json_t) pruned = given ? json_prune(kind->message, kind->kind, given, NULL, error) : NULL;
  if (!pruned)
    return NULL;
  if (schema_lacks_defaults(kind->custom->schema, pruned)) {
    json_t *copy = json_deep_copy(pruned);
    json_decref(pruned);
    pruned = copy;
    api_set_defaults(kind->message, pruned);
  }
  if (json_equal(pruned, object_json(stored)))
    return object_ref(stored);
  return object_new(kind, g_steal_pointer(&pruned));
}

Object *custom_version_view(const ApiKind *asked, Object *stored, GError **error)
{
  const ApiKind *kind = api_kind_current(asked);
  if (object_kind(stored) == kind)
    return object_ref(stored);
  return renew(kind, stored, convert(kind, object_json(stored), error), error);
}

Object *custom_version_load(const ApiScheme *scheme, const ApiKind *kind, GBytes *bytes, int64_t revision,
                            GError **error)
{
  gsize length;
  const char *text = g_bytes_get_data(bytes, &length);
  g_autofree char *api_version = NULL, *name = NULL;
  const ApiKind *written = NULL;
  if (json_scan_type(text, length, &api_version, &name) && api_version && name && strchr(api_version, '/'))
    written = api_scheme_stored_kind(scheme, kind->group, strchr(api_version, '/') + 1, name);
  if (!written)
    written = api_kind_current(kind);
  /* the bytes do not say by which state of the definition they were written */
  g_autoptr(Object) object = object_from_bytes(written, bytes, revision, error);
  g_autoptr(GError) problem = NULL;
  if (!object)
    return NULL;
  Object *renewed = renew(written, object, json_incref(object_json(object)), &problem);
  if (renewed)
    return renewed;
  g_warning("%s %s: %s", kind->plural, object_name(object),
            problem ? problem->message : ""); /* better as it is than not at all */
  return g_steal_pointer(&object);
}

json_t *custom_version_to_storage(const ApiKind *kind, const json_t *value, GError **error)
{
  return convert(kind->storage, value, error);
}
