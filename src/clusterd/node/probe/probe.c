#include "clusterd/node/probe/probe.h"

#include <arpa/inet.h>
#include <curl/curl.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/file.h"
#include "base/json.h"
#include "clusterd/node/probe/probe_private.h"
#include "clusterd/node/transfer.h"
#include "clusterd/server/node_access.h"

#define OUTPUT_MAX 10240 /* as upstream keeps */
#define REDIRECTS_MAX 10

static int64_t left_ms(gint64 deadline)
{
  return MAX((deadline - g_get_monotonic_time() + 999) / 1000, 0);
}

static int call_off_fd(const ProbeTarget *target)
{
  return target->background ? background_call_off_fd(target->background) : -1;
}

/* Reads both outputs until the process has ended, or until they end where nothing else tells. False: out of time, or
 * called off. */
static bool collect(NodeProcess *process, int call_off_fd, GString *output, gint64 deadline)
{
  enum { OUT, ERR, EXIT, CALL_OFF, N };
  struct pollfd fds[N] = { [OUT] = { .fd = process->stdout_fd, .events = POLLIN },
                           [ERR] = { .fd = process->stderr_fd, .events = POLLIN },
                           [EXIT] = { .fd = process->exit_fd, .events = POLLIN },
                           [CALL_OFF] = { .fd = call_off_fd, .events = POLLIN } };
  while (fds[OUT].fd >= 0 || fds[ERR].fd >= 0 || fds[EXIT].fd >= 0) {
    int n = poll(fds, N, (int)MIN(left_ms(deadline), G_MAXINT));
    if (n < 0 && errno == EINTR)
      continue;
    if (n <= 0 || fds[CALL_OFF].revents)
      return false;
    bool read_any = false;
    for (int i = OUT; i <= ERR; i++) {
      char buffer[1024];
      if (fds[i].fd < 0 || !fds[i].revents)
        continue;
      ssize_t length = read(fds[i].fd, buffer, sizeof buffer);
      read_any = true;
      if (length <= 0)
        fds[i].fd = -1;
      else if (output->len < OUTPUT_MAX)
        g_string_append_len(output, buffer, length);
    }
    if (fds[EXIT].fd >= 0 && fds[EXIT].revents && !read_any)
      return true; /* a child in the background may hold the output open */
  }
  return true;
}

static bool run_exec(const ProbeTarget *target, const json_t *exec, int64_t timeout_seconds, char **output)
{
  const json_t *command = json_object_get(exec, "command"), *word;
  g_autoptr(GStrvBuilder) builder = g_strv_builder_new();
  g_autoptr(GError) error = NULL;
  g_autoptr(GString) said = g_string_new(NULL);
  gint64 deadline = g_get_monotonic_time() + timeout_seconds * G_USEC_PER_SEC;
  size_t i;
  json_array_foreach (command, i, word)
    g_strv_builder_add(builder, json_string_value(word));
  g_auto(GStrv) argv = g_strv_builder_end(builder);
  NodeProcess *process =
      target->runtime->exec(target->runtime, target->container_id, (const char *const *)argv, false, false, &error);
  if (!process) {
    *output = g_strdup(error->message);
    return false;
  }
  if (!collect(process, call_off_fd(target), said, deadline)) {
    g_autofree char *words = g_strjoinv(" ", argv);
    process->close(process);
    *output =
        g_strdup_printf("command timed out: \"%s\" timed out after %" G_GINT64_FORMAT "s", words, timeout_seconds);
    return false;
  }
  int status = process->wait(process, &error);
  process->close(process);
  *output = error ? g_strdup(error->message) : g_strdup(said->str);
  return status == 0;
}

/* A port by number or by the name the container gives it; 0: none. */
static uint16_t port_of(const ProbeTarget *target, const json_t *handler)
{
  const json_t *port = json_object_get(handler, "port"), *item;
  size_t i;
  if (json_is_integer(port))
    return (uint16_t)json_integer_value(port);
  const char *name = json_string_value(port) ? json_string_value(port) : "";
  json_array_foreach (json_object_get(target->container, "ports"), i, item)
    if (g_str_equal(json_str(item, "name", ""), name))
      return (uint16_t)json_int(item, "containerPort", 0);
  return (uint16_t)g_ascii_strtoull(name, NULL, 10);
}

