/* The way of a request: who, may they, what. */
#include <string.h>

#include "base/json.h"
#include "base/reason.h"
#include "clusterd/server/aggregation/aggregator.h"
#include "clusterd/server/api_error.h"
#include "clusterd/server/api_request.h"
#include "clusterd/server/registry/registry_private.h"

/* The reason is only looked for where somebody will read it. */
static bool decide(ApiRequest *request, const Attributes *attributes, GError **error)
{
  Authorizer *authorizer = api_server_authorizer(request->server);
  if (!request_trace_wants_reason(request->trace))
    return authorizer_check(authorizer, request->identity, attributes, error);
  g_autofree char *why = NULL;
  bool allowed = authorizer_decide(authorizer, request->identity, attributes, &why);
  request_trace_authorized(request->trace, allowed, why);
  return allowed || authorizer_refuse(request->identity, attributes, why, error);
}

static bool authorize(ApiRequest *request, GError **error)
{
  const RequestInfo *info = request->info;
  Attributes attributes = { .verb = info->verb };
  if (info->is_resource) {
    attributes.group = info->group;
    attributes.resource = info->resource;
    attributes.subresource = info->subresource;
    attributes.namespace_ = info->namespace_;
    attributes.name = info->name;
    attributes.fields = query_get(request->query, "fieldSelector");
  } else {
    attributes.path = http_path(request->http);
  }
  /* `metadata.name=x` asks for one object, and a role may name it */
  g_autofree char *single = NULL;
  const char *field = query_get(request->query, "fieldSelector");
  if (info->is_resource && !info->name && field && g_str_has_prefix(field, "metadata.name=") && !strchr(field, ','))
    attributes.name = single = g_strdup(field + strlen("metadata.name="));
  return decide(request, &attributes, error);
}

static bool known_version(const ApiScheme *scheme, const RequestInfo *info)
{
  g_autoptr(GPtrArray) kinds = api_scheme_list(scheme);
  for (guint i = 0; i < kinds->len; i++) {
    const ApiKind *kind = kinds->pdata[i];
    if (g_str_equal(kind->group, info->group) && g_str_equal(kind->version, info->version))
      return true;
  }
  return false;
}

static void handle_unknown(ApiRequest *request)
{
  g_autoptr(GError) error = NULL;
  if (handle_aggregated(request, request->info->group, request->info->version))
    return;
  if (!known_version(registry_scheme(request->registry), request->info)) {
    respond_text(request, 404, "text/plain; charset=utf-8", "404 page not found\n");
    return;
  }
  reason_set_details(&error, REASON_NOT_FOUND, json_object(), "the server could not find the requested resource");
  respond_error(request, error);
}

/* These have no protobuf form: whoever would rather have that is asked for JSON as well. */
static bool takes_json(ApiRequest *request)
{
  const char *accept = http_header(request->http, "Accept");
  if (!strstr(accept, "application/json") && !strstr(accept, "*/*"))
    return false;
  request->accept.format = REPLY_JSON;
  return true;
}

static void handle_known(ApiRequest *request)
{
  g_autoptr(GError) error = NULL;
  const RequestInfo *info = request->info;
  /* kinds made at run time, and measured ones, have no protobuf form */
  AcceptLimits limits = { .shapes = true,
                          .protobuf =
                              request->kind->message && request->kind->message->by_number && !request->kind->measured,
                          .stream = g_str_equal(info->verb, "watch"),
                          .list = g_str_equal(info->verb, "list") || g_str_equal(info->verb, "watch") };
  if (request->kind->deprecation)
    json_array_append_new(request->warnings, json_string(request->kind->deprecation));
  if (handle_pod_stream(request) || handle_proxy(request))
    return;
  /* whoever registers a server of their own for measured kinds knows better */
  if (request->kind->measured && handle_aggregated(request, info->group, info->version))
    return;
  bool routed = !g_str_equal(http_method(request->http), "HEAD") || api_error_method(&error); /* no route takes HEAD */
  if (!routed || !accept_parse(http_header(request->http, "Accept"), &limits, &request->accept, &error)) {
    request->accept = (Accept){ REPLY_JSON, REPLY_OBJECT, "v1" };
    respond_error(request, error);
  } else if ((request->kind->custom || request->kind->measured) && request->accept.format == REPLY_PROTOBUF &&
             !takes_json(request)) {
    reason_set(&error, REASON_NOT_ACCEPTABLE,
               "only the following media types are accepted: application/json, application/yaml");
    respond_error(request, error);
  } else if (!handle_review(request) && !handle_component_status(request) && !handle_resource_metrics(request)) {
    if (g_str_equal(request->info->verb, "watch"))
      handle_watch(request);
    else
      handle_resource(request);
  }
}

/* Tells the trace what the request is; the policy of the audit log looks at who sent it, in whose name ever. */
static void trace(ApiRequest *request)
{
  const RequestInfo *info = request->info;
  const Identity *sender = request->identity;
  if (info && info->is_resource)
    request->kind = api_scheme_resource(registry_scheme(request->registry), info->group, info->version, info->resource);
  request_trace_identify(request->trace, request->http, sender, info, request->kind != NULL,
                         query_get(request->query, "dryRun") != NULL);
}

