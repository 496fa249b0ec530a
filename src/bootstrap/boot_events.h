#pragma once
/* What the machine says while it comes up: JSON lines (docs/internals/guest.md, "Events"). */
#include <glib.h>
#include <stdbool.h>

#define BOOT_EVENT_LINE_MAX 4096

typedef struct BootEvents BootEvents;

/* Reads from FD, which it owns from now on. */
BootEvents *boot_events_new(int fd);
void boot_events_free(BootEvents *events);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(BootEvents, boot_events_free)

/* The next event's name and message (both freed by the caller; MESSAGE may be NULL). Lines that are no event are
 * skipped. Waits until DEADLINE (g_get_monotonic_time). False with REASON_GUEST_TIMEOUT, or REASON_GUEST when the
 * machine went down. */
bool boot_events_next(BootEvents *events, int64_t deadline, char **name, char **message, GError **error);
