#include "driver/libvirt_connect.h"

#include <errno.h>
#include <libvirt/virterror.h>
#include <sched.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/file.h"
#include "driver/kvm_probe.h"
#include "driver/program.h"

#define DAEMON_LOCK "/run/launcher-libvirtd.lock"
#define NO_KVM "/run/launcher-no-kvm"
#define DAEMON_IDLE                                                                                                    \
  "--timeout=120" /* seconds without machine or client until it ends; libvirt's own choice for sessions */
enum { DAEMON_WAIT_MS = 20000, DAEMON_RETRY_MS = 20 };

const char *libvirt_uri(void)
{
  const char *chosen = g_getenv("LIBVIRT_DEFAULT_URI");
  if (chosen && *chosen)
    return chosen;
  return geteuid() == 0 ? "qemu:///system" : "qemu:///session";
}

bool libvirt_uri_is_system(const char *uri)
{
  return strstr(uri, "/system") != NULL;
}

bool libvirt_fail(GError **error, Reason reason, const char *format, ...)
{
  va_list arguments;
  va_start(arguments, format);
  g_autofree char *text = g_strdup_vprintf(format, arguments);
  va_end(arguments);
  const char *why = virGetLastErrorMessage();
  return reason_set(error, reason, "%s: %s", text, why ? why : "unknown error");
}

/* libvirt prints every error to stderr unless told otherwise; ours travel as GError. */
static void stay_silent(void *data, virErrorPtr error)
{
}

static virConnectPtr open_uri(void)
{
  virSetErrorFunc(NULL, stay_silent);
  return virConnectOpenAuth(libvirt_uri(), virConnectAuthPtrDefault, 0);
}

/* libvirt puts errno into int1 of a system error. */
static bool last_error_is(int errno_value)
{
  virErrorPtr last = virGetLastError();
  return last && last->code == VIR_ERR_SYSTEM_ERROR && last->int1 == errno_value;
}

static bool daemon_is_down(void)
{
  return last_error_is(ENOENT) || last_error_is(ECONNREFUSED);
}

/* True when we are the ones to start the system's daemon: root, and no systemd that has a unit for it. */
static bool daemon_is_ours(void)
{
  return geteuid() == 0 && strcmp(libvirt_uri(), "qemu:///system") == 0 && access("/run/systemd/system", F_OK) < 0;
}

void libvirt_log_daemon_ensure(void)
{
  const char *const argv[] = { "virtlogd", "--daemon", DAEMON_IDLE, NULL };
  g_autoptr(GError) problem = NULL;
  if (daemon_is_ours() && !program_run(argv, &problem))
    g_debug("%s", problem->message); /* one that runs already is the usual reason; libvirt tells when there is none */
}

/* In the child that becomes libvirtd: hides a /dev/kvm that cannot work from it and from the QEMU it asks for
 * capabilities. Such a device may hang whoever opens it. It may also open for root alone: then QEMU's capabilities say
 * KVM, the check as user libvirt-qemu says no KVM, and libvirt asks QEMU anew, for seconds, each time it wants to know
 * anything. What hides it is a null device for root alone: neither of the two sees KVM, and what libvirt learnt stays
 * valid. (A device, because libvirt copies what it finds under /dev into the /dev it makes for each machine.) */
static void hide_kvm(void *data)
{
  if (mknod(NO_KVM, S_IFCHR | 0600, makedev(1, 3)) < 0 && errno != EEXIST)
    return;
  if (unshare(CLONE_NEWNS) == 0 && mount(NULL, "/", NULL, MS_REC | MS_SLAVE, NULL) == 0)
    mount(NO_KVM, "/dev/kvm", NULL, MS_BIND, NULL);
}

/* Called with the lock held. */
static virConnectPtr start_daemon(GError **error)
{
  const char *const argv[] = { "libvirtd", "--daemon", DAEMON_IDLE, NULL };
  KvmFacts facts;
  kvm_probe(&facts);
  bool hide = !facts.cpu_flag && access("/dev/kvm", F_OK) == 0;
  if (!program_run_after(argv, hide ? hide_kvm : NULL, error))
    return NULL;
  /* libvirtd forks once it listens, so the first try succeeds; the others are for a machine under load. */
  for (int waited = 0; waited < DAEMON_WAIT_MS; waited += DAEMON_RETRY_MS) {
    virConnectPtr connection = open_uri();
    if (connection || !daemon_is_down())
      return connection;
    g_usleep(DAEMON_RETRY_MS * 1000);
  }
  return NULL;
}

static virConnectPtr connect_starting_daemon(GError **error)
{
  file_autofd int lock = file_lock(DAEMON_LOCK, DAEMON_WAIT_MS, error);
  if (lock < 0)
    return NULL;
  virConnectPtr connection = open_uri(); /* another launcher may have started it while we waited */
  if (!connection && daemon_is_down())
    connection = start_daemon(error);
  return connection;
}

static Reason reason_of_connection(void)
{
  virErrorPtr last = virGetLastError();
  if (last && (last->code == VIR_ERR_AUTH_FAILED || last->code == VIR_ERR_AUTH_UNAVAILABLE ||
               last->code == VIR_ERR_AUTH_CANCELLED || last->code == VIR_ERR_ACCESS_DENIED || last_error_is(EACCES)))
    return REASON_PROVIDER_PERMISSION;
  return REASON_PROVIDER_UNAVAILABLE;
}

virConnectPtr libvirt_connect(GError **error)
{
  g_autoptr(GError) problem = NULL;
  g_autofree char *program = program_path("libvirtd");
  virConnectPtr connection = open_uri();
  if (!connection && daemon_is_down() && program && daemon_is_ours())
    connection = connect_starting_daemon(&problem);
  if (connection)
    return connection;
  if (problem)
    g_propagate_error(error, g_steal_pointer(&problem));
  else if (!program && daemon_is_down())
    reason_set(error, REASON_PROVIDER_NOT_FOUND,
               "libvirt's daemon is not installed (Debian: libvirt-daemon-system, qemu-system-x86, qemu-utils)");
  else
    libvirt_fail(error, reason_of_connection(), "Cannot connect to libvirt at %s", libvirt_uri());
  return NULL;
}
