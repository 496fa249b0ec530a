#pragma once
/* RBAC: who may do what. Keeps an index of all rules by subject and rebuilds it after a role or binding changed.
 * Source: https://kubernetes.io/docs/reference/access-authn-authz/rbac/ */
#include <glib.h>
#include <stdbool.h>

#include "clusterd/server/access/rbac_rules.h"
#include "clusterd/server/registry/registry.h"

typedef struct Authorizer Authorizer;

/* Observes REGISTRY, which must outlive it. MODES ("RBAC", "Node", "AlwaysAllow", "AlwaysDeny"; NULL: RBAC) are asked
 * in their order until one allows; whoever is in system:masters is asked nothing. */
Authorizer *authorizer_new(Registry *registry, const char *const *modes);
void authorizer_free(Authorizer *authorizer);

/* IDENTITY NULL is this process itself and may do everything. */
bool authorizer_allows(Authorizer *authorizer, const Identity *identity, const Attributes *attributes);

/* As authorizer_allows, and *WHY gets upstream's text of what decided, "" when there is none to tell; the caller frees.
 */
bool authorizer_decide(Authorizer *authorizer, const Identity *identity, const Attributes *attributes, char **why);

/* Sets *ERROR to REASON_FORBIDDEN with upstream's text; WHY ("" or NULL: none) is added to it. Returns false. */
bool authorizer_refuse(const Identity *identity, const Attributes *attributes, const char *why, GError **error);

/* As authorizer_allows; false with authorizer_refuse. */
bool authorizer_check(Authorizer *authorizer, const Identity *identity, const Attributes *attributes, GError **error);

/* The rules that apply to IDENTITY in NAMESPACE, for SelfSubjectRulesReview: {resourceRules, nonResourceRules}. New
 * reference. */
json_t *authorizer_rules(Authorizer *authorizer, const Identity *identity, const char *namespace_);

/* What of RULES (PolicyRule array) IDENTITY may not itself do in NAMESPACE, in the pieces of rbac_rules_split. New
 * array. For the check against giving away more than one has. */
json_t *authorizer_missing(Authorizer *authorizer, const Identity *identity, const char *namespace_,
                           const json_t *rules);

/* The rules of ROLE (a Role or ClusterRole), those it aggregates included. New reference. */
json_t *authorizer_role_rules(Authorizer *authorizer, const Object *role);
