#pragma once
/* One request to the API on its way through the server: what the handlers share. Internal to the server. */
#include "clusterd/server/accept.h"
#include "clusterd/server/access/authenticate.h"
#include "clusterd/server/access/service_account_tokens.h"
#include "clusterd/server/flow/flow_control.h"
#include "clusterd/server/http/http.h"
#include "clusterd/server/query.h"
#include "clusterd/server/registry/registry.h"
#include "clusterd/server/request_info.h"
#include "clusterd/server/request_trace.h"
#include "clusterd/server/server.h"
#include "clusterd/server/stream/session_set.h"

/* What clients are told: the release of Kubernetes whose API this is. */
#define API_SERVER_VERSION "v1.32.0"

typedef struct ApiRequest {
  ApiServer *server;
  Registry *registry;
  HttpRequest *http;   /* NULL once answered */
  RequestTrace *trace; /* lives until the answer has ended: not to be used after it was given */
  Query *query;
  RequestInfo *info;
  Identity *identity;     /* whom the request counts as from */
  Identity *impersonator; /* who sent it in another's name; NULL: identity itself */
  const ApiKind *kind;    /* of a resource */
  Accept accept;
  json_t *warnings; /* array of texts for Warning headers */
  FlowTicket flow;  /* where it counts among the requests under way */
  bool mutating;
  bool granted; /* it has its seats there */
} ApiRequest;

/* Parts of the server the handlers use; owned by the server. */
Registry *api_server_registry(ApiServer *server);
FlowControl *api_server_flow(ApiServer *server);
Authorizer *api_server_authorizer(ApiServer *server);
ServiceAccountTokens *api_server_tokens(ApiServer *server);
const Authenticator *api_server_authenticator(const ApiServer *server);
const ApiServerConfig *api_server_config(const ApiServer *server);
const Tracing *api_server_tracing(const ApiServer *server);
const NodeAccess *api_server_node(ApiServer *server);
/* The same for a call that takes a while: the node does not go before api_server_node_release, which belongs to every
 * result but NULL. */
const NodeAccess *api_server_node_hold(ApiServer *server);
void api_server_node_release(ApiServer *server);
bool api_server_is_ready(ApiServer *server);
bool api_server_component_runs(ApiServer *server, ApiComponent component);
SessionSet *api_server_sessions(ApiServer *server);
struct Aggregator *api_server_aggregator(ApiServer *server);
/* What health checks know of the store (handlers/health_handler.c). */
typedef struct StoreHealth StoreHealth;
StoreHealth *store_health_new(void);
void store_health_free(StoreHealth *health);
StoreHealth *api_server_store_health(ApiServer *server);

/* request_route.c: what the HTTP server calls with each request, DATA being the ApiServer, and whether the call needs
 * no thread of its own. */
void api_request_handle(HttpRequest *http, void *data);
/* The same, from who is known to be IDENTITY; NULL: it is asked who it is. */
void api_request_serve(HttpRequest *http, ApiServer *server, const Identity *identity);
bool api_request_is_quick(const HttpRequest *http, void *data);
/* HttpServerConfig.is_urgent. */
bool api_request_is_urgent(const HttpRequest *http, void *data);
/* HttpServerConfig.lends. */
void api_request_lends(bool away, void *data);
/* HttpServerConfig.streams_body, of the ApiServer DATA. */
bool api_request_streams_body(const char *path, void *data);

/* respond.c: every one ends the HTTP request. */
void respond_error(ApiRequest *request, const GError *error);
/* A plain body. CONTENT is copied. */
void respond_text(ApiRequest *request, int status, const char *content_type, const char *content);
/* A JSON document that is no API object; takes the reference. */
void respond_json(ApiRequest *request, int status, json_t *document);
/* An object or a list in the form the client accepts. */
void respond_object(ApiRequest *request, int status, Object *object);
void respond_list(ApiRequest *request, const ObjectList *list);
/* A value of MESSAGE (may be NULL: then never protobuf), with apiVersion and kind inside. Takes the reference. */
void respond_value(ApiRequest *request, int status, const ApiMessage *message, json_t *value);
/* Status Success about one object. */
void respond_success(ApiRequest *request, int status, const ApiKind *kind, const Object *object);
/* Whatever can be read from FD, which is taken, until its end; on a thread of its own. */
void respond_descriptor(ApiRequest *request, int status, const char *content_type, int fd);
/* Sets the Warning headers. */
void respond_warnings(ApiRequest *request);

