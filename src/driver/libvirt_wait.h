#pragma once
/* Waiting for a domain to go down, by libvirt's lifecycle events instead of polling. */
#include <libvirt/libvirt.h>

#include "driver/driver.h"

/* Must come before the connection whose domains are waited for is opened. Starts, once a process, the thread that runs
 * libvirt's event loop. REASON_DRIVER. */
bool libvirt_events_start(GError **error);

/* Calls BEGIN(DOMAIN), then waits until DOMAIN is down or TIMEOUT_MS are over. *DOWN tells which. BEGIN runs after the
 * wait is armed, so that nothing is missed, and again every few seconds. */
bool libvirt_wait_down(virConnectPtr connection, virDomainPtr domain, int (*begin)(virDomainPtr domain), int timeout_ms,
                       bool *down, GError **error);
