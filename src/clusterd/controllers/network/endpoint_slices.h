#pragma once
/* Keeps the EndpointSlices of one service as its endpoints ask for: shared by the controllers of selectors and of
 * hand-made Endpoints. */
#include "clusterd/client/informer.h"

#define ENDPOINT_SLICES_INDEX "service"

/* Index of slices by "namespace/service". */
char **endpoint_slices_index(const Object *object);

typedef struct EndpointSlices {
  Client *client;
  Informer *slices;         /* with ENDPOINT_SLICES_INDEX */
  const char *managed_by;   /* value of endpointslice.kubernetes.io/managed-by */
  const char *trigger_time; /* since when what changes now was due; may be NULL */
  const json_t
      *annotations;  /* that the slices have, these and no others but the trigger time; NULL: left as they are */
  unsigned size_max; /* endpoints of a slice; 0: ENDPOINT_SLICE_SIZE_MAX */
} EndpointSlices;

/* Creates, changes and deletes slices of OWNER (a Service, or Endpoints of the same name) until they hold GROUPS
 * (endpoint_sets.h), whole. LABELS (may be NULL) are carried
 * over. A group without endpoints is one empty slice. An endpoint stays in the slice it is in. */
bool endpoint_slices_sync(const EndpointSlices *context, const Object *owner, const json_t *labels,
                          const json_t *groups, GError **error);
