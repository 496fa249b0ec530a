#pragma once
/* The four ways to change an object by describing the change. All are pure: TARGET is never modified, the result is a
 * new reference. */
#include <glib.h>
#include <jansson.h>
#include <stdbool.h>

#include "clusterd/api/kind.h"

#define PATCH_JSON_OPERATIONS_MAX 10000

/* RFC 6902. REASON_INVALID with upstream's text on a failed test or bad path, REASON_BAD_REQUEST on a malformed
 * patch, REASON_REQUEST_TOO_LARGE above PATCH_JSON_OPERATIONS_MAX. */
json_t *patch_json(const json_t *target, const json_t *patch, GError **error);

/* RFC 7386. Cannot fail on objects; PATCH must be an object (REASON_BAD_REQUEST). */
json_t *patch_merge(const json_t *target, const json_t *patch, GError **error);

/* Kubernetes' strategic merge patch, by the merge keys and strategies of MESSAGE: directives $patch, $retainKeys,
 * $deleteFromPrimitiveList/x and $setElementOrder/x. Malformed directives are REASON_BAD_REQUEST, lists of lists
 * REASON_INVALID, and an element without its merge key REASON_INTERNAL, as upstream answers.
 * Source: sig-api-machinery/strategic-merge-patch.md. */
json_t *patch_strategic(const ApiMessage *message, const json_t *target, const json_t *patch, GError **error);

/* A merge patch (RFC 7386: lists are replaced whole) that turns the object FROM into TO, neither of which may hold a
 * null. For controllers and tests. New reference, {} when equal. */
json_t *patch_merge_diff(const json_t *from, const json_t *to);
