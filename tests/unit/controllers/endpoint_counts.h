#pragma once
/* How many addresses a service has, for the tests of who writes them. */
#include "cluster.h"

/* In the Endpoints called NAME, in LIST of its subsets: "addresses" or "notReadyAddresses". */
size_t endpoints_count_addresses(Cluster *cluster, const char *name, const char *list);

/* In the EndpointSlices of SERVICE, those whose condition ready is READY. */
size_t endpoints_count_sliced(Cluster *cluster, const char *service, bool ready);
