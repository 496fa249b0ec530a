#pragma once
/* What the rules of IPv4 and IPv6 have for names: each family has a table of its own, of the same shape. */
#include "base/ip_address.h"

typedef struct AddressFamily {
  const char *table;         /* "ip": the table's family, and the header in matches ("ip daddr") */
  const char *type;          /* "ipv4_addr" */
  const char *anywhere;      /* "0.0.0.0" */
  const char *local_address; /* a match of the addresses that node ports and host ports are open on */
} AddressFamily;

extern const AddressFamily address_families[IP_FAMILIES];

/* "10.0.0.1:80", "[fd00::1]:80"; the caller frees. */
char *address_with_port(IpFamily family, const char *ip, uint16_t port);
