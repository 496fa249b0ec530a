#pragma once
/* What an autoscaler scales: anything with a scale subresource, built in or a custom resource. */
#include <glib.h>
#include <jansson.h>
#include <stdbool.h>

#include "clusterd/server/registry/registry.h"

typedef struct ScaleTarget {
  const ApiKind *kind;
  json_t *scale;    /* autoscaling/v1 Scale */
  int64_t wanted;   /* spec.replicas */
  int64_t present;  /* status.replicas */
  const char *pods; /* the text of its pods' selector, of SCALE; "" when it tells none */
} ScaleTarget;

/* Finds the target that REFERENCE {apiVersion, kind, name} names, and its scale. False with the text upstream's events
 * have; scale_target_clear frees what TARGET holds either way. */
bool scale_target_get(Registry *registry, const char *namespace_, const json_t *reference, ScaleTarget *target,
                      GError **error);
void scale_target_clear(ScaleTarget *target);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(ScaleTarget, scale_target_clear)

/* Lets it have REPLICAS pods, unless it has changed since scale_target_get: REASON_CONFLICT. */
bool scale_target_set(Registry *registry, const ScaleTarget *target, int64_t replicas, GError **error);
