/* The kernel's texts about usage: whatever they say, numbers stay within what there is. */
#include <glib.h>
#include <string.h>

#include "clusterd/node/stats/stat_text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
  g_autofree char *text = g_strndup((const char *)data, size);
  ResourceUsage usage = { .memory_bytes = 1 << 20 };
  int64_t boot = 0;
  uint64_t value;
  stat_text_number(text, &value);
  stat_text_loadavg(text, &value);
  stat_text_memory_v1(text, &usage);
  g_assert_cmpuint(usage.working_set_bytes, <=, usage.memory_bytes);
  stat_text_memory_v2(text, &usage);
  g_assert_cmpuint(usage.working_set_bytes, <=, usage.memory_bytes);
  stat_text_cpu_v2(text, &usage);
  stat_text_proc_stat(text, 100, &usage, &boot);
  g_assert_cmpint(boot, >=, 0);
  stat_text_meminfo(text, &usage);
  g_assert_cmpuint(usage.working_set_bytes, <=, usage.memory_bytes);
  stat_text_vmstat(text, &usage);
  g_autoptr(GArray) interfaces = stat_text_interfaces(text);
  g_assert_cmpuint(interfaces->len, <=, STAT_INTERFACES_MAX + 3);
  for (guint i = 0; i < interfaces->len; i++)
    g_assert_nonnull(memchr(g_array_index(interfaces, InterfaceUsage, i).name, '\0', INTERFACE_NAME_MAX));
  return 0;
}
