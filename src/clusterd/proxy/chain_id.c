#include "clusterd/proxy/chain_id.h"

#include <glib.h>

#define ID_TEXT_MAX 100 /* of a chain's name; nft allows 255 with our prefixes */
#define HASH_LENGTH 32  /* digits: nobody can find a text with the hash of somebody else's set */
#define ID_HASH_LENGTH 8

char *chain_hash(const char *text)
{
  g_autofree char *hash = g_compute_checksum_for_string(G_CHECKSUM_SHA256, text, -1);
  return g_strndup(hash, HASH_LENGTH);
}

char *chain_id(const char *text)
{
  g_autofree char *hash = chain_hash(text), *readable = g_strdup(text);
  for (char *c = readable; *c; c++)
    if (!g_ascii_isalnum(*c) && *c != '/' && *c != '-')
      *c = '-';
  return g_strdup_printf("%.*s-%.*s", ID_HASH_LENGTH, hash, ID_TEXT_MAX, readable);
}
