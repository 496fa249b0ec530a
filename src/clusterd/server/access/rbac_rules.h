#pragma once
/* PolicyRules as values: what one allows, and whether some cover others. Pure functions.
 * Source: https://kubernetes.io/docs/reference/access-authn-authz/rbac/, k8s.io/component-helpers/auth/rbac/validation
 */
#include <glib.h>
#include <jansson.h>
#include <stdbool.h>

/* What is asked for. Members of a non-resource request besides VERB and PATH are NULL. */
typedef struct Attributes {
  const char *verb;
  const char *path; /* of a non-resource request, else NULL */
  const char *group, *resource, *subresource, *namespace_, *name;
  const char *fields; /* the field selector of a list or watch as it was sent; NULL: none */
} Attributes;

/* Whether RULE (a PolicyRule) allows what ATTRIBUTES say. */
bool rbac_rule_allows(const json_t *rule, const Attributes *attributes);

/* RULES taken apart: every piece has one verb and one group, resource and name, or one URL. New array. */
json_t *rbac_rules_split(const json_t *rules);

/* Whether RULE gives all that PIECE, of rbac_rules_split, gives. */
bool rbac_rule_covers(const json_t *rule, const json_t *piece);

/* Those pieces of WANTED that no rule of OWNED covers. New array. */
json_t *rbac_rules_missing(const json_t *owned, const json_t *wanted);

/* PIECES as upstream tells of them: verbs of the same resource together, a line for each, sorted:
 * `{APIGroups:["apps"], Resources:["deployments"], Verbs:["get" "list"]}`. The caller frees. */
char *rbac_rules_text(const json_t *pieces);
