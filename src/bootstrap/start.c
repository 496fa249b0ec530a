#include "bootstrap/start.h"

#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/reason.h"
#include "bootstrap/api_client.h"
#include "bootstrap/boot_events.h"
#include "bootstrap/boot_image.h"
#include "bootstrap/certificates.h"
#include "bootstrap/config_drive.h"
#include "bootstrap/keeper.h"
#include "bootstrap/machine.h"

#define PROBE_TIMEOUT_MS 2000
#define EVENT_PATIENCE_US (2 * G_USEC_PER_SEC)
#define REJOIN_INTERVAL_US (100 * 1000) /* asking a machine somebody else booted, whose events are gone */
#define STOP_TIMEOUT_MS 60000

typedef struct Start {
  const Home *home;
  Profile *profile;
  const StartOptions *options;
  Progress *progress;
  Machine *machine;
  BootEvents *events; /* NULL when the machine ran before us */
  bool certificates_renewed;
  bool finished; /* leave out the rest */
} Start;

typedef bool (*StepRun)(Start *start, GError **error);

static void pass_notice(const char *text, void *data)
{
  Progress *progress = data;
  progress->notice(progress, text);
}

/* What a machine without it would say only after minutes. */
static bool check_runtime(const char *runtime, const BootImage *image, GError **error)
{
  static const struct {
    const char *runtime, *package;
  } rows[] = { { "docker", "docker.io" }, { "containerd", "containerd" }, { "cri-o", "cri-o" } };
  for (size_t i = 0; i < G_N_ELEMENTS(rows); i++)
    if (g_str_equal(rows[i].runtime, runtime))
      return boot_image_has_package(image, rows[i].package, error);
  return true;
}

static bool run_image(Start *start, GError **error)
{
  g_autoptr(BootImage) image =
      boot_image_ensure(start->home, start->options->image_source, start->options->image_key, start->progress, error);
  if (!image || !check_runtime(start->profile->container_runtime, image, error))
    return false;
  start->finished = start->options->download_only;
  if (start->finished)
    return true;
  g_free(start->profile->image_digest);
  start->profile->image_digest = g_strdup(image->digest);
  return profile_save(start->home, start->profile, error);
}

static bool run_address(Start *start, GError **error)
{
  return *start->profile->address || profile_choose_address(start->home, start->profile, error);
}

static bool run_certificates(Start *start, GError **error)
{
  return certificates_ensure(start->home, start->profile, &start->certificates_renewed, error);
}

/* Makes or adjusts the machine, unless it runs: then it keeps the image, CPUs and memory it was booted with, and only
 * renewed certificates make it boot anew. */
static bool run_machine(Start *start, GError **error)
{
  MachineState state;
  start->machine = machine_new(start->home, start->profile, error);
  if (!start->machine || !start->machine->driver->state(&start->machine->spec, &state, error))
    return false;
  const Driver *driver = start->machine->driver;
  if (state == MACHINE_PAUSED)
    return driver->resume(&start->machine->spec, error);
  if (state == MACHINE_RUNNING && start->certificates_renewed) {
    start->progress->notice(start->progress, "Certificates were renewed: the machine is restarted with the new ones");
    if (!driver->stop(&start->machine->spec, STOP_TIMEOUT_MS, error))
      return false;
  } else if (state == MACHINE_RUNNING) {
    return true;
  }
  return file_make_dirs(start->machine->directory, 0700, error) &&
         config_drive_write(start->home, start->profile, start->machine->config_path, error) &&
         driver->create(&start->machine->spec, pass_notice, start->progress, error);
}

static bool run_boot(Start *start, GError **error)
{
  const Driver *driver = start->machine->driver;
  MachineState state;
  if (!driver->state(&start->machine->spec, &state, error))
    return false;
  if (state == MACHINE_RUNNING)
    return true;
  if (!driver->start(&start->machine->spec, pass_notice, start->progress, error))
    return false;
  int fd = driver->open_events(&start->machine->spec, error);
  if (fd < 0)
    return false;
  start->events = boot_events_new(fd);
  return true;
}

