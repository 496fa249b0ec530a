#pragma once
/* What this machine is and has. */
#include <glib.h>
#include <stdint.h>

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

/* The IPv4 address others reach this machine by: that of eth0 or tap0, else of the first interface that is up and no
 * loopback, bridge or pod's. NULL: none. The caller frees. */
char *machine_ip(void);
