#include "clusterd/node/runtime_choice.h"

#include <string.h>
#include <sys/un.h>

#include "base/reason.h"
#include "clusterd/node/cri/cri.h"
#include "clusterd/node/docker/docker.h"
#include "clusterd/node/native/native.h"

#define SCHEME "unix://"

static Runtime *open_native(const RuntimeChoice *choice, const char *socket_path, GError **error)
{
  NativeRuntimeConfig config = { .data_dir = choice->data_dir,
                                 .run_dir = choice->run_dir,
                                 .preloaded_store = choice->preloaded_store,
                                 .pod_cidr = choice->pod_cidr,
                                 .registries = choice->registries };
  return native_runtime_new(&config, error);
}

static Runtime *open_docker(const RuntimeChoice *choice, const char *socket_path, GError **error)
{
  DockerRuntimeConfig config = { .socket_path = socket_path,
                                 .preloaded_store = choice->preloaded_store,
                                 .data_dir = choice->data_dir,
                                 .pod_cidr = choice->pod_cidr };
  return docker_runtime_new(&config, error);
}

static Runtime *open_cri(const RuntimeChoice *choice, const char *socket_path, GError **error)
{
  CriRuntimeConfig config = { .name = choice->name,
                              .socket_path = socket_path,
                              .data_dir = choice->data_dir,
                              .run_dir = choice->run_dir,
                              .preloaded_store = choice->preloaded_store,
                              .pod_cidr = choice->pod_cidr };
  return cri_runtime_new(&config, error);
}

static const struct RuntimeRow {
  const char *name;
  const char *socket_path; /* where its daemon listens; NULL: it has none */
  Runtime *(*open)(const RuntimeChoice *choice, const char *socket_path, GError **error); /* NULL: not there yet */
} rows[] = {
  { "native", NULL, open_native },
  { "docker", "/var/run/docker.sock", open_docker },
  { "containerd", "/run/containerd/containerd.sock", open_cri },
  { "cri-o", "/var/run/crio/crio.sock", open_cri },
};

static const struct RuntimeRow *find_row(const char *name, GError **error)
{
  for (size_t i = 0; i < G_N_ELEMENTS(rows); i++)
    if (g_strcmp0(rows[i].name, name) == 0)
      return &rows[i];
  reason_set(error, REASON_CONFIG, "container-runtime: \"%s\" is not known", name ? name : "");
  return NULL;
}

static char *socket_of(const struct RuntimeRow *row, const char *endpoint, GError **error)
{
  if (!endpoint)
    return g_strdup(row->socket_path);
  const char *path = g_str_has_prefix(endpoint, SCHEME) ? endpoint + strlen(SCHEME) : endpoint;
  struct sockaddr_un address;
  if (row->socket_path && g_path_is_absolute(path) && strlen(path) < sizeof address.sun_path)
    return g_strdup(path);
  if (!row->socket_path)
    reason_set(error, REASON_CONFIG, "container-runtime-endpoint: the runtime %s has none", row->name);
  else
    reason_set(error, REASON_CONFIG,
               "container-runtime-endpoint: \"%s\" must be unix:// and an absolute path of at most %zu bytes", endpoint,
               sizeof address.sun_path - 1);
  return NULL;
}

char *runtime_choice_socket(const char *name, const char *endpoint, GError **error)
{
  const struct RuntimeRow *row = find_row(name, error);
  return row ? socket_of(row, endpoint, error) : NULL;
}

Runtime *runtime_choice_open(const RuntimeChoice *choice, GError **error)
{
  const struct RuntimeRow *row = find_row(choice->name, error);
  if (!row)
    return NULL;
  g_autofree char *socket_path = socket_of(row, choice->endpoint, error);
  if (!socket_path && (choice->endpoint || row->socket_path))
    return NULL;
  if (row->open)
    return row->open(choice, socket_path, error);
  reason_set(error, REASON_CONFIG, "container-runtime: this program is built without %s", row->name);
  return NULL;
}
