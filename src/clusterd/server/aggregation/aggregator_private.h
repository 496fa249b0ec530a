#pragma once
/* What the files of the aggregator share. */
#include "clusterd/server/aggregation/aggregator.h"
#include "clusterd/server/registry/registry_private.h"

#define APIREGISTRATION "apiregistration.k8s.io"

/* What is known of a remote group and version. */
typedef struct Remote {
  json_t *resources; /* its APIResourceList as it last was; NULL: never seen */
  json_t *openapi;   /* its entry in the index of OpenAPI v3; NULL: none */
  json_t *swagger;   /* its part of OpenAPI v2; NULL: none */
  bool fresh;        /* the last look succeeded */
} Remote;

struct Aggregator {
  Registry *registry;
  const ApiKind *kind; /* APIService */
  FrontProxy *front;
  const ApiServerConfig *config;
  GThread *thread;
  GMutex lock;
  GCond woken;
  bool dirty, stopping; /* under the lock */
  GHashTable *remotes;  /* name ("v1.metrics.k8s.io") → Remote*; under the lock */
  int n_remotes;        /* atomic */
  unsigned generation;  /* of the remotes' parts of OpenAPI v2, under the lock */
};

/* All APIServices, in the order of their names: Object*, with references. */
GPtrArray *aggregator_list(Aggregator *aggregator);

/* api_services_local.c: makes the APIServices of what this server serves and removes those of what it no longer does.
 */
void aggregator_keep_local(Aggregator *aggregator);

/* aggregator_check.c: asks all remote ones at once and writes what becomes of it. */
void aggregator_check(Aggregator *aggregator, GPtrArray *api_services);

/* Whether another server answers for API_SERVICE's version: its spec names a service. */
bool aggregator_is_remote(const Object *api_service);
