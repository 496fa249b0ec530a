#pragma once
/* The folders of provisioned volumes: made, emptied and removed with everything in them, whatever the pods that wrote
 * there left: no symbolic link is followed, no mount crossed, nothing outside is touched. Any thread. */
#include <glib.h>
#include <stdbool.h>

#define VOLUME_FOLDER_ROOT "/tmp/hostpath-provisioner" /* minikube's; /tmp lies on the machine's data disk */
#define VOLUME_FOLDER_DEPTH_MAX 512                    /* of folders in folders below one that is removed */

/* Makes the folder RELATIVE ("namespace/claim") below ROOT where absent; everyone may write in it. REASON_INVALID,
 * REASON_FILE. */
bool volume_folder_make(const char *root, const char *relative, GError **error);

/* Removes the folder PATH, which must lie below ROOT. Absent is success. REASON_INVALID, REASON_FILE. */
bool volume_folder_remove(const char *root, const char *path, GError **error);

/* Removes all that is in the folder PATH; the root of the file system is refused. REASON_INVALID, REASON_FILE. */
bool volume_folder_empty(const char *path, GError **error);
