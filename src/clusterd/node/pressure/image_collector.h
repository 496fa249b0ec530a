#pragma once
/*
 * Takes away images nobody uses when the file system they lie on fills, and such as have not been used for too long.
 * When an image was found and last used is remembered in a file. Called on one thread alone. Source: Kubernetes
 * "Garbage collection of unused images".
 */
#include <stdbool.h>

#include "clusterd/client/recorder.h"
#include "clusterd/node/pressure/pressure_source.h"

#define IMAGE_PERIOD_US (300 * (int64_t)G_USEC_PER_SEC) /* between two looks */

typedef struct ImagePolicy {
  int64_t high_percent, low_percent; /* of the file system that is in use: from when on, and down to where */
  int64_t minimum_age_us;            /* since an image was found: it may be about to be used */
  int64_t maximum_age_us;            /* since it was used; 0: any */
} ImagePolicy;

typedef struct ImageCollector ImageCollector;

/* RECORDS_PATH: the file; NULL: nothing is remembered. POLICY is copied, the rest must outlive it. */
ImageCollector *image_collector_new(Runtime *runtime, const PressureSource *source, Recorder *recorder,
                                    const char *node_name, const ImagePolicy *policy, const char *records_path);
void image_collector_free(ImageCollector *collector);

/* Once in IMAGE_PERIOD_US, or sooner when the file system has filled since: notes what is used, and collects. */
void image_collector_pass(ImageCollector *collector, const Observations *seen);

/* Takes away every image that is unused and old enough. */
void image_collector_remove_unused(ImageCollector *collector);
