#pragma once
/* Lists of tolerations, as RuntimeClass and PodTolerationRestriction put them together.
 * Source: pkg/util/tolerations. */
#include <jansson.h>
#include <stdbool.h>

/* Whether WIDE tolerates all that NARROW does. */
bool toleration_covers(const json_t *wide, const json_t *narrow);

/* FIRST and SECOND (arrays, may be NULL) without those that another one covers. New reference, never NULL. */
json_t *tolerations_merge(const json_t *first, const json_t *second);

/* Adds {key: KEY, operator: Exists, effect: EFFECT} to the tolerations of the pod SPEC, in place of another with this
 * key and effect. */
void toleration_add(json_t *spec, const char *key, const char *effect);
