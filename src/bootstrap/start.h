#pragma once
/* How a cluster comes up: a table of steps from a profile to a cluster that answers. Every step can be repeated: a
 * start that was killed anywhere is finished by the next one. Nothing here deletes. */
#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#include "bootstrap/kubeconfig.h"
#include "bootstrap/progress.h"
#include "profile/profile.h"

typedef struct StartOptions {
  const char *image_source; /* URL or path of the boot image */
  const char *image_key;    /* one more key to trust, or NULL */
  bool download_only;       /* end after the boot image */
  KubeconfigOptions kubeconfig;
  int64_t wait_timeout_ms;  /* for the machine to be ready */
  const char *program_path; /* of this program, to run the profile's keeper */
} StartOptions;

typedef struct StartTiming {
  const char *id; /* of the step */
  int64_t duration_us;
} StartTiming;

/* Runs the steps. The caller holds the profile's lock. PROFILE gets its address and image digest and is saved. *TIMINGS
 * (may be NULL) gets an array of StartTiming, g_array_unref. */
bool start_run(const Home *home, Profile *profile, const StartOptions *options, Progress *progress, GArray **timings,
               GError **error);
