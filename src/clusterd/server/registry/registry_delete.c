/* Deletion: at once, or step by step through grace periods and finalizers. */
#include "base/json.h"
#include "base/reason.h"
#include "base/timestamp.h"
#include "clusterd/server/api_error.h"
#include "clusterd/server/custom/definition_status.h"
#include "clusterd/server/registry/write.h"

#define FINALIZER_FOREGROUND "foregroundDeletion"
#define FINALIZER_ORPHAN "orphan"

static bool is_core(const ApiKind *kind, const char *plural)
{
  return !*kind->group && g_str_equal(kind->plural, plural);
}

static bool is_definition(const ApiKind *kind)
{
  return g_str_equal(kind->group, "apiextensions.k8s.io") && g_str_equal(kind->plural, "customresourcedefinitions");
}

static bool check_preconditions(const Write *write, const DeleteOptions *options, GError **error)
{
  const char *name = object_name(write->old);
  const ApiKind *kind = write->target->kind;
  g_autofree char *version = g_strdup_printf("%" G_GINT64_FORMAT, object_revision(write->old));
  g_autofree char *why = NULL;
  if (options->precondition_uid && *options->precondition_uid &&
      !g_str_equal(options->precondition_uid, object_uid(write->old)))
    why = g_strdup_printf("the UID in the precondition (%s) does not match the UID in record (%s). The object might "
                          "have been deleted and then recreated",
                          options->precondition_uid, object_uid(write->old));
  else if (options->precondition_resource_version && *options->precondition_resource_version &&
           !g_str_equal(options->precondition_resource_version, version))
    why = g_strdup_printf("the ResourceVersion in the precondition (%s) does not match the ResourceVersion in record "
                          "(%s). The object might have been modified",
                          options->precondition_resource_version, version);
  if (!why)
    return true;
  /* here upstream says the kind where it says the resource elsewhere */
  json_t *details = api_error_details(kind, name);
  json_object_set_new(details, "kind", json_string(kind->kind));
  return reason_set_details(error, REASON_CONFLICT, details, "Operation cannot be fulfilled on %s \"%s\": %s",
                            kind->kind, name, why);
}

/* Only pods end gracefully: their node must stop them first. One that no node has, or that has ended, goes at once. */
static int64_t grace_of(const Write *write, const DeleteOptions *options)
{
  const json_t *value = object_json(write->old);
  const json_t *spec = json_object_get(value, "spec");
  if (!is_core(write->storage, "pods") || !*json_str(spec, "nodeName", ""))
    return 0;
  const char *phase = json_str(json_object_get(value, "status"), "phase", "");
  if (g_str_equal(phase, "Failed") || g_str_equal(phase, "Succeeded"))
    return 0;
  if (options->grace_period_seconds >= 0)
    return options->grace_period_seconds;
  return json_int(spec, "terminationGracePeriodSeconds", 30);
}

static void set_finalizer(json_t *finalizers, const char *name, bool wanted)
{
  size_t i = json_array_size(finalizers);
  while (i-- > 0)
    if (g_strcmp0(json_string_value(json_array_get(finalizers, i)), name) == 0)
      json_array_remove(finalizers, i);
  if (wanted)
    json_array_append_new(finalizers, json_string(name));
}

/* What shall become of the dependents, written down as finalizers for the garbage collector. */
static void set_propagation(const Write *write, const DeleteOptions *options, json_t *metadata)
{
  const char *propagation = options->propagation;
  json_t *finalizers = json_deep_copy(json_object_get(metadata, "finalizers"));
  if (!json_is_array(finalizers)) {
    json_decref(finalizers);
    finalizers = json_array();
  }
  /* without a policy a finalizer that is already there speaks for itself */
  if (!propagation && write->target->kind->orphan_by_default)
    propagation = "Orphan";
  if (propagation) {
    set_finalizer(finalizers, FINALIZER_FOREGROUND, g_str_equal(propagation, "Foreground"));
    set_finalizer(finalizers, FINALIZER_ORPHAN, g_str_equal(propagation, "Orphan"));
  }
  if (json_array_size(finalizers))
    json_object_set_new(metadata, "finalizers", finalizers);
  else {
    json_object_del(metadata, "finalizers");
    json_decref(finalizers);
  }
}

