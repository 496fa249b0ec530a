#pragma once
/*
 * The annotation client-side `kubectl apply` keeps its last configuration in, as server-side apply by kubectl takes it
 * over: what it says and the object still has may be taken from other managers without a conflict, and it follows what
 * is applied. Source: k8s.io/apimachinery/pkg/util/managedfields/internal/lastapplied{manager,updater}.go.
 */
#include <jansson.h>

#include "clusterd/api/kind.h"

/* The only manager this is done for. */
#define LAST_APPLIED_MANAGER "kubectl"

/* The fields of LIVE that its annotation sets to what they are (a field_set.h set, new reference); NULL when there is
 * none for this version. */
json_t *last_applied_fields(const ApiKind *kind, const json_t *live);

/* Writes CONFIG into OBJECT's annotation, if it has one. */
void last_applied_follow(json_t *object, const json_t *config);
