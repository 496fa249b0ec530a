#include "clusterd/node/sandbox/pod_socket.h"

#include <errno.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/reason.h"
#include "clusterd/node/sandbox/namespace.h"
#include "clusterd/node/stats/stat_file.h"
#include "clusterd/node/stats/stat_text.h"

typedef struct SocketCall {
  const char *path; /* of the network namespace; NULL: the node's */
  int family, fd;
  GError **error;
} SocketCall;

static void open_socket(void *data)
{
  SocketCall *call = data;
  if (call->path && !namespace_enter(call->path, call->error))
    return;
  call->fd = socket(call->family, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (call->fd < 0)
    reason_set_errno(call->error, REASON_RUNTIME, errno, "Cannot make a socket");
}

/* A socket belongs to the namespace it was made in, wherever it is used. */
static int connect_family(const char *namespace_path, int family, uint16_t port, GError **error)
{
  struct sockaddr_in v4 = { .sin_family = AF_INET, .sin_port = htons(port), .sin_addr = { htonl(INADDR_LOOPBACK) } };
  struct sockaddr_in6 v6 = { .sin6_family = AF_INET6, .sin6_port = htons(port), .sin6_addr = IN6ADDR_LOOPBACK_INIT };
  SocketCall call = { namespace_path, family, -1, error };
  namespace_run(open_socket, &call);
  if (call.fd < 0)
    return -1;
  int failed = family == AF_INET ? connect(call.fd, (struct sockaddr *)&v4, sizeof v4)
                                 : connect(call.fd, (struct sockaddr *)&v6, sizeof v6);
  if (failed == 0)
    return call.fd;
  reason_set_errno(error, REASON_RUNTIME, errno, "failed to connect to localhost:%u inside the pod", port);
  close(call.fd);
  return -1;
}

int pod_socket_connect(const char *namespace_path, uint16_t port, GError **error)
{
  g_autoptr(GError) failure = NULL;
  int fd = connect_family(namespace_path, AF_INET, port, &failure);
  if (fd < 0) /* a server may listen on ::1 only */
    fd = connect_family(namespace_path, AF_INET6, port, NULL);
  if (fd < 0)
    g_propagate_error(error, g_steal_pointer(&failure));
  return fd;
}

typedef struct InterfaceCall {
  const char *path;
  GArray *interfaces;
} InterfaceCall;

/* The kernel shows the interfaces of the namespace of the thread that asks. */
static void read_interfaces(void *data)
{
  InterfaceCall *call = data;
  char text[STAT_FILE_MAX];
  if (namespace_enter(call->path, NULL) && stat_file_read("/proc", "thread-self/net", "dev", text))
    call->interfaces = stat_text_interfaces(text);
}

GArray *pod_interfaces_read(const char *namespace_path)
{
  InterfaceCall call = { .path = namespace_path };
  namespace_run(read_interfaces, &call);
  return call.interfaces;
}
