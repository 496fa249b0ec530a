/* launcher stop */
#include <string.h>

#include "base/file.h"
#include "bootstrap/keeper.h"
#include "bootstrap/kubeconfig.h"
#include "launcher/live.h"

#define LOCK_TIMEOUT_MS 60000
#define STOP_TIMEOUT_MS 60000

static const char *const output_choices[] = { "text", "json", NULL };

static const Option options[] = {
  { "all", 0, OPTION_FLAG, NULL, NULL, NULL, "stop all clusters" },
  { "keep-context-active", 0, OPTION_FLAG, NULL, NULL, NULL, "leave the kubeconfig as it is" },
  { "output", 'o', OPTION_STRING, "FORMAT", "text", output_choices, "text or JSON events" },
  { .name = NULL },
};

/* Stops one; *STOPPED counts machines that ran. */
static bool stop_one(const Invocation *invocation, const char *name, int *stopped, GError **error)
{
  g_autoptr(Profile) profile = profile_load(invocation->home, name, error);
  if (!profile)
    return false;
  file_autofd int lock = profile_lock(invocation->home, name, LOCK_TIMEOUT_MS, error);
  g_autoptr(Machine) machine = lock >= 0 ? machine_new(invocation->home, profile, error) : NULL;
  MachineState state;
  if (!machine || !machine->driver->state(&machine->spec, &state, error))
    return false;
  output_step(invocation->output, "stop", "Stopping \"%s\" ...", name);
  keeper_stop(invocation->home, name);
  if (state == MACHINE_PAUSED && !machine->driver->resume(&machine->spec, error))
    return false;
  if (state != MACHINE_NONEXISTENT && !machine->driver->stop(&machine->spec, STOP_TIMEOUT_MS, error))
    return false;
  *stopped += state == MACHINE_RUNNING || state == MACHINE_PAUSED;
  return invocation_flag(invocation, "keep-context-active") || kubeconfig_remove(name, error);
}

static int run(const Invocation *invocation, GError **error)
{
  int stopped = 0;
  if (strcmp(invocation_text(invocation, "output"), "json") == 0)
    output_use_json(invocation->output);
  if (invocation_flag(invocation, "all")) {
    g_auto(GStrv) names = profile_names(invocation->home);
    for (char **name = names; *name; name++)
      if (!stop_one(invocation, *name, &stopped, error))
        return 1;
  } else if (!stop_one(invocation, invocation->profile, &stopped, error)) {
    return 1;
  }
  output_step(invocation->output, "stopped", "%d node%s stopped.", stopped, stopped == 1 ? "" : "s");
  return 0;
}

const Command stop_command = {
  .name = "stop",
  .group = "Basic commands",
  .summary = "Stop a cluster; nothing is lost",
  .usage = "",
  .description = "",
  .options = options,
  .run = run,
};
