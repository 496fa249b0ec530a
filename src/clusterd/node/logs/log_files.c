#include "clusterd/node/logs/log_files.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "clusterd/node/pod_spec.h"

#define NAME_FORMAT "%Y%m%d-%H%M%S"
#define NAME_LENGTH 22 /* 20261125-221923.000000: sorts by time */
#define DOCKER_SUFFIX "-json.log"
#define DOCKER_ID_LENGTH 64
#define DOCKER_NUMBER_MAX 4 /* digits */

/* What the link at PATH leads to, when it is one to a log of dockerd's; else NULL. The caller frees. */
static char *docker_log(const char *path)
{
  g_autofree char *target = g_file_read_link(path, NULL);
  if (!target)
    return NULL;
  g_autofree char *folder = g_path_get_dirname(target), *id = g_path_get_basename(folder);
  g_autofree char *base = g_path_get_basename(target), *wanted = g_strconcat(id, DOCKER_SUFFIX, NULL);
  bool good = g_path_is_absolute(target) && strlen(id) == DOCKER_ID_LENGTH &&
              strspn(id, "0123456789abcdef") == DOCKER_ID_LENGTH && g_str_equal(base, wanted);
  return good ? g_steal_pointer(&target) : NULL;
}

char *log_files_folder(const char *path)
{
  g_autofree char *target = docker_log(path);
  return g_path_get_dirname(target ? target : path);
}

/* Whether NAME is that of a file rotated out of BASE: by us, or NUMBERED by dockerd. */
static bool is_rotated(const char *name, const char *base, bool numbered)
{
  gsize length = strlen(base);
  if (!g_str_has_prefix(name, base) || name[length] != '.')
    return false;
  const char *end = name + length + 1;
  if (numbered)
    return strlen(end) > 0 && strlen(end) <= DOCKER_NUMBER_MAX && strspn(end, "0123456789") == strlen(end);
  return strlen(end) == NAME_LENGTH && strspn(end, "0123456789-.") == NAME_LENGTH;
}

static guint64 number_of(const char *name)
{
  return g_ascii_strtoull(strrchr(name, '.') + 1, NULL, 10);
}

/* The highest number is the oldest. */
static int compare_numbers(const void *a, const void *b)
{
  guint64 one = number_of(*(char *const *)a), other = number_of(*(char *const *)b);
  return one < other ? 1 : one > other ? -1 : 0;
}

GPtrArray *log_files_rotated(const char *path)
{
  GPtrArray *files = g_ptr_array_new_with_free_func(g_free);
  g_autofree char *target = docker_log(path);
  const char *real = target ? target : path;
  g_autofree char *folder = g_path_get_dirname(real), *base = g_path_get_basename(real);
  g_autoptr(GDir) dir = g_dir_open(folder, 0, NULL);
  const char *name;
  while (dir && (name = g_dir_read_name(dir)))
    if (is_rotated(name, base, target != NULL))
      g_ptr_array_add(files, g_build_filename(folder, name, NULL));
  g_ptr_array_sort(files, target ? compare_numbers : pod_spec_compare_strings);
  return files;
}

/* Files are renamed and removed while we look: what was seen is looked at once more, so many times at most. */
#define TRIES_MAX 100

static int open_log(const char *path)
{
  g_autofree char *target = docker_log(path);
  return open(target ? target : path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
}

int log_files_open_oldest(const char *path)
{
  for (int tries = 0; tries < TRIES_MAX; tries++) {
    g_autoptr(GPtrArray) files = log_files_rotated(path);
    file_autofd int fd = open_log(files->len > 0 ? files->pdata[0] : path);
    g_autoptr(GPtrArray) after = files->len == 0 ? log_files_rotated(path) : NULL;
    if (after && after->len > 0) /* what we opened may be a later one already */
      continue;
    if (fd >= 0 || files->len == 0) {
      int opened = fd;
      fd = -1;
      return opened;
    }
  }
  return -1;
}

/* The place of the file FD reads among FILES; -1: it is not one of them. */
static int place_of(const GPtrArray *files, int fd)
{
  struct stat own, info;
  if (fstat(fd, &own) < 0)
    return -1;
  for (guint i = 0; i < files->len; i++)
    if (stat(files->pdata[i], &info) == 0 && info.st_ino == own.st_ino && info.st_dev == own.st_dev)
      return (int)i;
  return -1;
}

static bool is_removed(int fd)
{
  struct stat info;
  return fstat(fd, &info) < 0 || info.st_nlink == 0;
}

static bool is_at(const char *path, int fd)
{
  struct stat own, info;
  return fstat(fd, &own) == 0 && stat(path, &info) == 0 && info.st_ino == own.st_ino && info.st_dev == own.st_dev;
}

int log_files_open_next(const char *path, int fd)
{
  for (int tries = 0; tries < TRIES_MAX; tries++) {
    g_autoptr(GPtrArray) files = log_files_rotated(path);
    int place = place_of(files, fd);
    if (place < 0 && is_removed(fd))
      return log_files_open_oldest(path);
    if (place < 0 && is_at(path, fd))
      return -1;
    if (place < 0)
      continue; /* it was renamed just now */
    bool last = place + 1 == (int)files->len;
    file_autofd int next = open_log(last ? path : files->pdata[place + 1]);
    g_autoptr(GPtrArray) after = log_files_rotated(path);
    if (last && place_of(after, fd) + 1 < (int)after->len)
      continue; /* and what we opened is further on already */
    if (next < 0 && !last)
      continue;
    int opened = next;
    next = -1;
    return opened;
  }
  return -1;
}

static char *name_at(const char *path, int64_t time_us)
{
  g_autoptr(GDateTime) time = g_date_time_new_from_unix_utc(time_us / G_USEC_PER_SEC);
  g_autofree char *text = g_date_time_format(time, NAME_FORMAT);
  return g_strdup_printf("%s.%s.%06d", path, text, (int)(time_us % G_USEC_PER_SEC));
}

/* When the file was rotated, by its name; 0: that says nothing. */
static int64_t time_of(const char *file)
{
  int year, month, day, hour, minute, second, micro;
  const char *text = file + strlen(file) - NAME_LENGTH;
  if (sscanf(text, "%4d%2d%2d-%2d%2d%2d.%6d", &year, &month, &day, &hour, &minute, &second, &micro) != 7)
    return 0;
  g_autoptr(GDateTime) time = g_date_time_new_utc(year, month, day, hour, minute, second);
  return time ? g_date_time_to_unix(time) * G_USEC_PER_SEC + micro : 0;
}

char *log_files_rotated_name(const char *path, int64_t time_us)
{
  g_autoptr(GPtrArray) before = log_files_rotated(path);
  /* also when the clock was set back */
  int64_t last = before->len > 0 ? time_of(before->pdata[before->len - 1]) : 0;
  return name_at(path, MAX(time_us, last + 1));
}

void log_files_prune(const char *path, guint keep)
{
  g_autofree char *target = docker_log(path);
  if (target)
    return;
  g_autoptr(GPtrArray) files = log_files_rotated(path);
  for (guint i = 0; i + keep < files->len; i++)
    unlink(files->pdata[i]);
}

void log_files_remove(const char *path)
{
  log_files_prune(path, 0);
  unlink(path);
}
