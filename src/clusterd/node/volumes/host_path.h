#pragma once
/* Folders, files, sockets and devices of the node that pods mount. Source: Kubernetes "hostPath volume types". */
#include <glib.h>

/* Checks PATH against TYPE ("", "Directory", "DirectoryOrCreate", "File", "FileOrCreate", "Socket", "CharDevice",
 * "BlockDevice") and makes what "OrCreate" asks for; "" takes what is there and else makes a folder, as container
 * runtimes do. A copy of PATH, the caller's; NULL with REASON_INVALID or REASON_FILE. */
char *host_path_prepare(const char *path, const char *type, GError **error);
