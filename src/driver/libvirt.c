#include "driver/libvirt.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <libvirt/virterror.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/file.h"
#include "base/reason.h"
#include "driver/data_disk.h"
#include "driver/domain_xml.h"
#include "driver/kvm_probe.h"
#include "driver/libvirt_connect.h"
#include "driver/libvirt_ports.h"
#include "driver/libvirt_wait.h"
#include "driver/machine_folder.h"
#include "driver/program.h"

#define MACHINE_ADDRESS "10.0.2.15" /* user-mode networking's, see docs/internals/guest.md */

/* --- finding the domain and who owns it ------------------------------------------------------------------------------
 */

static bool domain_is_ours(virDomainPtr domain, const MachineSpec *spec)
{
  char *mark =
      virDomainGetMetadata(domain, VIR_DOMAIN_METADATA_ELEMENT, DOMAIN_METADATA_URI, VIR_DOMAIN_AFFECT_CURRENT);
  bool ours = mark && strstr(mark, spec->uuid);
  free(mark);
  return ours;
}

/* *DOMAIN is NULL when the machine does not exist, or when a domain of its name is not this profile's and FOREIGN_OK.
 */
static bool domain_find(virConnectPtr connection, const MachineSpec *spec, bool foreign_ok, virDomainPtr *domain,
                        GError **error)
{
  g_autofree char *name = machine_name(spec);
  *domain = NULL;
  g_autoptr(virDomain) found = virDomainLookupByName(connection, name);
  if (!found) {
    virErrorPtr last = virGetLastError();
    if (last && last->code == VIR_ERR_NO_DOMAIN)
      return true;
    return libvirt_fail(error, REASON_DRIVER, "Cannot look for the machine %s", name);
  }
  if (!domain_is_ours(found, spec)) {
    if (foreign_ok)
      return true;
    return reason_set(error, REASON_DRIVER_CONFLICT,
                      "A libvirt domain named %s exists that this profile did not make; it is left alone", name);
  }
  *domain = g_steal_pointer(&found);
  return true;
}

static bool domain_get(virConnectPtr connection, const MachineSpec *spec, virDomainPtr *domain, GError **error)
{
  if (!domain_find(connection, spec, false, domain, error))
    return false;
  if (*domain)
    return true;
  return reason_set(error, REASON_GUEST_NOT_FOUND, "The machine of profile \"%s\" does not exist", spec->profile);
}

/* The running domain over a connection of its own; both are the caller's. */
static bool domain_get_running(const MachineSpec *spec, virConnectPtr *connection, virDomainPtr *domain, GError **error)
{
  *connection = libvirt_connect(error);
  if (!*connection || !domain_get(*connection, spec, domain, error))
    return false;
  if (virDomainIsActive(*domain) == 1)
    return true;
  return reason_set(error, REASON_GUEST_NOT_RUNNING, "The machine of profile \"%s\" is not running", spec->profile);
}

/* --- probe and create ------------------------------------------------------------------------------------------------
 */

static bool probe(GError **error)
{
  static const char *const NEEDED[] = { "qemu-system-x86_64", "qemu-img" };
  for (size_t i = 0; i < G_N_ELEMENTS(NEEDED); i++) {
    g_autofree char *path = program_path(NEEDED[i]);
    if (!path)
      return reason_set(error, REASON_PROVIDER_NOT_FOUND,
                        "%s is not installed (Debian: libvirt-daemon-system, qemu-system-x86, qemu-utils)", NEEDED[i]);
  }
  g_autoptr(virConnect) connection = libvirt_connect(error);
  return connection != NULL;
}

