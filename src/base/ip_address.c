#include "base/ip_address.h"

#include <arpa/inet.h>
#include <string.h>

G_STATIC_ASSERT(IP_TEXT_MAX == INET6_ADDRSTRLEN);

const char *const ip_family_names[IP_FAMILIES] = { "IPv4", "IPv6" };

int ip_family_socket(IpFamily family)
{
  return family == IP_V4 ? AF_INET : AF_INET6;
}

unsigned ip_family_bits(IpFamily family)
{
  return family == IP_V4 ? 32 : 128;
}

bool ip_address_parse(const char *text, IpAddress *address)
{
  uint8_t bytes[16];
  if (!text)
    return false;
  address->family = strchr(text, ':') ? IP_V6 : IP_V4;
  if (inet_pton(ip_family_socket(address->family), text, bytes) != 1)
    return false;
  address->number = 0;
  for (unsigned i = 0; i < ip_family_bits(address->family) / 8; i++)
    address->number = address->number << 8 | bytes[i];
  return true;
}

bool ip_address_is(const char *text, IpFamily family)
{
  IpAddress address;
  return ip_address_parse(text, &address) && address.family == family;
}

void ip_address_bytes(const IpAddress *address, uint8_t bytes[16])
{
  unsigned length = ip_family_bits(address->family) / 8;
  for (unsigned i = 0; i < length; i++)
    bytes[i] = (uint8_t)(address->number >> (8 * (length - 1 - i)));
}

char *ip_address_write(const IpAddress *address, char text[IP_TEXT_MAX])
{
  uint8_t bytes[16];
  ip_address_bytes(address, bytes);
  inet_ntop(ip_family_socket(address->family), bytes, text, IP_TEXT_MAX);
  return text;
}

char *ip_address_text(const IpAddress *address)
{
  char text[IP_TEXT_MAX];
  return g_strdup(ip_address_write(address, text));
}

bool ip_range_parse(const char *text, IpRange *range)
{
  IpAddress address;
  guint64 bits;
  char *slash = text ? strchr(text, '/') : NULL;
  g_autofree char *start = slash ? g_strndup(text, (gsize)(slash - text)) : NULL;
  if (!ip_address_parse(start, &address) ||
      !g_ascii_string_to_unsigned(slash + 1, 10, 0, ip_family_bits(address.family), &bits, NULL))
    return false;
  unsigned host_bits = ip_family_bits(address.family) - (unsigned)bits;
  IpNumber host = host_bits == 128 ? ~(IpNumber)0 : ((IpNumber)1 << host_bits) - 1;
  *range = (IpRange){ address.family, address.number & ~host, address.number | host, (unsigned)bits };
  return true;
}

bool ip_range_is(const char *text, IpFamily family)
{
  IpRange range;
  return ip_range_parse(text, &range) && range.family == family;
}

char *ip_range_text(const IpRange *range)
{
  char text[IP_TEXT_MAX];
  IpAddress first = { range->family, range->first };
  return g_strdup_printf("%s/%u", ip_address_write(&first, text), range->bits);
}

unsigned ip_ranges_parse(const char *list, IpRange ranges[IP_FAMILIES])
{
  g_auto(GStrv) parts = g_strsplit(list ? list : "", ",", IP_FAMILIES + 1);
  unsigned count = g_strv_length(parts);
  if (count > IP_FAMILIES)
    return 0;
  for (unsigned i = 0; i < count; i++)
    if (!ip_range_parse(parts[i], &ranges[i]) || (i > 0 && ranges[i].family == ranges[0].family))
      return 0;
  return count;
}

char *ip_ranges_of(const char *list, IpFamily family)
{
  IpRange ranges[IP_FAMILIES];
  unsigned count = ip_ranges_parse(list, ranges);
  for (unsigned i = 0; i < count; i++)
    if (ranges[i].family == family)
      return ip_range_text(&ranges[i]);
  return NULL;
}
