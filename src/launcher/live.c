#include "launcher/live.h"

#include <errno.h>
#include <unistd.h>

#include "base/reason.h"
#include "bootstrap/api_client.h"

#define PROBE_TIMEOUT_MS 3000

void live_free(Live *live)
{
  if (!live)
    return;
  machine_free(live->machine);
  profile_free(live->profile);
  g_free(live);
}

Live *live_load(const Invocation *invocation, LiveNeed need, GError **error)
{
  g_autoptr(Live) live = g_new0(Live, 1);
  live->profile = profile_load(invocation->home, invocation->profile, error);
  if (!live->profile)
    return NULL;
  live->machine = machine_new(invocation->home, live->profile, error);
  if (!live->machine || !live->machine->driver->state(&live->machine->spec, &live->state, error))
    return NULL;
  if (need >= LIVE_MACHINE && live->state != MACHINE_RUNNING) {
    bool exists = live->state != MACHINE_NONEXISTENT;
    reason_set(error, exists ? REASON_GUEST_NOT_RUNNING : REASON_GUEST_NOT_FOUND,
               exists ? "the machine of \"%s\" is not running (%s)" : "the machine of \"%s\" does not exist (%s)",
               invocation->profile, machine_state_name(live->state));
    return NULL;
  }
  if (need >= LIVE_API) {
    g_autoptr(ApiClient) client = api_client_new(invocation->home, live->profile);
    if (!api_client_is_ready(client, PROBE_TIMEOUT_MS)) {
      reason_set(error, REASON_APISERVER_NOT_RUNNING, "the API server of \"%s\" does not answer", invocation->profile);
      return NULL;
    }
  }
  return g_steal_pointer(&live);
}

bool live_exec(const char *const *argv, const char *package, GError **error)
{
  execvp(argv[0], (char *const *)(uintptr_t)argv);
  return reason_set_errno(error, REASON_PROVIDER_NOT_FOUND, errno, "%s (package %s)", argv[0], package);
}
