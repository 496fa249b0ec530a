#pragma once
/* What most verbs begin with: the profile, its machine, and how much of it must be running. */
#include <glib.h>

#include "bootstrap/machine.h"
#include "launcher/command.h"

typedef struct Live {
  Profile *profile;
  Machine *machine;
  MachineState state;
} Live;

typedef enum LiveNeed {
  LIVE_PROFILE, /* it exists */
  LIVE_MACHINE, /* … and its machine runs: else REASON_GUEST_NOT_RUNNING */
  LIVE_API,     /* … and its API server answers: else REASON_APISERVER_NOT_RUNNING */
} LiveNeed;

/* NULL with REASON_GUEST_NOT_FOUND or as above. */
Live *live_load(const Invocation *invocation, LiveNeed need, GError **error);
void live_free(Live *live);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Live, live_free)

/* Becomes PROGRAM with ARGV (NULL-terminated; searched in PATH). Returns only when that fails: false with
 * REASON_PROVIDER_NOT_FOUND naming PACKAGE. */
bool live_exec(const char *const *argv, const char *package, GError **error);
