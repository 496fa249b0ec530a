/* A power cut loses what was written but not synced. A VFS below SQLite keeps, beside every file of the store, what it
 * held when it was last synced; that is all a disk may have kept. What is acknowledged must be in there. */
#include <fcntl.h>
#include <sqlite3.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "clusterd/store/store.h"

/* --- the VFS -------------------------------------------------------------------------------------------------------
 */

typedef struct SyncedFile {
  sqlite3_file base;
  char *path;          /* NULL: of no interest */
  sqlite3_file real[]; /* the system VFS's, which begins here */
} SyncedFile;

static GMutex files_lock; /* held while a file's synced copy is replaced, and while the test takes the copies */

static sqlite3_file *real_of(sqlite3_file *file)
{
  return ((SyncedFile *)(void *)file)->real;
}

static void keep_synced(const char *path)
{
  g_autofree char *copy = g_strconcat(path, ".synced", NULL);
  g_autofree char *content = NULL;
  gsize length;
  g_mutex_lock(&files_lock);
  if (g_file_get_contents(path, &content, &length, NULL))
    g_assert_true(g_file_set_contents_full(copy, content, (gssize)length, G_FILE_SET_CONTENTS_NONE, 0600, NULL));
  g_mutex_unlock(&files_lock);
}

static int synced_close(sqlite3_file *file)
{
  g_clear_pointer(&((SyncedFile *)(void *)file)->path, g_free);
  return real_of(file)->pMethods->xClose(real_of(file));
}

static int synced_sync(sqlite3_file *file, int flags)
{
  const char *path = ((SyncedFile *)(void *)file)->path;
  int code = real_of(file)->pMethods->xSync(real_of(file), flags);
  if (code == SQLITE_OK && path)
    keep_synced(path);
  return code;
}

#define PASS(name, parameters, arguments)                                                                              \
  static int synced_##name parameters                                                                                  \
  {                                                                                                                    \
    return real_of(file)->pMethods->x##name arguments;                                                                 \
  }
#define REAL real_of(file)
PASS(Read, (sqlite3_file * file, void *data, int length, sqlite3_int64 at), (REAL, data, length, at))
PASS(Write, (sqlite3_file * file, const void *data, int length, sqlite3_int64 at), (REAL, data, length, at))
PASS(Truncate, (sqlite3_file * file, sqlite3_int64 size), (REAL, size))
PASS(FileSize, (sqlite3_file * file, sqlite3_int64 *size), (REAL, size))
PASS(Lock, (sqlite3_file * file, int level), (REAL, level))
PASS(Unlock, (sqlite3_file * file, int level), (REAL, level))
PASS(CheckReservedLock, (sqlite3_file * file, int *result), (REAL, result))
PASS(FileControl, (sqlite3_file * file, int what, void *data), (REAL, what, data))
PASS(SectorSize, (sqlite3_file * file), (REAL))
PASS(DeviceCharacteristics, (sqlite3_file * file), (REAL))
PASS(ShmMap, (sqlite3_file * file, int page, int size, int extend, void volatile **map),
     (REAL, page, size, extend, map))
PASS(ShmLock, (sqlite3_file * file, int offset, int count, int flags), (REAL, offset, count, flags))
PASS(ShmUnmap, (sqlite3_file * file, int remove), (REAL, remove))

static void synced_ShmBarrier(sqlite3_file *file)
{
  real_of(file)->pMethods->xShmBarrier(real_of(file));
}

static const sqlite3_io_methods synced_methods = {
  .iVersion = 2,
  .xClose = synced_close,
  .xRead = synced_Read,
  .xWrite = synced_Write,
  .xTruncate = synced_Truncate,
  .xSync = synced_sync,
  .xFileSize = synced_FileSize,
  .xLock = synced_Lock,
  .xUnlock = synced_Unlock,
  .xCheckReservedLock = synced_CheckReservedLock,
  .xFileControl = synced_FileControl,
  .xSectorSize = synced_SectorSize,
  .xDeviceCharacteristics = synced_DeviceCharacteristics,
  .xShmMap = synced_ShmMap,
  .xShmLock = synced_ShmLock,
  .xShmBarrier = synced_ShmBarrier,
  .xShmUnmap = synced_ShmUnmap,
};

static sqlite3_vfs *system_vfs, synced_vfs;

static int synced_open(sqlite3_vfs *vfs, const char *name, sqlite3_file *file, int flags, int *out)
{
  SyncedFile *synced = (SyncedFile *)(void *)file;
  synced->base.pMethods = NULL;
  synced->path = flags & (SQLITE_OPEN_MAIN_DB | SQLITE_OPEN_WAL) ? g_strdup(name) : NULL;
  int code = system_vfs->xOpen(system_vfs, name, synced->real, flags, out);
  if (code == SQLITE_OK)
    synced->base.pMethods = &synced_methods;
  else
    g_clear_pointer(&synced->path, g_free);
  return code;
}

