#pragma once
/* What kubelets may do: of secrets, volumes and accounts no more than the pods on their node need, of nodes and leases
 * only their own. Source: https://kubernetes.io/docs/reference/access-authn-authz/node/ */
#include <jansson.h>

#include "clusterd/server/access/rbac_rules.h"
#include "clusterd/server/registry/registry.h"

/* Whether IDENTITY is a node (system:node:NAME in system:nodes) and may do this; RULES (PolicyRule array) are what
 * every node may do besides. When a node may not, *WHY (which may be NULL) gets upstream's text, if there is one; the
 * caller frees. */
bool node_authorizer_allows(Registry *registry, const json_t *rules, const Identity *identity,
                            const Attributes *attributes, char **why);

/* The name of the node IDENTITY is, borrowed from it ("" when it has none); NULL: it is no node. */
const char *node_of_identity(const Identity *identity);

/* Whether SPEC, of a pod, refers to an object of RESOURCE ("secrets", "configmaps", "persistentvolumeclaims",
 * "clustertrustbundles") called NAME; NULL: of any name. */
bool pod_refers_to(const json_t *spec, const char *resource, const char *name);