/* {kind: Status, …} of an error. New reference. */
json_t *status_of_error(const GError *error);

/* request_body.c: the body's bytes as the client's DeleteOptions, TokenRequest, … of MESSAGE. New reference. An empty
 * body is {}. */
json_t *request_body(ApiRequest *request, const ApiMessage *message, const char *version, const char *kind,
                     FieldValidation validation, GError **error);

/* The same of what the URL is about: the resource, or what its subresource speaks. A body that names another kind is
 * refused. */
json_t *request_resource_body(ApiRequest *request, FieldValidation validation, GError **error);

/* The handlers; each ends the request. */
void handle_resource(ApiRequest *request); /* resource_handler.c */
void handle_watch(ApiRequest *request);    /* watch_handler.c */
void handle_document(ApiRequest *request); /* document_handler.c: everything that is no resource */
bool handle_review(ApiRequest *request);   /* review_handler.c: false when the kind is no review */
/* component_status_handler.c: false when the kind is not ComponentStatus */
bool handle_component_status(ApiRequest *request);
bool handle_resource_metrics(ApiRequest *request); /* resource_metrics_handler.c: false when the kind is not measured */
/* aggregated_handler.c: false when no other server answers for GROUP and VERSION (which may be NULL) */
bool handle_aggregated(ApiRequest *request, const char *group, const char *version);
bool handle_proxy(ApiRequest *request); /* proxy_handler.c: false when it is no proxy subresource */
/* node_handler.c: PATH of the node NAME's own HTTP API; false when that node is not this machine */
bool handle_own_node(ApiRequest *request, const char *name, const char *path);
bool handle_pod_stream(ApiRequest *request); /* pod_handler.c: log, exec, attach, portforward; false when it is none */

/* connect.c: whether admission lets the request open its connection (exec, attach, portforward, proxy). */
bool connect_admit(ApiRequest *request, GError **error);

/* ephemeral_containers.c: a PUT of the kind EphemeralContainers, of old. */
bool ephemeral_containers_given(const ApiRequest *request);
bool ephemeral_containers_update(ApiRequest *request, const Caller *caller, GError **error);

/* request_options.c. Selectors, limit, versions of the query. The struct borrows from the query; *LABELS and *FIELDS
 * are the caller's. */
bool request_list_options(ApiRequest *request, ListOptions *options, LabelSelector **labels, FieldSelector **fields,
                          GError **error);
/* Fills CALLER from the query of a write. OPTIONS ("CreateOptions") names them in errors. *MANAGER is the caller's. */
bool request_write_options(ApiRequest *request, const char *options, Caller *caller, char **manager, GError **error);
/* The same of a patch, or an APPLY, which must say who applies. */
bool request_patch_options(ApiRequest *request, bool apply, bool *force, Caller *caller, char **manager,
                           GError **error);
/* The same of a deletion, whose options may be its body, too; *BODY (the caller's) holds what OPTIONS borrow. */
bool request_delete_options(ApiRequest *request, DeleteOptions *options, Caller *caller, json_t **body, char **manager,
                            GError **error);

/* document_handler.c caches what it derives from the scheme. */
typedef struct Documents Documents;
Documents *documents_new(const ApiScheme *scheme);
/* From now on AGGREGATOR's servers are in the documents, too; before the first request. */
void documents_aggregate(Documents *documents, struct Aggregator *aggregator);
void documents_free(Documents *documents);
Documents *api_server_documents(ApiServer *server);

/* All running watches; watch_handler.c. At shutdown: closed after the last request was handled, freed after the event
 * loops have ended. */
typedef struct WatchSet WatchSet;
WatchSet *watch_set_new(void);
void watch_set_close(WatchSet *set);
void watch_set_free(WatchSet *set);
WatchSet *api_server_watches(ApiServer *server);
