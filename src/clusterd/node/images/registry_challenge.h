#pragma once
/* What a registry asks for: WWW-Authenticate. Source: RFC 9110 11.6.1; distribution's "Token authentication". */
#include <glib.h>
#include <stdbool.h>

#define REGISTRY_CHALLENGE_MAX 4096 /* bytes of one header's value */

typedef struct RegistryChallenge {
  bool basic, bearer;                    /* which ways it offers */
  char *realm, *service, *scope, *error; /* of bearer; NULL where absent */
} RegistryChallenge;

/* Adds what VALUE, a header's, offers to CHALLENGE. What cannot be read is left out; of two offers of bearer the first
 * counts. */
void registry_challenge_read(RegistryChallenge *challenge, const char *value);
void registry_challenge_clear(RegistryChallenge *challenge);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(RegistryChallenge, registry_challenge_clear)