/* Marks the object; a second deletion may only shorten the grace period. */
static void set_deadline(json_t *metadata, int64_t grace)
{
  int64_t now = timestamp_now_us();
  if (json_object_get(metadata, "deletionTimestamp")) {
    int64_t before = json_int(metadata, "deletionGracePeriodSeconds", 0);
    if (grace >= before)
      return;
  } else if (json_int(metadata, "generation", 0) > 0) {
    json_object_set_new(metadata, "generation", json_integer(json_int(metadata, "generation", 0) + 1));
  }
  g_autofree char *when = timestamp_text(now + grace * G_USEC_PER_SEC);
  json_object_set_new(metadata, "deletionTimestamp", json_string(when));
  json_object_set_new(metadata, "deletionGracePeriodSeconds", json_integer(grace));
}

static bool is_held(const Write *write, const json_t *metadata)
{
  bool by_namespace =
      is_core(write->storage, "namespaces") && json_array_size(json_at(write->value, "spec", "finalizers", NULL)) > 0;
  return by_namespace || json_array_size(json_object_get(metadata, "finalizers")) > 0 ||
         json_int(metadata, "deletionGracePeriodSeconds", 0) > 0;
}

static Object *delete_admitted(Write *write, const DeleteOptions *options, bool *gone, GError **error)
{
  write->value = json_deep_copy(object_json(write->old));
  json_t *metadata = json_object_get(write->value, "metadata");
  set_propagation(write, options, metadata);
  if (is_definition(write->storage) && !json_object_get(metadata, "deletionTimestamp"))
    definition_begin_deletion(write->value);
  set_deadline(metadata, grace_of(write, options));
  if (!is_held(write, metadata)) {
    *gone = true;
    return write_remove(write, error);
  }
  *gone = false;
  if (is_core(write->storage, "namespaces"))
    json_object_set_new(json_ensure_object(write->value, "status", NULL), "phase", json_string("Terminating"));
  if (json_equal(write->value, object_json(write->old)))
    return object_ref(write->old);
  return write_store(write, error);
}

/* OPTIONS as a webhook is told. New reference. */
static json_t *options_json(const Write *write, const DeleteOptions *options)
{
  json_t *value = json_pack("{s:s, s:s}", "kind", "DeleteOptions", "apiVersion", "meta.k8s.io/v1");
  json_t *preconditions = json_object();
  if (options->grace_period_seconds >= 0)
    json_object_set_new(value, "gracePeriodSeconds", json_integer(options->grace_period_seconds));
  if (options->precondition_uid && *options->precondition_uid)
    json_object_set_new(preconditions, "uid", json_string(options->precondition_uid));
  if (options->precondition_resource_version && *options->precondition_resource_version)
    json_object_set_new(preconditions, "resourceVersion", json_string(options->precondition_resource_version));
  if (json_object_size(preconditions))
    json_object_set(value, "preconditions", preconditions);
  json_decref(preconditions);
  if (options->propagation)
    json_object_set_new(value, "propagationPolicy", json_string(options->propagation));
  if (write->caller && write->caller->dry_run)
    json_object_set_new(value, "dryRun", json_pack("[s]", "All"));
  return value;
}

static Object *delete_once(Write *write, const DeleteOptions *options, bool *gone, GError **error)
{
  const Target *target = write->target;
  if (!registry_catch_up(write->registry, error) || !write_load(write, error))
    return NULL;
  if (!write->old) {
    api_error_not_found(error, target->kind, target->name);
    return NULL;
  }
  g_autoptr(json_t) told = options_json(write, options);
  AdmissionRequest request = { .registry = write->registry,
                               .options = told,
                               .caller = write->caller,
                               .target = target,
                               .kind = write->storage,
                               .operation = ADMISSION_DELETE,
                               .old = object_json(write->old) };
  Admission *admission = write->registry->admission;
  Object *last = NULL;
  if (check_preconditions(write, options, error) && admission_mutate(admission, &request, error) &&
      admission_validate(admission, &request, error))
    last = delete_admitted(write, options, gone, error);
  request.stored = last != NULL;
  admission_finish(admission, &request);
  return last;
}

Object *registry_delete(Registry *registry, const Caller *caller, const Target *target, const DeleteOptions *options,
                        bool *gone, GError **error)
{
  static const DeleteOptions defaults = { .grace_period_seconds = -1 };
  bool removed = false;
  for (int attempt = 1;; attempt++) {
    g_autoptr(GError) problem = NULL;
    g_auto(Write) write = {
      .registry = registry, .caller = caller, .target = target, .storage = registry_write_kind(target->kind)
    };
    g_autoptr(Object) last = delete_once(&write, options ? options : &defaults, &removed, &problem);
    if (gone)
      *gone = removed;
    if (last)
      return registry_view(target->kind, last, error);
    if (!write.lost || attempt >= CONFLICT_RETRIES) {
      g_propagate_error(error, g_steal_pointer(&problem));
      return NULL;
    }
  }
}
