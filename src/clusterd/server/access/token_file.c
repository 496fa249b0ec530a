#include "clusterd/server/access/token_file.h"

#include <openssl/sha.h>
#include <string.h>

#include "base/file.h"
#include "base/reason.h"

#define COLUMNS_MIN 3

struct TokenFile {
  /* Keyed by the token's SHA-256, so that the time a look-up takes tells nothing of the tokens there are. */
  GHashTable *users; /* GBytes → Identity */
};

static GBytes *digest(const char *token)
{
  unsigned char bytes[SHA256_DIGEST_LENGTH];
  SHA256((const unsigned char *)token, strlen(token), bytes);
  return g_bytes_new(bytes, sizeof bytes);
}

/* --- CSV (RFC 4180) ------------------------------------------------------------------------------------------------
 */

/* The field at *CURSOR, without its quotes; *CURSOR then stands at what ended it. NULL when a quote is never closed. */
static char *read_field(const char **cursor)
{
  g_autoptr(GString) field = g_string_new(NULL);
  const char *c = *cursor;
  bool quoted = *c == '"';
  c += quoted;
  while (*c && (quoted || (*c != ',' && *c != '\n'))) {
    if (quoted && *c == '"' && c[1] != '"')
      break;
    c += quoted && *c == '"';
    g_string_append_c(field, *c++);
  }
  if (quoted && *c++ != '"')
    return NULL;
  while (quoted && *c && *c != ',' && *c != '\n')
    c++;
  *cursor = c;
  return g_strstrip(g_string_free(g_steal_pointer(&field), FALSE));
}

/* The fields of the record at *CURSOR, which then stands behind its line. g_strfreev; NULL as above. */
static char **read_record(const char **cursor)
{
  g_autoptr(GStrvBuilder) fields = g_strv_builder_new();
  for (;;) {
    g_autofree char *field = read_field(cursor);
    if (!field)
      return NULL;
    g_strv_builder_add(fields, field);
    if (**cursor != ',')
      break;
    ++*cursor;
  }
  *cursor += **cursor == '\n';
  return g_strv_builder_end(fields);
}

/* --- users ---------------------------------------------------------------------------------------------------------
 */

static Identity *identity_of_record(char **record, guint count)
{
  g_autoptr(GStrvBuilder) groups = g_strv_builder_new();
  g_auto(GStrv) given = count > COLUMNS_MIN ? g_strsplit(record[3], ",", -1) : NULL;
  for (int i = 0; given && given[i]; i++)
    if (*g_strstrip(given[i]))
      g_strv_builder_add(groups, given[i]);
  g_strv_builder_add(groups, "system:authenticated");
  g_auto(GStrv) all = g_strv_builder_end(groups);
  return identity_new(record[1], record[2], (const char *const *)all);
}

static bool read_all(TokenFile *file, const char *path, const char *text, GError **error)
{
  const char *cursor = text;
  for (unsigned number = 1; *cursor; number++) {
    g_auto(GStrv) record = read_record(&cursor);
    guint count = record ? g_strv_length(record) : 0;
    if (count == 1 && !*record[0])
      continue; /* an empty line */
    if (count < COLUMNS_MIN)
      return reason_set(error, REASON_CONFIG,
                        "token file '%s' must have at least 3 columns (token, user name, user uid), found %u in record "
                        "%u",
                        path, count, number);
    if (!*record[0] || !*record[1])
      return reason_set(error, REASON_CONFIG, "token file '%s': record %u has an empty token or user", path, number);
    g_hash_table_replace(file->users, digest(record[0]), identity_of_record(record, count));
  }
  return true;
}

TokenFile *token_file_read(const char *path, GError **error)
{
  g_autoptr(GBytes) bytes = file_read(path, TOKEN_FILE_MAX, error);
  if (!bytes)
    return NULL;
  g_autofree char *text = g_strndup(g_bytes_get_data(bytes, NULL), g_bytes_get_size(bytes));
  g_autoptr(TokenFile) file = g_new0(TokenFile, 1);
  file->users =
      g_hash_table_new_full(g_bytes_hash, g_bytes_equal, (GDestroyNotify)g_bytes_unref, (GDestroyNotify)identity_free);
  return read_all(file, path, text, error) ? g_steal_pointer(&file) : NULL;
}

void token_file_free(TokenFile *file)
{
  if (!file)
    return;
  g_hash_table_unref(file->users);
  g_free(file);
}

Identity *token_file_find(const TokenFile *file, const char *token)
{
  if (!file)
    return NULL;
  g_autoptr(GBytes) key = digest(token);
  const Identity *identity = g_hash_table_lookup(file->users, key);
  return identity ? identity_copy(identity) : NULL;
}
