#include "driver/container_control.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/pidfd.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/file.h"
#include "base/reason.h"

#define LOCK_NAME "holder.lock"
#define SOCKET_NAME "holder.sock"
enum { TEXT_MAX = 1024, QUEUE = 16, REPLY_WAIT_S = 10, REQUEST_WAIT_S = 1 };

struct HolderControl {
  EventSource *source;
  int fd;
  char *directory;
};

typedef struct ControlSource {
  EventSource source;
  int fd;
  PortServer *ports;
} ControlSource;

/* --- the words -------------------------------------------------------------------------------------------------------
 */

char *holder_request_text(bool open, DriverPort port)
{
  return g_strdup_printf("%s %s %u %u\n", open ? "open" : "close", port.udp ? "udp" : "tcp", port.host, port.guest);
}

bool holder_request_parse(const char *text, bool *open, DriverPort *port)
{
  char verb[8], protocol[8];
  unsigned host, guest;
  if (sscanf(text, "%7s %7s %5u %5u", verb, protocol, &host, &guest) != 4 || host < 1 || host > 65535 || guest < 1 ||
      guest > 65535)
    return false;
  *open = strcmp(verb, "open") == 0;
  *port = (DriverPort){ .host = (uint16_t)host, .guest = (uint16_t)guest, .udp = strcmp(protocol, "udp") == 0 };
  return (*open || strcmp(verb, "close") == 0) && (port->udp || strcmp(protocol, "tcp") == 0);
}

char *holder_reply_text(const GError *error)
{
  return error ? g_strdup_printf("error %d %s", (int)reason_of(error), error->message) : g_strdup("ok");
}

bool holder_reply_parse(const char *text, GError **error)
{
  char *message;
  if (strcmp(text, "ok") == 0)
    return true;
  if (!g_str_has_prefix(text, "error "))
    return reason_set(error, REASON_DRIVER, "The machine's holder ended without an answer; see holder.log");
  long code = strtol(text + strlen("error "), &message, 10);
  if (code < 0 || code >= REASON_MAX)
    code = REASON_DRIVER;
  return reason_set(error, (Reason)code, "%s", *message == ' ' ? message + 1 : message);
}

/* --- the lock --------------------------------------------------------------------------------------------------------
 */

/* A record lock of POSIX, not flock(2): the kernel tells whose it is. */
static const struct flock WHOLE_FILE = { .l_type = F_WRLCK, .l_whence = SEEK_SET };

bool holder_claim(const char *directory, GError **error)
{
  struct flock lock = WHOLE_FILE;
  g_autofree char *path = g_build_filename(directory, LOCK_NAME, NULL);
  int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600); /* stays open: closing drops the lock */
  if (fd < 0)
    return reason_set_errno(error, REASON_FILE, errno, "Cannot open %s", path);
  if (fcntl(fd, F_SETLK, &lock) == 0)
    return true;
  close(fd);
  return reason_set(error, REASON_PROFILE_LOCKED, "The machine runs already");
}

pid_t holder_find(const char *directory)
{
  struct flock lock = WHOLE_FILE;
  g_autofree char *path = g_build_filename(directory, LOCK_NAME, NULL);
  file_autofd int fd = open(path, O_RDWR | O_CLOEXEC);
  if (fd < 0 || fcntl(fd, F_GETLK, &lock) < 0 || lock.l_type == F_UNLCK)
    return 0;
  return lock.l_pid;
}

int holder_pidfd(const char *directory)
{
  pid_t pid = holder_find(directory);
  if (pid <= 0)
    return -1;
  int fd = pidfd_open(pid, 0);
  if (fd >= 0 && holder_find(directory) != pid) /* it ended between the two calls: the number may be another's */
    file_close(&fd);
  return fd;
}

/* --- the socket ------------------------------------------------------------------------------------------------------
 */

