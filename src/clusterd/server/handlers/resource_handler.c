/* The verbs on resources: from the request's bytes to a call of the registry and back. */
#include <string.h>

#include "base/json.h"
#include "base/reason.h"
#include "base/timestamp.h"
#include "base/yaml.h"
#include "clusterd/api/json_prune.h"
#include "clusterd/api/json_scan.h"
#include "clusterd/server/admission/admission.h"
#include "clusterd/server/api_error.h"
#include "clusterd/server/api_request.h"

#define META_PACKAGE "io.k8s.apimachinery.pkg.apis.meta.v1."

static Target target_of(const ApiRequest *request)
{
  const RequestInfo *info = request->info;
  return (Target){ request->kind, info->namespace_, info->name, info->subresource };
}

/* --- reads ---------------------------------------------------------------------------------------------------------
 */

static bool check_table_options(const ApiRequest *request, GError **error)
{
  static const char *const includes[] = { "", "None", "Metadata", "Object", NULL };
  const char *include = query_get(request->query, "includeObject");
  if (request->accept.shape != REPLY_TABLE || !include || g_strv_contains(includes, include))
    return true;
  return reason_set(error, REASON_BAD_REQUEST, "unrecognized includeObject value: \"%s\"", include);
}

static bool handle_get(ApiRequest *request, GError **error)
{
  if (!check_table_options(request, error) ||
      !registry_wait_not_older(request->registry, query_get(request->query, "resourceVersion"), error))
    return false;
  Caller caller = { .identity = request->identity };
  Target target = target_of(request);
  g_autoptr(Object) object = registry_get(request->registry, &caller, &target, error);
  if (object)
    respond_object(request, 200, object);
  return object != NULL;
}

static bool handle_list(ApiRequest *request, GError **error)
{
  Caller caller = { .identity = request->identity };
  Target target = target_of(request);
  ListOptions options = { 0 };
  g_autoptr(LabelSelector) labels = NULL;
  g_autoptr(FieldSelector) fields = NULL;
  if (!request_list_options(request, &options, &labels, &fields, error) || !check_table_options(request, error))
    return false;
  g_autoptr(ObjectList) list = registry_list(request->registry, &caller, &target, &options, error);
  if (list)
    respond_list(request, list);
  return list != NULL;
}

/* --- writes --------------------------------------------------------------------------------------------------------
 */

/* TokenRequest: the answer is the request with its status filled in. */
static bool create_token(ApiRequest *request, json_t *body, GError **error)
{
  json_t *spec = json_ensure_object(body, "spec", NULL);
  const json_t *bound = json_object_get(spec, "boundObjectRef");
  g_autoptr(GPtrArray) audiences = g_ptr_array_new();
  size_t i;
  json_t *audience;
  json_array_foreach (json_object_get(spec, "audiences"), i, audience)
    g_ptr_array_add(audiences, (char *)(uintptr_t)json_string_value(audience));
  g_ptr_array_add(audiences, NULL);
  int64_t lifetime = json_int(spec, "expirationSeconds", 3600), expires_us = 0;
  TokenRequest wanted = { .namespace_ = request->info->namespace_,
                          .account = request->info->name,
                          .audiences = (const char *const *)audiences->pdata,
                          .lifetime_seconds = lifetime,
                          .bound_version = json_str(bound, "apiVersion", NULL),
                          .bound_kind = json_is_object(bound) ? json_str(bound, "kind", "") : NULL,
                          .bound_name = json_str(bound, "name", ""),
                          .bound_uid = json_str(bound, "uid", NULL) };
  g_autofree char *token =
      service_account_tokens_issue(api_server_tokens(request->server), &wanted, &expires_us, error);
  if (!token)
    return false;
  const char *const *own = service_account_tokens_audiences(api_server_tokens(request->server));
  if (audiences->len == 1)
    json_object_set_new(spec, "audiences", json_array());
  for (i = 0; audiences->len == 1 && own[i]; i++)
    json_array_append_new(json_object_get(spec, "audiences"), json_string(own[i]));
  json_object_set_new(spec, "expirationSeconds", json_integer(lifetime));
  g_autofree char *expires = timestamp_text(expires_us);
  json_object_set_new(body, "status", json_pack("{s:s, s:s}", "token", token, "expirationTimestamp", expires));
  if (!bound)
    json_object_set_new(spec, "boundObjectRef", json_null());
  json_t *answer = json_pack("{s:s, s:s, s:{s:s, s:s, s:n}, s:O, s:O}", "kind", "TokenRequest", "apiVersion",
                             "authentication.k8s.io/v1", "metadata", "name", request->info->name, "namespace",
                             request->info->namespace_, "creationTimestamp", "spec", spec, "status",
                             json_object_get(body, "status"));
  respond_value(request, 201, api_builtin_message_of("authentication.k8s.io", "v1", "TokenRequest"), answer);
  return true;
}

