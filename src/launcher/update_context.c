/* launcher update-context */
#include <stdio.h>

#include "bootstrap/kubeconfig.h"
#include "launcher/live.h"

static int run(const Invocation *invocation, GError **error)
{
  g_autoptr(Live) live = live_load(invocation, LIVE_MACHINE, error);
  if (!live)
    return 1;
  const Profile *profile = live->profile;
  if (kubeconfig_is_configured(profile)) {
    if (!kubeconfig_use(profile->name, error))
      return 1;
    output_info(invocation->output, "No changes required for the \"%s\" context", profile->name);
  } else {
    KubeconfigOptions options = { 0 };
    if (!kubeconfig_merge(invocation->home, profile, &options, error))
      return 1;
    output_info(invocation->output, "\"%s\" context has been updated to point to %s:%d", profile->name,
                profile->address, (int)profile->apiserver_port);
  }
  output_info(invocation->output, "Current context is \"%s\"", profile->name);
  return 0;
}

const Command update_context_command = {
  .name = "update-context",
  .group = "Configuration commands",
  .summary = "Make the kubeconfig point to this cluster",
  .usage = "",
  .description = "",
  .run = run,
};
