/* A Corefile that somebody wrote: whatever it says is refused with a line, or becomes a plan in which names can be
 * found. */
#include <glib.h>

#include "clusterd/dns/plan.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
  static const uint8_t name[] = "\3www\7example\3org";
  g_autofree char *text = g_strndup((const char *)data, size);
  g_autoptr(GError) error = NULL;
  g_autoptr(Plan) plan = plan_new(text, NULL, "cluster.local", "10.96.0.10", &error);
  g_assert_true((plan == NULL) == (error != NULL));
  const Block *block = plan ? plan_find(plan, name, sizeof name) : NULL;
  if (block)
    block_forward(block, name, sizeof name);
  return 0;
}
