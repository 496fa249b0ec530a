/* Names of images as pods, archives and people give them. What is accepted is a name that means the same read again. */
#include <stdint.h>
#include <string.h>

#include "clusterd/node/images/image_reference.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
  g_autofree char *text = g_strndup((const char *)data, size);
  g_auto(ImageReference) first = { 0 }, second = { 0 };
  if (!image_reference_parse(text, &first, NULL))
    return 0;
  g_autofree char *normal = image_reference_text(&first);
  g_assert_true(image_reference_parse(normal, &second, NULL));
  g_autofree char *again = image_reference_text(&second);
  g_assert_cmpstr(normal, ==, again);
  g_assert_null(strstr(first.name, "..")); /* a tag may have it */
  return 0;
}