static bool identify(ApiRequest *request, GError **error)
{
  ApiServer *server = request->server;
  request->identity = authenticate(api_server_authenticator(server), request->http, error);
  metrics_count_authentication(api_server_tracing(server)->metrics, request->identity ? "success" : "error");
  trace(request);
  if (!request->identity)
    return false;
  Identity *other = NULL;
  if (!authenticate_impersonate(request->http, api_server_authorizer(server), request->identity, &other, error))
    return false;
  if (other) {
    request_trace_impersonate(request->trace, other);
    request->impersonator = request->identity;
    request->identity = other;
  }
  return true;
}

/* Tells which flow the request belongs to. False when there is no room for it, which it is told. */
static bool enter_flow(ApiRequest *request)
{
  FlowTicket *ticket = &request->flow;
  bool enters = flow_control_begin(api_server_flow(request->server), request->identity, request->info,
                                   http_path(request->http), ticket);
  if (ticket->schema_uid) {
    http_add_header(request->http, "X-Kubernetes-PF-FlowSchema-UID", ticket->schema_uid);
    http_add_header(request->http, "X-Kubernetes-PF-PriorityLevel-UID", ticket->level_uid);
  }
  if (!enters) {
    http_add_header(request->http, "Retry-After", "1");
    respond_text(request, 429, "text/plain; charset=utf-8", "Too many requests, please try again later.\n");
  }
  return enters;
}

static bool is_mutating(const HttpRequest *http)
{
  return !g_str_equal(http_method(http), "GET") && !g_str_equal(http_method(http), "HEAD");
}

static void route(ApiRequest *request)
{
  g_autoptr(GError) error = NULL;
  g_autoptr(GError) bad_path = NULL;
  request->info = request_info_parse(http_method(request->http), http_path(request->http), request->query, &bad_path);
  if (!identify(request, &error) || bad_path) {
    respond_error(request, error ? error : bad_path);
    return;
  }
  if (!enter_flow(request))
    return;
  if (!authorize(request, &error)) {
    respond_error(request, error);
    return;
  }
  if (http_body_is_too_long(request->http)) {
    reason_set(&error, REASON_REQUEST_TOO_LARGE, "Request entity too large: limit is %u", HTTP_BODY_MAX);
    respond_error(request, error);
    return;
  }
  if (!request->info->is_resource)
    handle_document(request);
  else if (request->kind)
    handle_known(request);
  else
    handle_unknown(request);
}

void api_request_handle(HttpRequest *http, void *data)
{
  ApiServer *server = data;
  const Tracing *tracing = api_server_tracing(server);
  ApiRequest request = { .server = server, .registry = api_server_registry(server), .http = http };
  /* for errors that come before it is known what is asked for */
  static const AcceptLimits plain = { .protobuf = true };
  if (!accept_parse(http_header(http, "Accept"), &plain, &request.accept, NULL))
    request.accept = (Accept){ REPLY_JSON, REPLY_OBJECT, "v1" };
  request.query = query_parse(http_query(http));
  request.warnings = json_array();
  request.trace = request_trace_begin(tracing, http);
  bool mutating = is_mutating(http);
  metrics_begin(tracing->metrics, mutating);
  route(&request);
  flow_control_end(&request.flow);
  metrics_end(tracing->metrics, mutating);
  query_free(request.query);
  request_info_free(request.info);
  identity_free(request.identity);
  identity_free(request.impersonator);
  json_decref(request.warnings);
}

/* A GET of one object comes out of memory, unless others write to the store as well: it is asked then for what is
 * newest. */
bool api_request_is_quick(const HttpRequest *http, void *data)
{
  static const char *const suffixes[] = { "/log", "/exec", "/attach", "/portforward" };
  ApiServer *server = data;
  const char *path = http_path(http);
  if (!g_str_equal(http_method(http), "GET") || *http_query(http) || strstr(path, "/proxy") ||
      !g_str_has_prefix(path, "/api/v1/namespaces/") || store_is_shared(api_server_registry(server)->store))
    return false;
  for (gsize i = 0; i < G_N_ELEMENTS(suffixes); i++)
    if (g_str_has_suffix(path, suffixes[i]))
      return false;
  return true;
}

/* What is passed on to somebody else is read while it is sent. */
bool api_request_streams_body(const char *path, void *data)
{
  ApiServer *server = data;
  Query *query = query_parse("");
  RequestInfo *info = request_info_parse("POST", path, query, NULL);
  g_autoptr(Object) elsewhere =
      info && info->is_resource && *info->group && aggregator_has_remote(api_server_aggregator(server))
          ? aggregator_find(api_server_aggregator(server), info->group, info->version)
          : NULL;
  bool streams = elsewhere || (info && info->is_resource && g_strcmp0(info->subresource, "proxy") == 0);
  request_info_free(info);
  query_free(query);
  return streams;
}
