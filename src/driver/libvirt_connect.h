#pragma once
/* Connections to libvirt, and its daemon where no service manager starts it. */
#include <glib.h>
#include <libvirt/libvirt.h>
#include <stdbool.h>

#include "base/reason.h"

static inline void libvirt_connection_close(virConnectPtr connection)
{
  virConnectClose(connection);
}
static inline void libvirt_domain_free(virDomainPtr domain)
{
  virDomainFree(domain);
}
G_DEFINE_AUTOPTR_CLEANUP_FUNC(virConnect, libvirt_connection_close)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(virDomain, libvirt_domain_free)

/* LIBVIRT_DEFAULT_URI, else qemu:///system for root and qemu:///session for everybody else. Borrowed. */
const char *libvirt_uri(void);

/* Whether URI names the system daemon. Pure. */
bool libvirt_uri_is_system(const char *uri);

/* Connects to libvirt_uri(). The session's daemon is started by libvirt itself; the system's, where it does not run and
 * no service manager is in charge, by us, for as long as it has machines or clients. The caller closes (g_autoptr).
 * PROVIDER_NOT_FOUND, PROVIDER_PERMISSION or PROVIDER_UNAVAILABLE. */
virConnectPtr libvirt_connect(GError **error);

/* To be called before a machine starts: libvirtd wants virtlogd then, which nobody else starts where we started
 * libvirtd, and which ends when it had nothing to do for a while. Does nothing where that is not our business. */
void libvirt_log_daemon_ensure(void);

/* Sets *ERROR to REASON with the text and libvirt's last error of this thread. Returns false. */
bool libvirt_fail(GError **error, Reason reason, const char *format, ...) G_GNUC_PRINTF(3, 4);
