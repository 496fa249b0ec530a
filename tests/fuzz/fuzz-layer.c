/* An image layer, as a registry or an archive from anywhere brings it, unpacked into a scratch folder. Nothing may
 * appear beside the folder, whatever the entries are called. Its recipe can be followed, or there is a reason why not.
 */
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/file.h"
#include "clusterd/node/images/layer.h"
#include "clusterd/node/images/layer_recipe.h"

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

static bool pass(void *user, const void *data, size_t length, GError **error)
{
  *(int64_t *)user += (int64_t)length;
  return true;
}

static void follow(const char *recipe, const char *folder, const LayerResult *result)
{
  g_autoptr(GError) error = NULL;
  int64_t made = 0;
  g_assert_cmpint(layer_recipe_size(recipe, NULL), ==, result->size);
  bool good = layer_recipe_replay(recipe, folder, pass, &made, &error);
  g_assert_true(good == (error == NULL));
  g_assert_true(!good || made == result->size);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
  Source source = { data, size };
  g_auto(LayerResult) result = { 0 };
  g_autoptr(GError) error = NULL;
  g_autofree char *scratch = g_dir_make_tmp("fuzz-layer-XXXXXX", NULL);
  g_autofree char *folder = g_build_filename(scratch, "layer", NULL);
  g_autofree char *recipe = g_build_filename(scratch, "recipe", NULL);
  g_assert_true(file_make_dirs(folder, 0700, NULL));
  bool good = layer_unpack(read_once, &source, folder, recipe, NULL, &result, &error);
  g_assert_true(good == (error == NULL));
  if (good)
    follow(recipe, folder, &result);
  unlink(recipe);
  g_assert_true(file_remove_tree(folder, NULL));
  g_assert_cmpint(rmdir(scratch), ==, 0); /* fails when anything else is in it */
  return 0;
}
