#pragma once
/* Small files of the kernel. */
#include <stdbool.h>

#define STAT_FILE_MAX 16384 /* larger than any of these files but /proc/stat, whose begin is enough */

/* Reads the file FILE in the folder PATH below TOP into TEXT, as one string; what does not fit is cut off. False when
 * it cannot be read. */
bool stat_file_read(const char *top, const char *path, const char *file, char text[static STAT_FILE_MAX]);
