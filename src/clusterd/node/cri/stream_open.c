/* The begin and the end of a connection to the runtime's streaming server. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/file.h"
#include "base/json.h"
#include "base/reason.h"
#include "clusterd/node/cri/stream.h"

#define HEAD_MAX 16384 /* bytes of the server's answer before the streams */
#define ANSWER_MS 30000

/* The server is always on this machine, and says so in numbers. */
static int connect_to(const GUri *uri, GError **error)
{
  struct sockaddr_in v4 = { .sin_family = AF_INET,
                            .sin_port = htons((uint16_t)g_uri_get_port((GUri *)(uintptr_t)uri)) };
  struct sockaddr_in6 v6 = { .sin6_family = AF_INET6, .sin6_port = v4.sin_port };
  const char *host = g_uri_get_host((GUri *)(uintptr_t)uri);
  bool is_v4 = host && inet_pton(AF_INET, host, &v4.sin_addr) == 1;
  int on = 1;
  if (!is_v4 && (!host || inet_pton(AF_INET6, host, &v6.sin6_addr) != 1)) {
    reason_set(error, REASON_RUNTIME, "the container runtime's streams are at no address: %s", host ? host : "");
    return -1;
  }
  file_autofd int fd = socket(is_v4 ? AF_INET : AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0 ||
      (is_v4 ? connect(fd, (struct sockaddr *)&v4, sizeof v4) : connect(fd, (struct sockaddr *)&v6, sizeof v6)) < 0) {
    reason_set_errno(error, REASON_RUNTIME, errno, "cannot connect to the container runtime's streams");
    return -1;
  }
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  int connected = fd;
  fd = -1;
  return connected;
}

static bool send_request(int fd, const GUri *uri, GError **error)
{
  GUri *parts = (GUri *)(uintptr_t)uri;
  const char *query = g_uri_get_query(parts);
  g_autofree char *text = g_strdup_printf("POST %s%s%s HTTP/1.1\r\nHost: %s:%d\r\nConnection: Upgrade\r\n"
                                          "Upgrade: SPDY/3.1\r\nX-Stream-Protocol-Version: v4.channel.k8s.io\r\n"
                                          "Content-Length: 0\r\n\r\n",
                                          g_uri_get_path(parts), query ? "?" : "", query ? query : "",
                                          g_uri_get_host(parts), g_uri_get_port(parts));
  size_t length = strlen(text);
  return send(fd, text, length, MSG_NOSIGNAL) == (ssize_t)length ||
         reason_set_errno(error, REASON_RUNTIME, errno, "cannot write to the container runtime's streams");
}

/* Reads the answer's head into HEAD, and with it whatever already follows; the head's length, 0 with an error. */
static size_t read_head(int fd, GByteArray *head, GError **error)
{
  int64_t until = g_get_monotonic_time() + ANSWER_MS * INT64_C(1000);
  while (head->len < HEAD_MAX) {
    char block[4096];
    struct pollfd wait = { .fd = fd, .events = POLLIN };
    int64_t left = (until - g_get_monotonic_time()) / 1000;
    ssize_t got = left > 0 && poll(&wait, 1, (int)left) > 0 ? recv(fd, block, sizeof block, 0) : -1;
    if (got <= 0)
      break;
    g_byte_array_append(head, (const guint8 *)block, (guint)got);
    const guint8 *end = memmem(head->data, head->len, "\r\n\r\n", 4);
    if (end)
      return (size_t)(end - head->data) + 4;
  }
  reason_set(error, REASON_RUNTIME, "the container runtime's streaming server does not answer");
  return 0;
}

static bool accepted(const GByteArray *head, size_t length, GError **error)
{
  g_autofree char *text = g_strndup((const char *)head->data, length);
  if (g_str_has_prefix(text, "HTTP/1.1 101 "))
    return true;
  text[strcspn(text, "\r")] = '\0';
  return reason_set(error, REASON_RUNTIME, "the container runtime's streaming server refuses: %s", text);
}

int stream_open(const char *url, GByteArray *rest, GError **error)
{
  g_autoptr(GUri) uri = g_uri_parse(url, G_URI_FLAGS_ENCODED, NULL);
  if (!uri || g_strcmp0(g_uri_get_scheme(uri), "http") != 0 || g_uri_get_port(uri) < 1) {
    reason_set(error, REASON_RUNTIME, "the container runtime's streams are at an address not understood: %s", url);
    return -1;
  }
  file_autofd int fd = connect_to(uri, error);
  if (fd < 0 || !send_request(fd, uri, error))
    return -1;
  size_t length = read_head(fd, rest, error);
  if (length == 0 || !accepted(rest, length, error))
    return -1;
  g_byte_array_remove_range(rest, 0, (guint)length);
  int opened = fd;
  fd = -1;
  return opened;
}

static bool exit_cause(const json_t *status, guint64 *code)
{
  const json_t *cause = json_find(json_at(status, "details", "causes", NULL), "reason", "ExitCode");
  return g_ascii_string_to_unsigned(json_str(cause, "message", ""), 10, 0, 255, code, NULL);
}

int stream_exit_code(const char *text, size_t length, GError **error)
{
  static const char prefix[] = "error executing command in container: "; /* which we would say again */
  g_autoptr(json_t) status = length > 0 ? json_parse(text, length, false, NULL) : NULL;
  const char *verdict = json_str(status, "status", "");
  guint64 code;
  if (g_str_equal(verdict, "Success"))
    return 0;
  if (exit_cause(status, &code))
    return (int)code;
  const json_t *cause = json_array_get(json_at(status, "details", "causes", NULL), 0);
  const char *message = json_str(cause, "message", json_str(status, "message", "the streams ended without a result"));
  if (g_str_has_prefix(message, prefix))
    message += strlen(prefix);
  reason_set(error, REASON_RUNTIME, "%s", message);
  return -1;
}
