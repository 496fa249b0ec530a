#include "driver/container_cgroup.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <mntent.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/reason.h"

#define CGROUP_ROOT "/sys/fs/cgroup"
enum {
  KILL_ROUNDS = 500,  /* of KILL_PAUSE_MS: how long killed processes may take to go */
  KILL_PAUSE_MS = 10, /* no hierarchy of version 1 tells when it is empty */
  TREE_DEPTH = 32,    /* descriptors nftw may hold */
  HIERARCHIES_MAX = 32,
};

/* The mount points of the hierarchies under CGROUP_ROOT: all, or of one version. */
static GPtrArray *hierarchies(bool v1, bool v2)
{
  struct mntent row;
  char text[4096];
  GPtrArray *found = g_ptr_array_new_with_free_func(g_free);
  FILE *mounts = setmntent("/proc/self/mounts", "re");
  while (mounts && found->len < HIERARCHIES_MAX && getmntent_r(mounts, &row, text, sizeof text))
    if (((v1 && strcmp(row.mnt_type, "cgroup") == 0) || (v2 && strcmp(row.mnt_type, "cgroup2") == 0)) &&
        g_str_has_prefix(row.mnt_dir, CGROUP_ROOT))
      g_ptr_array_add(found, g_strdup(row.mnt_dir));
  if (mounts)
    endmntent(mounts);
  return found;
}