static void respond_created(ApiRequest *request)
{
  json_t *status = json_pack("{s:s, s:s, s:{}, s:s, s:i}", "kind", "Status", "apiVersion", "v1", "metadata", "status",
                             "Success", "code", 201);
  respond_value(request, 201, api_builtin_message(META_PACKAGE "Status"), status);
}

static bool handle_create(ApiRequest *request, GError **error)
{
  Caller caller = { 0 };
  g_autofree char *manager = NULL;
  if (!request_write_options(request, "CreateOptions", &caller, &manager, error))
    return false;
  g_autoptr(json_t) body = request_resource_body(request, caller.field_validation, error);
  if (!body)
    return false;
  Target target = target_of(request);
  if (g_strcmp0(target.subresource, "token") == 0)
    return admission_admit_body(request->registry, &caller, &target, ADMISSION_CREATE, body, error) &&
           create_token(request, body, error);
  if (!target.subresource && g_str_equal(request->kind->plural, "bindings")) {
    /* the old way to bind: the pod is named in the body */
    target.kind = api_scheme_resource(registry_scheme(request->registry), "", "v1", "pods");
    target.name = json_str(json_object_get(body, "metadata"), "name", "");
    target.subresource = "binding";
  }
  g_autoptr(Object) object = registry_create(request->registry, &caller, &target, body, error);
  if (!object)
    return false;
  if (target.subresource)
    respond_created(request);
  else
    respond_object(request, 201, object);
  return true;
}

static bool handle_update(ApiRequest *request, GError **error)
{
  Caller caller = { 0 };
  bool created = false;
  g_autofree char *manager = NULL;
  if (!request_write_options(request, "UpdateOptions", &caller, &manager, error))
    return false;
  if (ephemeral_containers_given(request))
    return ephemeral_containers_update(request, &caller, error);
  g_autoptr(json_t) body = request_resource_body(request, caller.field_validation, error);
  if (!body)
    return false;
  Target target = target_of(request);
  g_autoptr(Object) object = registry_update(request->registry, &caller, &target, body, &created, error);
  if (object)
    respond_object(request, created ? 201 : 200, object);
  return object != NULL;
}

static bool patch_type(const char *content_type, PatchType *type, GError **error)
{
  static const struct {
    const char *name;
    PatchType type;
  } types[] = {
    { "application/json-patch+json", PATCH_JSON },
    { "application/merge-patch+json", PATCH_MERGE },
    { "application/strategic-merge-patch+json", PATCH_STRATEGIC },
    { "application/apply-patch+yaml", PATCH_APPLY },
  };
  g_autofree char *plain = g_strndup(content_type ? content_type : "", content_type ? strcspn(content_type, ";") : 0);
  g_strstrip(plain);
  for (gsize i = 0; i < G_N_ELEMENTS(types); i++) {
    if (g_ascii_strcasecmp(types[i].name, plain) == 0) {
      *type = types[i].type;
      return true;
    }
  }
  /* the router refuses it, before anything that knows formats */
  return reason_set_details(error, REASON_UNSUPPORTED_MEDIA_TYPE, json_object(), "415: Unsupported Media Type");
}

