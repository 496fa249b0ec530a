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
  if (!http_is_local(request->http) && (handle_pod_stream(request) || handle_proxy(request)))
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
  if (!request->identity) {
    request->identity = authenticate(api_server_authenticator(server), request->http, error);
    metrics_count_authentication(api_server_tracing(server)->metrics, request->identity ? "success" : "error");
  }
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

/* --- its turn ------------------------------------------------------------------------------------------------------
 */

static GPrivate current_flow; /* the FlowTicket of the request this thread works for */

void api_request_lends(bool away, void *data)
{
  FlowTicket *ticket = g_private_get(&current_flow);
  if (ticket)
    flow_control_away(ticket, away);
}

/* How many seats a list takes, by what it goes through. */
static unsigned seats_of(const ApiRequest *request)
{
  guint64 limit = 0;
  if (!request->kind || !g_str_equal(request->info->verb, "list"))
    return 1;
  guint64 count = registry_count(request->registry, request->kind);
  const char *asked = query_get(request->query, "limit");
  if (asked && g_ascii_string_to_unsigned(asked, 10, 1, G_MAXINT64, &limit, NULL))
    count = MIN(count, limit);
  return (unsigned)MIN(1 + count / FLOW_OBJECTS_PER_SEAT, FLOW_LIST_SEATS_MAX);
}

static void resumed(HttpRequest *http, void *data);

/* Its turn has come, or never will. On any thread. */
static void turn_came(bool runs, void *data)
{
  ApiRequest *request = data;
  request->granted = runs;
  http_resume(request->http, resumed, request);
}

/* Tells which flow the request belongs to. False when there is no room for it, which it is told, too. */
static bool tell_flow(ApiRequest *request)
{
  const FlowTicket *ticket = &request->flow;
  if (ticket->schema_uid) {
    http_add_header(request->http, "X-Kubernetes-PF-FlowSchema-UID", ticket->schema_uid);
    http_add_header(request->http, "X-Kubernetes-PF-PriorityLevel-UID", ticket->level_uid);
  }
  if (!request->granted) {
    http_add_header(request->http, "Retry-After", "1");
    respond_text(request, 429, "text/plain; charset=utf-8", "Too many requests, please try again later.\n");
  }
  return request->granted;
}

/* --- the steps -----------------------------------------------------------------------------------------------------
 */

static bool is_mutating(const HttpRequest *http)
{
  return !g_str_equal(http_method(http), "GET") && !g_str_equal(http_method(http), "HEAD");
}

/* What comes when it is the request's turn. */
static void work(ApiRequest *request)
{
  g_autoptr(GError) error = NULL;
  if (!authorize(request, &error)) {
    respond_error(request, error);
  } else if (http_body_is_too_long(request->http)) {
    reason_set(&error, REASON_REQUEST_TOO_LARGE, "Request entity too large: limit is %u", HTTP_BODY_MAX);
    respond_error(request, error);
  } else if (!request->info->is_resource) {
    handle_document(request);
  } else if (request->kind) {
    handle_known(request);
  } else {
    handle_unknown(request);
  }
}

static ApiRequest *begin(ApiServer *server, HttpRequest *http)
{
  /* for errors that come before it is known what is asked for */
  static const AcceptLimits plain = { .protobuf = true };
  const Tracing *tracing = api_server_tracing(server);
  ApiRequest *request = g_new0(ApiRequest, 1);
  request->server = server;
  request->registry = api_server_registry(server);
  request->http = http;
  if (!accept_parse(http_header(http, "Accept"), &plain, &request->accept, NULL))
    request->accept = (Accept){ REPLY_JSON, REPLY_OBJECT, "v1" };
  request->query = query_parse(http_query(http));
  request->warnings = json_array();
  request->trace = request_trace_begin(tracing, http);
  request->mutating = is_mutating(http);
  metrics_begin(tracing->metrics, request->mutating);
  return request;
}

static void end(ApiRequest *request)
{
  flow_control_end(&request->flow);
  metrics_end(api_server_tracing(request->server)->metrics, request->mutating);
  query_free(request->query);
  request_info_free(request->info);
  identity_free(request->identity);
  identity_free(request->impersonator);
  json_decref(request->warnings);
  g_free(request);
}

/* It has been its turn, or not. */
static void finish(ApiRequest *request)
{
  if (tell_flow(request)) {
    g_private_set(&current_flow, &request->flow);
    work(request);
    g_private_set(&current_flow, NULL);
  }
  end(request);
}

static void resumed(HttpRequest *http, void *data)
{
  ApiRequest *request = data;
  const RequestInfo *info = request->info;
  if (request->kind) /* custom kinds may have changed meanwhile */
    request->kind = api_scheme_resource(registry_scheme(request->registry), info->group, info->version, info->resource);
  finish(request);
}

void api_request_serve(HttpRequest *http, ApiServer *server, const Identity *identity)
{
  ApiRequest *request = begin(server, http);
  request->identity = identity ? identity_copy(identity) : NULL;
  g_autoptr(GError) error = NULL, bad_path = NULL;
  request->info = request_info_parse(http_method(http), http_path(http), request->query, &bad_path);
  if (!identify(request, &error) || bad_path) {
    respond_error(request, error ? error : bad_path);
    end(request);
    return;
  }
  request->flow.resume = turn_came;
  request->flow.data = request;
  request->flow.seats = seats_of(request);
  FlowVerdict verdict = flow_control_begin(api_server_flow(request->server), request->identity, request->info,
                                           http_path(http), &request->flow);
  if (verdict == FLOW_WAITS) /* somebody else may work on it already */
    return;
  request->granted = verdict == FLOW_RUNS;
  finish(request);
}

void api_request_handle(HttpRequest *http, void *data)
{
  api_request_serve(http, data, NULL);
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

/* Who asks for health is answered when all workers wait for a store that does not answer: then most of all. */
bool api_request_is_urgent(const HttpRequest *http, void *data)
{
  static const char *const paths[] = { "/healthz", "/livez", "/readyz" };
  for (gsize i = 0; i < G_N_ELEMENTS(paths); i++)
    if (g_str_has_prefix(http_path(http), paths[i]))
      return true;
  return false;
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
