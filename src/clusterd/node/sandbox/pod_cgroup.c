#include "clusterd/node/sandbox/pod_cgroup.h"

#include <ftw.h>
#include <glib.h>
#include <unistd.h>

#define CGROUP_ROOT "/sys/fs/cgroup"
#define OPEN_FOLDERS 8

/* A group goes by rmdir, whatever files the kernel shows in it. */
static int remove_group(const char *path, const struct stat *info, int type, struct FTW *place)
{
  if (type == FTW_DP)
    rmdir(path);
  return 0;
}

static void remove_below(const char *hierarchy, const char *path)
{
  g_autofree char *group = g_strconcat(hierarchy, path, NULL);
  if (access(group, F_OK) == 0)
    nftw(group, remove_group, OPEN_FOLDERS, FTW_DEPTH | FTW_PHYS);
}

void pod_cgroup_remove(const char *path)
{
  const char *name;
  if (!path || *path != '/' || !path[1]) /* never the root itself */
    return;
  if (access(CGROUP_ROOT "/cgroup.controllers", F_OK) == 0) {
    remove_below(CGROUP_ROOT, path);
    return;
  }
  g_autoptr(GDir) hierarchies = g_dir_open(CGROUP_ROOT, 0, NULL);
  while (hierarchies && (name = g_dir_read_name(hierarchies))) {
    g_autofree char *hierarchy = g_build_filename(CGROUP_ROOT, name, NULL);
    remove_below(hierarchy, path);
  }
}
