#pragma once
/* One tar entry made real below a folder. Internal to layer.c. */
#include <archive.h>
#include <archive_entry.h>
#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#include "clusterd/node/images/layer.h"

typedef struct LayerTarget {
  int root_fd;         /* the folder everything stays below */
  struct archive *tar; /* where the content of the entry comes from */
  const LayerLimits *limits;
  int64_t bytes_left;       /* of the budget for regular files */
  GPtrArray *missing;       /* gets LayerLink*: links whose target is not here */
  GHashTable *folder_times; /* path → struct timespec*: set last, because making entries changes them */
} LayerTarget;

/* Makes ENTRY, replacing what an earlier entry made at the same path. */
bool layer_entry_make(LayerTarget *target, struct archive_entry *entry, GError **error);

/* The path ENTRY is made at, without "/" in front and "." in between; "" for the root. NULL: it is none of a layer. The
 * caller frees. */
char *layer_entry_path(struct archive_entry *entry);

/* Whether PATH's last name means that something is removed, or is AUFS's own. */
bool layer_entry_is_whiteout(const char *path);

/* Opens PATH ("" for the folder itself) below ROOT_FD as if that were the root: neither ".." nor links lead out of it.
 * -1 with errno. */
int layer_root_open(int root_fd, const char *path, uint64_t flags);

/* Makes the file LINK asks for out of the one in the folder SOURCE_FD, with all its attributes: what a hard link to a
 * file of a lower layer comes to. *FOUND is false when SOURCE_FD has none, *REMOVED when it says that none below has.
 */
bool layer_entry_copy(int root_fd, int source_fd, const LayerLink *link, bool *found, bool *removed, GError **error);

/* Gives the folders the times their entries asked for. */
void layer_entry_finish_times(LayerTarget *target);
