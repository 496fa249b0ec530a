#pragma once
/* The names of the files in a machine's folder, in one place. Every result is the caller's to free. */
#include "driver/driver.h"

char *machine_name(const MachineSpec *spec); /* "launcher-PROFILE" */
char *machine_disk_path(const MachineSpec *spec);
char *machine_console_path(const MachineSpec *spec);

/* The unix socket that carries the events channel of a virtual machine. In the machine's folder, or, where that path is
 * too long for a socket's address (108 bytes, unix(7)), in the user's runtime folder under the profile's uuid. */
char *machine_events_socket(const MachineSpec *spec);
