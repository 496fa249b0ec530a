#pragma once
/* Static tokens: a CSV file of `token,user,uid[,"group1,group2"]`, read once at start. Never changed afterwards, so
 * that any thread may ask. Source:
 * https://kubernetes.io/docs/reference/access-authn-authz/authentication/#static-token-file
 */
#include "clusterd/server/access/identity.h"

typedef struct TokenFile TokenFile;

#define TOKEN_FILE_MAX (4u << 20) /* bytes */

/* NULL with REASON_FILE, or REASON_CONFIG naming the line. */
TokenFile *token_file_read(const char *path, GError **error);
void token_file_free(TokenFile *file);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(TokenFile, token_file_free)

/* Who TOKEN stands for; NULL when it is not in the file. The caller frees. FILE may be NULL. */
Identity *token_file_find(const TokenFile *file, const char *token);
