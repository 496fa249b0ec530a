#pragma once
/* When each image on the node was found and last used, kept in a file. Not thread-safe. */
#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

/* Times are of the wall clock. */
typedef struct ImageRecord {
  char *id;
  int64_t found_us; /* 0: before anybody looked */
  int64_t used_us;  /* 0: never */
  bool here, pinned;
  int64_t saved_us; /* used_us as the file has it */
} ImageRecord;

typedef struct ImageRecords ImageRecords;

/* What the file at PATH (may be NULL) says; nothing when it is absent or damaged. */
ImageRecords *image_records_new(const char *path);
void image_records_free(ImageRecords *records);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(ImageRecords, image_records_free)

/* Takes in a look at NOW_US: IMAGES (ImageStatus*) are there, what the set USED has, ids or
 * "name@sha256:…", is used by containers. */
void image_records_update(ImageRecords *records, const GPtrArray *images, GHashTable *used, int64_t now_us);

/* ImageRecord*, those that lie unused longest first; freed with g_ptr_array_unref, elements borrowed until the next
 * update. */
GPtrArray *image_records_in_order(const ImageRecords *records);
