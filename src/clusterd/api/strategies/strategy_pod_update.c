/* What an update of a pod may change. */
#include <string.h>

#include "base/json.h"
#include "clusterd/api/strategies/strategies.h"
#include "clusterd/api/strategies/strategy_common.h"
#include "clusterd/api/strategies/strategy_pod.h"

static bool writes(const ApiWriteContext *context, const char *subresource)
{
  const char *written = context ? context->subresource : NULL;
  return subresource ? written && strcmp(written, subresource) == 0 : !written;
}

void pod_prepare_update(json_t *object, const json_t *old, const ApiWriteContext *context)
{
  if (writes(context, "ephemeralcontainers")) {
    /* Only that list of the request counts. */
    g_autoptr(json_t) added = json_incref(json_at(object, "spec", "ephemeralContainers", NULL));
    g_autoptr(json_t) spec = json_copy(json_object_get(old, "spec"));
    if (added)
      json_object_set(spec, "ephemeralContainers", added);
    json_object_set(object, "spec", spec);
    strategy_carry(object, old, "status");
  } else if (writes(context, "status")) {
    json_t *metadata = json_ensure_object(object, "metadata", NULL);
    strategy_carry(object, old, "spec");
    strategy_carry(metadata, json_object_get(old, "metadata"), "ownerReferences");
  } else {
    json_t *spec = json_ensure_object(object, "spec", NULL);
    if (writes(context, NULL))
      strategy_carry(spec, json_object_get(old, "spec"), "ephemeralContainers");
    strategy_carry(object, old, "status");
  }
}

static void check_counts(const json_t *spec, const json_t *old, FieldErrors *errors)
{
  static const char *const lists[] = { "containers", "initContainers" };
  for (size_t i = 0; i < G_N_ELEMENTS(lists); i++) {
    if (json_array_size(json_object_get(spec, lists[i])) == json_array_size(json_object_get(old, lists[i])))
      continue;
    g_autofree char *path = field_path_child("spec", lists[i]);
    field_errors_add(errors, FIELD_FORBIDDEN, path, NULL, "pod updates may not add or remove containers");
  }
}

/* A deadline may be set or shortened, not taken away or moved out. */
static void check_deadline(const json_t *spec, const json_t *old, FieldErrors *errors)
{
  const json_t *deadline = json_object_get(spec, "activeDeadlineSeconds");
  const json_t *before = json_object_get(old, "activeDeadlineSeconds");
  if (before && !deadline)
    field_errors_add(errors, FIELD_INVALID, "spec.activeDeadlineSeconds", NULL,
                     "must not update from a positive integer to nil value");
  else if (before && json_integer_value(deadline) > json_integer_value(before))
    field_errors_add(errors, FIELD_INVALID, "spec.activeDeadlineSeconds", deadline,
                     "must be less than or equal to previous value");
}

/* Tolerations may be added; of an old one only the seconds may change. */
static void check_tolerations(const json_t *spec, const json_t *old, FieldErrors *errors)
{
  const json_t *tolerations = json_object_get(spec, "tolerations");
  size_t i, j;
  json_t *before, *after;
  json_array_foreach (json_object_get(old, "tolerations"), i, before) {
    bool kept = false;
    json_array_foreach ((json_t *)(uintptr_t)tolerations, j, after) {
      g_autoptr(json_t) a = json_copy(before), b = json_copy(after);
      json_object_del(a, "tolerationSeconds");
      json_object_del(b, "tolerationSeconds");
      kept = kept || json_equal(a, b);
    }
    if (!kept) {
      field_errors_add(errors, FIELD_FORBIDDEN, "spec.tolerations", NULL,
                       "existing toleration can not be modified except its tolerationSeconds");
      return;
    }
  }
}

static void check_gates(const json_t *spec, const json_t *old, FieldErrors *errors)
{
  size_t i, j;
  json_t *gate, *before;
  json_array_foreach (json_object_get(spec, "schedulingGates"), i, gate) {
    bool known = false;
    json_array_foreach (json_object_get(old, "schedulingGates"), j, before) {
      known = known || json_equal(gate, before);
    }
    g_autofree char *path = g_strdup_printf("spec.schedulingGates[%zu].name", i);
    if (!known)
      field_errors_add(errors, FIELD_FORBIDDEN, path, NULL,
                       "only deletion is allowed, but found new scheduling gate '%s'", json_str(gate, "name", ""));
  }
}

/* SPEC without the members that may change, those of OLD in their place: equal to OLD when nothing else did. */
static json_t *munged_spec(const json_t *spec, const json_t *old)
{
  static const char *const members[] = { "activeDeadlineSeconds", "tolerations", "schedulingGates" };
  static const char *const lists[] = { "containers", "initContainers" };
  json_t *munged = json_deep_copy(spec), *container;
  size_t index;
  for (size_t i = 0; i < G_N_ELEMENTS(members); i++)
    strategy_carry(munged, old, members[i]);
  /* A negative grace period is an old spelling of 1. */
  if (json_int(old, "terminationGracePeriodSeconds", 0) < 0 && json_int(spec, "terminationGracePeriodSeconds", 0) == 1)
    strategy_carry(munged, old, "terminationGracePeriodSeconds");
  for (size_t i = 0; i < G_N_ELEMENTS(lists); i++) {
    json_array_foreach (json_object_get(munged, lists[i]), index, container) {
      strategy_carry(container, json_array_get(json_object_get(old, lists[i]), index), "image");
    }
  }
  return munged;
}

static void check_ephemeral(const json_t *spec, const json_t *old, FieldErrors *errors)
{
  const json_t *containers = json_object_get(spec, "ephemeralContainers");
  size_t i, j;
  json_t *before, *after;
  json_array_foreach (json_object_get(old, "ephemeralContainers"), i, before) {
    const char *name = json_str(before, "name", "");
    const json_t *found = NULL;
    json_array_foreach ((json_t *)(uintptr_t)containers, j, after) {
      if (strcmp(json_str(after, "name", ""), name) == 0)
        found = after;
    }
    if (!found)
      field_errors_add(errors, FIELD_FORBIDDEN, "spec.ephemeralContainers", NULL,
                       "existing ephemeral containers \"%s\" may not be removed\n", name);
    else if (!json_equal(found, before))
      field_errors_add(errors, FIELD_FORBIDDEN, "spec.ephemeralContainers", NULL,
                       "existing ephemeral containers \"%s\" may not be changed\n", name);
  }
}

void pod_validate_update(const json_t *object, const json_t *old, const ApiWriteContext *context, FieldErrors *errors)
{
  const json_t *spec = json_object_get(object, "spec"), *old_spec = json_object_get(old, "spec");
  if (writes(context, "ephemeralcontainers")) {
    check_ephemeral(spec, old_spec, errors);
    return;
  }
  if (!writes(context, NULL))
    return;
  pod_check_annotation_changes(object, old, errors);
  unsigned before = field_errors_count(errors);
  check_counts(spec, old_spec, errors);
  if (field_errors_count(errors) > before)
    return;
  pod_check_images(spec, errors);
  check_deadline(spec, old_spec, errors);
  check_tolerations(spec, old_spec, errors);
  check_gates(spec, old_spec, errors);
  g_autoptr(json_t) munged = munged_spec(spec, old_spec);
  if (!json_equal(munged, old_spec))
    field_errors_add(errors, FIELD_FORBIDDEN, "spec", NULL,
                     "pod updates may not change fields other than "
                     "`spec.containers[*].image`,`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,"
                     "`spec.tolerations` (only additions to existing tolerations),"
                     "`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)\n");
}
