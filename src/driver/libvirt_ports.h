#pragma once
/* Ports of a running virtual machine: QEMU's user-mode networking forwards them, told so through its monitor. */
#include <libvirt/libvirt.h>

#include "driver/driver.h"

/* Pure: the argument of hostfwd_add and, with !FOR_ADD, of hostfwd_remove. The caller frees. */
char *hostfwd_argument(const char *address, DriverPort port, bool for_add);

/* Pure: whether TABLE (the monitor's answer to "info usernet") lists this forward. */
bool hostfwd_listed(const char *table, const char *address, DriverPort port);

/* Opens or closes a port of DOMAIN on ADDRESS. Already so is success. DRIVER_CONFLICT when somebody else has the port.
 */
bool libvirt_port_open(virDomainPtr domain, const char *address, DriverPort port, GError **error);
bool libvirt_port_close(virDomainPtr domain, const char *address, DriverPort port, GError **error);
