#pragma once
/*
 * Threads that work for pods beside their workers: hooks, and stops of containers, which last as long as containers
 * like. When the node agent ends they are called off and awaited, so that nothing they use goes before them.
 */
#include <glib.h>
#include <stdbool.h>

typedef struct Background Background;

Background *background_new(void);

/* Runs RUN(DATA) on a thread of its own. Any thread may call it until background_free. */
void background_run(Background *background, const char *name, GThreadFunc run, void *data);

/* Tells all that work, and whoever begins after it, to give up. */
void background_call_off(Background *background);

/* Whether that happened; a descriptor that is readable from then on, borrowed. */
bool background_is_called_off(Background *background);
int background_call_off_fd(Background *background);

/* Waits for the threads. NULL-safe. */
void background_free(Background *background);
