#pragma once
/* What the tests of defaults and validation share. All JSON texts are written with single quotes in place of double
 * ones.
 */
#include <glib.h>
#include <jansson.h>
#include <stdbool.h>

#include "clusterd/api/scheme.h"
#include "clusterd/api/validation.h"

/* The built-in kinds, made once. */
const ApiScheme *case_scheme(void);

json_t *case_parse(const char *text);

/* What the registry does with a new object before it validates it: unknown members refused, defaults filled in,
 * prepared by its strategy. KIND may be NULL. */
json_t *case_prepare(const char *text, const ApiKind **kind);

/* The object as it would be stored; and that it would be refused with exactly this error. */
json_t *case_create(const char *text);
void case_create_fails(const char *text, const char *expected);

/* OLD as it is stored, CHANGE a merge onto it (members replaced), as a request to SUBRESOURCE (NULL: the object). */
bool case_update(const json_t *old, const char *change, const char *subresource, json_t **result, GError **error);
void case_update_fails(const json_t *old, const char *change, const char *expected);

void case_equal(const json_t *value, const char *expected);

/* One rule: CHANGES to a good object, and what is said of the result after "KIND "NAME" is invalid: "; "" when it is
 * accepted. CHANGES are "POINTER=JSON" with "; " between them (a JSON text may hold none); "null" takes the member
 * away, the index after the last appends. */
typedef struct ValidationCase {
  const char *changes, *expected;
} ValidationCase;

/* Each case as a create of BASE with its changes, and as an update of BASE as stored. */
void case_creates(const char *base, const ValidationCase *cases, size_t n);
void case_updates(const char *base, const ValidationCase *cases, size_t n);
