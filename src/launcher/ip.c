/* launcher ip */
#include <stdio.h>

#include "launcher/live.h"

static const Option options[] = {
  { "node", 'n', OPTION_STRING, "NAME", NULL, NULL, "node to ask about; there is one" },
  { .name = NULL },
};

static int run(const Invocation *invocation, GError **error)
{
  g_autoptr(Live) live = live_load(invocation, LIVE_MACHINE, error);
  if (!live)
    return 1;
  printf("%s\n", live->profile->address);
  return 0;
}

const Command ip_command = {
  .name = "ip",
  .group = "Troubleshooting commands",
  .summary = "Print the address the cluster's ports are on",
  .usage = "",
  .description = "",
  .options = options,
  .run = run,
};
