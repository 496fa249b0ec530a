#pragma once
/* Nameservers that send what they do not know back here: a question nobody else asks is sent to them once, and must not
 * arrive (plugin loop). Belongs to the DNS thread. */
#include <stdbool.h>

#include "clusterd/dns/plan.h"

typedef struct Loop Loop;

Loop *loop_new(Upstream *upstream);
/* After the upstream. */
void loop_free(Loop *loop);

/* Begins anew: BLOCK asks SERVERS. NULL: nobody. */
void loop_start(Loop *loop, const Block *block, ServerList *servers);
/* Whether NAME, which somebody asks here, is that question. */
bool loop_notice(Loop *loop, const uint8_t *name, size_t length);
/* Whether BLOCK's nameservers lead back here. */
bool loop_is_found(const Loop *loop, const Block *block);
