#pragma once
/* The kernel's capabilities. Source: linux/capability.h, capabilities(7). */
#include <jansson.h>
#include <stdint.h>

/* The bit of the capability NAME ("NET_ADMIN", "cap_net_admin"); -1 when there is none. NULL-safe. */
int capability_number(const char *name);

/* The bits of all capabilities this program knows by name. */
uint64_t capability_all(void);

/* The names of the bits of MASK, as OCI writes them: ["CAP_CHOWN", …]. New reference. */
json_t *capability_names(uint64_t mask);
