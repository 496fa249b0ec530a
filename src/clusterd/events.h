#pragma once
/* Boot events for the launcher: JSON lines {"event", "t", "message"}; see docs/internals/guest.md. */
#include <glib.h>

typedef struct Events Events;

/* PATH is the channel (a port or FIFO) or a file; NULL or "" writes to the log only. It is opened anew for each event,
 * so that a reader may come late. Never NULL. */
Events *events_open(const char *path);
void events_free(Events *events);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Events, events_free)

/* Writes one event; what nobody reads is dropped. Thread-safe. */
void events_write(Events *events, const char *event, const char *format, ...) G_GNUC_PRINTF(3, 4);
