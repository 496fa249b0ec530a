#include "clusterd/node/address_pair.h"

char *address_pair_text(AddressPair pair)
{
  return g_strdup_printf("%s%s%s", pair.ip ? pair.ip : "", pair.other ? "," : "", pair.other ? pair.other : "");
}

json_t *address_pair_list(AddressPair pair)
{
  const char *const both[] = { pair.ip, pair.other };
  json_t *list = json_array();
  for (gsize i = 0; i < G_N_ELEMENTS(both); i++)
    if (both[i])
      json_array_append_new(list, json_pack("{s:s}", "ip", both[i]));
  return list;
}
