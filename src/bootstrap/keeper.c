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

typedef struct Keeper {
  Machine *machine;
  GHashTable *services; /* "namespace/name" → GArray of DriverPort that this service wants */
  GHashTable *open;     /* port id → DriverPort*, what is forwarded */
} Keeper;

static guint port_id(DriverPort port)
{
  return (guint)port.host << 1 | port.udp;
}

static void want(GArray *ports, int64_t host, int64_t guest, const char *protocol)
{
  if (host < 1 || host > 65535 || guest < 1 || guest > 65535 || strcmp(protocol, "SCTP") == 0)
    return;
  DriverPort port = { (uint16_t)host, (uint16_t)guest, strcmp(protocol, "UDP") == 0 };
  g_array_append_val(ports, port);
}

/* A service has its own ports on the host when the cluster gave it ADDRESS: two may ask for the same port. */
static bool is_balanced(const json_t *service, const char *address)
{
  const json_t *ingress = json_at(service, "status", "loadBalancer", "ingress", NULL);
  return strcmp(json_str(json_object_get(service, "spec"), "type", ""), "LoadBalancer") == 0 &&
         json_find(ingress, "ip", address);
}

/* The host ports a service asks for: its node ports, and for a load balancer its own ports, led to the node ports. */
static GArray *ports_of(const json_t *service, const char *address)
{
  GArray *ports = g_array_new(FALSE, FALSE, sizeof(DriverPort));
  const json_t *spec = json_object_get(service, "spec");
  bool balanced = is_balanced(service, address);
  size_t i;
  json_t *port;
  json_array_foreach (json_object_get(spec, "ports"), i, port) {
    int64_t node_port = json_int(port, "nodePort", 0);
    const char *protocol = json_str(port, "protocol", "TCP");
    want(ports, node_port, node_port, protocol);
    if (balanced)
      want(ports, json_int(port, "port", 0), node_port, protocol);
  }
  return ports;
}

static GHashTable *wanted_ports(const Keeper *keeper)
{
  GHashTable *wanted = g_hash_table_new_full(NULL, NULL, NULL, g_free);
  GHashTableIter iter;
  gpointer value;
  g_hash_table_iter_init(&iter, keeper->services);
  while (g_hash_table_iter_next(&iter, NULL, &value)) {
    const GArray *ports = value;
    for (guint i = 0; i < ports->len; i++) {
      DriverPort port = g_array_index(ports, DriverPort, i);
      gpointer id = GUINT_TO_POINTER(port_id(port));
      if (!g_hash_table_contains(wanted, id))
        g_hash_table_insert(wanted, id, g_memdup2(&port, sizeof port));
    }
  }
  return wanted;
}

static bool is_fixed(const Keeper *keeper, DriverPort port)
{
  for (size_t i = 0; i < keeper->machine->spec.n_ports; i++)
    if (keeper->machine->spec.ports[i].host == port.host && !port.udp)
      return true;
  return false;
}

/* Closes what nobody wants any more and opens what is new. A port that cannot be opened is logged and tried again at
 * the next change. */
static void reconcile(Keeper *keeper)
{
  const Driver *driver = keeper->machine->driver;
  g_autoptr(GHashTable) wanted = wanted_ports(keeper);
  GHashTableIter iter;
  gpointer id, value;
  g_hash_table_iter_init(&iter, keeper->open);
  while (g_hash_table_iter_next(&iter, &id, &value)) {
    const DriverPort *now = value, *then = g_hash_table_lookup(wanted, id);
    if (then && then->guest == now->guest)
      continue;
    g_autoptr(GError) error = NULL;
    if (!driver->unforward(&keeper->machine->spec, *now, &error))
      g_warning("port %u: %s", now->host, error->message);
    g_hash_table_iter_remove(&iter);
  }
  g_hash_table_iter_init(&iter, wanted);
  while (g_hash_table_iter_next(&iter, &id, &value)) {
    const DriverPort *port = value;
    g_autoptr(GError) error = NULL;
    if (g_hash_table_contains(keeper->open, id) || is_fixed(keeper, *port))
      continue;
    if (driver->forward(&keeper->machine->spec, *port, &error))
      g_hash_table_insert(keeper->open, id, g_memdup2(port, sizeof *port));
    else
      g_warning("port %u: %s", port->host, error->message);
  }
}

static bool take_event(const char *type, json_t *service, void *data)
{
  Keeper *keeper = data;
  const json_t *metadata = json_object_get(service, "metadata");
  if (strcmp(type, "ERROR") == 0)
    return false;
  if (strcmp(type, "BOOKMARK") == 0)
    return true;
  char *key = g_strdup_printf("%s/%s", json_str(metadata, "namespace", ""), json_str(metadata, "name", ""));
  if (strcmp(type, "DELETED") == 0) {
    g_hash_table_remove(keeper->services, key);
    g_free(key);
  } else {
    g_hash_table_replace(keeper->services, key, ports_of(service, keeper->machine->spec.address));
  }
  reconcile(keeper);
  return true;
}

static bool machine_runs(const Keeper *keeper)
{
  MachineState state;
  return keeper->machine->driver->state(&keeper->machine->spec, &state, NULL) &&
         (state == MACHINE_RUNNING || state == MACHINE_PAUSED);
}

static void free_ports(gpointer ports)
{
  g_array_unref(ports);
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
  g_autoptr(ApiClient) client = api_client_new(home, profile);
  Keeper keeper = { .machine = machine,
                    .services = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, free_ports),
                    .open = g_hash_table_new_full(NULL, NULL, NULL, g_free) };
  while (machine_runs(&keeper)) {
    g_autoptr(GError) inner = NULL;
    /* a watch without a resourceVersion begins with everything there is; what went away meanwhile must not linger */
    g_hash_table_remove_all(keeper.services);
    if (!api_client_watch(client, "/api/v1/services?watch=true", take_event, &keeper, &inner))
      g_message("%s", inner->message);
    g_usleep(RETRY_US);
  }
  g_hash_table_unref(keeper.services);
  g_hash_table_unref(keeper.open);
  return true;
}
