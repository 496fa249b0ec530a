#pragma once
/* Prometheus' text format, version 0.0.4: families of samples with labels. */
#include <glib.h>
#include <stdint.h>

#define PROMETHEUS_TYPE "text/plain; version=0.0.4; charset=utf-8"

/* Begins the family NAME: TYPE is "counter" or "gauge". */
void prometheus_family(GString *text, const char *name, const char *type, const char *help);

/* One sample of the family NAME. LABELS is "key", "value", …, NULL. TIME_US 0: without a time. */
void prometheus_sample(GString *text, const char *name, const char *const *labels, double value, int64_t time_us);
