#pragma once
/* What the kubelet's flags say about pressure, taken apart. */
#include "clusterd/node/pressure/image_collector.h"
#include "clusterd/node/pressure/reservation.h"

/* The flags themselves; lists may be NULL. */
typedef struct PressureFlags {
  ThresholdTexts thresholds;
  int64_t transition_seconds;    /* eviction-pressure-transition-period */
  int64_t interval_seconds;      /* housekeeping-interval */
  int64_t max_pod_grace_seconds; /* eviction-max-pod-grace-period */
  int64_t image_high, image_low; /* image-gc-high-threshold, image-gc-low-threshold */
  int64_t image_minimum_seconds; /* minimum-image-ttl-duration */
  int64_t image_maximum_seconds; /* maximum-image-ttl-duration; 0: none */
  const char *const *kube_reserved, *const *system_reserved;
} PressureFlags;

typedef struct PressureSettings {
  GArray *thresholds; /* Threshold */
  int64_t transition_us, interval_us;
  int64_t max_pod_grace_seconds;
  ImagePolicy images;
  Reservation reserved;
} PressureSettings;

/* NULL with REASON_CONFIG, which names the flag. */
PressureSettings *pressure_settings_new(const PressureFlags *flags, GError **error);
void pressure_settings_free(PressureSettings *settings);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(PressureSettings, pressure_settings_free)
