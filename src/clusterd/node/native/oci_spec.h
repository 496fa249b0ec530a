#pragma once
/* The OCI runtime configuration (config.json) of a container. Source: OCI runtime specification 1.0.2. */
#include "clusterd/node/native/native_runtime.h"

typedef struct OciInput {
  const ContainerSpec *spec;
  const Image *image;
  int rootfs_fd;           /* the mounted root file system */
  const char *rootfs;      /* its path */
  const char *cgroup_path; /* "/kubepods/…/ID" */
  const char *hostname;
  /* paths of namespaces; NULL: the node's (net, ipc, uts) or one of the container's own (pid) */
  const char *net, *ipc, *uts, *pid;
  bool host_pid;
  const char *shm;             /* host folder of /dev/shm */
  const char *hostname_file;   /* host file for /etc/hostname */
  const char *seccomp_profile; /* path of RuntimeDefault */
} OciInput;

/* New reference; NULL with REASON_RUNTIME or REASON_BAD_REQUEST (no command, unknown user, unknown capability). */
json_t *oci_spec_make(const OciInput *input, GError **error);

/* The parts, each a new reference or NULL with an error. */
json_t *oci_process_make(const OciInput *input, GError **error);
json_t *oci_mounts_make(const OciInput *input);
json_t *oci_seccomp_read(const char *path, const json_t *capabilities, GError **error);

/* The member KEY of the container's security context, or the pod's. Borrowed, may be NULL. */
const json_t *oci_security(const OciInput *input, const char *key);
bool oci_privileged(const OciInput *input);

/* Names as the OCI writes them ("CAP_CHOWN"), from the default set and securityContext.capabilities. New reference. */
json_t *oci_capabilities(const OciInput *input, GError **error);

/* What of /proc and /sys is hidden from a container, and what of it is read-only; NULL ends them. */
extern const char *const oci_masked_paths[];
extern const char *const oci_readonly_paths[];

/* Where the seccompProfile PROFILE of type Localhost is on this node. The caller frees; NULL with REASON_RUNTIME. */
char *oci_seccomp_local_path(const json_t *profile, GError **error);
