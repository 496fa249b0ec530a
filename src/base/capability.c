#include "base/capability.h"

#include <glib.h>

/* In the kernel's order: the index is the bit. */
static const char *const names[] = {
  "CHOWN",
  "DAC_OVERRIDE",
  "DAC_READ_SEARCH",
  "FOWNER",
  "FSETID",
  "KILL",
  "SETGID",
  "SETUID",
  "SETPCAP",
  "LINUX_IMMUTABLE",
  "NET_BIND_SERVICE",
  "NET_BROADCAST",
  "NET_ADMIN",
  "NET_RAW",
  "IPC_LOCK",
  "IPC_OWNER",
  "SYS_MODULE",
  "SYS_RAWIO",
  "SYS_CHROOT",
  "SYS_PTRACE",
  "SYS_PACCT",
  "SYS_ADMIN",
  "SYS_BOOT",
  "SYS_NICE",
  "SYS_RESOURCE",
  "SYS_TIME",
  "SYS_TTY_CONFIG",
  "MKNOD",
  "LEASE",
  "AUDIT_WRITE",
  "AUDIT_CONTROL",
  "SETFCAP",
  "MAC_OVERRIDE",
  "MAC_ADMIN",
  "SYSLOG",
  "WAKE_ALARM",
  "BLOCK_SUSPEND",
  "AUDIT_READ",
  "PERFMON",
  "BPF",
  "CHECKPOINT_RESTORE",
};

int capability_number(const char *name)
{
  const char *bare = name && g_ascii_strncasecmp(name, "CAP_", 4) == 0 ? name + 4 : name;
  for (size_t i = 0; bare && i < G_N_ELEMENTS(names); i++)
    if (g_ascii_strcasecmp(bare, names[i]) == 0)
      return (int)i;
  return -1;
}

uint64_t capability_all(void)
{
  return (UINT64_C(1) << G_N_ELEMENTS(names)) - 1;
}

json_t *capability_names(uint64_t mask)
{
  json_t *list = json_array();
  for (size_t i = 0; i < G_N_ELEMENTS(names); i++)
    if (mask >> i & 1)
      json_array_append_new(list, json_sprintf("CAP_%s", names[i]));
  return list;
}
