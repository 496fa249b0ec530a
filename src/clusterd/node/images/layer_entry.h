#pragma once
/* One tar entry made real below a folder. Internal to layer.c. */
#include <archive.h>
#include <archive_entry.h>
#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

typedef struct LayerTarget {
  int root_fd;              /* the folder everything stays below */
  struct archive *tar;      /* where the content of the entry comes from */
  int64_t bytes_left;       /* of the budget for regular files */
  GHashTable *folder_times; /* path → struct timespec*: set last, because making entries changes them */
} LayerTarget;

/* Makes ENTRY, replacing what an earlier entry made at the same path. */
bool layer_entry_make(LayerTarget *target, struct archive_entry *entry, GError **error);

/* Gives the folders the times their entries asked for. */
void layer_entry_finish_times(LayerTarget *target);
