#pragma once
/* Who belongs to whom: owner references, and the adoption and release of what a controller's selector matches.
 * Source: k8s.io/kubernetes pkg/controller/controller_ref_manager.go. */
#include <jansson.h>
#include <stdbool.h>

#include "clusterd/api/selector/selector.h"
#include "clusterd/client/informer.h"

/* The owner reference with `controller: true`, borrowed, or NULL. */
const json_t *owner_of(const json_t *object);

/* True when the controller of OBJECT is a KIND of GROUP ("apps", "ReplicaSet"; "" is core). */
bool owner_is(const json_t *owner, const char *group, const char *kind);

/* The controller reference to OWNER. New reference. */
json_t *owner_reference_new(const json_t *owner);

/* Index of objects without a controller, by namespace. */
#define OWNER_INDEX_ORPHANS "orphans"
#define OWNER_INDEX_UID "owner-uid"
char **owner_index_orphans(const Object *object);

/* Adds both indexes above to INFORMER. */
void owner_add_indexes(Informer *informer);

/* Whether OBJECT, which OWNER's selector matches, can belong to OWNER at all. */
typedef bool (*OwnerBelongs)(const Object *owner, const Object *object);

typedef struct OwnerClaim {
  Client *client;
  const char *owner_api_version, *owner_plural;
  const char *api_version, *plural; /* of what is claimed */
  Informer *informer;               /* of that kind, with owner_add_indexes */
  OwnerBelongs belongs;             /* NULL: the selector decides alone */
  const char *finalizer;            /* what is adopted gets it, and what is released loses it; NULL: none */
} OwnerClaim;

/* The objects OWNER controls: those it owns and SELECTOR still matches (the rest is released), and orphans that match,
 * which are adopted unless OWNER is being deleted. Array of Object*, owned; NULL when a write failed. */
GPtrArray *owner_claim(const OwnerClaim *claim, const Object *owner, const LabelSelector *selector, GError **error);

/* Takes FINALIZER off VALUE in place. True when it was there. */
bool owner_drop_finalizer(json_t *value, const char *finalizer);
