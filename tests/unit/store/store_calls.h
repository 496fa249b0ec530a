#pragma once
/* What the tests of both engines share: calls that must succeed or fail, and the promises both are held to. */
#include "base/reason.h"
#include "clusterd/store/store.h"

/* Puts TEXT; the new revision. EXPECTED as in store_put. */
int64_t put(Store *store, const char *key, int64_t expected, const char *text);
void drop(Store *store, const char *key);

/* Why it cannot be put. */
Reason put_fails(Store *store, const char *key, int64_t expected);

/* "KEY KEY …" of store_list. The caller frees. */
char *keys_at(Store *store, const char *prefix, int64_t revision, const char *start, unsigned limit,
              int64_t *remaining);

/* Lists of a revision that has passed, in pages, and of one that has not come yet. Returns the revision that has
 * passed. */
int64_t check_lists(Store *store);
