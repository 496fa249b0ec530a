/* Verbs the program calls itself by; hidden from help. */
#include <stdio.h>

#include "bootstrap/keeper.h"
#include "launcher/command.h"

static int run_keeper(const Invocation *invocation, GError **error)
{
  g_autoptr(Profile) profile = profile_load(invocation->home, invocation->profile, error);
  return profile && keeper_run(invocation->home, profile, error) ? 0 : 1;
}

const Command keeper_command = {
  .name = "keeper",
  .summary = "Open the ports of services while the machine runs",
  .usage = "",
  .description = "",
  .run = run_keeper,
};

static int run_man_page(const Invocation *invocation, GError **error)
{
  g_autofree char *page = help_man_page(invocation->home->program);
  fputs(page, stdout);
  return 0;
}

const Command man_page_command = {
  .name = "man-page",
  .summary = "Print the man page",
  .usage = "",
  .description = "",
  .run = run_man_page,
};
