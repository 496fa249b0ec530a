#pragma once
/* The machine as one crun container of the host, without a virtual machine: the boot image's root file system, in
 * namespaces of its own. Needs root. docs/internals/guest.md, "The container driver". */
#include "driver/driver.h"

extern const Driver container_driver;