static bool kvm_works(virConnectPtr connection, DriverNotice notice, void *notice_data)
{
  KvmFacts facts;
  kvm_probe(&facts);
  if (facts.cpu_flag && facts.device_errno == 0) { /* asking makes libvirt try /dev/kvm: only when it can be good */
    char *offered = virConnectGetDomainCapabilities(connection, NULL, "x86_64", "q35", "kvm", 0);
    facts.libvirt_offers_it = offered != NULL;
    free(offered);
  }
  const char *objection = kvm_objection(&facts);
  if (objection && notice) {
    g_autofree char *text = g_strdup_printf(
        "KVM is not usable: %s. The machine runs in software emulation, about ten times slower.", objection);
    notice(text, notice_data);
  }
  return !objection;
}

/* A running machine holds its disk: it grows through QEMU; else the file does. */
static bool disk_adjust(const MachineSpec *spec, virDomainPtr domain, GError **error)
{
  g_autofree char *path = machine_disk_path(spec);
  if (!domain || virDomainIsActive(domain) != 1)
    return data_disk_ensure(path, spec->disk_mib, error);
  int64_t size = data_disk_size(path, error);
  if (size < 0)
    return false;
  if (size > spec->disk_mib << 20)
    return reason_set(error, REASON_USAGE, "The disk has %" PRId64 " MiB and cannot be made smaller (%" PRId64 " MiB)",
                      size >> 20, spec->disk_mib);
  if (size < spec->disk_mib << 20 &&
      virDomainBlockResize(domain, path, (unsigned long long)spec->disk_mib << 20, VIR_DOMAIN_BLOCK_RESIZE_BYTES) < 0)
    return libvirt_fail(error, REASON_DRIVER, "Cannot enlarge the disk of the running machine");
  return true;
}

static bool create(const MachineSpec *spec, DriverNotice notice, void *notice_data, GError **error)
{
  g_autoptr(virConnect) connection = libvirt_connect(error);
  g_autoptr(virDomain) present = NULL;
  if (!connection || !domain_find(connection, spec, false, &present, error))
    return false;
  if (!file_make_dirs(spec->directory, 0700, error) || !disk_adjust(spec, present, error))
    return false;
  DomainHost host = { .kvm = kvm_works(connection, notice, notice_data),
                      .system = libvirt_uri_is_system(libvirt_uri()),
                      .uid = geteuid(),
                      .gid = getegid() };
  g_autofree char *xml = domain_xml(spec, &host);
  g_autoptr(virDomain) domain = virDomainDefineXML(connection, xml);
  if (!domain)
    return libvirt_fail(error, REASON_DRIVER, "libvirt refused the machine's definition");
  return true;
}

/* --- start and stop --------------------------------------------------------------------------------------------------
 */

static bool ports_open(const MachineSpec *spec, virDomainPtr domain, GError **error)
{
  for (size_t i = 0; i < spec->n_ports; i++)
    if (!libvirt_port_open(domain, spec->address, spec->ports[i], error))
      return false;
  return true;
}

/* The processors stand still until the ports are open, so a conflict boots nothing. A launcher killed in between leaves
 * the domain paused as if just started; the next start ends what it left. */
static bool boot(const MachineSpec *spec, virDomainPtr domain, GError **error)
{
  libvirt_log_daemon_ensure();
  if (virDomainCreateWithFlags(domain, VIR_DOMAIN_START_PAUSED) < 0)
    return libvirt_fail(error, REASON_DRIVER, "libvirt could not start the machine");
  bool up = ports_open(spec, domain, error);
  if (up && virDomainResume(domain) < 0)
    up = libvirt_fail(error, REASON_DRIVER, "libvirt could not run the machine");
  if (!up)
    virDomainDestroy(domain);
  return up;
}

static bool start(const MachineSpec *spec, DriverNotice notice, void *notice_data, GError **error)
{
  int state, detail;
  g_autoptr(virConnect) connection = libvirt_connect(error);
  g_autoptr(virDomain) domain = NULL;
  if (!connection || !domain_get(connection, spec, &domain, error))
    return false;
  if (virDomainGetState(domain, &state, &detail, 0) < 0)
    return libvirt_fail(error, REASON_DRIVER, "Cannot read the machine's state");
  if (state == VIR_DOMAIN_SHUTOFF || state == VIR_DOMAIN_CRASHED)
    return boot(spec, domain, error);
  if (!ports_open(spec, domain, error))
    return false;
  if (state == VIR_DOMAIN_PAUSED && virDomainResume(domain) < 0)
    return libvirt_fail(error, REASON_DRIVER, "libvirt could not run the machine");
  return true;
}

