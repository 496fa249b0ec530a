#pragma once
/* What the parts of the docker runtime share. Internal to node/docker. */
#include <curl/curl.h>
#include <glib.h>
#include <jansson.h>
#include <stdbool.h>

#include "clusterd/node/runtime.h"
#include "clusterd/node/sandbox/address_pool.h"

/* Upstream's labels; cAdvisor, kubectl plugins and people look for them. */
#define LABEL_CONTAINER "io.kubernetes.container.name"
#define LABEL_POD "io.kubernetes.pod.name"
#define LABEL_NAMESPACE "io.kubernetes.pod.namespace"
#define LABEL_UID "io.kubernetes.pod.uid"
#define LABEL_SANDBOX "io.kubernetes.sandbox.id"
#define LABEL_LOG_PATH "io.kubernetes.container.logpath"
#define LABEL_TYPE "io.kubernetes.docker.type"
#define TYPE_SANDBOX "podsandbox"
#define TYPE_CONTAINER "container"
/* Our own, of a sandbox: JSON of what a restart must know of it. */
#define LABEL_FACTS "io.github.launcher.sandbox"

/* Of a container: what clients are told its image is. */
#define LABEL_IMAGE "io.github.launcher.image"

/* Of an image that was imported: its stop signal, which an import cannot carry. */
#define LABEL_STOP_SIGNAL "io.github.launcher.stop-signal"

/* A pod sandbox. Everything but what is marked is fixed once it is in the table. */
typedef struct DockerSandbox {
  char *id;
  json_t *facts; /* {namespace, name, uid, attempt, ip, otherIp, hostNetwork, hostPid, hostIpc, sharePid, cgroupParent,
                  * createdUs}; never changed after the sandbox was published */
  int pid;       /* of its pause process; 0: unknown */
  bool ready;    /* under DockerRuntime.lock */
  bool held;     /* its address is still taken; under DockerRuntime.lock */
} DockerSandbox;

typedef struct DockerEvents DockerEvents;

typedef struct DockerRuntime {
  Runtime table; /* first: the kubelet's view */
  char *socket_path, *data_dir, *preloaded_store, *bridge, *pause_program, *version, *root_dir, *log_size, *log_files;
  AddressPool *addresses;
  DockerEvents *events;
  GMutex http_lock;      /* guards idle */
  GQueue idle;           /* of CURL: connections to use again */
  GMutex image_lock;     /* held while an image is removed or becomes a volume */
  GMutex lock;           /* guards what follows and the marked members of what is in it; held only briefly */
  GCond changed;         /* the generation has become another */
  uint64_t generation;   /* counts dockerd's events */
  GHashTable *sandboxes; /* id → DockerSandbox, each entry one reference */
  GHashTable *execs;     /* id of an exec → the eventfd that tells of its end */
  GHashTable *transfers; /* CURLM of the streams that are under way: to be woken */
  char *pause_image;     /* its reference, once it is known to be there */
  bool interrupted;
  RuntimeEvent handler;
  void *handler_data;
} DockerRuntime;

/* References (g_atomic_rc_box). */
DockerSandbox *docker_sandbox_ref(DockerSandbox *sandbox);
void docker_sandbox_unref(DockerSandbox *sandbox);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(DockerSandbox, docker_sandbox_unref)

/* False with REASON_INTERRUPTED once the runtime is about to go. */
bool docker_goes_on(DockerRuntime *docker, GError **error);

/* The sandbox ID, a new reference. NULL with REASON_RUNTIME_NOT_FOUND. */
DockerSandbox *docker_find_sandbox(DockerRuntime *docker, const char *id, GError **error);
