/* The verbs on resources: from the request's bytes to a call of the registry and back. */
#include <string.h>

#include "base/json.h"
#include "base/reason.h"
#include "base/timestamp.h"
#include "base/yaml.h"
#include "clusterd/server/admission.h"
#include "clusterd/server/api_error.h"
#include "clusterd/server/api_request.h"

#define FIELD_MANAGER_MAX 128
#define META_PACKAGE "io.k8s.apimachinery.pkg.apis.meta.v1."

/* --- options -------------------------------------------------------------------------------------------------------
 */

static bool invalid_option(GError **error, const char *options, const char *cause, const char *field,
                           const char *detail)
{
  return api_error_invalid(error, options, "meta.k8s.io", "", cause, field, "%s", detail);
}

static bool parse_field_validation(const Query *query, FieldValidation *validation)
{
  static const char *const names[] = { "Ignore", "Warn", "Strict" };
  const char *text = query_get(query, "fieldValidation");
  *validation = FIELD_VALIDATION_WARN;
  if (!text || !*text)
    return true;
  for (gsize i = 0; i < G_N_ELEMENTS(names); i++) {
    if (g_str_equal(names[i], text)) {
      *validation = (FieldValidation)i;
      return true;
    }
  }
  return false;
}

/* The manager of the fields a write sets: what the client says, else its program's name. The caller frees. */
static char *field_manager(const ApiRequest *request)
{
  const char *given = query_get(request->query, "fieldManager");
  if (given && *given)
    return g_strdup(given);
  const char *agent = http_header(request->http, "User-Agent");
  gsize length = agent ? strcspn(agent, "/") : 0;
  return length ? g_strndup(agent, MIN(length, FIELD_MANAGER_MAX)) : g_strdup("unknown");
}

/* Fills CALLER from the query of a write. OPTIONS ("CreateOptions") names them in errors. *MANAGER is the caller's. */
static bool write_options(ApiRequest *request, const char *options, Caller *caller, char **manager, GError **error)
{
  const char *dry_run = query_get(request->query, "dryRun");
  const char *given = query_get(request->query, "fieldManager");
  caller->identity = request->identity;
  caller->warnings = request->warnings;
  if (dry_run && *dry_run && !g_str_equal(dry_run, "All")) {
    g_autofree char *detail = g_strdup_printf("[]string{\"%s\"}: supported values: \"All\"", dry_run);
    return invalid_option(error, options, "FieldValueNotSupported", "dryRun", detail);
  }
  caller->dry_run = dry_run && *dry_run;
  if (given && strlen(given) > FIELD_MANAGER_MAX)
    return invalid_option(error, options, "FieldValueTooLong", "fieldManager", "may not be more than 128 bytes");
  if (!parse_field_validation(request->query, &caller->field_validation)) {
    g_autofree char *detail = g_strdup_printf("\"%s\": supported values: \"Ignore\", \"Strict\", \"Warn\"",
                                              query_get(request->query, "fieldValidation"));
    return invalid_option(error, options, "FieldValueNotSupported", "fieldValidation", detail);
  }
  *manager = field_manager(request);
  caller->field_manager = *manager;
  /* an apply must say who applies */
  if (g_str_equal(options, "ApplyOptions") && (!given || !*given))
    caller->field_manager = NULL;
  return true;
}

static bool parse_match(const ApiRequest *request, ListOptions *options, GError **error)
{
  const char *match = query_get(request->query, "resourceVersionMatch");
  const char *version = options->resource_version;
  if (!match || !*match)
    return true;
  if (!version || !*version)
    return invalid_option(error, "ListOptions", "FieldValueForbidden", "resourceVersionMatch",
                          "resourceVersionMatch is forbidden unless resourceVersion is provided");
  if (options->continue_token && *options->continue_token)
    return invalid_option(error, "ListOptions", "FieldValueForbidden", "resourceVersionMatch",
                          "resourceVersionMatch is forbidden when continue is provided");
  if (g_str_equal(match, "Exact"))
    options->match = VERSION_MATCH_EXACT;
  else if (g_str_equal(match, "NotOlderThan"))
    options->match = VERSION_MATCH_NOT_OLDER_THAN;
  else {
    g_autofree char *detail = g_strdup_printf("\"%s\": supported values: \"Exact\", \"NotOlderThan\", \"\"", match);
    return invalid_option(error, "ListOptions", "FieldValueNotSupported", "resourceVersionMatch", detail);
  }
  if (options->match == VERSION_MATCH_EXACT && g_str_equal(version, "0"))
    return invalid_option(error, "ListOptions", "FieldValueForbidden", "resourceVersionMatch",
                          "resourceVersionMatch \"exact\" is forbidden for resourceVersion \"0\"");
  return true;
}

