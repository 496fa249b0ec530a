#include "clusterd/node/docker/docker_pause.h"

#include <string.h>

#include "base/file.h"
#include "base/json.h"
#include "base/reason.h"
#include "clusterd/node/docker/docker_http.h"
#include "clusterd/node/sandbox/pause.h"
#include "clusterd/node/sandbox/pause_layer.h"

#define PROGRAM_MAX (16u << 20) /* bytes */
#define TAG_LENGTH 12           /* hex digits of the program's digest: another program is another image */

static bool import(DockerRuntime *docker, GBytes *program, const char *tag, GError **error)
{
  g_autoptr(GBytes) root = pause_layer(program);
  g_autofree char *change = g_uri_escape_string("ENTRYPOINT [\"" PAUSE_NAME "\"]", NULL, false);
  g_autofree char *path =
      g_strdup_printf("/images/create?fromSrc=-&repo=" PAUSE_REPOSITORY "&tag=%s&changes=%s", tag, change);
  const DockerStream stream = { .method = "POST", .path = path, .content_type = "application/x-tar", .bytes = root };
  return docker_stream(docker, &stream, error);
}

static char *make_image(DockerRuntime *docker, GError **error)
{
  g_autoptr(GBytes) program = file_read(docker->pause_program, PROGRAM_MAX, error);
  if (!program)
    return NULL;
  g_autofree char *digest = g_compute_checksum_for_bytes(G_CHECKSUM_SHA256, program);
  digest[TAG_LENGTH] = '\0';
  g_autofree char *reference = g_strconcat(PAUSE_REPOSITORY ":", digest, NULL);
  g_autoptr(GError) absent = NULL;
  g_autoptr(json_t) there = docker_get(docker, &absent, "/images/%s/json", reference);
  if (there || (reason_is(absent, REASON_RUNTIME_NOT_FOUND) && import(docker, program, digest, error)))
    return g_steal_pointer(&reference);
  if (!reason_is(absent, REASON_RUNTIME_NOT_FOUND))
    g_propagate_error(error, g_steal_pointer(&absent));
  return NULL;
}

char *docker_pause_image(DockerRuntime *docker, bool again, GError **error)
{
  g_mutex_lock(&docker->lock);
  char *known = again ? NULL : g_strdup(docker->pause_image);
  g_mutex_unlock(&docker->lock);
  if (known)
    return known;
  char *made = make_image(docker, error);
  g_autoptr(GMutexLocker) locker = g_mutex_locker_new(&docker->lock);
  g_free(docker->pause_image);
  docker->pause_image = g_strdup(made);
  return made;
}
