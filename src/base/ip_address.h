#pragma once
/* Internet addresses of both families as numbers, and ranges of them in the form "10.244.0.0/24", "fd00:10::/64". */
#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

typedef enum IpFamily { IP_V4, IP_V6, IP_FAMILIES } IpFamily;
#define IP_TEXT_MAX 46 /* bytes of an address's text with its end, INET6_ADDRSTRLEN */

__extension__ typedef unsigned __int128 IpNumber; /* of IPv4 only the lowest 32 bits */

typedef struct IpAddress {
  IpFamily family;
  IpNumber number;
} IpAddress;

typedef struct IpRange {
  IpFamily family;
  IpNumber first, last; /* both belong to it */
  unsigned bits;        /* of the prefix */
} IpRange;

/* Both families' names as the API writes them: "IPv4", "IPv6". */
extern const char *const ip_family_names[IP_FAMILIES];
/* AF_INET or AF_INET6; bits and bytes of an address. */
int ip_family_socket(IpFamily family);
unsigned ip_family_bits(IpFamily family);

/* False when TEXT (may be NULL) is not a plain address. "::ffff:1.2.3.4" is of IPv6. */
bool ip_address_parse(const char *text, IpAddress *address);
/* True when TEXT is an address of FAMILY. */
bool ip_address_is(const char *text, IpFamily family);
/* Writes the shortest text and returns TEXT. */
char *ip_address_write(const IpAddress *address, char text[IP_TEXT_MAX]);
/* As write; the caller frees. */
char *ip_address_text(const IpAddress *address);
/* Network order; 4 or 16 of them are written. */
void ip_address_bytes(const IpAddress *address, uint8_t bytes[16]);

/* Bits beyond the prefix are ignored. False when TEXT (may be NULL) is no range. */
bool ip_range_parse(const char *text, IpRange *range);
/* True when TEXT is a range of FAMILY. */
bool ip_range_is(const char *text, IpFamily family);
/* "10.244.0.0/24"; the caller frees. */
char *ip_range_text(const IpRange *range);

/* LIST, "10.244.0.0/24,fd00:10::/64": one range, or two of different families, in their order. Their number; 0 when it
 * is anything else. */
unsigned ip_ranges_parse(const char *list, IpRange ranges[IP_FAMILIES]);
/* The part of LIST, as above, that is of FAMILY. NULL: none. The caller frees. */
char *ip_ranges_of(const char *list, IpFamily family);
