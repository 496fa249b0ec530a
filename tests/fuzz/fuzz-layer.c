/* An image layer, as a registry or an archive from anywhere brings it, unpacked into a scratch folder. Nothing may
 * appear beside the folder, whatever the entries are called. */
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/file.h"
#include "clusterd/node/images/layer.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

typedef struct Source {
  const uint8_t *data;
  size_t size;
} Source;

static ssize_t read_once(void *user, const void **block, GError **error)
{
  Source *source = user;
  ssize_t size = (ssize_t)source->size;
  *block = source->data;
  source->size = 0;
  return size;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
  Source source = { data, size };
  LayerResult result;
  g_autoptr(GError) error = NULL;
  g_autofree char *scratch = g_dir_make_tmp("fuzz-layer-XXXXXX", NULL);
  g_autofree char *folder = g_build_filename(scratch, "layer", NULL);
  g_assert_true(file_make_dirs(folder, 0700, NULL));
  g_assert_true(layer_unpack(read_once, &source, folder, &result, &error) == (error == NULL));
  g_assert_true(file_remove_tree(folder, NULL));
  g_assert_cmpint(rmdir(scratch), ==, 0); /* fails when anything else is in it */
  return 0;
}
