#pragma once
/* Addresses of this machine's own, set through netlink. */
#include <glib.h>
#include <stdbool.h>

/* Puts ADDRESS/32 on the loopback interface, so that packets to it end here; there already is success.
 * REASON_LOCAL_NETWORK. */
bool address_add_loopback(const char *address, GError **error);
