#include "clusterd/node/machine.h"

#include <arpa/inet.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/statvfs.h>
#include <sys/utsname.h>
#include <unistd.h>

static char *read_small(const char *path)
{
  char *text = NULL;
  return g_file_get_contents(path, &text, NULL, NULL) ? text : g_strdup("");
}

char *machine_read_line(const char *path)
{
  char *text = read_small(path);
  text[strcspn(text, "\n")] = '\0';
  return text;
}

int64_t machine_cpu_milli(void)
{
  int64_t cpus = (int64_t)g_get_num_processors() * 1000;
  g_autofree char *limit = machine_read_line("/sys/fs/cgroup/cpu.max"); /* "QUOTA PERIOD" or "max PERIOD" */
  g_auto(GStrv) words = g_strsplit(limit, " ", 2);
  guint64 quota, period;
  if (words[0] && words[1] && g_ascii_string_to_unsigned(words[0], 10, 1, G_MAXINT64, &quota, NULL) &&
      g_ascii_string_to_unsigned(words[1], 10, 1, G_MAXINT64, &period, NULL))
    cpus = MIN(cpus, (int64_t)(quota * 1000 / period));
  return cpus;
}

int64_t machine_memory_bytes(void)
{
  int64_t bytes = (int64_t)sysconf(_SC_PHYS_PAGES) * sysconf(_SC_PAGESIZE);
  g_autofree char *text = machine_read_line("/sys/fs/cgroup/memory.max");
  guint64 limit;
  if (g_ascii_string_to_unsigned(text, 10, 1, G_MAXINT64, &limit, NULL))
    bytes = MIN(bytes, (int64_t)limit);
  return bytes;
}

int64_t machine_disk_bytes(const char *path)
{
  struct statvfs info;
  return statvfs(path, &info) == 0 ? (int64_t)(info.f_blocks * info.f_frsize) : 0;
}

char *machine_os_image(void)
{
  g_autofree char *text = read_small("/etc/os-release");
  g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
  for (char **line = lines; *line; line++)
    if (g_str_has_prefix(*line, "PRETTY_NAME=")) {
      char *name = g_shell_unquote(*line + strlen("PRETTY_NAME="), NULL);
      if (name)
        return name;
    }
  return g_strdup("Linux");
}

const char *machine_arch(void)
{
  struct utsname info;
  if (uname(&info) == 0 && g_str_equal(info.machine, "aarch64"))
    return "arm64";
  return "amd64";
}

static const void *address_bytes(const struct sockaddr *address)
{
  if (address->sa_family == AF_INET)
    return &((const struct sockaddr_in *)(const void *)address)->sin_addr;
  return &((const struct sockaddr_in6 *)(const void *)address)->sin6_addr;
}

/* How good an interface is as the machine's own; 0: not at all. */
static int rank(const struct ifaddrs *entry, IpFamily family)
{
  if (!entry->ifa_addr || entry->ifa_addr->sa_family != ip_family_socket(family) || (entry->ifa_flags & IFF_LOOPBACK) ||
      !(entry->ifa_flags & IFF_UP))
    return 0;
  if (family == IP_V6 && IN6_IS_ADDR_LINKLOCAL((const struct in6_addr *)address_bytes(entry->ifa_addr)))
    return 0;
  if (g_str_equal(entry->ifa_name, "eth0"))
    return 3;
  if (g_str_equal(entry->ifa_name, "tap0"))
    return 2;
  return g_str_has_prefix(entry->ifa_name, "pod") || g_str_has_prefix(entry->ifa_name, "docker") ? 0 : 1;
}

char *machine_ip(IpFamily family)
{
  struct ifaddrs *list = NULL;
  const struct ifaddrs *best = NULL;
  char text[IP_TEXT_MAX];
  char *ip = NULL;
  if (getifaddrs(&list) != 0)
    return NULL;
  for (const struct ifaddrs *entry = list; entry; entry = entry->ifa_next)
    if (rank(entry, family) > (best ? rank(best, family) : 0))
      best = entry;
  if (best)
    ip = g_strdup(inet_ntop(ip_family_socket(family), address_bytes(best->ifa_addr), text, sizeof text));
  freeifaddrs(list);
  return ip;
}
