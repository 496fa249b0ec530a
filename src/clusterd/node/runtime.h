#pragma once
/*
 * Container runtimes. The kubelet knows only this table; `native` (our own: image store, crun under conmon, pinned
 * namespaces) is the default. Every call blocks until done; calls on different sandboxes run in parallel.
 * Source of the shape: the CRI (k8s.io/cri-api runtime/v1).
 */
#include <glib.h>
#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

typedef struct SandboxSpec {
  const char *namespace_, *name, *uid;
  unsigned attempt;
  const char *hostname; /* of the UTS namespace */
  bool host_network, host_pid, host_ipc;
  bool share_process_namespace;
  const char *log_directory; /* /var/log/pods/NS_NAME_UID, made by the runtime */
  const char *cgroup_parent; /* "/kubepods/burstable/podUID" relative to the node's cgroup root */
  /* what its containers may use together (ContainerSpec's units); 0: no such limit */
  int64_t cpu_shares, cpu_quota_us, cpu_period_us, memory_limit_bytes;
  const char *runtime_handler; /* of the pod's RuntimeClass; NULL or "": the usual one */
  const json_t *sysctls;       /* [{name, value}], may be NULL */
  const json_t *port_mappings; /* [{protocol, hostPort, containerPort, hostIP}], may be NULL */
} SandboxSpec;

typedef struct SandboxStatus {
  bool ready;
  char *ip;                /* NULL with host network */
  char *other_ip;          /* of the other family; NULL: none */
  char *network_namespace; /* path */
  int64_t created_us;
} SandboxStatus;
void sandbox_status_clear(SandboxStatus *status);

typedef struct ContainerMount {
  const char *host_path, *container_path;
  bool read_only;
  const char *propagation;  /* "private", "rslave", "rshared" */
  bool recursive_read_only; /* with READ_ONLY: what is mounted below it is read-only, too */
  bool no_exec;             /* nothing on it is run, is a device or gives other rights */
} ContainerMount;

/* A device of the node in a container. */
typedef struct ContainerDevice {
  const char *host_path, *container_path;
  const char *access; /* of the control group: "rwm", "r" */
} ContainerDevice;

typedef struct ContainerSpec {
  const char *name;
  unsigned attempt;           /* restart count */
  const char *image_id;       /* as image_status gives it */
  const char *image_ref;      /* what clients are told it is: image_status_ref() */
  const char *const *command; /* NULL: the image's entrypoint */
  const char *const *args;    /* NULL: the image's cmd (unless command is given) */
  const char *working_dir;    /* NULL: the image's */
  const char *const *env;     /* "K=V", NULL-terminated, complete (image's own are added first by the runtime) */
  const ContainerMount *mounts;
  size_t n_mounts;
  const ContainerDevice *devices;
  size_t n_devices;
  const char *log_path; /* absolute; CRI log format, written by conmon */
  bool tty, stdin_, stdin_once;
  const json_t *security_context;     /* container's, merged with the pod's; may be NULL */
  const json_t *pod_security_context; /* may be NULL */
  /* cgroup v2 and v1 limits; 0: none */
  int64_t cpu_shares, cpu_quota_us, cpu_period_us, memory_limit_bytes;
  int oom_score_adj;
  const char *termination_message_path; /* host file, already in mounts; NULL: none */
  /* Another container of the sandbox, which must run: they share its process namespace. NULL: none. Not asked where the
   * whole sandbox shares one, or has the node's. */
  const char *target_id;
} ContainerSpec;

typedef enum ContainerState {
  CONTAINER_CREATED,
  CONTAINER_RUNNING,
  CONTAINER_EXITED,
  CONTAINER_UNKNOWN
} ContainerState;

typedef struct ContainerStatus {
  char *id, *sandbox_id, *name;
  unsigned attempt;
  char *image, *image_id; /* as asked for; resolved digest id */
  char *image_ref;        /* what clients are told it is; NULL: the id */
  ContainerState state;
  int64_t created_us, started_us, finished_us; /* 0: not yet */
  int exit_code;
  bool oom_killed;
  int pid;
  /* Of one that has ended and never ran: what clients are told, "ContainerCannotRun" (dockerd, native) or "StartError"
   * (containerd), and why. NULL otherwise. */
  char *reason, *message;
} ContainerStatus;
void container_status_free(ContainerStatus *status);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(ContainerStatus, container_status_free)

typedef struct ImageStatus {
  char *id;         /* sha256:… of the config */
  char **repo_tags; /* "docker.io/library/busybox:latest" */
  char **repo_digests;
  int64_t size_bytes;
  char *user;  /* of the config; "" for root */
  bool pinned; /* is never removed to gain space */
} ImageStatus;
void image_status_free(ImageStatus *status);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(ImageStatus, image_status_free)

/* What others call IMAGE when REFERENCE was asked for: its "name@sha256:…" of that name, or of another; its id where it
 * comes from no registry. Borrowed. */
const char *image_status_ref(const ImageStatus *image, const char *reference);

/* What happens to containers without being asked. Called on a thread of the runtime; must not block. */
typedef void (*RuntimeEvent)(const char *sandbox_id, const char *container_id, void *data);

