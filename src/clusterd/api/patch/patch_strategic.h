#pragma once
/* The lists of a strategic merge patch, for patch_strategic.c alone. All lists are private copies that may be changed.
 */
#include <glib.h>
#include <jansson.h>
#include <stdbool.h>

#include "clusterd/api/kind.h"

#define STRATEGIC_DELETE_PREFIX "$deleteFromPrimitiveList/"
#define STRATEGIC_ORDER_PREFIX "$setElementOrder/"

/* ORIGINAL with CHANGES merged in by FIELD's strategy (NULL: an unknown field, replaced). DELETES: CHANGES are the
 * scalars to take away. Returns a new reference, or NULL with the error. */
json_t *strategic_merge_lists(const ApiField *field, json_t *original, json_t *changes, bool deletes, GError **error);

/* LIST in the order ORDER tells: elements that ORDER names stand as it says; the others keep their places of BEFORE
 * relative to them. With MERGE_KEY the elements are objects told apart by it. Returns a new reference, or NULL. */
json_t *strategic_order_list(json_t *list, const json_t *order, const json_t *before, const char *merge_key,
                             GError **error);

/* True when ORDER names all elements of CHANGES (NULL: none), in the same order. */
bool strategic_check_order(const json_t *changes, const json_t *order, const char *merge_key, GError **error);

/* Merges PATCH into the element INDEX of LIST. */
bool strategic_merge_element(const ApiMessage *message, json_t *list, size_t index, json_t *patch, GError **error);

/* VALUE as Go's %v prints it ("map[image:z name:a]"): upstream's messages carry it. The caller frees. */
char *strategic_go_text(const json_t *value);
