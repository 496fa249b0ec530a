#pragma once
/* The machine as a virtual machine of libvirt's QEMU driver: user-mode networking, direct kernel boot, serial console
 * in a file. docs/internals/guest.md says what runs inside. */
#include "driver/driver.h"

extern const Driver libvirt_driver;