bool request_list_options(ApiRequest *request, ListOptions *options, LabelSelector **labels, FieldSelector **fields,
                          GError **error)
{
  const Query *query = request->query;
  const char *label_text = query_get(query, "labelSelector"), *field_text = query_get(query, "fieldSelector");
  int64_t limit = 0;
  if (!query_integer(query, "limit", &limit, error))
    return false;
  options->limit = (unsigned)CLAMP(limit, 0, G_MAXINT32);
  options->continue_token = query_get(query, "continue");
  options->resource_version = query_get(query, "resourceVersion");
  if (!g_str_equal(request->info->verb, "watch") && !parse_match(request, options, error))
    return false;
  if (label_text && *label_text && !(*labels = label_selector_parse(label_text, error)))
    return false;
  if (field_text && *field_text && !(*fields = field_selector_parse(request->kind, field_text, error)))
    return false;
  options->labels = *labels;
  options->fields = *fields;
  return true;
}

/* --- bodies --------------------------------------------------------------------------------------------------------
 */

/* The body must be of the kind the URL is about. */
static bool check_body_kind(CodecType type, GBytes *body, const char *group_version, const char *kind, GError **error)
{
  gsize length;
  const void *data = g_bytes_get_data(body, &length);
  g_autofree char *given_version = NULL, *given_kind = NULL;
  if (!codec_peek(type, data, length, &given_version, &given_kind, NULL))
    return true; /* decoding says what is wrong */
  const char *slash = strrchr(group_version, '/');
  const char *version = slash ? slash + 1 : group_version;
  if (given_kind && *given_kind && !g_str_equal(given_kind, kind))
    return reason_set(
        error, REASON_BAD_REQUEST,
        "%s in version \"%s\" cannot be handled as a %s: converting (%s.%s) to (%s.%s): unknown conversion", given_kind,
        version, kind, version, given_kind, version, kind);
  if (given_version && *given_version && !g_str_equal(given_version, group_version)) {
    const char *given_slash = strrchr(given_version, '/');
    const char *short_version = given_slash ? given_slash + 1 : given_version;
    return reason_set(
        error, REASON_BAD_REQUEST,
        "%s in version \"%s\" cannot be handled as a %s: no kind \"%s\" is registered for version \"%s\" in "
        "scheme \"pkg/api/legacyscheme/scheme.go:30\"",
        kind, short_version, kind, kind, given_version);
  }
  return true;
}

json_t *request_body(ApiRequest *request, const ApiMessage *message, const char *version, const char *kind,
                     FieldValidation validation, GError **error)
{
  CodecType type;
  gsize length;
  const void *data = g_bytes_get_data(http_body(request->http), &length);
  if (length == 0)
    return json_object();
  if (!codec_of_content_type(http_header(request->http, "Content-Type"), &type, error))
    return NULL;
  return codec_decode(type, message, version, kind, data, length, validation, request->warnings, error);
}

/* What the URL takes as body: the resource, or what its subresource speaks. */
static json_t *resource_body(ApiRequest *request, FieldValidation validation, GError **error)
{
  const ApiKind *kind = request->kind;
  const ApiMessage *message = kind->message;
  g_autofree char *group_version = api_group_version(kind);
  const char *version = kind->version, *name = kind->kind;
  const ApiSubresource *sub =
      request->info->subresource ? api_kind_subresource(kind, request->info->subresource) : NULL;
  if (sub && sub->group) {
    message = api_builtin_message_of(sub->group, sub->version, sub->kind);
    version = sub->version;
    name = sub->kind;
    g_free(group_version);
    group_version = *sub->group ? g_strdup_printf("%s/%s", sub->group, sub->version) : g_strdup(sub->version);
  }
  CodecType type;
  if (!codec_of_content_type(http_header(request->http, "Content-Type"), &type, error))
    return NULL;
  /* an eviction may be in any version policy ever had: they say the same */
  bool any_version = sub && g_str_equal(sub->name, "eviction");
  if (!any_version && !check_body_kind(type, http_body(request->http), group_version, name, error))
    return NULL;
  gsize length;
  const void *data = g_bytes_get_data(http_body(request->http), &length);
  return codec_decode(type, message, version, name, data, length, validation, request->warnings, error);
}

static Target target_of(const ApiRequest *request)
{
  const RequestInfo *info = request->info;
  return (Target){ request->kind, info->namespace_, info->name, info->subresource };
}

/* --- reads ---------------------------------------------------------------------------------------------------------
 */

