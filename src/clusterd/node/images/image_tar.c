#include "clusterd/node/images/image_tar.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <unistd.h>

#include "base/file.h"
#include "base/reason.h"
#include "clusterd/node/command.h"
#include "clusterd/node/sandbox/namespace.h"

/* Made by a program that is started on a thread which sees the layers as one folder. */
struct ImageTar {
  char **layers; /* the lowest first; the image's */
  char *mount;   /* an empty folder */
  int in, out;
  pid_t program;
  GError **error; /* of image_tar_open() */
};

static bool mount_layers(const ImageTar *tar)
{
  g_autoptr(GString) options = g_string_new("lowerdir=");
  for (guint i = g_strv_length(tar->layers); i > 0; i--)
    g_string_append_printf(options, "%s%s", tar->layers[i - 1], i > 1 ? ":" : "");
  return (unshare(CLONE_NEWNS) == 0 && mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 &&
          mount("image", tar->mount, "overlay", MS_RDONLY, options->str) == 0) ||
         reason_set_errno(tar->error, REASON_RUNTIME, errno, "Cannot put an image's layers together");
}

static void begin_tar(void *data)
{
  ImageTar *tar = data;
  bool one = g_strv_length(tar->layers) == 1; /* an overlay wants two */
  const char *root = one ? tar->layers[0] : tar->mount;
  g_autofree char *program = g_find_program_in_path("tar");
  const char *const argv[] = { program ? program : "/bin/tar", "-C", root, "-cf", "-", ".", NULL };
  const CommandFd fds[] = { { tar->out, STDOUT_FILENO } };
  const CommandOptions options = { .fds = fds, .n_fds = G_N_ELEMENTS(fds) };
  if (one || mount_layers(tar))
    tar->program = command_start(argv, &options, tar->error);
}

ImageTar *image_tar_open(const Image *image, GError **error)
{
  int ends[2];
  g_autofree char *folder = g_dir_make_tmp("image-XXXXXX", NULL);
  if (!folder || pipe2(ends, O_CLOEXEC) < 0) {
    reason_set_errno(error, REASON_RUNTIME, errno, "Cannot make a pipe");
    return NULL;
  }
  ImageTar *tar = g_new0(ImageTar, 1);
  *tar = (ImageTar){ .layers = image->layers, .mount = g_steal_pointer(&folder), .in = ends[0], .out = ends[1] };
  tar->program = -1;
  tar->error = error;
  namespace_run(begin_tar, tar);
  tar->error = NULL;
  file_close(&tar->out);
  if (tar->program > 0)
    return tar;
  image_tar_close(tar, NULL);
  return NULL;
}

int image_tar_fd(const ImageTar *tar)
{
  return tar->in;
}

bool image_tar_close(ImageTar *tar, GError **error)
{
  file_close(&tar->in);
  bool good = (tar->program > 0 && command_wait(tar->program) == 0) ||
              reason_set(error, REASON_RUNTIME, "an image could not be read");
  rmdir(tar->mount);
  g_free(tar->mount);
  g_free(tar);
  return good;
}
