#include "clusterd/proxy/address_family.h"

/* On ::1 nothing is translated: the kernel lets no packet with that source leave for a pod. */
const AddressFamily address_families[IP_FAMILIES] = {
  [IP_V4] = { "ip", "ipv4_addr", "0.0.0.0", "fib daddr type local" },
  [IP_V6] = { "ip6", "ipv6_addr", "::", "ip6 daddr != ::1 fib daddr type local" },
};

char *address_with_port(IpFamily family, const char *ip, uint16_t port)
{
  return g_strdup_printf(family == IP_V4 ? "%s:%u" : "[%s]:%u", ip, port);
}
