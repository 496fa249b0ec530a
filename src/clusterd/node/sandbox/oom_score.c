#include "clusterd/node/sandbox/oom_score.h"

#include <glib.h>
#include <string.h>

#include "base/capability.h"

uint64_t own_capabilities(void)
{
  static const char key[] = "\nCapPrm:\t";
  g_autofree char *text = NULL;
  const char *line = g_file_get_contents("/proc/self/status", &text, NULL, NULL) ? strstr(text, key) : NULL;
  return line ? g_ascii_strtoull(line + sizeof key - 1, NULL, 16) & capability_all() : capability_all();
}

int oom_score_allowed(int wanted)
{
  g_autofree char *text = NULL;
  if (wanted >= 0 || (own_capabilities() & UINT64_C(1) << capability_number("SYS_RESOURCE")) ||
      !g_file_get_contents("/proc/self/oom_score_adj", &text, NULL, NULL))
    return wanted;
  return MAX(wanted, (int)g_ascii_strtoll(text, NULL, 10));
}