/* Members that a patch gives twice: the last one counts, and the client hears of it. */
static bool check_duplicates(const char *text, gsize length, const Caller *caller, GError **error)
{
  if (caller->field_validation == FIELD_VALIDATION_IGNORE)
    return true;
  g_autoptr(GPtrArray) duplicates = json_scan_duplicates(text, length, PRUNE_REPORTS_MAX);
  for (guint i = 0; i < duplicates->len; i++) {
    g_autofree char *report = g_strdup_printf("duplicate field \"%s\"", (char *)duplicates->pdata[i]);
    if (caller->field_validation == FIELD_VALIDATION_STRICT) {
      g_autofree char *why = g_strconcat("strict decoding error: ", report, NULL);
      g_autofree char *shown = g_strndup(text, length);
      return api_error_patch(error, shown, why);
    }
    json_array_append_new(caller->warnings, json_string(report));
  }
  return true;
}

static bool handle_patch(ApiRequest *request, GError **error)
{
  PatchType type;
  if (!patch_type(http_header(request->http, "Content-Type"), &type, error))
    return false;
  Caller caller = { 0 };
  bool created = false, force = false;
  g_autofree char *manager = NULL;
  if (!request_patch_options(request, type == PATCH_APPLY, &force, &caller, &manager, error))
    return false;
  gsize length;
  const char *text = g_bytes_get_data(http_body(request->http), &length);
  g_autoptr(json_t) patch =
      type == PATCH_APPLY ? yaml_parse(text ? text : "", length, error) : codec_parse_json(text, length, error);
  if (!patch)
    g_prefix_error(error, "%s",
                   type == PATCH_APPLY   ? "error decoding YAML: "
                   : type == PATCH_MERGE ? "error decoding patch: "
                                         : "");
  if (!patch || (type != PATCH_APPLY && !check_duplicates(text, length, &caller, error)))
    return false;
  request_trace_request(request->trace, patch);
  Target target = target_of(request);
  g_autoptr(Object) object = registry_patch(request->registry, &caller, &target, type, patch, force, &created, error);
  if (object)
    respond_object(request, created ? 201 : 200, object);
  return object != NULL;
}

/* --- deletion ------------------------------------------------------------------------------------------------------
 */

/* Kinds whose deletion is answered with the object itself even when it is gone at once. */
static bool returns_deleted(const ApiKind *kind)
{
  static const char *const plurals[] = {
    "pods",           "podtemplates", "persistentvolumes", "persistentvolumeclaims",
    "resourcequotas", "services",     "serviceaccounts",   NULL
  };
  return !*kind->group && g_strv_contains(plurals, kind->plural);
}

/* A Job's pods outlive it by default, for clients as old as that default. */
static void warn_of_orphans(ApiRequest *request, const DeleteOptions *options)
{
  if (!options->propagation && request->kind->orphan_by_default && g_str_equal(request->kind->plural, "jobs"))
    json_array_append_new(request->warnings,
                          json_string("child pods are preserved by default when jobs are deleted; set "
                                      "propagationPolicy=Background to remove them or set propagationPolicy=Orphan to "
                                      "suppress this warning"));
}

static bool handle_delete(ApiRequest *request, GError **error)
{
  Caller caller = { 0 };
  DeleteOptions options;
  bool gone = false;
  g_autoptr(json_t) body = NULL;
  g_autofree char *manager = NULL;
  if (!request_delete_options(request, &options, &caller, &body, &manager, error))
    return false;
  Target target = target_of(request);
  warn_of_orphans(request, &options);
  g_autoptr(Object) last = registry_delete(request->registry, &caller, &target, &options, &gone, error);
  if (!last)
    return false;
  if (gone && !returns_deleted(request->kind))
    respond_success(request, 200, request->kind, last);
  else
    respond_object(request, 200, last);
  return true;
}

