#pragma once
#include <jansson.h>

#include "base/ip_address.h"

/* The address of FAMILY by which POD is reached; NULL when it has none of its own: not yet, no more, none of that
 * family, or the node's. Borrowed. */
const char *pod_address_of(const json_t *pod, IpFamily family);
