#pragma once
/* The folders behind volumes of the type hostPath, for those who control volumes: what is done on the machine that is
 * the node. All functions may be called from any thread; none follows a symbolic link. REASON_FILE, REASON_INVALID. */
#include <glib.h>
#include <stdbool.h>

typedef struct VolumeFolders {
  const char *root;      /* below which volumes are provisioned: "/tmp/hostpath-provisioner" */
  const char *node_name; /* whose folders they are */
  /* Makes the folder RELATIVE ("namespace/claim") below ROOT, for everyone to write in. */
  bool (*make)(const char *root, const char *relative, GError **error);
  /* Removes the folder PATH, which must lie below ROOT, with all that is in it. Absent is success. */
  bool (*remove)(const char *root, const char *path, GError **error);
  /* Removes all that is in the folder PATH. */
  bool (*empty)(const char *path, GError **error);
} VolumeFolders;
