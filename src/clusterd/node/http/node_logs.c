/* /containerLogs/NAMESPACE/POD/CONTAINER, and /logs/: the files in /var/log. */
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/file.h"
#include "base/reason.h"
#include "clusterd/node/http/node_http_private.h"
#include "clusterd/node/pod_spec.h"

#define LOG_ROOT "/var/log"
#define LISTING_MAX 10000 /* names shown of one folder */
#define SNIFF_BYTES 512

void node_answer_container_logs(NodeCall *call)
{
  char **parts = call->parts;
  Kubelet *kubelet = call->kubelet;
  g_autoptr(GError) error = NULL;
  if (g_strv_length(parts) != 3) {
    node_reply_absent(call);
    return;
  }
  g_autoptr(Object) pod = informer_get(kubelet->pods, parts[0], parts[1]);
  if (!pod || !pod_spec_container(object_json(pod), parts[2])) {
    g_autofree char *text = pod ? g_strdup_printf("container \"%s\" not found in pod \"%s\"\n", parts[2], parts[1])
                                : g_strdup_printf("pod \"%s\" does not exist\n", parts[1]);
    node_reply_text(call, 404, TEXT_PLAIN, text);
    return;
  }
  PodLogRequest log = { .namespace_ = parts[0], .pod = parts[1], .uid = object_uid(pod), .container = parts[2] };
  if (!pod_log_request_read(call->query, &log, &error) ||
      (call->reply->fd = kubelet->access.logs(kubelet, &log, &error)) < 0) {
    node_reply_error(call, error);
    return;
  }
  call->reply->status = 200;
  call->reply->content_type = g_strdup("text/plain");
}

/* --- files ---------------------------------------------------------------------------------------------------------
 */

/* Opens PATH below LOG_ROOT; nothing in it, links included, can lead elsewhere. */
static int open_log(const char *path)
{
  struct open_how how = { .flags = O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY,
                          .resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS };
  file_autofd int root = open(LOG_ROOT, O_PATH | O_DIRECTORY | O_CLOEXEC);
  return root < 0 ? -1 : (int)syscall(SYS_openat2, root, *path ? path : ".", &how, sizeof how);
}

static char *listing_of(int fd)
{
  g_autofree char *path = g_strdup_printf("/proc/self/fd/%d", fd);
  g_autoptr(GDir) folder = g_dir_open(path, 0, NULL);
  g_autoptr(GPtrArray) names = g_ptr_array_new_with_free_func(g_free);
  g_autoptr(GString) text = g_string_new("<pre>\n");
  const char *name;
  while (folder && names->len < LISTING_MAX && (name = g_dir_read_name(folder))) {
    struct stat info;
    bool is_folder = fstatat(fd, name, &info, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(info.st_mode);
    g_ptr_array_add(names, g_strconcat(name, is_folder ? "/" : "", NULL));
  }
  g_ptr_array_sort(names, pod_spec_compare_strings);
  for (guint i = 0; i < names->len; i++) {
    g_autofree char *valid = g_utf8_make_valid(names->pdata[i], -1);
    g_autofree char *link = g_uri_escape_string(names->pdata[i], "/", false);
    g_autofree char *shown = g_markup_escape_text(valid, -1);
    g_string_append_printf(text, "<a href=\"./%s\">%s</a>\n", link, shown);
  }
  g_string_append(text, "</pre>\n");
  return g_string_free(g_steal_pointer(&text), FALSE);
}

/* Text, unless there are bytes in it that no text has. */
static const char *type_of(int fd)
{
  char begin[SNIFF_BYTES];
  ssize_t got = pread(fd, begin, sizeof begin, 0);
  bool is_text = true;
  for (ssize_t i = 0; i < got; i++)
    is_text = is_text && ((guchar)begin[i] >= 32 || strchr("\t\n\r\f\033", begin[i])) && begin[i];
  return is_text ? TEXT_PLAIN : "application/octet-stream";
}

static void redirect(NodeCall *call, const char *location)
{
  call->reply->status = 301;
  call->reply->location = g_strdup(location);
}

void node_answer_logs(NodeCall *call)
{
  g_autofree char *path = g_strjoinv("/", call->parts);
  struct stat info;
  file_autofd int fd = open_log(path);
  if (fd < 0 || fstat(fd, &info) != 0 || !(S_ISDIR(info.st_mode) || S_ISREG(info.st_mode))) {
    bool forbidden = fd < 0 && (errno == EACCES || errno == EPERM || errno == EXDEV);
    node_reply_text(call, forbidden ? 403 : 404, TEXT_PLAIN, forbidden ? "403 Forbidden\n" : "404 page not found\n");
    return;
  }
  guint depth = g_strv_length(call->parts);
  const char *last = depth ? call->parts[depth - 1] : "logs";
  if (S_ISDIR(info.st_mode) && !call->folder) {
    g_autofree char *escaped = g_uri_escape_string(last, NULL, false);
    g_autofree char *below = g_strconcat(escaped, "/", NULL);
    redirect(call, below);
  } else if (S_ISDIR(info.st_mode)) {
    g_autofree char *text = listing_of(fd);
    node_reply_text(call, 200, "text/html; charset=utf-8", text);
  } else {
    call->reply->status = 200;
    call->reply->content_type = g_strdup(type_of(fd));
    call->reply->fd = fd;
    fd = -1;
  }
}
