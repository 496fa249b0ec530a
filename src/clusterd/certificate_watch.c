#include "clusterd/certificate_watch.h"

#include <errno.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "base/file.h"
#include "base/reason.h"
#include "clusterd/certificates.h"

#define EVENTS_BYTES 4096
#define RETRY_SECONDS INT64_C(3600) /* when what is due cannot be made */

struct CertificateWatch {
  const ClusterConfig *config;
  const char *advertise_address;
  ApiServer *server;
  int changes, end; /* inotify and eventfd */
  GThread *thread;
};

/* Files are replaced by renaming others over them: their folders tell. */
static bool watch_folder(CertificateWatch *watch, const char *file, GError **error)
{
  g_autofree char *folder = g_path_get_dirname(file);
  return inotify_add_watch(watch->changes, folder, IN_CLOSE_WRITE | IN_MOVED_TO) >= 0 ||
         reason_set_errno(error, REASON_FILE, errno, "Cannot watch %s", folder);
}

static bool is_base_of(const char *file, const char *name)
{
  g_autofree char *base = g_path_get_basename(file);
  return g_str_equal(base, name);
}

/* Reads what there is of changes. True when one is about what is served with. */
static bool take_changes(const CertificateWatch *watch)
{
  char buffer[EVENTS_BYTES] __attribute__((aligned(__alignof__(struct inotify_event))));
  ssize_t length = read(watch->changes, buffer, sizeof buffer);
  bool ours = false;
  for (char *at = buffer; length > 0 && at < buffer + length;) {
    const struct inotify_event *event = (const struct inotify_event *)(const void *)at;
    ours |= event->len > 0 &&
            (is_base_of(watch->config->cert_file, event->name) || is_base_of(watch->config->key_file, event->name) ||
             is_base_of(watch->config->client_ca_file, event->name));
    at += sizeof *event + event->len;
  }
  return ours;
}

/* Between the key and its certificate the two do not fit: then the next change is the one. */
static void reload(const CertificateWatch *watch)
{
  g_autoptr(GError) error = NULL;
  if (api_server_reload_certificates(watch->server, &error))
    g_message("the API is served with new certificates");
  else
    g_message("the certificates stay as they are: %s", error->message);
}

/* Makes what is due. How many seconds until the next is; -1: nothing is ours. */
static int64_t renew(const CertificateWatch *watch)
{
  g_autoptr(GError) error = NULL;
  int64_t left = certificates_renewal_seconds(watch->config);
  if (left != 0)
    return left;
  if (!certificates_make(watch->config, watch->advertise_address, &error) ||
      !certificates_write_kubeconfig(watch->config, api_server_port(watch->server), &error)) {
    g_warning("certificates: %s", error->message);
    return RETRY_SECONDS;
  }
  return MAX(certificates_renewal_seconds(watch->config), 1);
}

static void *run(void *data)
{
  CertificateWatch *watch = data;
  struct pollfd polled[] = { { .fd = watch->changes, .events = POLLIN }, { .fd = watch->end, .events = POLLIN } };
  while (!polled[1].revents) {
    int64_t left = renew(watch);
    int timeout = left < 0 ? -1 : (int)MIN(left, INT_MAX / 1000) * 1000;
    if (poll(polled, G_N_ELEMENTS(polled), timeout) > 0 && polled[0].revents && take_changes(watch))
      reload(watch);
  }
  return NULL;
}

CertificateWatch *certificate_watch_start(const ClusterConfig *config, const char *advertise_address, ApiServer *server,
                                          GError **error)
{
  CertificateWatch *watch = g_new0(CertificateWatch, 1);
  *watch = (CertificateWatch){ .config = config, .advertise_address = advertise_address, .server = server };
  watch->changes = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
  watch->end = eventfd(0, EFD_CLOEXEC);
  if (watch->changes < 0 || watch->end < 0) {
    reason_set_errno(error, REASON_INTERNAL, errno, "cannot watch certificates");
    certificate_watch_stop(watch);
    return NULL;
  }
  if (!watch_folder(watch, config->cert_file, error) || !watch_folder(watch, config->key_file, error) ||
      !watch_folder(watch, config->client_ca_file, error)) {
    certificate_watch_stop(watch);
    return NULL;
  }
  watch->thread = g_thread_new("certificates", run, watch);
  return watch;
}

void certificate_watch_stop(CertificateWatch *watch)
{
  if (watch->thread && eventfd_write(watch->end, 1) == 0)
    g_thread_join(watch->thread);
  file_close(&watch->changes);
  file_close(&watch->end);
  g_free(watch);
}