static bool handle_get(ApiRequest *request, GError **error)
{
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
  if (!request_list_options(request, &options, &labels, &fields, error))
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
  json_object_set_new(body, "kind", json_string("TokenRequest"));
  json_object_set_new(body, "apiVersion", json_string("authentication.k8s.io/v1"));
  json_t *metadata = json_ensure_object(body, "metadata", NULL);
  json_object_set_new(metadata, "name", json_string(request->info->name));
  json_object_set_new(metadata, "namespace", json_string(request->info->namespace_));
  respond_value(request, 201, api_builtin_message_of("authentication.k8s.io", "v1", "TokenRequest"), json_incref(body));
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
  if (!write_options(request, "CreateOptions", &caller, &manager, error))
    return false;
  g_autoptr(json_t) body = resource_body(request, caller.field_validation, error);
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
  if (!write_options(request, "UpdateOptions", &caller, &manager, error))
    return false;
  g_autoptr(json_t) body = resource_body(request, caller.field_validation, error);
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
  return reason_set(
      error, REASON_UNSUPPORTED_MEDIA_TYPE,
      "the body of the request was in an unknown format - accepted media types include: "
      "application/json-patch+json, application/merge-patch+json, application/strategic-merge-patch+json, "
      "application/apply-patch+yaml");
}

static bool handle_patch(ApiRequest *request, GError **error)
{
  PatchType type;
  if (!patch_type(http_header(request->http, "Content-Type"), &type, error))
    return false;
  Caller caller = { 0 };
  bool created = false;
  g_autofree char *manager = NULL;
  if (!write_options(request, type == PATCH_APPLY ? "ApplyOptions" : "PatchOptions", &caller, &manager, error))
    return false;
  gsize length;
  const char *text = g_bytes_get_data(http_body(request->http), &length);
  g_autoptr(json_t) patch = type == PATCH_APPLY ? yaml_parse(text ? text : "", length, error)
                                                : json_parse(text ? text : "", length, false, error);
  if (!patch)
    return false;
  Target target = target_of(request);
  g_autoptr(Object) object = registry_patch(request->registry, &caller, &target, type, patch,
                                            query_flag(request->query, "force"), &created, error);
  if (object)
    respond_object(request, created ? 201 : 200, object);
  return object != NULL;
}

/* --- deletion ------------------------------------------------------------------------------------------------------
 */

/* Body and query of a deletion; *BODY holds what OPTIONS borrows. */
static bool delete_options(ApiRequest *request, DeleteOptions *options, Caller *caller, json_t **body, char **manager,
                           GError **error)
{
  *options = (DeleteOptions){ .grace_period_seconds = -1 };
  if (!write_options(request, "DeleteOptions", caller, manager, error))
    return false;
  *body = request_body(request, api_builtin_message(META_PACKAGE "DeleteOptions"), "v1", "DeleteOptions",
                       FIELD_VALIDATION_IGNORE, error);
  if (!*body || !query_integer(request->query, "gracePeriodSeconds", &options->grace_period_seconds, error))
    return false;
  options->grace_period_seconds = json_int(*body, "gracePeriodSeconds", options->grace_period_seconds);
  options->propagation = json_str(*body, "propagationPolicy", query_get(request->query, "propagationPolicy"));
  if (!options->propagation && json_object_get(*body, "orphanDependents"))
    options->propagation = json_flag(*body, "orphanDependents", false) ? "Orphan" : "Background";
  static const char *const policies[] = { "Background", "Foreground", "Orphan", NULL };
  if (options->propagation && !g_strv_contains(policies, options->propagation)) {
    g_autofree char *detail =
        g_strdup_printf("\"%s\": supported values: \"Background\", \"Foreground\", \"Orphan\"", options->propagation);
    return invalid_option(error, "DeleteOptions", "FieldValueNotSupported", "propagationPolicy", detail);
  }
  const json_t *preconditions = json_object_get(*body, "preconditions");
  options->precondition_uid = json_str(preconditions, "uid", NULL);
  options->precondition_resource_version = json_str(preconditions, "resourceVersion", NULL);
  caller->dry_run = caller->dry_run || json_array_size(json_object_get(*body, "dryRun")) > 0;
  return true;
}

/* Kinds whose deletion is answered with the object itself even when it is gone at once. */
static bool returns_deleted(const ApiKind *kind)
{
  static const char *const plurals[] = {
    "pods",           "podtemplates", "persistentvolumes", "persistentvolumeclaims",
    "resourcequotas", "services",     "serviceaccounts",   NULL
  };
  return !*kind->group && g_strv_contains(plurals, kind->plural);
}

static bool handle_delete(ApiRequest *request, GError **error)
{
  Caller caller = { 0 };
  DeleteOptions options;
  bool gone = false;
  g_autoptr(json_t) body = NULL;
  g_autofree char *manager = NULL;
  if (!delete_options(request, &options, &caller, &body, &manager, error))
    return false;
  Target target = target_of(request);
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
  if (!delete_options(request, &options, &caller, &body, &manager, error) ||
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
