#pragma once
/* A folder of an NFS server, mounted on the node for one pod by the node's mount.nfs.
 * Source: k8s.io/kubernetes pkg/volume/nfs. */
#include <glib.h>
#include <jansson.h>
#include <stdbool.h>

/* Mounts SOURCE ({server, path, readOnly}) at FOLDER/nfs/NAME with OPTIONS (array of strings or NULL) beside; what is
 * mounted there stays. Blocks as long as mount.nfs tries. The path, the caller's; NULL with REASON_INVALID or
 * REASON_FILE, whose message is for the event FailedMount: also where the node has no mount.nfs. Any thread. It
 * is unmounted as every mount below FOLDER is (mounts.h). */
char *nfs_volume_mount(const char *folder, const char *name, const json_t *source, const json_t *options,
                       GError **error);
