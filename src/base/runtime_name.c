#include "base/runtime_name.h"

const char *const runtime_names[] = { "native", "docker", "containerd", "cri-o", NULL };

const char *runtime_name_find(const char *text)
{
  const char *wanted = g_strcmp0(text, "crio") == 0 ? "cri-o" : text;
  for (const char *const *name = runtime_names; *name; name++)
    if (g_strcmp0(*name, wanted) == 0)
      return *name;
  return NULL;
}
