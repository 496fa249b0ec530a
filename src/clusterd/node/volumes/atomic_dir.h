#pragma once
/* A folder of files that change all at once: readers follow the link ..data, which is swapped by one rename.
 * Source: the layout of k8s.io/kubernetes/pkg/volume/util AtomicWriter, which programs in containers watch. */
#include <glib.h>
#include <stdbool.h>
#include <sys/types.h>

typedef struct AtomicFile {
  char *path; /* relative, without ".." */
  GBytes *content;
  mode_t mode;
} AtomicFile;

AtomicFile *atomic_file_new(const char *path, GBytes *content, mode_t mode);
void atomic_file_free(AtomicFile *file);

/* Makes DIR hold exactly FILES (AtomicFile*). Nothing is touched when it does already. GROUP owns the files when it is
 * not -1. REASON_FILE, or REASON_INVALID for a path that leads outside. */
bool atomic_dir_write(const char *dir, const GPtrArray *files, gid_t group, GError **error);
