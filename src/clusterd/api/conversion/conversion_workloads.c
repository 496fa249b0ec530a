/* Members of old workloads that the current ones keep as annotations. */
#include <inttypes.h>
#include <string.h>

#include "base/json.h"
#include "clusterd/api/conversion/conversion.h"
#include "clusterd/api/conversion/conversion_annotation.h"

#define ROLLBACK_TO "deprecated.deployment.rollback.to"
#define TEMPLATE_GENERATION "deprecated.daemonset.template.generation"

static void annotate(json_t *object, const char *annotation, json_int_t number)
{
  json_object_set_new(json_ensure_object(object, "metadata", "annotations", NULL), annotation,
                      json_sprintf("%" JSON_INTEGER_FORMAT, number));
}

/* False, and the annotation stays, when it holds no number: then it is only an annotation. */
static bool take_annotation(json_t *object, const char *annotation, gint64 *number)
{
  const char *text = json_str(json_at(object, "metadata", "annotations", NULL), annotation, "");
  if (!g_ascii_string_to_signed(text, 10, G_MININT64, G_MAXINT64, number, NULL))
    return false;
  conversion_forget(object, annotation);
  return true;
}

json_t *convert_rollback_to_storage(const json_t *object)
{
  json_t *result = json_deep_copy(object), *spec = json_object_get(result, "spec");
  const json_t *rollback = json_object_get(spec, "rollbackTo");
  if (rollback)
    annotate(result, ROLLBACK_TO, json_int(rollback, "revision", 0));
  json_object_del(spec, "rollbackTo");
  return result;
}

json_t *convert_rollback_from_storage(const json_t *object)
{
  json_t *result = json_deep_copy(object);
  gint64 revision;
  if (take_annotation(result, ROLLBACK_TO, &revision)) {
    json_t *rollback = json_ensure_object(result, "spec", "rollbackTo", NULL);
    if (revision != 0)
      json_object_set_new(rollback, "revision", json_integer(revision));
  }
  return result;
}

json_t *convert_extensions_daemon_set_to_storage(const json_t *object)
{
  json_t *result = json_deep_copy(object), *spec = json_object_get(result, "spec");
  if (json_object_get(spec, "templateGeneration"))
    annotate(result, TEMPLATE_GENERATION, json_int(spec, "templateGeneration", 0));
  json_object_del(spec, "templateGeneration");
  return result;
}

json_t *convert_extensions_daemon_set_from_storage(const json_t *object)
{
  json_t *result = json_deep_copy(object);
  gint64 generation;
  if (take_annotation(result, TEMPLATE_GENERATION, &generation) && generation != 0)
    json_object_set_new(json_ensure_object(result, "spec", NULL), "templateGeneration", json_integer(generation));
  return result;
}
