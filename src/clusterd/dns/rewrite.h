#pragma once
/* Names that are looked up as others (plugin rewrite of a Corefile): `rewrite [stop|continue] name
 * [exact|prefix|suffix|substring|regex] FROM TO`. What is found is answered under the name that was asked for. */
#include <stdbool.h>

#include "clusterd/dns/corefile.h"
#include "clusterd/dns/name.h"

typedef struct Rewrite Rewrite;

/* NULL with REASON_CONFIG. */
Rewrite *rewrite_new(const CorefileLine *line, GError **error);
void rewrite_free(Rewrite *rewrite);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Rewrite, rewrite_free)

/* Applies RULES (Rewrite*) in turn to NAME of *LENGTH bytes; whether it is another one now. */
bool rewrite_apply(const GPtrArray *rules, uint8_t name[NAME_WIRE_MAX], size_t *length);
