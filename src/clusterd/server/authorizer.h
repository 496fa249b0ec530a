#pragma once
/* RBAC: who may do what. Keeps an index of all rules by subject and rebuilds it after a role or binding changed.
 * Source: https://kubernetes.io/docs/reference/access-authn-authz/rbac/ */
#include <glib.h>
#include <stdbool.h>

#include "clusterd/server/registry.h"

typedef struct Authorizer Authorizer;

/* What is asked for. Members of a non-resource request besides VERB and PATH are NULL. */
typedef struct Attributes {
  const char *verb;
  const char *path; /* of a non-resource request, else NULL */
  const char *group, *resource, *subresource, *namespace_, *name;
} Attributes;

/* Observes REGISTRY, which must outlive it. MODES ("RBAC", "AlwaysAllow", "AlwaysDeny"; NULL: RBAC) are asked in their
 * order until one allows; whoever is in system:masters is asked nothing. */
Authorizer *authorizer_new(Registry *registry, const char *const *modes);
void authorizer_free(Authorizer *authorizer);

/* IDENTITY NULL is this process itself and may do everything. */
bool authorizer_allows(Authorizer *authorizer, const Identity *identity, const Attributes *attributes);

/* As authorizer_allows; false with REASON_FORBIDDEN and upstream's text. */
bool authorizer_check(Authorizer *authorizer, const Identity *identity, const Attributes *attributes, GError **error);

/* The rules that apply to IDENTITY in NAMESPACE, for SelfSubjectRulesReview: {resourceRules, nonResourceRules}. New
 * reference. */
json_t *authorizer_rules(Authorizer *authorizer, const Identity *identity, const char *namespace_);

/* True when every one of RULES (PolicyRule array) is covered by what IDENTITY may do in NAMESPACE. For the check
 * against giving away more than one has. */
bool authorizer_covers(Authorizer *authorizer, const Identity *identity, const char *namespace_, const json_t *rules);

/* The rules of ROLE (a Role or ClusterRole), those it aggregates included. New reference. */
json_t *authorizer_role_rules(Authorizer *authorizer, const Object *role);
