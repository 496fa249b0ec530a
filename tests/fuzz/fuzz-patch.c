/* Patches from outside: the input is a target, a newline and a patch. No patch changes its arguments, and what a merge
 * patch has done it does not do again. */
#include <glib.h>
#include <string.h>

#include "base/json.h"
#include "clusterd/api/patch/patch.h"
#include "clusterd/api/scheme.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void try_merge(const json_t *target, const json_t *patch)
{
  g_autoptr(json_t) once = patch_merge(target, patch, NULL);
  g_autoptr(json_t) twice = once ? patch_merge(once, patch, NULL) : NULL;
  g_assert_true(!once || json_equal(once, twice));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
  const uint8_t *line = memchr(data, '\n', size);
  gsize length = line ? (gsize)(line - data) : size;
  g_autoptr(json_t) target = json_parse((const char *)data, length, false, NULL);
  g_autoptr(json_t) patch = line ? json_parse((const char *)line + 1, size - length - 1, false, NULL) : NULL;
  const ApiMessage *message = api_builtin_message("io.k8s.api.core.v1.Pod");
  if (!json_is_object(target) || !patch)
    return 0;
  g_autoptr(json_t) target_before = json_deep_copy(target);
  g_autoptr(json_t) patch_before = json_deep_copy(patch);
  g_autoptr(json_t) by_operations = patch_json(target, patch, NULL);
  g_autoptr(json_t) strategic = patch_strategic(message, target, patch, NULL);
  try_merge(target, patch);
  g_assert_true(json_equal(target, target_before) && json_equal(patch, patch_before));
  return 0;
}