static void install_vfs(void)
{
  system_vfs = sqlite3_vfs_find(NULL);
  synced_vfs = *system_vfs;
  synced_vfs.zName = "synced";
  synced_vfs.szOsFile = (int)sizeof(SyncedFile) + system_vfs->szOsFile;
  synced_vfs.xOpen = synced_open;
  g_assert_cmpint(sqlite3_vfs_register(&synced_vfs, 1), ==, SQLITE_OK);
}

/* --- the test ------------------------------------------------------------------------------------------------------
 */

enum { WRITERS = 4, CUTS = 20, VALUE_BYTES = 3000 };

typedef struct Writers {
  Store *store;
  GMutex lock;              /* guards `acknowledged` */
  GCond more;               /* signals that it grew */
  GHashTable *acknowledged; /* key, a set */
  _Atomic bool stop;
  _Atomic int next;
} Writers;

static void *write_many(void *data)
{
  Writers *writers = data;
  char text[VALUE_BYTES];
  memset(text, 'x', sizeof text);
  while (!writers->stop) {
    char *key = g_strdup_printf("/p/%d", writers->next++);
    g_autoptr(GBytes) value = g_bytes_new(text, sizeof text);
    g_assert_true(store_put(writers->store, key, 0, value, NULL, NULL));
    g_mutex_lock(&writers->lock);
    g_hash_table_add(writers->acknowledged, key);
    g_cond_signal(&writers->more);
    g_mutex_unlock(&writers->lock);
  }
  return NULL;
}

static void copy_synced(const char *from, const char *to, const char *suffix)
{
  g_autofree char *source = g_strconcat(from, suffix, ".synced", NULL);
  g_autofree char *target = g_strconcat(to, suffix, NULL);
  g_autofree char *content = NULL;
  gsize length;
  if (g_file_get_contents(source, &content, &length, NULL))
    g_assert_true(g_file_set_contents(target, content, (gssize)length, NULL));
}

/* What is acknowledged before the cut must be on the disk after it. */
static void cut_power(Writers *writers, const char *path, const char *survivor, guint at_least)
{
  g_autoptr(GPtrArray) keys = g_ptr_array_new_with_free_func(g_free);
  g_mutex_lock(&writers->lock);
  while (g_hash_table_size(writers->acknowledged) < at_least)
    g_cond_wait(&writers->more, &writers->lock);
  GHashTableIter iter;
  void *key;
  g_hash_table_iter_init(&iter, writers->acknowledged);
  while (g_hash_table_iter_next(&iter, &key, NULL))
    g_ptr_array_add(keys, g_strdup(key));
  g_mutex_unlock(&writers->lock);
  g_mutex_lock(&files_lock);
  copy_synced(path, survivor, "");
  copy_synced(path, survivor, "-wal");
  g_mutex_unlock(&files_lock);

  g_autoptr(GError) error = NULL;
  g_autoptr(Store) store = store_open_sqlite(survivor, &error);
  g_assert_no_error(error);
  for (guint i = 0; i < keys->len; i++) {
    g_autoptr(StoreEntry) entry = store_get(store, keys->pdata[i], &error);
    g_assert_no_error(error);
    g_assert_cmpuint(g_bytes_get_size(entry->value), ==, VALUE_BYTES);
  }
}

static void test_power_cut(void)
{
  g_autofree char *folder = g_dir_make_tmp("store-XXXXXX", NULL);
  g_autofree char *path = g_build_filename(folder, "cluster.db", NULL);
  Writers writers = { .acknowledged = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL) };
  GThread *threads[WRITERS];
  writers.store = store_open_sqlite(path, NULL);
  g_assert_nonnull(writers.store);
  for (int i = 0; i < WRITERS; i++)
    threads[i] = g_thread_new("writer", write_many, &writers);
  for (int i = 0; i < CUTS; i++) {
    g_autofree char *survivor = g_strdup_printf("%s/survivor-%d.db", folder, i);
    cut_power(&writers, path, survivor, (guint)(100 * (i + 1))); /* with checkpoints on the way */
  }
  writers.stop = true;
  for (int i = 0; i < WRITERS; i++)
    g_thread_join(threads[i]);
  store_close(writers.store);
  g_hash_table_unref(writers.acknowledged);
  file_remove_tree(folder, NULL);
}

int main(int argc, char **argv)
{
  g_test_init(&argc, &argv, NULL);
  install_vfs();
  g_test_add_func("/sqlite/power-cut", test_power_cut);
  return g_test_run();
}
