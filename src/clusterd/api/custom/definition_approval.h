#pragma once
/* Groups of the Kubernetes community (*.k8s.io, *.kubernetes.io) are only for definitions that were reviewed there.
 * Source: KEP-1111, k8s.io/apiextensions-apiserver/pkg/apihelpers. */
#include <jansson.h>
#include <stdbool.h>

#define DEFINITION_APPROVAL_ANNOTATION "api-approved.kubernetes.io"

typedef enum DefinitionApproval {
  DEFINITION_APPROVAL_NOT_NEEDED, /* the group is somebody's own */
  DEFINITION_APPROVAL_MISSING,
  DEFINITION_APPROVAL_INVALID,
  DEFINITION_APPROVAL_BYPASSED, /* "unapproved, …" */
  DEFINITION_APPROVAL_GIVEN,
} DefinitionApproval;

/* What DEFINITION's annotation says; *MESSAGE gets upstream's text, which the caller frees (NULL when not needed). */
DefinitionApproval definition_approval(const json_t *definition, char **message);