static const char *host_of(const ProbeTarget *target, const json_t *handler)
{
  const char *host = json_str(handler, "host", "");
  return *host ? host : target->pod_ip ? target->pod_ip : "127.0.0.1";
}

static bool run_tcp(const ProbeTarget *target, const json_t *handler, int64_t timeout_seconds, char **output)
{
  struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(port_of(target, handler)) };
  const char *host = host_of(target, handler);
  file_autofd int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  int error = 0;
  socklen_t size = sizeof error;
  *output = NULL;
  if (fd < 0 || inet_pton(AF_INET, host, &to.sin_addr) != 1)
    error = EINVAL;
  else if (connect(fd, (struct sockaddr *)&to, sizeof to) != 0)
    error = errno;
  if (error == EINPROGRESS) {
    struct pollfd wait[] = { { .fd = fd, .events = POLLOUT }, { .fd = call_off_fd(target), .events = POLLIN } };
    int n = poll(wait, G_N_ELEMENTS(wait), (int)MIN(timeout_seconds * 1000, G_MAXINT));
    if (n == 0 || wait[1].revents)
      error = ETIMEDOUT;
    else if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) != 0)
      error = errno;
  }
  if (error == ETIMEDOUT)
    *output = g_strdup_printf("dial tcp %s:%u: i/o timeout", host, ntohs(to.sin_port));
  else if (error != 0) {
    g_autofree char *text = g_ascii_strdown(g_strerror(error), -1);
    *output = g_strdup_printf("dial tcp %s:%u: connect: %s", host, ntohs(to.sin_port), text);
  } else
    *output = g_strdup("");
  return error == 0;
}

static size_t keep_body(char *data, size_t size, size_t n, void *out)
{
  GString *body = out;
  if (body->len < OUTPUT_MAX)
    g_string_append_len(body, data, (gssize)(size * n));
  return size * n;
}

static bool has_header(const json_t *list, const char *name)
{
  const json_t *item;
  size_t i;
  json_array_foreach (list, i, item)
    if (g_ascii_strcasecmp(json_str(item, "name", ""), name) == 0)
      return true;
  return false;
}

static struct curl_slist *headers_of(const json_t *handler)
{
  static const char *const own[] = { "User-Agent", "Accept" }, *const values[] = { PROBE_AGENT, "*/*" };
  struct curl_slist *headers = NULL;
  const json_t *list = json_object_get(handler, "httpHeaders"), *item;
  size_t i;
  for (gsize k = 0; k < G_N_ELEMENTS(own); k++) {
    g_autofree char *line = g_strdup_printf("%s: %s", own[k], values[k]);
    if (!has_header(list, own[k]))
      headers = curl_slist_append(headers, line);
  }
  json_array_foreach (list, i, item) {
    const char *name = json_str(item, "name", ""), *value = json_str(item, "value", "");
    /* curl's ways to say "empty" and "none at all" */
    g_autofree char *line = *value                                    ? g_strdup_printf("%s: %s", name, value)
                            : g_ascii_strcasecmp(name, "Accept") == 0 ? g_strdup("Accept:")
                                                                      : g_strdup_printf("%s;", name);
    headers = curl_slist_append(headers, line);
  }
  return headers;
}

static char *http_failure(CURLcode code, const char *url, const char *host, unsigned port, const char *detail)
{
  switch (code) {
  case CURLE_COULDNT_CONNECT:
    return g_strdup_printf("Get \"%s\": dial tcp %s:%u: connect: connection refused", url, host, port);
  case CURLE_OPERATION_TIMEDOUT:
    return g_strdup_printf("Get \"%s\": context deadline exceeded (Client.Timeout exceeded while awaiting headers)",
                           url);
  default:
    return g_strdup_printf("Get \"%s\": %s", url, *detail ? detail : curl_easy_strerror(code));
  }
}

/* The host of URL as it is written there. The caller frees. */
static char *host_in(const char *url)
{
  g_autoptr(GUri) uri = g_uri_parse(url, G_URI_FLAGS_ENCODED, NULL);
  return g_strdup(uri ? g_uri_get_host(uri) : NULL);
}

