#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/file.h"
#include "base/json.h"
#include "base/reason.h"
#include "clusterd/node/docker/docker_http.h"

#define HEAD_MAX 16384
#define COMPLAINT_MAX 4096
#define STATUS_AT 9 /* in "HTTP/1.1 101 …" */

static int connect_to(const char *path, GError **error)
{
  struct sockaddr_un address = { .sun_family = AF_UNIX };
  file_autofd int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  g_strlcpy(address.sun_path, path, sizeof address.sun_path);
  if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof address) < 0) {
    reason_set_errno(error, REASON_RUNTIME, errno, "dockerd at %s", path);
    return -1;
  }
  int connected = fd;
  fd = -1;
  return connected;
}

static bool send_all(int fd, const char *text, size_t length)
{
  while (length > 0) {
    ssize_t put = send(fd, text, length, MSG_NOSIGNAL);
    if (put < 0 && errno == EINTR)
      continue;
    if (put < 0)
      return false;
    text += put;
    length -= (size_t)put;
  }
  return true;
}

/* The answer's head, and not a byte of the stream behind it. */
static char *read_head(int fd)
{
  g_autoptr(GString) head = g_string_new(NULL);
  char byte;
  while (head->len < HEAD_MAX && !g_str_has_suffix(head->str, "\r\n\r\n")) {
    ssize_t got = recv(fd, &byte, 1, 0);
    if (got < 0 && errno == EINTR)
      continue;
    if (got <= 0)
      return NULL;
    g_string_append_c(head, byte);
  }
  return g_string_free(g_steal_pointer(&head), FALSE);
}

static bool check_head(int fd, const char *head, GError **error)
{
  char body[COMPLAINT_MAX];
  if (!head || !g_str_has_prefix(head, "HTTP/1.") || strlen(head) < STATUS_AT + 3)
    return reason_set(error, REASON_RUNTIME, "dockerd closes the connection");
  long status = strtol(head + STATUS_AT, NULL, 10);
  if (status == 101 || status == 200)
    return true;
  ssize_t got = recv(fd, body, sizeof body, 0);
  return docker_http_error(error, status, body, got > 0 ? (gsize)got : 0);
}

int docker_hijack(DockerRuntime *docker, const char *path, const json_t *body, GError **error)
{
  g_autofree char *text = body ? json_text(body) : g_strdup("");
  g_autofree char *request =
      g_strdup_printf("POST %s HTTP/1.1\r\nHost: docker\r\nContent-Type: application/json\r\nConnection: Upgrade\r\n"
                      "Upgrade: tcp\r\nContent-Length: %zu\r\n\r\n%s",
                      path, strlen(text), text);
  file_autofd int fd = connect_to(docker->socket_path, error);
  if (fd < 0)
    return -1;
  if (!send_all(fd, request, strlen(request))) {
    reason_set_errno(error, REASON_RUNTIME, errno, "dockerd at %s", docker->socket_path);
    return -1;
  }
  g_autofree char *head = read_head(fd);
  if (!check_head(fd, head, error))
    return -1;
  int hijacked = fd;
  fd = -1;
  return hijacked;
}
