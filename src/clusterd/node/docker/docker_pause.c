#include "clusterd/node/docker/docker_pause.h"

#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/json.h"
#include "base/reason.h"
#include "clusterd/node/docker/docker_http.h"
#include "clusterd/node/sandbox/pause.h"

#define PROGRAM "clusterd-pause"
#define PROGRAM_MAX (16u << 20) /* bytes */
#define PAUSE_FILE "pause"      /* PAUSE_NAME in the root */
#define TAR_BLOCK 512
#define TAG_LENGTH 12 /* hex digits of the program's digest: another program is another image */

/* A tar's header. Source: POSIX, pax, "ustar Interchange Format". */
typedef struct TarHeader {
  char name[100], mode[8], uid[8], gid[8], size[12], mtime[12], checksum[8], type, link[100], magic[6], version[2];
  char owner[32], group[32], major[8], minor[8], prefix[155], rest[12];
} TarHeader;
G_STATIC_ASSERT(sizeof(TarHeader) == TAR_BLOCK);

char *docker_pause_program(void)
{
  g_autofree char *self = g_file_read_link("/proc/self/exe", NULL);
  g_autofree char *folder = self ? g_path_get_dirname(self) : g_strdup("/");
  g_autofree char *beside = g_build_filename(folder, PROGRAM, NULL);
  return access(beside, X_OK) == 0 ? g_steal_pointer(&beside) : g_build_filename(LAUNCHER_LIBEXECDIR, PROGRAM, NULL);
}

/* A root file system with nothing but the program: a tar of one file. */
static GBytes *make_root(GBytes *program)
{
  gsize length;
  const void *bytes = g_bytes_get_data(program, &length);
  gsize padded = (length + TAR_BLOCK - 1) / TAR_BLOCK * TAR_BLOCK;
  unsigned sum = 0;
  TarHeader header = { .name = PAUSE_FILE,
                       .mode = "0000755",
                       .uid = "0000000",
                       .gid = "0000000",
                       .mtime = "00000000000",
                       .checksum = { ' ', ' ', ' ', ' ', ' ', ' ', ' ', ' ' },
                       .type = '0',
                       .magic = "ustar",
                       .version = { '0', '0' } };
  g_snprintf(header.size, sizeof header.size, "%011o", (unsigned)length);
  for (size_t i = 0; i < sizeof header; i++)
    sum += ((const unsigned char *)&header)[i];
  g_snprintf(header.checksum, sizeof header.checksum, "%06o", sum);
  GByteArray *tar = g_byte_array_new();
  g_byte_array_append(tar, (const guint8 *)&header, sizeof header);
  g_byte_array_append(tar, bytes, (guint)length);
  g_byte_array_set_size(tar, (guint)(TAR_BLOCK + padded + 2 * TAR_BLOCK));
  memset(tar->data + TAR_BLOCK + length, 0, padded - length + 2 * TAR_BLOCK);
  return g_byte_array_free_to_bytes(tar);
}

static bool import(DockerRuntime *docker, GBytes *program, const char *tag, GError **error)
{
  g_autoptr(GBytes) root = make_root(program);
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
