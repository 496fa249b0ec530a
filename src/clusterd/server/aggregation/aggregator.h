#pragma once
/*
 * API aggregation: groups and versions that other servers answer for (APIService with a service), and the APIServices
 * of those this server answers for itself. A thread keeps them: it makes the local ones, asks the remote ones for what
 * they serve when something changes that they depend on and every AGGREGATOR_SECONDS, and writes their condition
 * Available. All functions are thread-safe. Source: kube-aggregator.
 */
#include "clusterd/server/outbound/front_proxy.h"
#include "clusterd/server/outbound/outbound.h"
#include "clusterd/server/registry/registry.h"
#include "clusterd/server/server_config.h"

#define AGGREGATOR_SECONDS 30      /* as upstream's resync */
#define AGGREGATOR_CHECK_SECONDS 5 /* for a remote server to answer */

typedef struct Aggregator Aggregator;

/* REGISTRY and CONFIG must outlive it. NULL with an error. */
Aggregator *aggregator_start(Registry *registry, const ApiServerConfig *config, GError **error);
void aggregator_stop(Aggregator *aggregator);

/* The APIService of a group and version that another server answers for, new reference; NULL: there is none. */
Object *aggregator_find(Aggregator *aggregator, const char *group, const char *version);

/* True when any group is served elsewhere. */
bool aggregator_has_remote(Aggregator *aggregator);

/* Where a remote APIService is at this moment, as this server's own client. The texts are the caller's to free. */
typedef struct AggregatorTarget {
  OutboundTarget target; /* without the URL */
  char *origin;          /* "https://api.ns.svc:443", what the URL begins with */
  char *connect_to, *ca_pem;
} AggregatorTarget;
void aggregator_target_clear(AggregatorTarget *target);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(AggregatorTarget, aggregator_target_clear)
bool aggregator_target(Aggregator *aggregator, const Object *api_service, AggregatorTarget *target, GError **error);

/* --- aggregator_discovery.c: what the remote servers serve, put into this server's documents in place --- */

void aggregator_add_groups(Aggregator *aggregator, json_t *group_list); /* GET /apis */
/* GET /apis/GROUP; DOCUMENT (taken) is what this server has of it, or NULL. NULL: nobody has any. */
json_t *aggregator_add_group(Aggregator *aggregator, const char *group, json_t *document);
void aggregator_add_discovery(Aggregator *aggregator, json_t *discovery_list); /* APIGroupDiscoveryList */
void aggregator_add_openapi(Aggregator *aggregator, json_t *index);            /* GET /openapi/v3 */
void aggregator_add_swagger(Aggregator *aggregator, json_t *swagger);          /* GET /openapi/v2 */
/* Changes with what aggregator_add_swagger adds. */
unsigned aggregator_swagger_generation(Aggregator *aggregator);
