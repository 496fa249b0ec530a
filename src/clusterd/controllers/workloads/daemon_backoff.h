#pragma once
/* How long failed pods of a daemon set stay before they are replaced: a pod its node refuses would else be made and
 * refused in a circle. Per key, 1 s, then twice as long each time, at most 15 minutes; who did not fail for twice that
 * time begins anew. Not thread-safe. Source: client-go util/flowcontrol Backoff as pkg/controller/daemon uses it. */
#include <glib.h>
#include <stdint.h>

typedef struct DaemonBackoff DaemonBackoff;

DaemonBackoff *daemon_backoff_new(void);
void daemon_backoff_free(DaemonBackoff *backoff);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(DaemonBackoff, daemon_backoff_free)

/* 0 when what failed under KEY may be replaced at NOW_US, which is then taken as done; else the microseconds that are
 * still to pass. */
int64_t daemon_backoff_ask(DaemonBackoff *backoff, const char *key, int64_t now_us);

/* How many keys it remembers. */
unsigned daemon_backoff_size(const DaemonBackoff *backoff);