/* The machine's folder may have a path longer than a socket's address: it is reached through its descriptor. */
static void socket_address(int folder, struct sockaddr_un *address)
{
  *address = (struct sockaddr_un){ .sun_family = AF_UNIX };
  g_snprintf(address->sun_path, sizeof address->sun_path, "/proc/self/fd/%d/" SOCKET_NAME, folder);
}

static void limit_wait(int fd, int seconds)
{
  const struct timeval limit = { .tv_sec = seconds };
  setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
}

bool holder_ask(const char *directory, bool open_it, DriverPort port, GError **error)
{
  char text[TEXT_MAX];
  struct sockaddr_un address;
  file_autofd int folder = open(directory, O_PATH | O_DIRECTORY | O_CLOEXEC);
  file_autofd int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
  socket_address(folder, &address);
  if (folder < 0 || fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof address) < 0)
    return reason_set(error, REASON_GUEST_NOT_RUNNING, "The machine is not running");
  limit_wait(fd, REPLY_WAIT_S);
  g_autofree char *request = holder_request_text(open_it, port);
  if (send(fd, request, strlen(request), MSG_NOSIGNAL) < 0)
    return reason_set_errno(error, REASON_DRIVER, errno, "Cannot reach the machine's holder");
  ssize_t got = recv(fd, text, sizeof text - 1, 0);
  text[MAX(got, 0)] = '\0';
  return holder_reply_parse(text, error);
}

static void answer(PortServer *ports, int fd)
{
  char text[TEXT_MAX];
  bool open;
  DriverPort port;
  g_autoptr(GError) problem = NULL;
  ssize_t got = recv(fd, text, sizeof text - 1, 0);
  text[MAX(got, 0)] = '\0';
  if (!holder_request_parse(text, &open, &port))
    reason_set(&problem, REASON_DRIVER, "The request to the machine's holder is malformed");
  else if (open)
    port_server_open(ports, port, &problem);
  else
    port_server_close(ports, port);
  g_autofree char *reply = holder_reply_text(problem);
  send(fd, reply, strlen(reply), MSG_NOSIGNAL);
}

/* Only the folder's owner can connect, and sends one packet at once: served in place. */
static void on_control_ready(EventSource *source, uint32_t events)
{
  ControlSource *control = (ControlSource *)source;
  file_autofd int fd = accept4(control->fd, NULL, NULL, SOCK_CLOEXEC);
  if (fd < 0)
    return;
  limit_wait(fd, REQUEST_WAIT_S);
  answer(control->ports, fd);
}

HolderControl *holder_control_new(EventLoop *loop, const char *directory, PortServer *ports, GError **error)
{
  struct sockaddr_un address;
  file_autofd int folder = open(directory, O_PATH | O_DIRECTORY | O_CLOEXEC);
  file_autofd int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  socket_address(folder, &address);
  unlinkat(folder, SOCKET_NAME, 0); /* of a holder that was killed; the lock says it is gone */
  ControlSource *source = g_new0(ControlSource, 1);
  *source = (ControlSource){ .source.ready = on_control_ready, .fd = fd, .ports = ports };
  if (folder < 0 || fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof address) < 0 || listen(fd, QUEUE) < 0 ||
      !event_loop_watch(loop, fd, EPOLLIN, &source->source)) {
    reason_set_errno(error, REASON_DRIVER, errno, "Cannot serve the machine's socket in %s", directory);
    g_free(source);
    return NULL;
  }
  HolderControl *control = g_new0(HolderControl, 1);
  *control = (HolderControl){ .source = &source->source, .fd = fd, .directory = g_strdup(directory) };
  fd = -1;
  return control;
}

void holder_control_free(HolderControl *control)
{
  if (!control)
    return;
  g_autofree char *path = g_build_filename(control->directory, SOCKET_NAME, NULL);
  unlink(path);
  file_close(&control->fd);
  g_free(control->source);
  g_free(control->directory);
  g_free(control);
}
