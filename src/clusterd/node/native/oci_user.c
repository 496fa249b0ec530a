#include "clusterd/node/native/oci_user.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/file.h"
#include "base/reason.h"

#define DATABASE_MAX (1 << 20) /* bytes of /etc/passwd or /etc/group */

/* The lines of a file inside the container, symbolic links resolved inside it too. Empty when there is none. */
static char **read_lines(int rootfs_fd, const char *path)
{
  struct open_how how = { .flags = O_RDONLY | O_CLOEXEC | O_NONBLOCK, .resolve = RESOLVE_IN_ROOT };
  file_autofd int fd = (int)syscall(SYS_openat2, rootfs_fd, path, &how, sizeof how);
  struct stat info;
  if (fd < 0 || fstat(fd, &info) < 0 || !S_ISREG(info.st_mode))
    return g_new0(char *, 1);
  g_autofree char *text = g_malloc(DATABASE_MAX + 1);
  size_t length = 0;
  ssize_t got;
  while (length < DATABASE_MAX && (got = read(fd, text + length, DATABASE_MAX - length)) > 0)
    length += (size_t)got;
  text[length] = '\0';
  return g_strsplit(text, "\n", -1);
}

static bool parse_id(const char *text, uint32_t *id)
{
  guint64 value;
  if (!text || !g_ascii_string_to_unsigned(text, 10, 0, G_MAXINT32, &value, NULL))
    return false;
  *id = (uint32_t)value;
  return true;
}

/* passwd(5): name:password:uid:gid:gecos:home:shell. The line whose FIELD is TEXT, split; NULL when there is none. */
static char **find_line(char **lines, unsigned field, const char *text, unsigned fields_min)
{
  for (; *lines; lines++) {
    g_auto(GStrv) fields = g_strsplit(*lines, ":", -1);
    if (g_strv_length(fields) >= fields_min && g_str_equal(fields[field], text))
      return g_steal_pointer(&fields);
  }
  return NULL;
}

static void add_gid(json_t *gids, uint32_t gid)
{
  size_t i;
  json_t *value;
  json_array_foreach (gids, i, value)
    if (json_integer_value(value) == gid)
      return;
  json_array_append_new(gids, json_integer(gid));
}

/* group(5): name:password:gid:members. */
static void add_memberships(char **groups, const char *name, json_t *gids)
{
  for (; *groups; groups++) {
    g_auto(GStrv) fields = g_strsplit(*groups, ":", 4);
    uint32_t gid;
    if (g_strv_length(fields) < 4 || !parse_id(fields[2], &gid))
      continue;
    g_auto(GStrv) members = g_strsplit(fields[3], ",", -1);
    if (g_strv_contains((const char *const *)members, name))
      add_gid(gids, gid);
  }
}

static bool resolve_group(char **groups, const char *text, uint32_t *gid, GError **error)
{
  if (parse_id(text, gid))
    return true;
  g_auto(GStrv) line = find_line(groups, 0, text, 3);
  return (line && parse_id(line[2], gid)) ||
         reason_set(error, REASON_RUNTIME, "no group \"%s\" in the image's /etc/group", text);
}

static void add_wanted_groups(const OciUserWanted *wanted, json_t *gids)
{
  size_t i;
  json_t *value;
  json_array_foreach (wanted->supplemental_groups, i, value)
    add_gid(gids, (uint32_t)json_integer_value(value));
  if (wanted->fs_group >= 0)
    add_gid(gids, (uint32_t)wanted->fs_group);
}

bool oci_user_resolve(int rootfs_fd, const OciUserWanted *wanted, OciUser *user, GError **error)
{
  g_auto(GStrv) users = read_lines(rootfs_fd, "etc/passwd");
  g_auto(GStrv) groups = read_lines(rootfs_fd, "etc/group");
  g_auto(GStrv) parts = g_strsplit(wanted->image_user ? wanted->image_user : "", ":", 2);
  bool from_image = wanted->run_as_user < 0;
  g_autofree char *who = from_image ? g_strdup(parts[0] && *parts[0] ? parts[0] : "0")
                                    : g_strdup_printf("%" G_GINT64_FORMAT, wanted->run_as_user);
  *user = (OciUser){ .additional_gids = json_array() };
  bool numeric = parse_id(who, &user->uid);
  g_auto(GStrv) line = find_line(users, numeric ? 2 : 0, who, 6);
  if (!numeric && (!line || !parse_id(line[2], &user->uid)))
    return reason_set(error, REASON_RUNTIME, "no user \"%s\" in the image's /etc/passwd", who);
  if (line) {
    parse_id(line[3], &user->gid);
    if (!wanted->strict)
      add_memberships(groups, line[0], user->additional_gids);
  }
  user->home = g_strdup(line && *line[5] ? line[5] : "/");
  if (wanted->run_as_group >= 0)
    user->gid = (uint32_t)wanted->run_as_group;
  else if (from_image && parts[0] && parts[1] && *parts[1] && !resolve_group(groups, parts[1], &user->gid, error))
    return false;
  add_wanted_groups(wanted, user->additional_gids);
  return true;
}

void oci_user_clear(OciUser *user)
{
  json_decref(user->additional_gids);
  g_free(user->home);
  *user = (OciUser){ 0 };
}