static void set_options(CURL *curl, struct curl_slist *headers, GString *body, char *detail)
{
  curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
  curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
  curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(curl, CURLOPT_PROXY, "");
  curl_easy_setopt(curl, CURLOPT_SSL_VERIFYPEER, 0L); /* as upstream: a probe asks for health, not identity */
  curl_easy_setopt(curl, CURLOPT_SSL_VERIFYHOST, 0L);
  curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, keep_body);
  curl_easy_setopt(curl, CURLOPT_WRITEDATA, body);
  curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, detail);
}

/* Gets *URL, and where it is sent to as long as that is the same host; *URL becomes the last one asked. Being sent to
 * another host is an answer like any other. */
static CURLcode get(CURL *curl, int call_off_fd, char **url, GString *body, gint64 deadline, long *status)
{
  CURLcode code = CURLE_TOO_MANY_REDIRECTS;
  for (int i = 0; i <= REDIRECTS_MAX; i++) {
    char *next = NULL;
    g_string_truncate(body, 0);
    curl_easy_setopt(curl, CURLOPT_URL, *url);
    curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, (long)MAX(left_ms(deadline), 1));
    code = transfer_perform(curl, call_off_fd);
    curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, status);
    curl_easy_getinfo(curl, CURLINFO_REDIRECT_URL, &next);
    g_autofree char *here = host_in(*url), *there = next ? host_in(next) : NULL;
    if (code != CURLE_OK || !next || g_strcmp0(here, there) != 0)
      return code;
    g_free(*url);
    *url = g_strdup(next);
  }
  return CURLE_TOO_MANY_REDIRECTS;
}

static bool run_http(const ProbeTarget *target, const json_t *handler, int64_t timeout_seconds, char **output)
{
  const char *host = host_of(target, handler), *path = json_str(handler, "path", "/");
  unsigned port = port_of(target, handler);
  g_autofree char *scheme = g_ascii_strdown(json_str(handler, "scheme", "HTTP"), -1);
  g_autofree char *url = g_strdup_printf("%s://%s:%u%s%s", scheme, host, port, *path == '/' ? "" : "/", path);
  g_autoptr(GString) body = g_string_new(NULL);
  char detail[CURL_ERROR_SIZE] = "";
  long status = 0;
  CURL *curl = curl_easy_init();
  struct curl_slist *headers = headers_of(handler);
  set_options(curl, headers, body, detail);
  CURLcode code =
      get(curl, call_off_fd(target), &url, body, g_get_monotonic_time() + timeout_seconds * G_USEC_PER_SEC, &status);
  curl_slist_free_all(headers);
  curl_easy_cleanup(curl);
  bool ok = code == CURLE_OK && status >= 200 && status < 400;
  *output = code == CURLE_TOO_MANY_REDIRECTS
                ? g_strdup_printf("Get \"%s\": stopped after %d redirects", url, REDIRECTS_MAX)
            : code != CURLE_OK ? http_failure(code, url, host, port, detail)
            : ok               ? g_strdup(body->str)
                               : g_strdup_printf("HTTP probe failed with statuscode: %ld", status);
  return ok;
}

static bool run_sleep(const ProbeTarget *target, int64_t seconds, char **output)
{
  struct pollfd wait = { .fd = call_off_fd(target), .events = POLLIN };
  gint64 end = g_get_monotonic_time() + seconds * G_USEC_PER_SEC;
  *output = g_strdup("");
  while (left_ms(end) > 0 && !wait.revents)
    poll(&wait, 1, (int)MIN(left_ms(end), G_MAXINT));
  return !wait.revents;
}

bool probe_run(const ProbeTarget *target, const json_t *handler, int64_t timeout_seconds, char **output)
{
  const json_t *part;
  if ((part = json_object_get(handler, "exec")))
    return run_exec(target, part, timeout_seconds, output);
  if ((part = json_object_get(handler, "httpGet")))
    return run_http(target, part, timeout_seconds, output);
  if ((part = json_object_get(handler, "sleep")))
    return run_sleep(target, MIN(json_int(part, "seconds", 0), timeout_seconds), output);
  if ((part = json_object_get(handler, "grpc")))
    return probe_grpc(target->pod_ip ? target->pod_ip : "127.0.0.1", port_of(target, part),
                      json_str(part, "service", ""), timeout_seconds, call_off_fd(target), output);
  return run_tcp(target, json_object_get(handler, "tcpSocket"), timeout_seconds, output);
}
