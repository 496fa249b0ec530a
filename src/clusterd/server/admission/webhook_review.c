/* The AdmissionReview a webhook is sent, and reading its answer. */
#include <string.h>

#include "base/json.h"
#include "base/reason.h"
#include "clusterd/server/admission/webhook.h"
#include "clusterd/server/registry/registry_private.h"
#include "clusterd/server/registry/scale.h"

#define REVIEW_GROUP "admission.k8s.io"

WebhookKind webhook_kind(const ApiKind *kind, const char *subresource)
{
  const ApiSubresource *sub = subresource ? api_kind_subresource(kind, subresource) : NULL;
  if (sub && sub->group && sub->kind)
    return (WebhookKind){ sub->group, sub->version, sub->kind };
  return (WebhookKind){ kind->group, kind->version, kind->kind };
}

json_t *webhook_show(const AdmissionRequest *request, const ApiKind *kind, const json_t *value, GError **error)
{
  if (!value)
    return json_null();
  if (request->is_body)
    return json_incref((json_t *)(uintptr_t)value);
  Target target = { kind, request->target->namespace_, request->target->name, request->target->subresource };
  g_autoptr(Object) stored = object_new(request->kind, json_incref((json_t *)(uintptr_t)value));
  g_autoptr(Object) shown = registry_show(&target, stored, error);
  return shown ? json_incref(object_json(shown)) : NULL;
}

static json_t *kind_json(WebhookKind kind)
{
  return json_pack("{s:s, s:s, s:s}", "group", kind.group, "version", kind.version, "kind", kind.kind);
}

static json_t *resource_json(const ApiKind *kind)
{
  return json_pack("{s:s, s:s, s:s}", "group", kind->group, "version", kind->version, "resource", kind->plural);
}

/* Components of this process are what a part of the server is upstream. */
static json_t *user_json(const Identity *identity)
{
  return identity ? identity_user_info(identity)
                  : json_pack("{s:s, s:[s, s]}", "username", "system:apiserver", "groups", "system:masters",
                              "system:authenticated");
}

static json_t *options_json(const AdmissionRequest *request)
{
  static const char *const validations[] = { "Ignore", "Warn", "Strict" };
  const Caller *caller = request->caller;
  bool create = request->operation == ADMISSION_CREATE;
  if (request->options)
    return json_deep_copy(request->options);
  if (request->operation == ADMISSION_CONNECT)
    return json_null();
  json_t *options = json_pack("{s:s, s:s}", "kind",
                              request->operation == ADMISSION_DELETE ? "DeleteOptions"
                              : create                               ? "CreateOptions"
                                                                     : "UpdateOptions",
                              "apiVersion", "meta.k8s.io/v1");
  if (caller && caller->dry_run)
    json_object_set_new(options, "dryRun", json_pack("[s]", "All"));
  if (caller && caller->field_manager && *caller->field_manager && request->operation != ADMISSION_DELETE)
    json_object_set_new(options, "fieldManager", json_string(caller->field_manager));
  if (caller && caller->identity && request->operation != ADMISSION_DELETE)
    json_object_set_new(options, "fieldValidation", json_string(validations[caller->field_validation]));
  return options;
}

/* "v1" or "v1beta1": the first version the webhook names that this server speaks. */
static const char *review_version(const json_t *hook)
{
  const json_t *versions = json_object_get(hook, "admissionReviewVersions");
  size_t i;
  json_t *version;
  json_array_foreach (versions, i, version)
    for (const char *const *known = (const char *const[]){ "v1", "v1beta1", NULL }; *known; known++)
      if (g_strcmp0(json_string_value(version), *known) == 0)
        return *known;
  return NULL;
}

static void set_place(json_t *body, const AdmissionRequest *request)
{
  const Target *target = request->target;
  const char *name = target->name;
  const json_t *metadata = json_object_get(request->object, "metadata");
  if (!name)
    name = json_str(metadata, "name", "");
  bool is_namespace = !*target->kind->group && g_str_equal(target->kind->plural, "namespaces");
  const char *namespace_ = is_namespace ? name : target->namespace_;
  if (*name)
    json_object_set_new(body, "name", json_string(name));
  if (namespace_ && *namespace_)
    json_object_set_new(body, "namespace", json_string(namespace_));
  if (target->subresource) {
    json_object_set_new(body, "subResource", json_string(target->subresource));
    json_object_set_new(body, "requestSubResource", json_string(target->subresource));
  }
}