bool container_cgroup_unhybrid(GError **error)
{
  int trees[HIERARCHIES_MAX];
  g_autoptr(GPtrArray) v1 = hierarchies(true, false);
  g_autoptr(GPtrArray) v2 = hierarchies(false, true);
  if (v1->len == 0 || v2->len == 0)
    return true;
  for (guint i = 0; i < v1->len; i++)
    trees[i] = open_tree(AT_FDCWD, v1->pdata[i], OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
  bool done = mount("tmpfs", CGROUP_ROOT, "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, "mode=755") == 0;
  for (guint i = 0; i < v1->len; i++) {
    done = done && trees[i] >= 0 && mkdir(v1->pdata[i], 0755) == 0 &&
           move_mount(trees[i], "", AT_FDCWD, v1->pdata[i], MOVE_MOUNT_F_EMPTY_PATH) == 0;
    int code = errno;
    file_close(&trees[i]);
    errno = code;
  }
  return done || reason_set_errno(error, REASON_DRIVER, errno, "Cannot make a private view of the control groups");
}

/* --- walking the group in one hierarchy ------------------------------------------------------------------------------
 */

typedef bool (*GroupVisit)(const char *folder, void *data); /* false ends the walk */

static bool walk(const char *folder, GroupVisit visit, void *data)
{
  GDir *entries = g_dir_open(folder, 0, NULL);
  bool more = true;
  const char *entry;
  while (entries && more && (entry = g_dir_read_name(entries))) {
    g_autofree char *path = g_build_filename(folder, entry, NULL);
    if (g_file_test(path, G_FILE_TEST_IS_DIR))
      more = walk(path, visit, data);
  }
  if (entries)
    g_dir_close(entries);
  return more && visit(folder, data);
}

/* Children before parents, in every hierarchy that has the group. */
static void walk_all(const char *name, GroupVisit visit, void *data)
{
  g_autoptr(GPtrArray) all = hierarchies(true, true);
  for (guint i = 0; i < all->len; i++) {
    g_autofree char *folder = g_build_filename(all->pdata[i], name, NULL);
    if (access(folder, F_OK) == 0 && !walk(folder, visit, data))
      return;
  }
}

static bool visit_populated(const char *folder, void *data)
{
  g_autofree char *path = g_build_filename(folder, "cgroup.procs", NULL);
  g_autofree char *text = NULL;
  bool *populated = data;
  *populated = g_file_get_contents(path, &text, NULL, NULL) && *text;
  return !*populated;
}

bool container_cgroup_populated(const char *name)
{
  bool populated = false;
  walk_all(name, visit_populated, &populated);
  return populated;
}

static bool visit_kill(const char *folder, void *data)
{
  g_autofree char *path = g_build_filename(folder, "cgroup.procs", NULL);
  g_autofree char *text = NULL;
  if (!g_file_get_contents(path, &text, NULL, NULL))
    return true;
  g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
  for (char **line = lines; *line; line++) {
    gint64 pid = g_ascii_strtoll(*line, NULL, 10);
    if (pid > 1) /* 0: a process of another pid namespace */
      kill((pid_t)pid, SIGKILL);
  }
  return true;
}

bool container_cgroup_kill(const char *name, GError **error)
{
  for (int round = 0; round < KILL_ROUNDS; round++) {
    if (!container_cgroup_populated(name))
      return true;
    container_cgroup_freeze(name, false, NULL);
    walk_all(name, visit_kill, NULL);
    g_usleep(KILL_PAUSE_MS * 1000);
  }
  return reason_set(error, REASON_DRIVER, "Processes of the machine's control group %s do not end", name);
}

static bool visit_remove(const char *folder, void *data)
{
  int *code = data;
  if (rmdir(folder) < 0 && errno != ENOENT)
    *code = errno;
  return true;
}

bool container_cgroup_remove(const char *name, GError **error)
{
  int code = 0;
  for (int round = 0; round < KILL_ROUNDS; round++) {
    code = 0;
    walk_all(name, visit_remove, &code);
    if (code != EBUSY) /* a dying process's group is busy for some milliseconds */
      break;
    g_usleep(KILL_PAUSE_MS * 1000);
  }
  if (code != 0)
    return reason_set_errno(error, REASON_DRIVER, code, "Cannot remove the machine's control group %s", name);
  g_autoptr(GPtrArray) all = hierarchies(true, true);
  g_autofree char *parent = g_path_get_dirname(name);
  for (guint i = 0; i < all->len; i++) {
    g_autofree char *folder = g_build_filename(all->pdata[i], parent, NULL);
    rmdir(folder); /* fails while other machines are in it */
  }
  return true;
}

/* --- freezing --------------------------------------------------------------------------------------------------------
 */

typedef struct Freezer {
  char *control; /* file to write */
  const char *freeze, *thaw;
  char *answer;              /* file that tells */
  const char *frozen_answer; /* what it contains once frozen */
} Freezer;

static bool freezer_find(const char *name, Freezer *freezer)
{
  g_autoptr(GPtrArray) all = hierarchies(true, true);
  for (guint i = 0; i < all->len; i++) {
    g_autofree char *v1 = g_build_filename(all->pdata[i], name, "freezer.state", NULL);
    g_autofree char *v2 = g_build_filename(all->pdata[i], name, "cgroup.freeze", NULL);
    if (access(v1, F_OK) == 0) {
      *freezer = (Freezer){ g_steal_pointer(&v1), "FROZEN", "THAWED", NULL, "FROZEN" };
      freezer->answer = g_strdup(freezer->control);
      return true;
    }
    if (access(v2, F_OK) == 0) {
      *freezer = (Freezer){ g_steal_pointer(&v2), "1", "0", NULL, "frozen 1" };
      freezer->answer = g_build_filename(all->pdata[i], name, "cgroup.events", NULL);
      return true;
    }
  }
  return false;
}

static void freezer_clear(Freezer *freezer)
{
  g_free(freezer->control);
  g_free(freezer->answer);
}

static bool freezer_is_frozen(const Freezer *freezer)
{
  g_autofree char *text = NULL;
  return g_file_get_contents(freezer->answer, &text, NULL, NULL) && strstr(text, freezer->frozen_answer);
}

bool container_cgroup_is_frozen(const char *name)
{
  Freezer freezer;
  if (!freezer_find(name, &freezer))
    return false;
  bool frozen = freezer_is_frozen(&freezer);
  freezer_clear(&freezer);
  return frozen;
}

bool container_cgroup_freeze(const char *name, bool frozen, GError **error)
{
  Freezer freezer;
  if (!freezer_find(name, &freezer))
    return reason_set(error, REASON_DRIVER, "The host has no control group that can freeze the machine");
  const char *word = frozen ? freezer.freeze : freezer.thaw;
  bool done = false;
  file_autofd int fd = open(freezer.control, O_WRONLY | O_CLOEXEC);
  for (int round = 0; fd >= 0 && !done && round < KILL_ROUNDS; round++) {
    /* Version 1 may have to be told again while processes fork. */
    done = pwrite(fd, word, strlen(word), 0) > 0 && freezer_is_frozen(&freezer) == frozen;
    if (!done)
      g_usleep(KILL_PAUSE_MS * 1000);
  }
  freezer_clear(&freezer);
  return done ||
         reason_set(error, REASON_DRIVER, "The machine's processes could not be %s", frozen ? "frozen" : "thawed");
}
