#pragma once
/* How long work tells what it does. The launcher's output (text or JSON events) implements it; every member may be
 * called from the working thread only. */
#include <stdint.h>

typedef struct Progress Progress;
struct Progress {
  /* A step of the work begins; ID is stable, TITLE for people. */
  void (*step)(Progress *progress, const char *id, const char *title);
  /* Something a person should know. */
  void (*notice)(Progress *progress, const char *text);
  /* DONE of TOTAL bytes (0: unknown) of ARTIFACT have arrived. */
  void (*download)(Progress *progress, const char *artifact, int64_t done, int64_t total);
};
