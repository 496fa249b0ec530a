#pragma once
/* The API server: TLS, HTTP, authentication and routing in front of a registry. */
#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#include "clusterd/server/node_access.h"
#include "clusterd/server/registry/registry.h"
#include "clusterd/server/server_config.h"

typedef struct ApiServer ApiServer;

/* Makes the bootstrap objects (namespaces, RBAC defaults, the kubernetes service), then listens. REGISTRY must outlive
 * the server. NULL with REASON_CONFIG or REASON_LOCAL_NETWORK. */
ApiServer *api_server_start(Registry *registry, const ApiServerConfig *config, GError **error);

/* Who serves log, exec, attach, portforward, the node's own API and metrics.k8s.io; without it they answer 503.
 * NODE_ACCESS must outlive the server, or the call with NULL: that ends every session of exec, attach, portforward and
 * log for good, and returns when no call is in the old one and nothing it gave is held. */
void api_server_set_node(ApiServer *server, const NodeAccess *node_access);

/* Whether what stands around the server runs as well: until then, which is the state at first, /readyz answers 503. */
void api_server_set_ready(ApiServer *server, bool ready);

/* Parts of a control plane that may work beside the server. */
typedef enum ApiComponent { API_COMPONENT_CONTROLLERS, API_COMPONENT_SCHEDULER } ApiComponent;

/* Says whether COMPONENT works in this process; at first it does not. Thread-safe. */
void api_server_set_component(ApiServer *server, ApiComponent component, bool runs);

uint16_t api_server_port(const ApiServer *server);

/* Serves new connections with what cert_file, key_file and ca_file hold now. False, and nothing changes, when they
 * cannot be used. Any thread. */
bool api_server_reload_certificates(ApiServer *server, GError **error);

/* Ends all requests and watches and frees. */
void api_server_stop(ApiServer *server);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(ApiServer, api_server_stop)

/* A service account token as TokenRequest makes it: JWT bound to a pod when POD_NAME is given; AUDIENCES may be
 * NULL (the issuer). LIFETIME_SECONDS ≥ 600. *EXPIRES_US gets the expiry. The caller frees. */
char *api_server_issue_token(ApiServer *server, const char *namespace_, const char *service_account,
                             const char *const *audiences, int64_t lifetime_seconds, const char *pod_name,
                             const char *pod_uid, int64_t *expires_us, GError **error);

/* Whether IDENTITY may do this to a resource of the cluster. */
bool api_server_may(ApiServer *server, const Identity *identity, const char *verb, const char *group,
                    const char *resource, const char *subresource);

/* The JSON object that GET of PATH_AND_QUERY answers IDENTITY, whoever serves it: this server, or the one that an
 * APIService names. New reference; NULL with the text a client of upstream's would have. Blocks; any thread but an
 * event loop's. Watches and what else is a stream are refused. */
json_t *api_server_get(ApiServer *server, const Identity *identity, const char *path_and_query, GError **error);

/* The token the Secret called SECRET holds for ACCOUNT: it ends with either. The caller frees. */
char *api_server_issue_secret_token(ApiServer *server, const Object *account, const char *secret, GError **error);