typedef struct Runtime Runtime;
struct Runtime {
  const char *name;            /* "native"; the others of base/runtime_name.h */
  const char *version;         /* of the daemon, or with native of the OCI runtime */
  bool rotates_logs;           /* itself: reopen_log is not to be called */
  bool mounts_read_only_below; /* knows ContainerMount.recursive_read_only */

  char *(*run_sandbox)(Runtime *runtime, const SandboxSpec *spec, GError **error); /* its id; the caller frees */
  bool (*stop_sandbox)(Runtime *runtime, const char *sandbox_id, GError **error); /* kills all containers; idempotent */
  bool (*remove_sandbox)(Runtime *runtime, const char *sandbox_id, GError **error); /* and its containers; idempotent */
  bool (*sandbox_status)(Runtime *runtime, const char *sandbox_id, SandboxStatus *status, GError **error);
  /* {id, namespace, name, uid, attempt} of every sandbox known, also from before a restart. New reference. */
  json_t *(*list_sandboxes)(Runtime *runtime, GError **error);

  char *(*create_container)(Runtime *runtime, const char *sandbox_id, const ContainerSpec *spec, GError **error);
  /* What cannot be run fails here (or in create_container, when it cannot be kept): it has then ended, with a reason.
   */
  bool (*start_container)(Runtime *runtime, const char *container_id, GError **error);
  /* SIGTERM (or the image's stop signal), after GRACE_SECONDS SIGKILL. Idempotent. */
  bool (*stop_container)(Runtime *runtime, const char *container_id, int64_t grace_seconds, GError **error);
  bool (*remove_container)(Runtime *runtime, const char *container_id, GError **error);
  /* Has what writes the container's log, whose file has another name now, begin a new one. */
  bool (*reopen_log)(Runtime *runtime, const char *container_id, GError **error);
  ContainerStatus *(*container_status)(Runtime *runtime, const char *container_id, GError **error);
  /* ContainerStatus* of one sandbox, or, with NULL, of all. */
  GPtrArray *(*list_containers)(Runtime *runtime, const char *sandbox_id, GError **error);

  /* Streams as server/node_access.h's NodeProcess (declared there; opaque here). */
  struct NodeProcess *(*exec)(Runtime *runtime, const char *container_id, const char *const *argv, bool with_stdin,
                              bool with_tty, GError **error);
  struct NodeProcess *(*attach)(Runtime *runtime, const char *container_id, bool with_stdin, bool with_tty,
                                GError **error);
  /* A socket connected to 127.0.0.1:PORT inside the sandbox's network namespace. */
  int (*connect)(Runtime *runtime, const char *sandbox_id, uint16_t port, GError **error);

  /* What the numbers of the node are read from; every one NULL when it is not there (any more). The caller frees. */
  char *(*sandbox_cgroup)(Runtime *runtime, const char *sandbox_id);       /* "/kubepods/podUID" below the roots */
  char *(*container_cgroup)(Runtime *runtime, const char *container_id);   /* "/kubepods/podUID/ID" */
  char *(*container_layer)(Runtime *runtime, const char *container_id);    /* the folder of what it wrote itself */
  GArray *(*sandbox_interfaces)(Runtime *runtime, const char *sandbox_id); /* InterfaceUsage; none of the node's own */

  /* The folder images lie in, whose file system they fill. NULL: not on this machine. The caller frees. */
  char *(*image_place)(Runtime *runtime);

  /* REFERENCE as a pod spec writes it ("nginx", "busybox:1.36"). NULL with REASON_RUNTIME_NOT_FOUND when absent. */
  ImageStatus *(*image_status)(Runtime *runtime, const char *reference, GError **error);
  ImageStatus *(*pull_image)(Runtime *runtime, const char *reference, const json_t *auth, GError **error);
  GPtrArray *(*list_images)(Runtime *runtime, GError **error); /* ImageStatus* */
  bool (*remove_image)(Runtime *runtime, const char *reference, GError **error);
  /* A docker-archive or OCI archive from the descriptor. *LOADED gets the array of its references, new reference. */
  bool (*load_image)(Runtime *runtime, int fd, json_t **loaded, GError **error);
  /* A docker-archive of REFERENCES (NULL-terminated) to the descriptor. NULL: see runtime_save_image(). */
  bool (*save_image)(Runtime *runtime, const char *const *references, int fd, GError **error);

  /* Mounts the content of an image, which is here, at the folder TARGET: read-only, nothing in it can be run. While it
   * is mounted, whoever did it, the image is in use. NULL: this runtime cannot. */
  bool (*mount_image)(Runtime *runtime, const char *image_id, const char *target, GError **error);

  void (*set_event_handler)(Runtime *runtime, RuntimeEvent handler, void *data);
  /* The node agent is about to go. Calls that wait for a container to end or for an image return at once with
   * REASON_INTERRUPTED, those in progress and later ones; containers are left as they are. What exec and attach gave is
   * not touched: whoever holds it closes it. May be called from any thread, more than once. */
  void (*interrupt)(Runtime *runtime);
  /* No call is in progress any more, and nothing is left of exec and attach. */
  void (*free)(Runtime *runtime);
};

/* What stands before "://" in containerID and in the Node's containerRuntimeVersion: "crun", "docker", … */
const char *runtime_scheme(const Runtime *runtime);

/* runtime->save_image(), or REASON_RUNTIME with the runtime's name where it cannot. */
bool runtime_save_image(Runtime *runtime, const char *const *references, int fd, GError **error);
