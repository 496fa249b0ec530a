#include "clusterd/node/pressure/pressure_settings.h"

#include "base/reason.h"

#define PERCENT_MAX 100

static bool check_images(const PressureFlags *flags, GError **error)
{
  if (flags->image_high > PERCENT_MAX || flags->image_low >= flags->image_high)
    return reason_set(error, REASON_CONFIG,
                      "--image-gc-low-threshold: %" G_GINT64_FORMAT
                      " must be less than --image-gc-high-threshold, %" G_GINT64_FORMAT ", which may be %d at most",
                      flags->image_low, flags->image_high, PERCENT_MAX);
  if (flags->image_maximum_seconds > 0 && flags->image_maximum_seconds <= flags->image_minimum_seconds)
    return reason_set(error, REASON_CONFIG,
                      "--maximum-image-ttl-duration: %" G_GINT64_FORMAT
                      "s must be more than --minimum-image-ttl-duration, %" G_GINT64_FORMAT "s",
                      flags->image_maximum_seconds, flags->image_minimum_seconds);
  return true;
}

PressureSettings *pressure_settings_new(const PressureFlags *flags, GError **error)
{
  g_autoptr(PressureSettings) settings = g_new0(PressureSettings, 1);
  settings->transition_us = flags->transition_seconds * G_USEC_PER_SEC;
  settings->interval_us = flags->interval_seconds * G_USEC_PER_SEC;
  settings->max_pod_grace_seconds = flags->max_pod_grace_seconds;
  settings->images = (ImagePolicy){ .high_percent = flags->image_high,
                                    .low_percent = flags->image_low,
                                    .minimum_age_us = flags->image_minimum_seconds * G_USEC_PER_SEC,
                                    .maximum_age_us = flags->image_maximum_seconds * G_USEC_PER_SEC };
  settings->thresholds = thresholds_parse(&flags->thresholds, error);
  if (!settings->thresholds || !check_images(flags, error) ||
      !reservation_add(&settings->reserved, "kube-reserved", flags->kube_reserved, error) ||
      !reservation_add(&settings->reserved, "system-reserved", flags->system_reserved, error))
    return NULL;
  return g_steal_pointer(&settings);
}

void pressure_settings_free(PressureSettings *settings)
{
  if (!settings)
    return;
  if (settings->thresholds)
    g_array_unref(settings->thresholds);
  reservation_clear(&settings->reserved);
  g_free(settings);
}