/* Takes events until the one that all is up. *WAITING when none came for a while: a machine that came up before we
 * listened has nothing more to say. */
static bool take_events(Start *start, int64_t until, bool *waiting, GError **error)
{
  for (*waiting = true; *waiting;) {
    g_autofree char *name = NULL;
    g_autofree char *message = NULL;
    g_autoptr(GError) inner = NULL;
    if (!boot_events_next(start->events, until, &name, &message, &inner)) {
      if (reason_is(inner, REASON_GUEST_TIMEOUT))
        return true;
      g_propagate_error(error, g_steal_pointer(&inner));
      return false;
    }
    g_debug("event %s %s", name, message ? message : "");
    if (strcmp(name, "failed") == 0)
      return reason_set(error, REASON_GUEST, "the machine reports: %s", message ? message : "it failed");
    *waiting = strcmp(name, "ready") != 0;
  }
  return true;
}

static bool check_running(Start *start, GError **error)
{
  MachineState state = MACHINE_ERROR;
  if (!start->machine->driver->state(&start->machine->spec, &state, error))
    return false;
  return state == MACHINE_RUNNING || reason_set(error, REASON_GUEST, "the machine went down while it was starting");
}

static bool run_ready(Start *start, GError **error)
{
  int64_t deadline = g_get_monotonic_time() + start->options->wait_timeout_ms * 1000;
  g_autoptr(ApiClient) client = api_client_new(start->home, start->profile);
  for (bool waiting = true;;) {
    int64_t now = g_get_monotonic_time();
    if (start->events && waiting && !take_events(start, MIN(deadline, now + EVENT_PATIENCE_US), &waiting, error))
      return false;
    if (api_client_is_ready(client, PROBE_TIMEOUT_MS))
      return true;
    if (!check_running(start, error))
      return false;
    if (now > deadline)
      return reason_set(error, REASON_GUEST_TIMEOUT, "the cluster did not become ready in %d seconds",
                        (int)(start->options->wait_timeout_ms / 1000));
    if (!start->events || !waiting)
      g_usleep(REJOIN_INTERVAL_US);
  }
}

static bool run_keeper(Start *start, GError **error)
{
  return keeper_spawn(start->home, start->profile, start->options->program_path, error);
}

static bool run_kubeconfig(Start *start, GError **error)
{
  return kubeconfig_merge(start->home, start->profile, &start->options->kubeconfig, error);
}

typedef struct Step {
  const char *id, *title;
  StepRun run;
} Step;

static const Step steps[] = {
  { "image", "Getting the boot image ...", run_image },
  { "address", "Choosing an address ...", run_address },
  { "certificates", "Generating certificates and keys ...", run_certificates },
  { "machine", "Creating the machine ...", run_machine },
  { "boot", "Booting the control plane ...", run_boot },
  { "ready", "Verifying Kubernetes components ...", run_ready },
  { "keeper", "Opening the ports of services ...", run_keeper },
  { "kubeconfig", "Configuring kubectl ...", run_kubeconfig },
};

static bool run_steps(Start *start, GArray *timings, GError **error)
{
  for (size_t i = 0; i < G_N_ELEMENTS(steps) && !start->finished; i++) {
    int64_t began = g_get_monotonic_time();
    start->progress->step(start->progress, steps[i].id, steps[i].title);
    if (!steps[i].run(start, error))
      return false;
    StartTiming timing = { steps[i].id, g_get_monotonic_time() - began };
    g_array_append_val(timings, timing);
  }
  return true;
}

bool start_run(const Home *home, Profile *profile, const StartOptions *options, Progress *progress, GArray **timings,
               GError **error)
{
  Start start = { .home = home, .profile = profile, .options = options, .progress = progress };
  g_autoptr(GArray) measured = g_array_new(FALSE, FALSE, sizeof(StartTiming));
  bool good = run_steps(&start, measured, error);
  boot_events_free(start.events);
  machine_free(start.machine);
  if (timings)
    *timings = g_steal_pointer(&measured);
  return good;
}
