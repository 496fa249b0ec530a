/* Every verb, in the order of --help. */
#include <stddef.h>
#include <string.h>

#include "launcher/command.h"

extern const Command start_command, status_command, stop_command, delete_command, pause_command, unpause_command,
    docker_env_command, image_command, profile_command, update_context_command, ssh_command_row, kubectl_command,
    ip_command, logs_command, version_command, keeper_command, man_page_command;

static const Command *const table[] = {
  &start_command,      &status_command, &stop_command,    &delete_command,         &pause_command,    &unpause_command,
  &docker_env_command, &image_command,  &profile_command, &update_context_command, &ssh_command_row,  &kubectl_command,
  &ip_command,         &logs_command,   &version_command, &keeper_command,         &man_page_command, NULL,
};

const Command *const *command_table(void)
{
  return table;
}

const Command *command_find(const char *name)
{
  for (const Command *const *command = table; *command; command++)
    if (strcmp((*command)->name, name) == 0 || ((*command)->alias && strcmp((*command)->alias, name) == 0))
      return *command;
  return NULL;
}
