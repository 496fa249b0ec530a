#pragma once
/* What this machine is and has. */
#include <glib.h>
#include <stdint.h>

#include "base/ip_address.h"

/* The smaller of what the hardware and the cgroup we live in allow. */
int64_t machine_cpu_milli(void);
int64_t machine_memory_bytes(void);

/* Bytes of the file system PATH lies on; 0: unknown. */
int64_t machine_disk_bytes(const char *path);

/* The first line of a small file, "" when it is absent. The caller frees. */
char *machine_read_line(const char *path);

/* PRETTY_NAME of os-release, "Linux" when it is not told. The caller frees. */
char *machine_os_image(void);

/* As GOARCH writes it: "amd64", "arm64". Static. */
const char *machine_arch(void);

/* The address of FAMILY by which others reach this machine: that of eth0 or tap0, else of the first interface that is
 * up and no loopback, bridge or pod's; one of IPv6 is not of the link alone. NULL: none. The caller frees. */
char *machine_ip(IpFamily family);
