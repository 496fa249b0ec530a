#pragma once
/* A cluster read from a JSON file, as the resolver's facts. */
#include "clusterd/dns/resolver.h"

/* FILE is {namespaces, services, slices, pods}; the result lives as long as the test. */
DnsFacts cluster_facts(json_t *file);

/* The ConfigMap NAME, "coredns" or "kube-dns" (taken; NULL: none). Any thread. */
void cluster_set_config_map(const char *name, json_t *value);

/* Says that the cluster is another one than before. Any thread. */
void cluster_changed(void);
