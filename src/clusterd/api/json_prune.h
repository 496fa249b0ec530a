#pragma once
/* A JSON value made to fit a message: the part of decoding that JSON, YAML and patches share. */
#include <glib.h>
#include <jansson.h>
#include <stdbool.h>

#include "clusterd/api/codec.h"

#define PRUNE_REPORTS_MAX 100 /* unknown and duplicate fields told of; upstream stops there too */

/* VALUE as MESSAGE has it: members in table order, unknown ones left out, nulls and zeros that upstream does not write
 * dropped, times and quantities in their canonical form. Unknown fields add `unknown field "path"` to REPORTS (strings;
 * may be NULL). VALUE is not changed; its RAW members are shared. New reference, or NULL with REASON_BAD_REQUEST and
 * upstream's text without its "… cannot be handled as a …". */
json_t *json_prune(const ApiMessage *message, const char *kind, const json_t *value, GPtrArray *reports,
                   GError **error);
