/* An image archive, as a file from anywhere: loaded into a scratch store, which must stay a store, with nothing beside
 * it. What was loaded can be saved, or there is a reason why not. */
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/file.h"
#include "base/json.h"
#include "clusterd/node/images/image_store.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void save_all(ImageStore *store, const json_t *loaded)
{
  size_t i;
  json_t *reference;
  json_array_foreach (loaded, i, reference) {
    g_autoptr(GError) error = NULL;
    const char *const names[] = { json_string_value(reference), NULL };
    file_autofd int out = memfd_create("saved", MFD_CLOEXEC);
    g_assert_true(image_store_save(store, names, out, &error) == (error == NULL));
  }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
  g_autoptr(GError) error = NULL;
  g_autofree char *scratch = g_dir_make_tmp("fuzz-archive-XXXXXX", NULL);
  g_autofree char *dir = g_build_filename(scratch, "store", NULL);
  file_autofd int fd = memfd_create("archive", MFD_CLOEXEC);
  g_assert_cmpint(write(fd, data, size), ==, (ssize_t)size);
  g_assert_cmpint(lseek(fd, 0, SEEK_SET), ==, 0);
  g_autoptr(ImageStore) store = image_store_open(dir, NULL, NULL, NULL, NULL);
  g_assert_nonnull(store);
  g_autoptr(json_t) loaded = image_store_load(store, fd, &error);
  g_assert_true((loaded == NULL) == (error != NULL));
  g_autoptr(GPtrArray) images = image_store_list(store, NULL);
  g_assert_nonnull(images);
  g_assert_true((images->len > 0) == (loaded != NULL));
  save_all(store, loaded);
  g_assert_true(file_remove_tree(dir, NULL));
  g_assert_cmpint(rmdir(scratch), ==, 0); /* fails when anything else is in it */
  return 0;
}
