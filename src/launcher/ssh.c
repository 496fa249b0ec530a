/* launcher ssh: becomes the ssh client, so that the remote exit code is ours. */
#include "launcher/live.h"
#include "launcher/ssh_command.h"

static const Option options[] = {
  { "node", 'n', OPTION_STRING, "NAME", NULL, NULL, "node to log in to; there is one" },
  { "native-ssh", 0, OPTION_FLAG, NULL, "true", NULL, "accepted for minikube's sake" },
  { "user", 'l', OPTION_STRING, "NAME", "docker", NULL, "user to log in as: docker or root" },
  { .name = NULL },
};

static int run(const Invocation *invocation, GError **error)
{
  g_autoptr(Live) live = live_load(invocation, LIVE_MACHINE, error);
  if (!live)
    return 1;
  g_autoptr(GPtrArray) argv = ssh_command(invocation->home, live->profile, invocation_text(invocation, "user"));
  for (char **arg = invocation->args; *arg; arg++)
    g_ptr_array_add(argv, g_strdup(*arg));
  g_ptr_array_add(argv, NULL);
  live_exec((const char *const *)argv->pdata, "openssh-client", error);
  return 1;
}

const Command ssh_command_row = {
  .name = "ssh",
  .group = "Advanced commands",
  .summary = "Log in to the machine, or run a command there",
  .usage = "[COMMAND [ARGUMENT...]]",
  .description = "The exit code is the remote command's.",
  .max_args = -1,
  .passes_through = true,
  .options = options,
  .run = run,
};
