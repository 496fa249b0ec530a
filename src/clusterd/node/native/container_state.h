#pragma once
/* A container's state in memory and on disk. Internal to container*.c. */
#include "clusterd/node/native/native_runtime.h"

#define EXIT_CODE_UNKNOWN 255 /* of a container whose end nobody saw */

/* A container with these unchanging FACTS ({id, sandboxId, name, attempt, image, imageId, createdUs, stopSignal, tty,
 * …}), CONTAINER_CREATED. New reference. */
Container *container_new(const json_t *facts);
void container_publish(NativeRuntime *native, Container *container);

/* Sets what the container's end was. NativeRuntime.lock is held. */
void container_set_exited(Container *container, int exit_code, bool oom_killed, int64_t finished_us);

/* Takes away everything of a container that has no process. */
void container_erase(NativeRuntime *native, const char *id);

/* The exit conmon reported: true when the exit file is there. */
bool container_read_exit(const NativeRuntime *native, const char *id, int *exit_code, bool *oom_killed,
                         int64_t *finished_us);
