#include "clusterd/node/pressure/image_records.h"

#include <string.h>

#include "base/file.h"
#include "base/json.h"
#include "clusterd/node/runtime.h"

#define RECORDS_VERSION 1
/* An image in use is not written down again at each look: how much of its use a crash may forget. */
#define SAVE_GRAIN_US (3600 * (int64_t)G_USEC_PER_SEC)

struct ImageRecords {
  char *path;
  GHashTable *by_id; /* id → ImageRecord, which has it */
  bool looked;       /* there was an update, or a file */
};

static void record_free(void *data)
{
  g_free(((ImageRecord *)data)->id);
  g_free(data);
}

static ImageRecord *add(ImageRecords *records, const char *id, int64_t found_us, int64_t used_us)
{
  ImageRecord *record = g_new0(ImageRecord, 1);
  *record = (ImageRecord){ .id = g_strdup(id), .found_us = found_us, .used_us = used_us, .saved_us = used_us };
  g_hash_table_replace(records->by_id, record->id, record);
  return record;
}

static void load(ImageRecords *records)
{
  g_autoptr(json_t) file = records->path ? json_read_file(records->path, NULL) : NULL;
  const char *id;
  json_t *value;
  if (json_int(file, "version", 0) != RECORDS_VERSION)
    return;
  records->looked = true;
  json_object_foreach (json_object_get(file, "images"), id, value)
    add(records, id, json_int(value, "found", 0), json_int(value, "used", 0));
}

ImageRecords *image_records_new(const char *path)
{
  ImageRecords *records = g_new0(ImageRecords, 1);
  records->path = g_strdup(path);
  records->by_id = g_hash_table_new_full(g_str_hash, g_str_equal, NULL, record_free);
  load(records);
  return records;
}

void image_records_free(ImageRecords *records)
{
  if (!records)
    return;
  g_hash_table_unref(records->by_id);
  g_free(records->path);
  g_free(records);
}

/* A crash may leave an older file: the times are then older. */
static void save(ImageRecords *records)
{
  g_autoptr(json_t) images = json_object();
  GHashTableIter iter;
  gpointer value;
  g_hash_table_iter_init(&iter, records->by_id);
  while (g_hash_table_iter_next(&iter, NULL, &value)) {
    ImageRecord *record = value;
    record->saved_us = record->used_us;
    json_object_set_new(
        images, record->id,
        json_pack("{s:I, s:I}", "found", (json_int_t)record->found_us, "used", (json_int_t)record->used_us));
  }
  if (!records->path)
    return;
  g_autoptr(json_t) file = json_pack("{s:i, s:O}", "version", RECORDS_VERSION, "images", images);
  g_autofree char *text = json_text(file);
  g_autoptr(GError) error = NULL;
  if (!file_write_atomic(records->path, text, strlen(text), 0644, &error))
    g_warning("%s", error->message);
}

/* Some runtimes know only by what digest of a registry's a container's image came. */
static bool is_used(const ImageStatus *image, GHashTable *used)
{
  bool found = g_hash_table_contains(used, image->id);
  for (char **digest = image->repo_digests; !found && digest && *digest; digest++)
    found = g_hash_table_contains(used, *digest);
  return found;
}

void image_records_update(ImageRecords *records, const GPtrArray *images, GHashTable *used, int64_t now_us)
{
  GHashTableIter iter;
  gpointer value;
  bool changed = !records->looked;
  g_hash_table_iter_init(&iter, records->by_id);
  while (g_hash_table_iter_next(&iter, NULL, &value))
    ((ImageRecord *)value)->here = false;
  for (guint i = 0; i < images->len; i++) {
    const ImageStatus *image = images->pdata[i];
    ImageRecord *record = g_hash_table_lookup(records->by_id, image->id);
    changed = changed || !record;
    if (!record)
      record = add(records, image->id, records->looked ? now_us : 0, 0);
    record->here = true;
    record->pinned = image->pinned;
    if (is_used(image, used))
      record->used_us = now_us;
    bool first_use = record->saved_us == 0 && record->used_us != 0;
    changed = changed || first_use || record->used_us - record->saved_us > SAVE_GRAIN_US;
  }
  g_hash_table_iter_init(&iter, records->by_id);
  while (g_hash_table_iter_next(&iter, NULL, &value)) {
    const ImageRecord *record = value;
    /* its use has just ended: that time is the one that counts */
    changed = changed || !record->here || (record->used_us != now_us && record->used_us != record->saved_us);
    if (!record->here)
      g_hash_table_iter_remove(&iter);
  }
  records->looked = true;
  if (changed)
    save(records);
}

static gint compare(gconstpointer a, gconstpointer b)
{
  const ImageRecord *first = *(ImageRecord *const *)a, *second = *(ImageRecord *const *)b;
  if (first->used_us != second->used_us)
    return first->used_us < second->used_us ? -1 : 1;
  if (first->found_us != second->found_us)
    return first->found_us < second->found_us ? -1 : 1;
  return strcmp(first->id, second->id);
}

GPtrArray *image_records_in_order(const ImageRecords *records)
{
  GPtrArray *order = g_ptr_array_new();
  GHashTableIter iter;
  gpointer value;
  g_hash_table_iter_init(&iter, records->by_id);
  while (g_hash_table_iter_next(&iter, NULL, &value))
    g_ptr_array_add(order, value);
  g_ptr_array_sort(order, compare);
  return order;
}