static bool is_gone(void)
{
  virErrorPtr last = virGetLastError();
  return last && (last->code == VIR_ERR_OPERATION_INVALID || last->code == VIR_ERR_NO_DOMAIN);
}

static bool cut_power(virDomainPtr domain, GError **error)
{
  if (virDomainIsActive(domain) == 0 || virDomainDestroy(domain) == 0 || is_gone())
    return true;
  return libvirt_fail(error, REASON_DRIVER, "libvirt could not power the machine off");
}

static int press_power_button(virDomainPtr domain)
{
  return virDomainShutdownFlags(domain, VIR_DOMAIN_SHUTDOWN_ACPI_POWER_BTN);
}

static bool stop(const MachineSpec *spec, int timeout_ms, GError **error)
{
  int state, detail;
  bool down = false;
  if (!libvirt_events_start(error))
    return false;
  g_autoptr(virConnect) connection = libvirt_connect(error);
  g_autoptr(virDomain) domain = NULL;
  if (!connection || !domain_find(connection, spec, false, &domain, error))
    return false;
  if (!domain || virDomainIsActive(domain) == 0)
    return true;
  if (virDomainGetState(domain, &state, &detail, 0) == 0 && state == VIR_DOMAIN_PAUSED)
    virDomainResume(domain); /* a frozen machine cannot shut down; when this fails the power is cut below */
  g_autoptr(GError) problem = NULL;
  if (!libvirt_wait_down(connection, domain, press_power_button, timeout_ms, &down, &problem))
    g_debug("%s", problem->message);
  return down || cut_power(domain, error);
}

static bool kill_machine(const MachineSpec *spec, GError **error)
{
  g_autoptr(virConnect) connection = libvirt_connect(error);
  g_autoptr(virDomain) domain = NULL;
  if (!connection || !domain_find(connection, spec, false, &domain, error))
    return false;
  return !domain || cut_power(domain, error);
}

static bool pause_machine(const MachineSpec *spec, GError **error)
{
  g_autoptr(virConnect) connection = NULL;
  g_autoptr(virDomain) domain = NULL;
  if (!domain_get_running(spec, &connection, &domain, error))
    return false;
  /* Suspending a paused domain is success to libvirt. */
  return virDomainSuspend(domain) == 0 || libvirt_fail(error, REASON_DRIVER, "libvirt could not pause the machine");
}

static bool resume(const MachineSpec *spec, GError **error)
{
  int state, detail;
  g_autoptr(virConnect) connection = NULL;
  g_autoptr(virDomain) domain = NULL;
  if (!domain_get_running(spec, &connection, &domain, error))
    return false;
  if (virDomainGetState(domain, &state, &detail, 0) == 0 && state == VIR_DOMAIN_RUNNING)
    return true;
  return virDomainResume(domain) == 0 || libvirt_fail(error, REASON_DRIVER, "libvirt could not resume the machine");
}

static bool delete_machine(const MachineSpec *spec, GError **error)
{
  const unsigned flags = VIR_DOMAIN_UNDEFINE_MANAGED_SAVE | VIR_DOMAIN_UNDEFINE_SNAPSHOTS_METADATA |
                         VIR_DOMAIN_UNDEFINE_CHECKPOINTS_METADATA | VIR_DOMAIN_UNDEFINE_NVRAM;
  g_autoptr(virConnect) connection = libvirt_connect(error);
  g_autoptr(virDomain) domain = NULL;
  if (!connection || !domain_find(connection, spec, true, &domain, error))
    return false;
  if (domain) {
    if (!cut_power(domain, error))
      return false;
    if (virDomainUndefineFlags(domain, flags) < 0 && !is_gone())
      return libvirt_fail(error, REASON_DRIVER, "libvirt could not remove the machine");
  }
  g_autofree char *socket = machine_events_socket(spec);
  unlink(socket); /* it may lie outside the folder */
  return file_remove_tree(spec->directory, error);
}

