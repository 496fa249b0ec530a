#pragma once
/* Containers: their life from create to remove, and their memory on disk (DATA/containers/ID/state.json). */
#include "clusterd/node/native/native_runtime.h"

/* The Runtime table's entries. */
char *container_create(Runtime *runtime, const char *sandbox_id, const ContainerSpec *spec, GError **error);
bool container_start(Runtime *runtime, const char *container_id, GError **error);
bool container_stop(Runtime *runtime, const char *container_id, int64_t grace_seconds, GError **error);
bool container_reopen_log(Runtime *runtime, const char *container_id, GError **error);
bool container_remove(Runtime *runtime, const char *container_id, GError **error);
ContainerStatus *container_get_status(Runtime *runtime, const char *container_id, GError **error);
GPtrArray *container_list(Runtime *runtime, const char *sandbox_id, GError **error);

/* Writes the container's state file. Takes NativeRuntime.lock. */
bool container_save(NativeRuntime *native, Container *container, GError **error);

/* Takes note that the container has ended, if its exit file says so, and tells the event handler. */
void container_note_exit(NativeRuntime *native, const char *container_id);

/* The container's conmon has ended: takes note of the exit it reported, or ends a container it left alone. */
void container_note_lost(NativeRuntime *native, const char *container_id);

/* Takes up the containers an earlier process left. Before the exit watch starts. */
void container_recover(NativeRuntime *native);
