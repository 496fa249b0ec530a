/* Start and stop, and what the server lends to requests. */
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
  StoreHealth *store_health;
  EventExpiry *event_expiry;
  WatchSet *watches;
  SessionSet *sessions;
  ServerPeers *peers;
  Aggregator *aggregator;
  _Atomic(const NodeAccess *) node;
  GRWLock node_lock; /* held for reading during calls into the node that are outside of sessions */
  atomic_bool ready;
  atomic_bool runs[API_COMPONENT_SCHEDULER + 1]; /* by ApiComponent */
};

Registry *api_server_registry(ApiServer *server)
{
  return server->registry;
}

StoreHealth *api_server_store_health(ApiServer *server)
{
  return server->store_health;
}

FlowControl *api_server_flow(ApiServer *server)
{
  return server->flow;
}

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

const NodeAccess *api_server_node_hold(ApiServer *server)
{
  g_rw_lock_reader_lock(&server->node_lock);
  const NodeAccess *node = server->node;
  if (!node)
    g_rw_lock_reader_unlock(&server->node_lock);
  return node;
}

void api_server_node_release(ApiServer *server)
{
  g_rw_lock_reader_unlock(&server->node_lock);
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
  g_rw_lock_init(&server->node_lock);
  api_server_config_copy(&server->config, config);
  server->authorizer = authorizer_new(registry, config->authorization_modes);
  registry->authorizer = server->authorizer;
  server->documents = documents_new(registry_scheme(registry));
  server->flow = flow_control_new(registry, FLOW_SEATS, FLOW_WAIT_SECONDS * G_USEC_PER_SEC);
  server->store_health = store_health_new();
  server->watches = watch_set_new();
  server->sessions = session_set_new();
  if (!tracing_make(&server->tracing, config, error) ||
      !authenticator_make(&server->authenticator, registry, config, error) ||
      !registry_use_service_range(registry, config->service_cidr, error) ||
      !registry_choose_admission(registry, config->enabled_plugins, config->disabled_plugins, error) ||
      !bootstrap_objects(registry, config, error))
    return NULL;
  server->aggregator = aggregator_start(registry, &server->config, error);
  documents_aggregate(server->documents, server->aggregator);
  if (!server->aggregator)
    return NULL;
  HttpServerConfig http = {
    .address = config->listen_address,
    .port = config->port,
    .cert_file = config->cert_file,
    .key_file = config->key_file,
    .ca_file = config->ca_file,
    .n_loops = config->n_threads,
    .handler = api_request_handle,
    .is_quick = api_request_is_quick,
    .streams_body = api_request_streams_body,
    .is_urgent = api_request_is_urgent,
    .lends = api_request_lends,
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
  if (!node_access)
    session_set_close(server->sessions);
  g_rw_lock_writer_lock(&server->node_lock);
  server->node = node_access;
  g_rw_lock_writer_unlock(&server->node_lock);
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

bool api_server_reload_certificates(ApiServer *server, GError **error)
{
  return http_server_reload(server->http, error);
}

void api_server_stop(ApiServer *server)
{
  if (!server)
    return;
  server_peers_stop(server->peers);
  outbound_close(server->registry->outbound); /* nobody waits for a webhook any more */
  if (server->flow)
    flow_control_close(server->flow);
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
  store_health_free(server->store_health);
  server->registry->authorizer = NULL;
  authorizer_free(server->authorizer);
  authenticator_clear(&server->authenticator);
  tracing_clear(&server->tracing);
  api_server_config_clear(&server->config);
  g_rw_lock_clear(&server->node_lock);
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
