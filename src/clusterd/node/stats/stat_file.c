#include "clusterd/node/stats/stat_file.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <unistd.h>

#include "base/file.h"

bool stat_file_read(const char *top, const char *path, const char *file, char text[static STAT_FILE_MAX])
{
  char name[PATH_MAX];
  int length = snprintf(name, sizeof name, "%s/%s/%s", top, path, file);
  file_autofd int fd = length > 0 && length < (int)sizeof name ? open(name, O_RDONLY | O_CLOEXEC) : -1;
  size_t filled = 0;
  ssize_t got = 0;
  if (fd < 0)
    return false;
  while (filled < STAT_FILE_MAX - 1 && (got = read(fd, text + filled, STAT_FILE_MAX - 1 - filled)) > 0)
    filled += (size_t)got;
  text[filled] = '\0';
  return got >= 0;
}
