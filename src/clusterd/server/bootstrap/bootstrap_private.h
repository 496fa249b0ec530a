#pragma once
/* What the files that make the first objects share. */
#include "clusterd/server/registry/registry.h"

/* The object NAME of a kind; its kind is NULL when this server does not have it. */
Target bootstrap_target(Registry *registry, const char *group, const char *version, const char *plural,
                        const char *namespace_, const char *name);

/* Who makes them. */
extern const Caller bootstrap_self;

/* Creates VALUE (reference taken) unless it exists. *PRESENT (may be NULL) gets what was there, NULL when nothing was.
 * A kind this server does not have is skipped. */
bool bootstrap_ensure(Registry *registry, Target target, json_t *value, Object **present, GError **error);

/* The rules of the default ClusterRole called NAME. New array; NULL when there is no such role. */
json_t *bootstrap_rules(const char *name);

/* bootstrap_roles.c: the default roles and bindings; what is there and marked for it gets what it lacks. */
bool bootstrap_rbac_objects(Registry *registry, GError **error);
