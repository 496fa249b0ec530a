#include "clusterd/node/sandbox/pause_layer.h"

#include <string.h>
#include <unistd.h>

#define PROGRAM "clusterd-pause"
#define PAUSE_FILE "pause" /* PAUSE_NAME in the root */
#define TAR_BLOCK 512

/* A tar's header. Source: POSIX, pax, "ustar Interchange Format". */
typedef struct TarHeader {
  char name[100], mode[8], uid[8], gid[8], size[12], mtime[12], checksum[8], type, link[100], magic[6], version[2];
  char owner[32], group[32], major[8], minor[8], prefix[155], rest[12];
} TarHeader;
G_STATIC_ASSERT(sizeof(TarHeader) == TAR_BLOCK);

char *pause_program(void)
{
  g_autofree char *self = g_file_read_link("/proc/self/exe", NULL);
  g_autofree char *folder = self ? g_path_get_dirname(self) : g_strdup("/");
  g_autofree char *beside = g_build_filename(folder, PROGRAM, NULL);
  return access(beside, X_OK) == 0 ? g_steal_pointer(&beside) : g_build_filename(LAUNCHER_LIBEXECDIR, PROGRAM, NULL);
}

GBytes *pause_layer(GBytes *program)
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
