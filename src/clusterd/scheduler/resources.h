#pragma once
/* Amounts of resources as the scheduler compares them: plain integers, the common ones without a search by name. Made
 * from the API's ResourceList, which says what a pod asks for. */
#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#include "clusterd/api/resource_list.h"

typedef struct ResourceAmount {
  const char *name; /* interned */
  int64_t amount;
} ResourceAmount;

/* All zero: nothing. */
typedef struct Resources {
  int64_t cpu;     /* thousandths */
  int64_t memory;  /* bytes */
  int64_t storage; /* ephemeral, bytes */
  int64_t pods;    /* of a node: how many it takes */
  GArray *others;  /* ResourceAmount, whole units; NULL: none */
} Resources;

/* The caller clears. */
Resources resources_from_list(const ResourceList *list);
void resources_clear(Resources *resources);

/* cpu in thousandths, everything else in whole units; 0 when there is none. */
int64_t resources_get(const Resources *resources, const char *name);

/* TO += SIGN · FROM, without `pods`. */
void resources_add(Resources *to, const Resources *from, int sign);

/* True when nothing is asked for. */
bool resources_is_nothing(const Resources *resources);
