/* launcher pause and unpause: the whole machine stands still and uses no processor. */
#include <string.h>

#include "base/file.h"
#include "base/reason.h"
#include "launcher/live.h"

#define LOCK_TIMEOUT_MS 60000

static const char *const output_choices[] = { "text", "json", NULL };

static const Option options[] = {
  { "all-namespaces", 'A', OPTION_FLAG, NULL, NULL, NULL, "accepted for minikube's sake: everything is paused" },
  { "namespaces", 'n', OPTION_LIST, "NAME", NULL, NULL, "accepted for minikube's sake" },
  { "output", 'o', OPTION_STRING, "FORMAT", "text", output_choices, "text or JSON events" },
  { .name = NULL },
};

static int change(const Invocation *invocation, bool pause, GError **error)
{
  if (strcmp(invocation_text(invocation, "output"), "json") == 0)
    output_use_json(invocation->output);
  file_autofd int lock = profile_lock(invocation->home, invocation->profile, LOCK_TIMEOUT_MS, error);
  g_autoptr(Live) live = lock >= 0 ? live_load(invocation, LIVE_PROFILE, error) : NULL;
  if (!live)
    return 1;
  if (live->state != MACHINE_RUNNING && live->state != MACHINE_PAUSED) {
    reason_set(error, REASON_GUEST_NOT_RUNNING, "the machine of \"%s\" is not running", live->profile->name);
    return 1;
  }
  output_step(invocation->output, pause ? "pause" : "unpause", "%s \"%s\" ...", pause ? "Pausing" : "Unpausing",
              live->profile->name);
  const Driver *driver = live->machine->driver;
  return (pause ? driver->pause : driver->resume)(&live->machine->spec, error) ? 0 : 1;
}

static int run_pause(const Invocation *invocation, GError **error)
{
  return change(invocation, true, error);
}

static int run_unpause(const Invocation *invocation, GError **error)
{
  return change(invocation, false, error);
}

const Command pause_command = {
  .name = "pause",
  .group = "Basic commands",
  .summary = "Freeze a cluster",
  .usage = "",
  .description = "",
  .options = options,
  .run = run_pause,
};

const Command unpause_command = {
  .name = "unpause",
  .alias = "resume",
  .group = "Basic commands",
  .summary = "Let a frozen cluster go on",
  .usage = "",
  .description = "",
  .options = options,
  .run = run_unpause,
};
