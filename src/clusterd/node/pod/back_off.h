#pragma once
/* How long what fails again and again waits: 10 seconds, twice as long each time, 300 at most; after ten minutes
 * without a failure from the beginning. Source: pkg/kubelet (MaxContainerBackOff, imageBackOff), client-go
 * flowcontrol.Backoff. Times are microseconds of one clock, which the caller reads. */
#include <stdbool.h>
#include <stdint.h>

/* All 0: nothing has failed. */
typedef struct BackOff {
  int64_t delay_us;
  int64_t set_us; /* when the delay last grew */
} BackOff;

/* When what failed at FAILED_US may be tried again, which may be in the past. Forgets a delay that is old by then. */
int64_t back_off_until(BackOff *back_off, int64_t failed_us);

/* It is tried again at NOW_US: the next failure waits longer. */
void back_off_grow(BackOff *back_off, int64_t now_us);

/* The delay as upstream writes it: "10s", "1m20s". The caller frees. */
char *back_off_text(const BackOff *back_off);
