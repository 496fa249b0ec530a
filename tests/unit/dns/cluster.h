#pragma once
/* A cluster read from a JSON file, as the resolver's facts. */
#include "clusterd/dns/resolver.h"

/* FILE is {namespaces, services, slices}; the result lives as long as the test. */
DnsFacts cluster_facts(json_t *file);

/* The ConfigMap that tells whom to ask (taken; NULL: none). Any thread. */
void cluster_set_config_map(json_t *value);
