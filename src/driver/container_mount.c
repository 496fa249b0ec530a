#include "driver/container_mount.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/loop.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/reason.h"
#include "driver/container_cgroup.h"
#include "driver/iso_file.h"

enum {
  LOOP_TRIES = 32, /* another process may take the free loop device that we were told of */
  CONFIG_BLOCK = 10240,
  CONFIG_FILES_MAX = 256,
  CONFIG_FILE_MAX = 1024 * 1024,
};

/* A loop device over the EXTENT of IMAGE that frees itself when its last user goes. */
static int loop_attach(int image, IsoExtent extent, char *path, size_t path_size)
{
  file_autofd int control = open("/dev/loop-control", O_RDWR | O_CLOEXEC);
  for (int tries = 0; control >= 0 && tries < LOOP_TRIES; tries++) {
    int number = ioctl(control, LOOP_CTL_GET_FREE);
    if (number < 0)
      return -1;
    g_snprintf(path, path_size, "/dev/loop%d", number);
    file_autofd int device = open(path, O_RDONLY | O_CLOEXEC);
    struct loop_config settings = { .fd = (uint32_t)image,
                                    .info = { .lo_offset = extent.offset,
                                              .lo_sizelimit = extent.length,
                                              .lo_flags = LO_FLAGS_READ_ONLY | LO_FLAGS_AUTOCLEAR } };
    if (device >= 0 && ioctl(device, LOOP_CONFIGURE, &settings) == 0) {
      int attached = device;
      device = -1;
      return attached;
    }
    if (device >= 0 && errno != EBUSY)
      return -1;
  }
  return -1;
}

static bool mount_lower(const char *image, GError **error)
{
  char device[32];
  IsoExtent extent;
  file_autofd int fd = open(image, O_RDONLY | O_CLOEXEC);
  if (fd < 0)
    return reason_set_errno(error, REASON_FILE, errno, "Cannot read the boot image %s", image);
  if (!iso_file_find(fd, "root.squashfs", &extent, error))
    return false;
  file_autofd int loop = loop_attach(fd, extent, device, sizeof device);
  if (loop < 0)
    return reason_set_errno(error, REASON_DRIVER, errno, "Cannot attach the boot image to a loop device");
  if (mount(device, "lower", "squashfs", MS_RDONLY | MS_NODEV, NULL) < 0)
    return reason_set_errno(error, REASON_DRIVER, errno, "Cannot mount the boot image's root file system");
  return true;
}

/* --- the config drive ------------------------------------------------------------------------------------------------
 */

static bool copy_entry(struct archive *archive, struct archive_entry *entry, const char *folder, GError **error)
{
  const char *name = archive_entry_pathname(entry);
  if (!name || strstr(name, "..") || *name == '/')
    return reason_set(error, REASON_FILE, "The config drive holds an entry with a bad name");
  g_autofree char *path = g_build_filename(folder, name, NULL);
  if (archive_entry_filetype(entry) == AE_IFDIR)
    return file_make_dirs(path, 0700, error);
  if (archive_entry_filetype(entry) != AE_IFREG || archive_entry_size(entry) > CONFIG_FILE_MAX)
    return reason_set(error, REASON_FILE, "The config drive holds %s, which is no small file", name);
  g_autofree char *parent = g_path_get_dirname(path);
  if (!file_make_dirs(parent, 0700, error))
    return false;
  file_autofd int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  if (fd < 0 || archive_read_data_into_fd(archive, fd) != ARCHIVE_OK)
    return reason_set(error, REASON_FILE, "Cannot unpack %s of the config drive", name);
  return true;
}

static bool copy_entries(struct archive *archive, const char *folder, GError **error)
{
  struct archive_entry *entry;
  for (int files = 0; files < CONFIG_FILES_MAX; files++) {
    int result = archive_read_next_header(archive, &entry);
    if (result == ARCHIVE_EOF)
      return true;
    if (result < ARCHIVE_WARN)
      return reason_set(error, REASON_FILE, "Cannot read the config drive: %s", archive_error_string(archive));
    if (!copy_entry(archive, entry, folder, error))
      return false;
  }
  return reason_set(error, REASON_FILE, "The config drive holds too many files");
}

static bool unpack_config(const char *config, const char *folder, GError **error)
{
  struct archive *archive = archive_read_new();
  archive_read_support_format_iso9660(archive);
  bool done = archive_read_open_filename(archive, config, CONFIG_BLOCK) == ARCHIVE_OK;
  if (!done)
    reason_set(error, REASON_FILE, "Cannot read the config drive %s: %s", config, archive_error_string(archive));
  else
    done = copy_entries(archive, folder, error);
  archive_read_free(archive);
  return done;
}

/* --- all of it -------------------------------------------------------------------------------------------------------
 */

static bool make_folders(GError **error)
{
  static const struct {
    const char *name;
    mode_t mode;
  } FOLDERS[] = { { "lower", 0755 },  { "upper", 0755 },  { "work", 0755 }, { "root", 0755 },
                  { "config", 0700 }, { "bundle", 0700 }, { "crun", 0700 } };
  for (size_t i = 0; i < G_N_ELEMENTS(FOLDERS); i++)
    if (mkdir(FOLDERS[i].name, FOLDERS[i].mode) < 0)
      return reason_set_errno(error, REASON_FILE, errno, "Cannot make the folder %s", FOLDERS[i].name);
  return true;
}

/* Names relative to the working directory: overlay's options give a colon and a comma in a path a meaning. */
static bool mount_in_here(const char *image, const char *config, GError **error)
{
  if (!make_folders(error) || !mount_lower(image, error))
    return false;
  if (mount("overlay", "root", "overlay", 0, "lowerdir=lower,upperdir=upper,workdir=work") < 0)
    return reason_set_errno(error, REASON_DRIVER, errno, "Cannot mount the machine's root");
  return unpack_config(config, "config", error) && container_cgroup_unhybrid(error);
}

bool container_mount_prepare(const char *folder, const char *image, const char *config, GError **error)
{
  if (unshare(CLONE_NEWNS) < 0)
    return reason_set_errno(error, REASON_PROVIDER_PERMISSION, errno, "Cannot make a mount namespace");
  /* Slave: what the host unmounts goes here too, and nothing of ours shows there. */
  if (mount(NULL, "/", NULL, MS_REC | MS_SLAVE, NULL) < 0 ||
      mount("tmpfs", folder, "tmpfs", MS_NOSUID | MS_NODEV, "mode=700") < 0 || chdir(folder) < 0)
    return reason_set_errno(error, REASON_DRIVER, errno, "Cannot mount on %s", folder);
  bool done = mount_in_here(image, config, error);
  if (chdir("/") < 0 && done)
    return reason_set_errno(error, REASON_DRIVER, errno, "Cannot leave %s", folder);
  return done;
}
