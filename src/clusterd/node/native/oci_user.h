#pragma once
/* Who a container's process runs as, by the container's own /etc/passwd and /etc/group. */
#include <glib.h>
#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

typedef struct OciUser {
  uint32_t uid, gid;
  json_t *additional_gids; /* owned */
  char *home;              /* owned, never NULL */
} OciUser;

typedef struct OciUserWanted {
  const char *image_user;            /* "name", "uid", either with ":group"; may be NULL */
  int64_t run_as_user, run_as_group; /* -1: not said */
  const json_t *supplemental_groups; /* may be NULL */
  bool strict;                       /* the groups of the image's /etc/group do not count */
  int64_t fs_group;                  /* -1: not said */
} OciUserWanted;

/* ROOTFS_FD: the container's root. False with REASON_RUNTIME when a name is unknown. */
bool oci_user_resolve(int rootfs_fd, const OciUserWanted *wanted, OciUser *user, GError **error);
void oci_user_clear(OciUser *user);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(OciUser, oci_user_clear)