/* --- questions -------------------------------------------------------------------------------------------------------
 */

static MachineState state_of(int state, int detail)
{
  switch (state) {
  case VIR_DOMAIN_RUNNING:
  case VIR_DOMAIN_BLOCKED:
    return MACHINE_RUNNING;
  case VIR_DOMAIN_PAUSED:
    if (detail == VIR_DOMAIN_PAUSED_IOERROR || detail == VIR_DOMAIN_PAUSED_CRASHED)
      return MACHINE_ERROR;
    return detail == VIR_DOMAIN_PAUSED_SHUTTING_DOWN ? MACHINE_STOPPING : MACHINE_PAUSED;
  case VIR_DOMAIN_PMSUSPENDED:
    return MACHINE_PAUSED;
  case VIR_DOMAIN_SHUTDOWN:
    return MACHINE_STOPPING;
  case VIR_DOMAIN_SHUTOFF:
    return MACHINE_STOPPED;
  default:
    return MACHINE_ERROR;
  }
}

static bool machine_state(const MachineSpec *spec, MachineState *state, GError **error)
{
  int raw, detail;
  g_autoptr(virConnect) connection = libvirt_connect(error);
  g_autoptr(virDomain) domain = NULL;
  if (!connection || !domain_find(connection, spec, true, &domain, error))
    return false;
  *state = MACHINE_NONEXISTENT;
  if (!domain)
    return true;
  if (virDomainGetState(domain, &raw, &detail, 0) < 0)
    return libvirt_fail(error, REASON_DRIVER, "Cannot read the machine's state");
  *state = state_of(raw, detail);
  return true;
}

static char *address(const MachineSpec *spec, GError **error)
{
  return g_strdup(MACHINE_ADDRESS);
}

static bool forward(const MachineSpec *spec, DriverPort port, GError **error)
{
  g_autoptr(virConnect) connection = NULL;
  g_autoptr(virDomain) domain = NULL;
  return domain_get_running(spec, &connection, &domain, error) && libvirt_port_open(domain, spec->address, port, error);
}

static bool unforward(const MachineSpec *spec, DriverPort port, GError **error)
{
  g_autoptr(virConnect) connection = NULL;
  g_autoptr(virDomain) domain = NULL;
  return domain_get_running(spec, &connection, &domain, error) &&
         libvirt_port_close(domain, spec->address, port, error);
}

static int open_events(const MachineSpec *spec, GError **error)
{
  struct sockaddr_un target = { .sun_family = AF_UNIX };
  g_autofree char *path = machine_events_socket(spec);
  file_autofd int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  g_strlcpy(target.sun_path, path, sizeof target.sun_path);
  if (fd < 0 || connect(fd, (struct sockaddr *)&target, sizeof target) < 0) {
    if (errno == ENOENT || errno == ECONNREFUSED)
      reason_set(error, REASON_GUEST_NOT_RUNNING, "The machine of profile \"%s\" is not running", spec->profile);
    else
      reason_set_errno(error, REASON_DRIVER, errno, "Cannot open the machine's event channel");
    return -1;
  }
  int connected = fd;
  fd = -1;
  return connected;
}

const Driver libvirt_driver = {
  .name = "libvirt",
  .alias = "kvm2",
  .summary = "a virtual machine of libvirt and QEMU, with KVM where it works",
  .priority = 100,
  .probe = probe,
  .create = create,
  .start = start,
  .stop = stop,
  .kill = kill_machine,
  .pause = pause_machine,
  .resume = resume,
  .delete_ = delete_machine,
  .state = machine_state,
  .address = address,
  .forward = forward,
  .unforward = unforward,
  .open_events = open_events,
  .console_log = machine_console_path,
};
