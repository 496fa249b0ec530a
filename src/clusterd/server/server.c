/* Start and stop, and the way of a request: who, may they, what. */
#include "clusterd/server/server.h"

#include <stdatomic.h>
#include <string.h>

#include "base/json.h"
#include "base/reason.h"
#include "clusterd/server/access/authenticate.h"
#include "clusterd/server/aggregation/aggregator.h"
#include "clusterd/server/api_error.h"
#include "clusterd/server/api_request.h"
#include "clusterd/server/bootstrap/bootstrap.h"
#include "clusterd/server/event_expiry.h"
#include "clusterd/server/registry/registry_private.h"
#include "clusterd/server/server_peers.h"

struct ApiServer {
  Registry *registry;
  ApiServerConfig config; /* strings are copies */
  HttpServer *http;
  Authorizer *authorizer;
  Authenticator authenticator;
  Tracing tracing;
  Documents *documents;
  FlowControl *flow;
  EventExpiry *event_expiry;
  WatchSet *watches;
  SessionSet *sessions;
  ServerPeers *peers;
  Aggregator *aggregator;
  _Atomic(const NodeAccess *) node;
  atomic_bool ready;
  atomic_bool runs[API_COMPONENT_SCHEDULER + 1]; /* by ApiComponent */
};

Authorizer *api_server_authorizer(ApiServer *server)
{
  return server->authorizer;
}

ServiceAccountTokens *api_server_tokens(ApiServer *server)
{
  return server->authenticator.tokens;
}

const Authenticator *api_server_authenticator(const ApiServer *server)
{
  return &server->authenticator;
}

const Tracing *api_server_tracing(const ApiServer *server)
{
  return &server->tracing;
}

const ApiServerConfig *api_server_config(const ApiServer *server)
{
  return &server->config;
}

const NodeAccess *api_server_node(ApiServer *server)
{
  return server->node;
}

bool api_server_component_runs(ApiServer *server, ApiComponent component)
{
  return server->runs[component];
}

bool api_server_is_ready(ApiServer *server)
{
  return server->ready;
}

Documents *api_server_documents(ApiServer *server)
{
  return server->documents;
}

SessionSet *api_server_sessions(ApiServer *server)
{
  return server->sessions;
}

Aggregator *api_server_aggregator(ApiServer *server)
{
  return server->aggregator;
}

WatchSet *api_server_watches(ApiServer *server)
{
  return server->watches;
}

/* --- a request -----------------------------------------------------------------------------------------------------
 */

