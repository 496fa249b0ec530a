#pragma once
/* Times as Kubernetes writes them: RFC 3339 in UTC, to the second (Time) or the microsecond (MicroTime). */
#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

/* The current wall-clock time in microseconds since 1970. */
int64_t timestamp_now_us(void);

/* "2026-11-23T10:00:00Z" and "2026-11-23T10:00:00.000000Z". The caller frees. */
char *timestamp_text(int64_t time_us);
char *timestamp_text_micro(int64_t time_us);

/* The current time as timestamp_text. The caller frees. */
char *timestamp_now(void);

/* Parses RFC 3339 with or without a fraction and with any zone. False when TEXT is not such a time (NULL included). */
bool timestamp_parse(const char *text, int64_t *time_us);

/* kubectl's short ages from a duration in microseconds: "5s", "2m3s", "47m", "3h20m", "27h", "3d4h", "9d", "2y10d".
 * Source: k8s.io/apimachinery/pkg/util/duration HumanDuration. Negative is "<invalid>". The caller frees. */
char *timestamp_human_duration(int64_t duration_us);

/* A duration that is not negative, as Go writes it: "14.731s", "1m0.5s", "950ms", "0s". The caller frees. */
char *timestamp_go_duration(int64_t duration_us);
