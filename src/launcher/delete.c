/* launcher delete: the only command that deletes. */
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "base/reason.h"
#include "bootstrap/keeper.h"
#include "bootstrap/kubeconfig.h"
#include "launcher/live.h"

#define LOCK_TIMEOUT_MS 60000

static const char *const output_choices[] = { "text", "json", NULL };

static const Option options[] = {
  { "all", 0, OPTION_FLAG, NULL, NULL, NULL, "delete all clusters" },
  { "purge", 0, OPTION_FLAG, NULL, NULL, NULL, "with --all: also remove the cache and everything else launcher keeps" },
  { "output", 'o', OPTION_STRING, "FORMAT", "text", output_choices, "text or JSON events" },
  { .name = NULL },
};

static bool delete_machine(const Invocation *invocation, const Profile *profile, GError **error)
{
  g_autoptr(Machine) machine = machine_new(invocation->home, profile, error);
  return machine && machine->driver->delete_(&machine->spec, error);
}

/* Removes the profile from `launcher profile`'s choice when it was that. */
static bool forget_choice(const Home *home, const char *name, GError **error)
{
  g_autofree char *chosen = home_config_get(home, "profile", NULL);
  return g_strcmp0(chosen, name) != 0 || home_config_set(home, "profile", NULL, error);
}

static bool delete_one(const Invocation *invocation, const char *name, GError **error)
{
  g_autoptr(GError) inner = NULL;
  file_autofd int lock = profile_lock(invocation->home, name, LOCK_TIMEOUT_MS, error);
  if (lock < 0)
    return false;
  g_autoptr(Profile) profile = profile_load(invocation->home, name, &inner);
  if (reason_is(inner, REASON_GUEST_NOT_FOUND)) {
    output_warning(invocation->output, "\"%s\" profile does not exist, trying anyways.", name);
  } else if (!profile) {
    g_propagate_error(error, g_steal_pointer(&inner));
    return false;
  } else {
    output_step(invocation->output, "delete", "Deleting \"%s\" in %s ...", name, profile->driver);
    keeper_stop(invocation->home, name);
    if (*profile->driver && !delete_machine(invocation, profile, error))
      return false;
  }
  if (!kubeconfig_remove(name, error) || !forget_choice(invocation->home, name, error) ||
      !profile_remove(invocation->home, name, error))
    return false;
  output_step(invocation->output, "deleted", "Removed all traces of the \"%s\" cluster.", name);
  return true;
}

static int run(const Invocation *invocation, GError **error)
{
  if (strcmp(invocation_text(invocation, "output"), "json") == 0)
    output_use_json(invocation->output);
  bool all = invocation_flag(invocation, "all"), purge = invocation_flag(invocation, "purge");
  if (purge && !all) {
    reason_set(error, REASON_USAGE, "--purge: removes every cluster, so it needs --all");
    return 1;
  }
  if (!all)
    return delete_one(invocation, invocation->profile, error) ? 0 : 1;
  g_auto(GStrv) names = profile_names(invocation->home);
  for (char **name = names; *name; name++)
    if (!delete_one(invocation, *name, error))
      return 1;
  output_info(invocation->output, "Successfully deleted all profiles");
  return purge && !file_remove_tree(invocation->home->path, error) ? 1 : 0;
}

const Command delete_command = {
  .name = "delete",
  .group = "Basic commands",
  .summary = "Delete a cluster with all its data",
  .usage = "",
  .description = "",
  .options = options,
  .run = run,
};
