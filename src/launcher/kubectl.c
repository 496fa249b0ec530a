/* launcher kubectl --: the installed kubectl on this profile's cluster, with its exit code. */
#include <string.h>

#include "launcher/live.h"

static int run(const Invocation *invocation, GError **error)
{
  g_autoptr(Profile) profile = profile_load(invocation->home, invocation->profile, error);
  if (!profile)
    return 1;
  g_autoptr(GPtrArray) argv = g_ptr_array_new();
  g_autofree char *context = g_strconcat("--context=", profile->name, NULL);
  g_ptr_array_add(argv, (gpointer)(uintptr_t) "kubectl");
  g_ptr_array_add(argv, context);
  for (char **arg = invocation->args; *arg; arg++)
    g_ptr_array_add(argv, *arg);
  g_ptr_array_add(argv, NULL);
  live_exec((const char *const *)argv->pdata, "kubernetes-client", error);
  return 1;
}

const Command kubectl_command = {
  .name = "kubectl",
  .group = "Advanced commands",
  .summary = "Run kubectl on this cluster",
  .usage = "-- [ARGUMENT...]",
  .description = "",
  .max_args = -1,
  .passes_through = true,
  .run = run,
};
