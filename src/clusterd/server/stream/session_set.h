#pragma once
/* Threads that serve one connection or stream for as long as it lasts (exec, logs), and their end at shutdown. */
#include <glib.h>
#include <stdbool.h>

#define SESSIONS_MAX 512

typedef struct SessionSet SessionSet;

SessionSet *session_set_new(void);
/* Interrupts every session (shutdown(2) of its descriptor) and waits for their threads; later ones are refused. */
void session_set_close(SessionSet *set);
/* Closes and frees. */
void session_set_free(SessionSet *set);

/* Runs RUN(DATA) on a thread of its own. INTERRUPT_FD is a socket whose shutdown ends it; the caller keeps its own.
 * False when there are too many, or the set was closed. */
bool session_set_run(SessionSet *set, int interrupt_fd, void (*run)(void *data), void *data);
