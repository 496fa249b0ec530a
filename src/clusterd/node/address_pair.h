#pragma once
/* The addresses of a pod or of the node: one, or one of each IP family. */
#include <glib.h>
#include <jansson.h>

typedef struct AddressPair {
  const char *ip;    /* NULL: none at all */
  const char *other; /* of the other family; NULL: none */
} AddressPair;

/* "10.244.0.5,fd00::5", "" for none. The caller frees. */
char *address_pair_text(AddressPair pair);
/* [{ip}, {ip}] as status.podIPs and hostIPs write them. New reference. */
json_t *address_pair_list(AddressPair pair);
