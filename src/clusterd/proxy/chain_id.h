#pragma once
/* Names of chains and sets that belong to an object. */

/* TEXT ("namespace/name/...") as a part of a chain's name: "HASH-TEXT", where the hash keeps it unique when the
 * readable part is cut or loses characters that nft does not take. The caller frees. */
char *chain_id(const char *text);

/* Only a hash, of 32 hexadecimal digits, for what anybody may choose the text of. The caller frees. */
char *chain_hash(const char *text);
