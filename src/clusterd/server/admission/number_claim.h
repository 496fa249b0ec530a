#pragma once
/*
 * Numbers that several servers give out from one range. What is taken is learned from the objects that hold it, and the
 * servers see each other's objects a moment late; so whoever is about to give a number out claims it in the store
 * first: a key that only one of them can make, and that is gone when the object holding the number is stored. Who gets
 * the key afterwards looks again, and sees that object. Where one server has the store to itself there is nothing to
 * claim.
 */
#include "clusterd/server/registry/registry_private.h"

/* A claim of a server that ended in the middle of a write is void after this long. */
#define NUMBER_CLAIM_SECONDS 300

typedef struct NumberClaim {
  char *key; /* NULL: nothing is claimed */
  int64_t revision;
} NumberClaim;

/* Claims NUMBER of RANGE ("serviceips") for OWNER; then all objects stored before are seen. False without an error when
 * another has it, with one when the store does not answer. May block. */
bool number_claim_take(Registry *registry, const char *range, uint32_t number, const char *owner, NumberClaim *claim,
                       GError **error);
void number_claim_release(Registry *registry, NumberClaim *claim);