static bool handle_delete_collection(ApiRequest *request, GError **error)
{
  Caller caller = { 0 };
  DeleteOptions options;
  ListOptions list_options = { 0 };
  g_autoptr(json_t) body = NULL;
  g_autofree char *manager = NULL;
  g_autoptr(LabelSelector) labels = NULL;
  g_autoptr(FieldSelector) fields = NULL;
  if (!request_delete_options(request, &options, &caller, &body, &manager, error) ||
      !request_list_options(request, &list_options, &labels, &fields, error))
    return false;
  Target target = target_of(request);
  g_autoptr(ObjectList) list = registry_list(request->registry, &caller, &target, &list_options, error);
  if (!list)
    return false;
  for (guint i = 0; i < list->objects->len; i++) {
    Object *object = list->objects->pdata[i];
    Target one = { target.kind, object_namespace(object), object_name(object), NULL };
    g_autoptr(GError) problem = NULL;
    g_autoptr(Object) last = registry_delete(request->registry, &caller, &one, &options, NULL, &problem);
    if (!last && !reason_is(problem, REASON_NOT_FOUND)) {
      g_propagate_error(error, g_steal_pointer(&problem));
      return false;
    }
  }
  respond_list(request, list);
  return true;
}

/* --- dispatch ------------------------------------------------------------------------------------------------------
 */

typedef struct VerbRow {
  const char *verb;
  ApiVerb bit;
  bool (*handle)(ApiRequest *request, GError **error);
} VerbRow;

static const VerbRow verbs[] = {
  { "get", API_VERB_GET, handle_get },
  { "list", API_VERB_LIST, handle_list },
  { "create", API_VERB_CREATE, handle_create },
  { "update", API_VERB_UPDATE, handle_update },
  { "patch", API_VERB_PATCH, handle_patch },
  { "delete", API_VERB_DELETE, handle_delete },
  { "deletecollection", API_VERB_DELETECOLLECTION, handle_delete_collection },
};

/* Whether the resource has the subresource, and the verb is one of its own. */
static bool check_served(const ApiRequest *request, ApiVerb bit, GError **error)
{
  const char *name = request->info->subresource;
  const ApiSubresource *sub = name ? api_kind_subresource(request->kind, name) : NULL;
  if (name && !sub)
    return reason_set_details(error, REASON_NOT_FOUND, json_object(),
                              "the server could not find the requested resource");
  const RequestInfo *info = request->info;
  bool below_namespace = info->namespace_ != NULL, namespaced = request->kind->namespaced;
  if (below_namespace && !namespaced)
    return reason_set_details(error, REASON_NOT_FOUND, json_object(),
                              "the server could not find the requested resource");
  /* of all namespaces there are only lists and watches */
  if (namespaced && !below_namespace && !info->name && bit != API_VERB_LIST)
    return api_error_method(error);
  bool misplaced = bit == API_VERB_CREATE ? !name && request->info->name != NULL
                                          : (bit == API_VERB_UPDATE || bit == API_VERB_PATCH) && !request->info->name;
  if (misplaced || !((sub ? sub->verbs : request->kind->verbs) & bit))
    return api_error_method(error);
  if (request->kind->namespaced && request->info->name && !request->info->namespace_)
    return reason_set_details(error, REASON_NOT_FOUND, json_object(),
                              "the server could not find the requested resource");
  return true;
}

void handle_resource(ApiRequest *request)
{
  g_autoptr(GError) error = NULL;
  for (gsize i = 0; i < G_N_ELEMENTS(verbs); i++) {
    if (!g_str_equal(verbs[i].verb, request->info->verb))
      continue;
    if (!check_served(request, verbs[i].bit, &error) || !verbs[i].handle(request, &error))
      respond_error(request, error);
    return;
  }
  api_error_method(&error);
  respond_error(request, error);
}
