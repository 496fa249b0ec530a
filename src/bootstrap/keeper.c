#include "bootstrap/keeper.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/file.h"
#include "base/json.h"
#include "base/reason.h"
#include "bootstrap/api_client.h"
#include "bootstrap/machine.h"
#include "bootstrap/service_ports.h"

#define RETRY_US (1 * G_USEC_PER_SEC) /* between watches that the server ended */
#define STOP_TIMEOUT_MS 5000

/* --- one keeper a profile -------------------------------------------------------------------------------------------
 */

/* The keeper's pid when it runs, else 0. The lock, not the number in the file, says whether it runs. */
static int running_pid(const char *path)
{
  int pid = 0;
  file_autofd int fd = open(path, O_RDWR | O_CLOEXEC);
  if (fd < 0 || flock(fd, LOCK_EX | LOCK_NB) == 0)
    return 0;
  g_autoptr(GBytes) bytes = file_read(path, 32, NULL);
  g_autofree char *text = bytes ? g_strndup(g_bytes_get_data(bytes, NULL), g_bytes_get_size(bytes)) : NULL;
  return text && sscanf(text, "%d", &pid) == 1 && pid > 1 ? pid : 0;
}

bool keeper_spawn(const Home *home, const Profile *profile, const char *program_path, GError **error)
{
  g_autofree char *lock_path = home_profile_file(home, profile->name, "keeper.lock");
  g_autofree char *log_path = home_profile_file(home, profile->name, "keeper.log");
  if (running_pid(lock_path))
    return true;
  file_autofd int log = open(log_path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  file_autofd int nothing = open("/dev/null", O_RDWR | O_CLOEXEC);
  if (log < 0 || nothing < 0)
    return reason_set_errno(error, REASON_FILE, errno, "Cannot write %s", log_path);
  const char *argv[] = { program_path, "keeper", "-p", profile->name, NULL };
  g_autoptr(GError) inner = NULL;
  if (!g_spawn_async_with_fds("/", (char **)(uintptr_t)argv, NULL, G_SPAWN_DEFAULT, NULL, NULL, NULL, nothing, log, log,
                              &inner))
    return reason_set(error, REASON_INTERNAL, "cannot start the keeper: %s", inner->message);
  return true;
}

void keeper_stop(const Home *home, const char *profile)
{
  g_autofree char *lock_path = home_profile_file(home, profile, "keeper.lock");
  int pid = running_pid(lock_path);
  if (!pid || kill(pid, SIGTERM) < 0)
    return;
  file_autofd int gone = file_lock(lock_path, STOP_TIMEOUT_MS, NULL);
  if (gone < 0)
    kill(pid, SIGKILL);
}

/* --- what it does ---------------------------------------------------------------------------------------------------
 */

struct PortWatch {
  ApiClient *services, *events; /* the watch keeps its client busy */
  ServicePorts *ports;
  bool changed;     /* since the ports were last brought in line */
  int64_t retry_us; /* monotonic, when what could not be opened is tried again */
};

static void tell_service(const json_t *event, void *data)
{
  const PortWatch *watch = data;
  g_autoptr(GError) error = NULL;
  g_autofree char *path =
      g_strdup_printf("/api/v1/namespaces/%s/events", json_str(json_object_get(event, "metadata"), "namespace", ""));
  if (!api_client_post(watch->events, path, event, &error))
    g_message("%s", error->message);
}

static bool take_event(const char *type, json_t *service, void *data)
{
  PortWatch *watch = data;
  if (strcmp(type, "ERROR") == 0)
    return false;
  if (strcmp(type, "BOOKMARK") == 0)
    return true;
  service_ports_note(watch->ports, type, service);
  watch->changed = true;
  return true;
}

static int bring_in_line(void *data)
{
  PortWatch *watch = data;
  int64_t now_us = g_get_monotonic_time();
  if (watch->changed || now_us >= watch->retry_us)
    watch->retry_us = service_ports_sync(watch->ports, now_us);
  watch->changed = false;
  return watch->retry_us == INT64_MAX ? -1 : (int)(MAX(watch->retry_us - now_us, 0) / 1000) + 1;
}

PortWatch *port_watch_new(const Home *home, const Profile *profile, const Driver *driver, const MachineSpec *spec)
{
  PortWatch *watch = g_new0(PortWatch, 1);
  watch->services = api_client_new(home, profile);
  watch->events = api_client_new(home, profile);
  watch->ports = service_ports_new(driver, spec, tell_service, watch);
  return watch;
}

void port_watch_free(PortWatch *watch)
{
  if (!watch)
    return;
  service_ports_free(watch->ports);
  api_client_free(watch->services);
  api_client_free(watch->events);
  g_free(watch);
}

bool port_watch_follow(PortWatch *watch, GError **error)
{
  /* a watch without a resourceVersion begins with everything there is; what went away meanwhile must not linger */
  service_ports_forget(watch->ports);
  watch->changed = false;
  watch->retry_us = INT64_MAX; /* else all would be closed before the first service is told */
  return api_client_watch(watch->services, "/api/v1/services?watch=true", take_event, bring_in_line, watch, error);
}

/* --- the process ----------------------------------------------------------------------------------------------------
 */

static bool machine_runs(const Machine *machine)
{
  MachineState state;
  return machine->driver->state(&machine->spec, &state, NULL) && (state == MACHINE_RUNNING || state == MACHINE_PAUSED);
}

bool keeper_run(const Home *home, const Profile *profile, GError **error)
{
  g_autofree char *lock_path = home_profile_file(home, profile->name, "keeper.lock");
  file_autofd int lock = file_lock(lock_path, 0, error);
  if (lock < 0)
    return false;
  if (ftruncate(lock, 0) < 0 || dprintf(lock, "%d\n", (int)getpid()) < 0)
    return reason_set_errno(error, REASON_FILE, errno, "Cannot write %s", lock_path);
  setsid();
  g_autoptr(Machine) machine = machine_new(home, profile, error);
  if (!machine)
    return false;
  g_autoptr(PortWatch) watch = port_watch_new(home, profile, machine->driver, &machine->spec);
  while (machine_runs(machine)) {
    g_autoptr(GError) inner = NULL;
    if (!port_watch_follow(watch, &inner))
      g_message("%s", inner->message);
    g_usleep(RETRY_US);
  }
  return true;
}
