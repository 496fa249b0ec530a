#pragma once
/* What the parts of the CRI runtime share. Internal to node/cri. */
#include <glib.h>
#include <protobuf-c/protobuf-c.h>

#include "clusterd/node/cri/containerd.pb-c.h"
#include "clusterd/node/cri/cri.pb-c.h"
#include "clusterd/node/grpc.h"
#include "clusterd/node/runtime.h"

/* Deadlines of calls, as upstream's kubelet has them. */
#define CRI_CALL_MS (INT64_C(120) * 1000)
#define CRI_SANDBOX_MS (INT64_C(240) * 1000)
#define CRI_PULL_MS (INT64_C(3600) * 1000)

#define CRI_REPLY_MAX (16u << 20) /* bytes of one message, as upstream's kubelet takes */

typedef struct CriEvents CriEvents;

typedef struct CriRuntime {
  Runtime table; /* first: the kubelet's view */
  char *name, *version, *data_dir, *preloaded_store;
  bool is_containerd; /* its own services are there, too */
  GrpcChannel *channel;
  int interrupt_fd; /* eventfd: readable once the node agent is about to go */
  CriEvents *events;
  GMutex preloading; /* held while an image is put into the runtime; taken before LOCK */
  GMutex image_lock; /* held while an image is removed or becomes a volume */
  GMutex lock;       /* guards what follows; held only briefly */
  RuntimeEvent handler;
  void *handler_data;
} CriRuntime;

/* The answer to REQUEST (any message of cri.proto) as a message of type REPLY, to be freed by cri_message_free().
 * METHOD is like "RuntimeService/Version". NULL with the error of grpc_answer_error(). */
void *cri_call(CriRuntime *cri, const char *method, const void *request, const ProtobufCMessageDescriptor *reply,
               int64_t timeout_ms, GError **error);

/* As cri_call() for what is answered by nothing of interest. With MISSING_OK it is fine when there is no such thing. */
bool cri_order(CriRuntime *cri, const char *method, const void *request, int64_t timeout_ms, bool missing_ok,
               GError **error);

/* REQUEST in bytes. */
GByteArray *cri_pack(const void *request);

/* Frees a message that was unpacked; NULL is fine. */
void cri_message_free(void *message);
void cri_message_clear(void *pointer_to_message);
#define cri_auto __attribute__((cleanup(cri_message_clear)))

/* The information beside a status, for those who debug the runtime: the JSON under KEY of ENTRIES. New reference, NULL
 * when there is none. */
json_t *cri_info(Cri__Pair *const *entries, size_t count, const char *key);

/* The namespaces of the sandbox as a container of it has to ask for them, and what else a container is made of. */
Cri__SandboxStatusResponse *cri_sandbox_read(CriRuntime *cri, const char *sandbox_id, bool verbose, GError **error);

/* Annotations of our sandboxes: what containers are made with later. */
#define CRI_ANNOTATION_LOGS "dev.launcher.log-directory"
#define CRI_ANNOTATION_CGROUP "dev.launcher.cgroup-parent"
const char *cri_pair_value(Cri__Pair *const *entries, size_t count, const char *key);

/* Memory of a message being made, all freed at once. */
typedef GPtrArray CriArena;
CriArena *cri_arena_new(void);
void *cri_arena_alloc(CriArena *arena, size_t size); /* zeroed */
char *cri_arena_text(CriArena *arena, const char *text);
/* Takes TEXT. */
char *cri_arena_take(CriArena *arena, char *text);
/* A map's entry. */
Cri__Pair *cri_arena_pair(CriArena *arena, const char *key, const char *value);

/* The Runtime table's entries, by file. */
char *cri_run_sandbox(Runtime *runtime, const SandboxSpec *spec, GError **error);
bool cri_stop_sandbox(Runtime *runtime, const char *sandbox_id, GError **error);
bool cri_remove_sandbox(Runtime *runtime, const char *sandbox_id, GError **error);
bool cri_sandbox_status(Runtime *runtime, const char *sandbox_id, SandboxStatus *status, GError **error);
json_t *cri_list_sandboxes(Runtime *runtime, GError **error);
int cri_connect(Runtime *runtime, const char *sandbox_id, uint16_t port, GError **error);

char *cri_create_container(Runtime *runtime, const char *sandbox_id, const ContainerSpec *spec, GError **error);
bool cri_start_container(Runtime *runtime, const char *container_id, GError **error);
bool cri_stop_container(Runtime *runtime, const char *container_id, int64_t grace_seconds, GError **error);
bool cri_remove_container(Runtime *runtime, const char *container_id, GError **error);
bool cri_reopen_log(Runtime *runtime, const char *container_id, GError **error);
ContainerStatus *cri_container_status(Runtime *runtime, const char *container_id, GError **error);
GPtrArray *cri_list_containers(Runtime *runtime, const char *sandbox_id, GError **error);

char *cri_sandbox_cgroup(Runtime *runtime, const char *sandbox_id);
char *cri_container_cgroup(Runtime *runtime, const char *container_id);
char *cri_container_layer(Runtime *runtime, const char *container_id);
GArray *cri_sandbox_interfaces(Runtime *runtime, const char *sandbox_id);

ImageStatus *cri_image_status(Runtime *runtime, const char *reference, GError **error);
bool cri_image_is(CriRuntime *cri, const char *name, const char *id); /* whether NAME is that image */
ImageStatus *cri_pull_image(Runtime *runtime, const char *reference, const json_t *auth, GError **error);
GPtrArray *cri_list_images(Runtime *runtime, GError **error);
bool cri_remove_image(Runtime *runtime, const char *reference, GError **error);
char *cri_image_place(Runtime *runtime);
bool cri_mount_image(Runtime *runtime, const char *image_id, const char *target, GError **error); /* containerd only */
bool cri_load_image(Runtime *runtime, int fd, json_t **loaded, GError **error);

/* The containers of SANDBOX_ID (NULL: all) or the one with CONTAINER_ID, as the runtime lists them. */
Cri__ListContainersResponse *cri_find_containers(CriRuntime *cri, const char *sandbox_id, const char *container_id,
                                                 GError **error);
