#include "clusterd/dns/resolv_conf.h"

#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "base/file.h"

#define RESOLV_CONF_MAX 65536 /* bytes */

#define WATCHED (IN_CLOSE_WRITE | IN_MOVED_TO | IN_CREATE | IN_DELETE | IN_ONLYDIR)

struct ResolvConf {
  char *path, *own_address;
  uint16_t port;
  ServerList *servers;
  int inotify;
  struct event *event;
  ResolvConfChanged changed;
  void *data;
};

static ServerList *read_servers(const ResolvConf *conf)
{
  ServerList *servers = server_list_new();
  g_autoptr(GBytes) bytes = file_read(conf->path, RESOLV_CONF_MAX, NULL);
  if (!bytes)
    return servers;
  g_autofree char *text = g_strndup(g_bytes_get_data(bytes, NULL), g_bytes_get_size(bytes));
  g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
  for (char **line = lines; *line; line++) {
    g_auto(GStrv) words = g_strsplit_set(g_strstrip(*line), " \t", 2);
    if (g_strcmp0(words[0], "nameserver") != 0 || !words[1])
      continue;
    char *address = g_strstrip(words[1]);
    address[strcspn(address, " \t#;")] = '\0';
    g_autoptr(GError) error = NULL;
    if (!g_str_equal(address, conf->own_address) && !server_list_add(servers, address, conf->port, &error))
      g_warning("%s: %s", conf->path, error->message);
  }
  return servers;
}

/* The file's folder, and that of what it is a link to, as files are replaced by another of their name; and the file
 * itself, which may be mounted there and written elsewhere. */
static void watch(const ResolvConf *conf)
{
  g_autofree char *folder = g_path_get_dirname(conf->path);
  char *target = realpath(conf->path, NULL);
  inotify_add_watch(conf->inotify, folder, WATCHED);
  inotify_add_watch(conf->inotify, conf->path, IN_CLOSE_WRITE);
  if (target) {
    g_autofree char *other = g_path_get_dirname(target);
    inotify_add_watch(conf->inotify, other, WATCHED);
  }
  free(target);
}

static void on_change(evutil_socket_t fd, short what, void *data)
{
  ResolvConf *conf = data;
  char buffer[4096] __attribute__((aligned(__alignof__(struct inotify_event))));
  while (read(fd, buffer, sizeof buffer) > 0)
    ;
  watch(conf);
  g_autoptr(ServerList) servers = read_servers(conf);
  if (server_list_equal(servers, conf->servers))
    return;
  server_list_unref(conf->servers);
  conf->servers = server_list_ref(servers);
  conf->changed(conf->data);
}

ResolvConf *resolv_conf_new(struct event_base *base, const char *path, uint16_t port, const char *own_address,
                            ResolvConfChanged changed, void *data)
{
  ResolvConf *conf = g_new0(ResolvConf, 1);
  *conf = (ResolvConf){
    .path = g_strdup(path), .own_address = g_strdup(own_address), .port = port, .changed = changed, .data = data
  };
  conf->inotify = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
  if (conf->inotify >= 0) {
    watch(conf);
    conf->event = event_new(base, conf->inotify, EV_READ | EV_PERSIST, on_change, conf);
    event_add(conf->event, NULL);
  } else {
    g_warning("%s is not read again when it changes: no inotify", path);
  }
  conf->servers = read_servers(conf);
  return conf;
}

void resolv_conf_free(ResolvConf *conf)
{
  if (!conf)
    return;
  if (conf->event)
    event_free(conf->event);
  file_close(&conf->inotify);
  server_list_unref(conf->servers);
  g_free(conf->path);
  g_free(conf->own_address);
  g_free(conf);
}

ServerList *resolv_conf_servers(const ResolvConf *conf)
{
  return conf->servers;
}
