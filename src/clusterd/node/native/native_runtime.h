#pragma once
/* What the parts of the native runtime share. Internal to node/native. */
#include <glib.h>
#include <jansson.h>
#include <stdbool.h>

#include "clusterd/node/images/image_store.h"
#include "clusterd/node/images/registries.h"
#include "clusterd/node/runtime.h"
#include "clusterd/node/sandbox/address_pool.h"

#define RUNTIME_ID_LENGTH 64 /* hex digits */

/* A pod sandbox. Everything but READY is fixed once it is in the table; PAUSE_FD is its own. */
typedef struct Sandbox {
  char *id;
  json_t *facts; /* as in DATA/sandboxes/ID.json; never changed after the sandbox was published */
  bool ready;    /* under NativeRuntime.lock */
  int pause_fd;  /* pidfd of the first process of a shared process namespace; -1: there is none */
} Sandbox;

/* A container. Everything below LOCKED is guarded by NativeRuntime.lock. */
typedef struct Container {
  char *id, *sandbox_id;
  json_t *facts;    /* the unchanging part of DATA/containers/ID/state.json */
  char *failure;    /* why it cannot be started, as the OCI runtime says; NULL: it can. Set before it is in the table */
  GMutex operation; /* held during start and remove; taken before SAVING and NativeRuntime.lock */
  GMutex saving;    /* held while the state file is written; taken before NativeRuntime.lock */
  /* LOCKED */
  ContainerState state;
  int64_t started_us, finished_us;
  int exit_code, pid, pid_fd;
  bool oom_killed;
} Container;

typedef struct ExitWatch ExitWatch;

typedef struct NativeRuntime {
  Runtime table; /* first: the kubelet's view */
  char *data_dir, *run_dir, *bridge, *crun, *crun_root, *conmon, *seccomp_profile, *version;
  ImageStore *images;
  Registries *registries;
  AddressPool *addresses;
  ExitWatch *watch;
  GMutex lock;            /* guards what follows and the marked members of what is in it; held only briefly */
  GCond exited;           /* some container ended, or interrupted was set */
  bool interrupted;       /* nobody waits for containers any more */
  GHashTable *sandboxes;  /* id → Sandbox, each entry one reference */
  GHashTable *containers; /* id → Container, each entry one reference */
  RuntimeEvent handler;
  void *handler_data;
} NativeRuntime;

/* A fresh id of RUNTIME_ID_LENGTH hex digits. The caller frees. */
char *runtime_make_id(void);

/* Replaces PATH by VALUE without syncing: a crash of this program leaves the old or the new, a power cut may leave
 * nothing, and what the file describes does not outlive a power cut either. */
bool runtime_write_state(const char *path, const json_t *value, GError **error);

/* "RUN/containers/ID", also the OCI bundle; "DATA/containers/ID"; "RUN/sandboxes/ID". The caller frees. */
char *runtime_bundle(const NativeRuntime *native, const char *container_id);
char *runtime_container_dir(const NativeRuntime *native, const char *container_id);
char *runtime_sandbox_dir(const NativeRuntime *native, const char *sandbox_id);

/* References (g_atomic_rc_box). */
Sandbox *sandbox_ref(Sandbox *sandbox);
void sandbox_unref(Sandbox *sandbox);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Sandbox, sandbox_unref)
Container *container_ref(Container *container);
void container_unref(Container *container);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Container, container_unref)

/* The entry ID, a new reference. NULL with REASON_RUNTIME_NOT_FOUND. */
Sandbox *runtime_find_sandbox(NativeRuntime *native, const char *id, GError **error);
Container *runtime_find_container(NativeRuntime *native, const char *id, GError **error);