json_t *webhook_review(const AdmissionRequest *request, const json_t *hook, const ApiKind *kind, const char *uid,
                       GError **error)
{
  const char *version = review_version(hook);
  const char *subresource = request->target->subresource;
  if (!version) {
    reason_set(error, REASON_INTERNAL,
               "could not create admission objects: webhook does not accept known AdmissionReview versions (v1, "
               "v1beta1)");
    return NULL;
  }
  g_autoptr(json_t) object = webhook_show(request, kind, request->object, error);
  g_autoptr(json_t) old = object ? webhook_show(request, kind, request->old, error) : NULL;
  if (!old)
    return NULL;
  g_autofree char *review_kind = g_strconcat(REVIEW_GROUP "/", version, NULL);
  json_t *body =
      json_pack("{s:s, s:o, s:o, s:o, s:o, s:s, s:o}", "uid", uid, "kind", kind_json(webhook_kind(kind, subresource)),
                "resource", resource_json(kind), "requestKind",
                kind_json(webhook_kind(request->target->kind, subresource)), "requestResource",
                resource_json(request->target->kind), "operation", admission_operation_name(request->operation),
                "userInfo", user_json(request->caller ? request->caller->identity : NULL));
  set_place(body, request);
  json_object_set(body, "object", object);
  json_object_set(body, "oldObject", old);
  json_object_set_new(body, "dryRun", json_boolean(request->caller && request->caller->dry_run));
  json_object_set_new(body, "options", options_json(request));
  return json_pack("{s:s, s:s, s:o}", "kind", "AdmissionReview", "apiVersion", review_kind, "request", body);
}

/* --- answers -------------------------------------------------------------------------------------------------------
 */

/* "group/version, Kind=kind", as upstream names a kind in messages. The caller frees. */
static char *kind_text(const json_t *review)
{
  return g_strdup_printf("%s, Kind=%s", json_str(review, "apiVersion", ""), json_str(review, "kind", ""));
}

static bool check_patch(const json_t *response, bool mutating, GError **error)
{
  bool patch = *json_str(response, "patch", "") != '\0';
  const json_t *type = json_object_get(response, "patchType");
  bool typed = type && !json_is_null(type);
  if (!mutating && (patch || typed))
    return reason_set(error, REASON_INTERNAL, "validating webhook may not return response.%s",
                      patch ? "patch" : "patchType");
  if (patch && !typed)
    return reason_set(error, REASON_INTERNAL, "webhook returned response.patch but not response.patchType");
  if (typed && !patch)
    return reason_set(error, REASON_INTERNAL, "webhook returned response.patchType but not response.patch");
  if (typed && !*json_str(response, "patchType", ""))
    return reason_set(error, REASON_INTERNAL, "webhook returned invalid response.patchType of \"\"");
  return true;
}

const json_t *webhook_response(const json_t *review, const json_t *answer, bool mutating, GError **error)
{
  const json_t *response = json_object_get(answer, "response");
  const char *uid = json_str(json_object_get(review, "request"), "uid", "");
  if (!json_is_object(response)) {
    reason_set(error, REASON_INTERNAL, "webhook response was absent");
    return NULL;
  }
  if (g_str_has_suffix(json_str(review, "apiVersion", ""), "/v1beta1"))
    return response; /* neither uid nor kind were looked at in v1beta1's time */
  if (!g_str_equal(json_str(response, "uid", ""), uid)) {
    reason_set(error, REASON_INTERNAL, "expected response.uid=\"%s\", got \"%s\"", uid, json_str(response, "uid", ""));
    return NULL;
  }
  g_autofree char *expected = kind_text(review), *got = kind_text(answer);
  if (!g_str_equal(expected, got)) {
    reason_set(error, REASON_INTERNAL, "expected webhook response of %s, got %s", expected, got);
    return NULL;
  }
  return check_patch(response, mutating, error) ? response : NULL;
}
