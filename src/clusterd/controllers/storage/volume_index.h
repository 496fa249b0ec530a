#pragma once
/* The volumes nobody has: by storage class and mode, each lot in the order of size, so that the smallest that is large
 * enough is found without a look at the others. Thread-safe. */
#include "clusterd/api/object.h"

typedef struct VolumeIndex VolumeIndex;

VolumeIndex *volume_index_new(void);
void volume_index_free(VolumeIndex *index);

/* Takes in what is known of VOLUME now: it is in the index as long as it is Available, for nobody, and not being
 * deleted. */
void volume_index_put(VolumeIndex *index, Object *volume);
void volume_index_remove(VolumeIndex *index, const char *name);

/* The smallest volume that fits CLAIM, its selector included; of equals the first by name. NODE (NULL: anywhere) must
 * reach it. New reference; NULL: none but the one called EXCEPT (which may be NULL). */
Object *volume_index_find(VolumeIndex *index, const json_t *claim, const json_t *node, const char *except);