/* The reason is only looked for where somebody will read it. */
static bool decide(ApiRequest *request, const Attributes *attributes, GError **error)
{
  Authorizer *authorizer = request->server->authorizer;
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

/* Custom resources have no protobuf form: whoever would rather have that is asked for JSON as well. */
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
  /* kinds made at run time have no protobuf form */
  AcceptLimits limits = { .shapes = true,
                          .protobuf = request->kind->message && request->kind->message->by_number,
                          .stream = g_str_equal(info->verb, "watch"),
                          .list = g_str_equal(info->verb, "list") || g_str_equal(info->verb, "watch") };
  if (request->kind->deprecation)
    json_array_append_new(request->warnings, json_string(request->kind->deprecation));
  if (handle_pod_stream(request) || handle_proxy(request))
    return;
  bool routed = !g_str_equal(http_method(request->http), "HEAD") || api_error_method(&error); /* no route takes HEAD */
  if (!routed || !accept_parse(http_header(request->http, "Accept"), &limits, &request->accept, &error)) {
    request->accept = (Accept){ REPLY_JSON, REPLY_OBJECT, "v1" };
    respond_error(request, error);
  } else if (request->kind->custom && request->accept.format == REPLY_PROTOBUF && !takes_json(request)) {
    reason_set(&error, REASON_NOT_ACCEPTABLE,
               "only the following media types are accepted: application/json, application/yaml");
    respond_error(request, error);
  } else if (!handle_review(request) && !handle_component_status(request)) {
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
  const ApiServer *server = request->server;
  request->identity = authenticate(&server->authenticator, request->http, error);
  metrics_count_authentication(server->tracing.metrics, request->identity ? "success" : "error");
  trace(request);
  if (!request->identity)
    return false;
  Identity *other = NULL;
  if (!authenticate_impersonate(request->http, server->authorizer, request->identity, &other, error))
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
  bool enters =
      flow_control_begin(request->server->flow, request->identity, request->info, http_path(request->http), ticket);
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

static void handle(HttpRequest *http, void *data)
{
  ApiServer *server = data;
  ApiRequest request = { .server = server, .registry = server->registry, .http = http };
  /* for errors that come before it is known what is asked for */
  static const AcceptLimits plain = { .protobuf = true };
  if (!accept_parse(http_header(http, "Accept"), &plain, &request.accept, NULL))
    request.accept = (Accept){ REPLY_JSON, REPLY_OBJECT, "v1" };
  request.query = query_parse(http_query(http));
  request.warnings = json_array();
  request.trace = request_trace_begin(&server->tracing, http);
  bool mutating = is_mutating(http);
  metrics_begin(server->tracing.metrics, mutating);
  route(&request);
  flow_control_end(&request.flow);
  metrics_end(server->tracing.metrics, mutating);
  query_free(request.query);
  request_info_free(request.info);
  identity_free(request.identity);
  identity_free(request.impersonator);
  json_decref(request.warnings);
}

/* A GET of one object comes out of memory and needs no thread of its own, unless others write to the store as well: it
 * is asked then for what is newest. */
static bool is_quick(const HttpRequest *http, void *data)
{
  static const char *const suffixes[] = { "/log", "/exec", "/attach", "/portforward" };
  const ApiServer *server = data;
  const char *path = http_path(http);
  if (!g_str_equal(http_method(http), "GET") || *http_query(http) || strstr(path, "/proxy") ||
      !g_str_has_prefix(path, "/api/v1/namespaces/") || store_is_shared(server->registry->store))
    return false;
  for (gsize i = 0; i < G_N_ELEMENTS(suffixes); i++)
    if (g_str_has_suffix(path, suffixes[i]))
      return false;
  return true;
}

/* --- life ----------------------------------------------------------------------------------------------------------
 */

static bool authenticator_make(Authenticator *authenticator, Registry *registry, const ApiServerConfig *config,
                               GError **error)
{
  authenticator->allow_anonymous = config->allow_anonymous;
  authenticator->token_file = config->token_file ? token_file_read(config->token_file, error) : NULL;
  if (config->token_file && !authenticator->token_file)
    return false;
  authenticator->bootstrap_registry = config->bootstrap_tokens ? registry : NULL;
  authenticator->tokens = service_account_tokens_new(registry, config, error);
  return authenticator->tokens != NULL;
}

static void authenticator_clear(Authenticator *authenticator)
{
  token_file_free(authenticator->token_file);
  service_account_tokens_free(authenticator->tokens);
}

static bool tracing_make(Tracing *tracing, const ApiServerConfig *config, GError **error)
{
  AuditLogConfig log = { .path = config->audit_log_path,
                         .max_size = config->audit_log_max_size,
                         .max_backups = config->audit_log_max_backups };
  tracing->metrics = metrics_new();
  if (!config->audit_log_path || !config->audit_policy_file)
    return true;
  tracing->policy = audit_policy_read(config->audit_policy_file, error);
  tracing->log = tracing->policy ? audit_log_open(&log, error) : NULL;
  return tracing->log != NULL;
}

/* After the last answer has ended. */
static void tracing_clear(Tracing *tracing)
{
  audit_log_close(tracing->log);
  audit_policy_free(tracing->policy);
  metrics_free(tracing->metrics);
}

ApiServer *api_server_start(Registry *registry, const ApiServerConfig *config, GError **error)
{
  g_autoptr(ApiServer) server = g_new0(ApiServer, 1);
  server->registry = registry;
  api_server_config_copy(&server->config, config);
  server->authorizer = authorizer_new(registry, config->authorization_modes);
  registry->authorizer = server->authorizer;
  server->documents = documents_new(registry_scheme(registry));
  server->flow = flow_control_new(registry, FLOW_SEATS);
  server->watches = watch_set_new();
  server->sessions = session_set_new();
  if (!tracing_make(&server->tracing, config, error) ||
      !authenticator_make(&server->authenticator, registry, config, error) ||
      !registry_use_service_range(registry, config->service_cidr, error) ||
      !registry_choose_admission(registry, config->enabled_plugins, config->disabled_plugins, error) ||
      !bootstrap_objects(registry, config, error))
    return NULL;
  server->aggregator = aggregator_start(registry, &server->config, error);
  if (!server->aggregator)
    return NULL;
  HttpServerConfig http = {
    .address = config->listen_address,
    .port = config->port,
    .cert_file = config->cert_file,
    .key_file = config->key_file,
    .ca_file = config->ca_file,
    .n_loops = config->n_threads,
    .handler = handle,
    .is_quick = is_quick,
    .data = server,
  };
  server->http = http_server_start(&http, error);
  if (server->http)
    server->peers = server_peers_start(registry, config->advertise_address, http_server_port(server->http), error);
  if (!server->peers)
    return NULL;
  int64_t ttl_seconds = config->event_ttl_seconds ? config->event_ttl_seconds : EVENT_TTL_SECONDS;
  server->event_expiry = event_expiry_new(registry, ttl_seconds * G_USEC_PER_SEC);
  return g_steal_pointer(&server);
}

void api_server_set_node(ApiServer *server, const NodeAccess *node_access)
{
  server->node = node_access;
}

void api_server_set_component(ApiServer *server, ApiComponent component, bool runs)
{
  server->runs[component] = runs;
}

void api_server_set_ready(ApiServer *server, bool ready)
{
  server->ready = ready;
}

uint16_t api_server_port(const ApiServer *server)
{
  return http_server_port(server->http);
}

void api_server_stop(ApiServer *server)
{
  if (!server)
    return;
  server_peers_stop(server->peers);
  outbound_close(server->registry->outbound); /* nobody waits for a webhook any more */
  if (server->http)
    http_server_drain(server->http);
  aggregator_stop(server->aggregator);
  session_set_free(server->sessions);
  watch_set_close(server->watches);
  http_server_stop(server->http);
  watch_set_free(server->watches);
  documents_free(server->documents);
  event_expiry_free(server->event_expiry);
  flow_control_free(server->flow);
  server->registry->authorizer = NULL;
  authorizer_free(server->authorizer);
  authenticator_clear(&server->authenticator);
  tracing_clear(&server->tracing);
  api_server_config_clear(&server->config);
  g_free(server);
}

char *api_server_issue_token(ApiServer *server, const char *namespace_, const char *service_account,
                             const char *const *audiences, int64_t lifetime_seconds, const char *pod_name,
                             const char *pod_uid, int64_t *expires_us, GError **error)
{
  TokenRequest request = { .namespace_ = namespace_,
                           .account = service_account,
                           .audiences = audiences,
                           .lifetime_seconds = lifetime_seconds,
                           .bound_kind = pod_name ? "Pod" : NULL,
                           .bound_name = pod_name,
                           .bound_uid = pod_uid };
  return service_account_tokens_issue(server->authenticator.tokens, &request, expires_us, error);
}

char *api_server_issue_secret_token(ApiServer *server, const Object *account, const char *secret, GError **error)
{
  return service_account_tokens_issue_for_secret(server->authenticator.tokens, account, secret, error);
}

bool api_server_may(ApiServer *server, const Identity *identity, const char *verb, const char *group,
                    const char *resource, const char *subresource)
{
  Attributes attributes = { .verb = verb, .group = group, .resource = resource, .subresource = subresource };
  return authorizer_allows(server->authorizer, identity, &attributes);
}
