#pragma once
/* Copies of a SQLite store, whole or not, for the command line. None of these needs the server; backup and check work
 * beside a running one. */
#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

typedef struct StoreSummary {
  int64_t objects;  /* keys that have a value */
  int64_t revision; /* the newest */
  int64_t bytes;    /* of the file, without its log */
} StoreSummary;

/* Writes what the store in PATH holds now to TARGET, which must not exist: a store of its own, checked and synced to
 * the disk, or nothing. Writers are not held up. */
bool sqlite_store_backup(const char *path, const char *target, StoreSummary *summary, GError **error);

/* Puts the backup SOURCE in the place of the store in PATH. What was there is kept beside it under the name that *KEPT
 * gets (NULL when there was nothing; the caller frees). The history of the backup is forgotten and its revision raised
 * above all that the replaced store has given out, so that clients list again and take nothing old for new.
 * REASON_PROFILE_LOCKED while a server runs on it; after an error the store is what it was. */
bool sqlite_store_restore(const char *path, const char *source, char **kept, StoreSummary *summary, GError **error);

/* Reads all of the store in PATH and checks it, SQLite's structures and the log's own rules. */
bool sqlite_store_check(const char *path, StoreSummary *summary, GError **error);
